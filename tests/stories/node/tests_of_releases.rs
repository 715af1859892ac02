//! Tests that are real processes: their exit codes and last words.

use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use serde_json::{Value, json};

use super::bad_releases::tells;
use super::shop::{LONG, in_shops, template, web};
use support::merge;
use support::objects::{Object, config, with};
use support::same;

support::node_stories![
    a_test_of_the_environment_is_told_with_its_exit_code_and_last_words,
    a_test_of_the_last_verified_release_fails_where_a_feature_is_gone,
    a_test_before_the_first_write_lets_a_release_pass_and_stops_another,
    a_test_that_starts_processes_without_end_is_stopped_and_its_node_goes_on,
];

/// The template of a test that ends as its variables say.
fn test_template(image: &str, variables: Value) -> Value {
    let mut template = template("smoke", image);
    let container = template["spec"]["containers"][0].take();
    let over = json!({ "args": ["job"], "readinessProbe": null, "env": variables });
    template["spec"]["containers"] = json!([with(container, over)]);
    template["spec"]["containers"][0].as_object_mut().map(|main| main.remove("readinessProbe"));
    template["metadata"]["labels"] = json!({ "app": "smoke" });
    template
}

fn variable(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}

async fn a_test_of_the_environment_is_told_with_its_exit_code_and_last_words() -> Result<()> {
    in_shops(&[json!({ "name": "prod" })], "3s", async |shop| {
        let good = shop.image("v1", &[]).await?;
        shop.verified("1.0.0", &[web(&good)]).await?;
        let words = "$(TOWPATH_VERSION) of $(TOWPATH_APPLICATION) after $(TOWPATH_PREVIOUS_VERSION)";
        let variables = json!([variable("EXIT_CODE", "3"), variable("EXIT_MESSAGE", words)]);
        let test = json!({ "name": "smoke", "template": test_template(&good, variables) });
        shop.project.change("environments", "prod", json!({ "spec": { "tests": [test] } })).await?;
        let second = shop.project.release("2.0.0", &[web(&shop.image("v2", &[]).await?)]).await?;
        let failed = shop.ended(&format!("prod-{second}"), "Failed").await?;
        let said = "2.0.0 of shop after 1.0.0";
        tells(&failed["status"], "TestFailed", &["test smoke failed with exit code 3", said])?;
        let found = &failed["status"]["tests"][0];
        same("test", (&found["exitCode"], &found["message"]), (&json!(3), &json!(said)))?;
        shop.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        shop.answers("prod", "web", &json!({ "version": "v1" })).await
    })
    .await
}

/// A ConfigMap with the exit code of the test: in place, it is what runs now; as a copy, it is what the test was written with.
fn features(code: &str, in_place: bool) -> Object {
    let mut features = with(config("features", ""), json!({ "data": { "EXIT_CODE": code } }));
    if in_place {
        merge(&mut features, &json!({ "metadata": { "annotations": { "towpath.dev/config": "InPlace" } } }));
    }
    features
}

async fn a_test_of_the_last_verified_release_fails_where_a_feature_is_gone() -> Result<()> {
    let prod = json!({ "name": "prod", "regression": true });
    in_shops(&[prod], "3s", async |shop| {
        let (first, second) = (shop.image("v1", &[]).await?, shop.image("v2", &[]).await?);
        let mut feature = test_template(&first, json!([variable("EXIT_MESSAGE", "asked for the feature")]));
        feature["spec"]["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "features" } }]);
        let test = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": "feature", "annotations": { "towpath.dev/test": "required" } },
            "spec": { "template": feature },
        });
        shop.verified("1.0.0", &[web(&first), features("0", true), test]).await?;
        let without = [web(&second), features("1", true)];
        let release = shop.project.release("2.0.0", &without).await?;
        let failed = shop.ended(&format!("prod-{release}"), "Failed").await?;
        tells(
            &failed["status"],
            "RegressionFailed",
            &["test feature of version 1.0.0", "asked for the feature"],
        )?;
        shop.ended(&format!("prod-{release}-rollback"), "Verified").await?;
        let spec = json!({ "source": { "manifests": without }, "change": { "drops": ["feature"] } });
        let release = shop.project.release_of("shop", "3.0.0", spec).await?;
        let verified = shop.ended(&format!("prod-{release}"), "Verified").await?;
        let tests = verified["status"]["tests"].as_array().context("no tests")?;
        same("dropped", &tests[0]["result"], &json!("Skipped"))
    })
    .await
}

