//! Config travels with the code; what is the environment's own stays.

use anyhow::Result;
use serde_json::{Value, json};
use support::objects::{config, deployment, image, with};
use support::{in_project, same};

support::stories![
    a_release_of_config_alone_rolls_the_pods_and_a_rollback_brings_the_config_back,
    a_config_map_in_place_keeps_its_name_and_its_pods_are_rolled,
    an_object_that_the_environment_keeps_is_demanded_and_never_written,
    overrides_set_replicas_variables_and_whatever_a_patch_says,
];

fn uids(pods: &[Value]) -> Vec<String> {
    let mut uids: Vec<_> =
        pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned)).collect();
    uids.sort();
    uids
}

async fn a_release_of_config_alone_rolls_the_pods_and_a_rollback_brings_the_config_back() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let web = || deployment("web", "v1", Some("web-config"));
        let first = project.release("1.0.0", &[config("web-config", "hello"), web()]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let before = uids(&project.pods("prod", "web").await?);
        let template = project.here("prod", "deployments", "web").await?["spec"]["template"].clone();

        let second = project.release("2.0.0", &[config("web-config", "goodbye"), web()]).await?;
        project.ended(&format!("prod-{second}"), "Verified").await?;
        let read = project.config_of("prod", "deployments", "web").await?;
        same("config", read, vec![json!({ "GREETING": "goodbye" })])?;
        let after = uids(&project.pods("prod", "web").await?);
        same("pods are new", before.iter().any(|uid| after.contains(uid)), false)?;

        let back = json!({ "release": second, "environment": "prod", "kind": "Rollback" });
        project.promotion("back", back).await?;
        project.ended("back", "Verified").await?;
        let now = project.here("prod", "deployments", "web").await?["spec"]["template"].clone();
        same("pod template", now, template)?;
        let read = project.config_of("prod", "deployments", "web").await?;
        same("config", read, vec![json!({ "GREETING": "hello" })])
    })
    .await
}

async fn a_config_map_in_place_keeps_its_name_and_its_pods_are_rolled() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let objects = |greeting: &str| {
            let in_place = json!({ "metadata": { "annotations": { "towpath.dev/config": "InPlace" } } });
            [with(config("web-config", greeting), in_place), deployment("web", "v1", Some("web-config"))]
        };
        let first = project.release("1.0.0", &objects("hello")).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let before = uids(&project.pods("prod", "web").await?);
        let second = project.release("2.0.0", &objects("goodbye")).await?;
        project.ended(&format!("prod-{second}"), "Verified").await?;
        let data = project.here("prod", "configmaps", "web-config").await?["data"].clone();
        same("data", data, json!({ "GREETING": "goodbye" }))?;
        let after = uids(&project.pods("prod", "web").await?);
        same("pods are new", before.iter().any(|uid| after.contains(uid)), false)?;
        project
            .promotion("back", json!({ "release": second, "environment": "prod", "kind": "Rollback" }))
            .await?;
        project.ended("back", "Verified").await?;
        let data = project.here("prod", "configmaps", "web-config").await?["data"].clone();
        same("data", data, json!({ "GREETING": "hello" }))
    })
    .await
}

async fn an_object_that_the_environment_keeps_is_demanded_and_never_written() -> Result<()> {
    let prod = json!({ "name": "prod", "keeps": [{ "kind": "ConfigMap", "name": "database" }] });
    in_project(&[prod], async |project| {
        let objects = [config("database", "of the release"), deployment("web", "v1", Some("database"))];
        let release = project.release("1.0.0", &objects).await?;
        let name = format!("prod-{release}");
        let missing =
            |it: &Value| it["status"]["message"].as_str().is_some_and(|text| text.contains("spec.keeps"));
        project.until("promotions", &name, "the kept object is missed", missing).await?;
        same("nothing written", project.snapshot("prod").await?.len(), 0)?;
        project.apply("prod", &[config("database", "of prod")])?;
        project.ended(&name, "Verified").await?;
        let web = project.here("prod", "deployments", "web").await?;
        let from = &web["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"];
        same("reference", from.as_str(), Some("database"))?;
        let data = project.here("prod", "configmaps", "database").await?["data"].clone();
        same("data", data, json!({ "GREETING": "of prod" }))
    })
    .await
}

async fn overrides_set_replicas_variables_and_whatever_a_patch_says() -> Result<()> {
    let prod = json!({ "name": "prod", "overrides": {
        "replicas": [{ "kind": "Deployment", "name": "web", "replicas": 3 }],
        "env": [{ "kind": "Deployment", "name": "web", "variables": [{ "name": "STAGE", "value": "prod" }] }],
        "patches": [{ "kind": "Deployment", "name": "web", "operations": [
            { "op": "add", "path": "/spec/template/spec/priority", "value": 0 },
            { "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry.example/shop:patched" },
        ] }],
    } });
    in_project(&[prod], async |project| {
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;
        let spec = project.here("prod", "deployments", "web").await?["spec"].clone();
        same("replicas", spec["replicas"].as_i64(), Some(3))?;
        let container = &spec["template"]["spec"]["containers"][0];
        same("env", container["env"].clone(), json!([{ "name": "STAGE", "value": "prod" }]))?;
        same("image", container["image"].as_str(), Some(image("patched").as_str()))?;

        let change = json!({ "spec": { "overrides": { "env": [] } } });
        project.change("environments", "prod", change).await?;
        project.condition("environments", "prod", "OverridesPending", "True", "").await?;
        project.promotion("again", json!({ "release": release, "environment": "prod" })).await?;
        project.ended("again", "Verified").await?;
        let web = project.here("prod", "deployments", "web").await?;
        same("no variable", web["spec"]["template"]["spec"]["containers"][0]["env"].is_null(), true)?;
        let settled = |it: &Value| support::waits::condition(it, "OverridesPending").is_none();
        project.until("environments", "prod", "no override pending", settled).await.map(drop)
    })
    .await
}