async fn a_test_before_the_first_write_lets_a_release_pass_and_stops_another() -> Result<()> {
    let (passes, stops) = ("0", "4");
    in_shops(&[json!({ "name": "prod" })], "3s", async |shop| {
        let (first, second) = (shop.image("v1", &[]).await?, shop.image("v2", &[]).await?);
        let tested = async |code: &str| {
            let words = "the database is ready for $(TOWPATH_VERSION) after $(TOWPATH_PREVIOUS_VERSION)";
            let variables = json!([variable("EXIT_CODE", code), variable("EXIT_MESSAGE", words)]);
            let test =
                json!({ "name": "database", "when": "Before", "template": test_template(&first, variables) });
            shop.project.change("environments", "prod", json!({ "spec": { "tests": [test] } })).await
        };
        tested(passes).await?;
        let release = shop.project.release("1.0.0", &[web(&first)]).await?;
        let verified = shop.ended(&format!("prod-{release}"), "Verified").await?;
        let test = &verified["status"]["tests"][0];
        same("test", (&test["result"], &test["exitCode"]), (&json!("Passed"), &json!(0)))?;
        ensure!(test["finishedAt"].as_str() <= verified["status"]["startedAt"].as_str(), "{test}");
        shop.answers("prod", "web", &json!({ "version": "v1" })).await?;
        let pods = async || -> Result<Vec<Value>> {
            let pods = shop.project.pods("prod", "web").await?;
            Ok(pods.iter().map(|pod| pod["metadata"]["uid"].clone()).collect())
        };
        let before = (
            pods().await?,
            shop.project.here("prod", "deployments", "web").await?["metadata"]["generation"].clone(),
        );
        tested(stops).await?;
        let release = shop.project.release("2.0.0", &[web(&second)]).await?;
        let failed = shop.ended(&format!("prod-{release}"), "Failed").await?;
        let said = "the database is ready for 2.0.0 after 1.0.0";
        tells(
            &failed["status"],
            "TestFailed",
            &["nothing was written: test database failed with exit code 4", said],
        )?;
        same("revision", &failed["status"]["revision"], &Value::Null)?;
        let after = (
            pods().await?,
            shop.project.here("prod", "deployments", "web").await?["metadata"]["generation"].clone(),
        );
        same("the pods and the generation", after, before)?;
        shop.answers("prod", "web", &json!({ "version": "v1" })).await
    })
    .await
}

/// A node allows a pod a number of processes. With its limit set by the story, as `podPidsLimit` of its kubelet would, the test goes on
/// for as long as it may: it does not end.
async fn a_test_that_starts_processes_without_end_is_stopped_and_its_node_goes_on() -> Result<()> {
    const ALLOWED: u32 = 48;
    in_shops(&[json!({ "name": "prod" })], "3s", async |shop| {
        let (first, second) = (shop.image("v1", &[]).await?, shop.image("v2", &[]).await?);
        shop.verified("1.0.0", &[web(&first)]).await?;
        let mut template = test_template(&first, json!([variable("FORK", "1")]));
        let limits = json!({ "limits": { "cpu": "200m", "memory": "256Mi" } });
        template["spec"]["containers"][0]["resources"] = limits;
        let test = json!({ "name": "smoke", "timeout": "45s", "template": template });
        shop.project.change("environments", "prod", json!({ "spec": { "tests": [test] } })).await?;
        let release = shop.project.release("2.0.0", &[web(&second)]).await?;
        let container = eventually("the container of the test", LONG, async || {
            let pods = shop.project.pods("prod", "smoke").await?;
            let id =
                pods.iter().find_map(|pod| pod["status"]["containerStatuses"][0]["containerID"].as_str());
            Ok(id.map(str::to_owned))
        })
        .await?;
        shop.node.limit_processes(&container, ALLOWED)?;
        eventually("the test to have as many processes as it may", LONG, async || {
            Ok(shop.node.processes(&container).filter(|count| *count + 4 >= ALLOWED))
        })
        .await?;

        let promotion = format!("prod-{release}");
        let ended = shop.ended(&promotion, "Inconclusive").await?;
        let words = ["test smoke has no result: Timeout", "it did not end within 45s"];
        tells(&ended["status"], "TestErrored", &words)?;
        eventually("its processes to end", LONG, async || {
            Ok(shop.node.processes(&container).is_none().then_some(()))
        })
        .await?;
        same("pods of the test", shop.project.pods("prod", "smoke").await?.len(), 0)?;
        same("promotions", shop.project.all("promotions").await?.len(), 2)?;
        shop.answers("prod", "web", &json!({ "version": "v2" })).await?;

        // The node starts pods, and ends them.
        shop.project.change("environments", "prod", json!({ "spec": { "tests": null } })).await?;
        let third = shop.project.release("3.0.0", &[web(&shop.image("v3", &[]).await?)]).await?;
        shop.project.promotion("next", json!({ "release": third, "environment": "prod" })).await?;
        shop.ended("next", "Verified").await?;
        shop.answers("prod", "web", &json!({ "version": "v3" })).await
    })
    .await
}
