//! Tests before the first write: a gate that a release passes only with them, and that a person can pass without.

use super::tests_of_releases::{job, prod, reads, running, runs_once_although_killed, suspended, test};
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use support::objects::{config, deployment, with};
use support::{Project, in_project, same, with_own_controller};

support::stories![
    a_release_is_promoted_when_its_test_has_passed_before,
    nothing_of_a_release_is_written_whose_test_fails_before,
    a_test_that_cannot_start_before_waits_with_words_and_a_person_can_pass_it,
    a_window_that_closes_while_a_test_runs_before_delays_the_start,
    a_test_before_is_stopped_with_its_promotion,
    a_test_before_that_reads_config_of_the_release_is_refused,
    a_test_before_runs_once_when_the_controller_is_killed_while_it_runs,
];

/// The environment `prod` with a test before the first write.
fn guarded(tag: &str, seconds: u32, more: Value) -> Value {
    prod(tag, seconds, with(json!({ "when": "Before" }), more))
}

fn web(tag: &str) -> [Value; 1] {
    [deployment("web", tag, None)]
}

/// The Jobs of the target namespace, and whether anything else of a release is there.
async fn only_jobs(project: &Project) -> Result<usize> {
    let web = project.live("prod", "deployments", "web").await?;
    ensure!(web.is_none(), "written before the test has passed: {web:?}");
    Ok(project.list("prod", "jobs").await?.len())
}

async fn waits_at(project: &Project, name: &str, gate: &str, words: &str) -> Result<Value> {
    let says = |it: &Value| {
        let message = it["status"]["message"].as_str().unwrap_or_default();
        it["status"]["reason"] == gate && message.contains(words)
    };
    project.until("promotions", name, words, says).await
}

async fn a_release_is_promoted_when_its_test_has_passed_before() -> Result<()> {
    in_project(&[guarded("t1", 20, json!({}))], async |project| {
        let release = project.release("1.0.0", &web("v1")).await?;
        let name = format!("prod-{release}");
        waits_at(project, &name, "Evidence", "test smoke runs before the first write").await?;
        running(project, &name).await?;
        same("Jobs", only_jobs(project).await?, 1)?;
        let verified = project.ended(&name, "Verified").await?;
        let test = test(&verified, "smoke")?;
        same("test", (&test["result"], &test["when"]), (&json!("Passed"), &json!("Before")))?;
        same("digest", &test["digest"], &verified["status"]["digest"])?;
        ensure!(test["finishedAt"].as_str() <= verified["status"]["startedAt"].as_str(), "{verified:#}");
        let job = job(project, test).await?;
        let variables = &job["spec"]["template"]["spec"]["containers"][0]["env"];
        let value = |name: &str| {
            let all = variables.as_array().into_iter().flatten();
            all.clone().find(|it| it["name"] == name).map(|it| it["value"].clone()).unwrap_or_default()
        };
        same("version", value("TOWPATH_VERSION"), json!("1.0.0"))?;
        same("digest", &value("TOWPATH_DIGEST"), &verified["status"]["digest"])
    })
    .await
}

async fn nothing_of_a_release_is_written_whose_test_fails_before() -> Result<()> {
    in_project(&[guarded("t-job-failure", 1, json!({ "retries": 1 }))], async |project| {
        let release = project.release("1.0.0", &web("v1")).await?;
        let failed = project.ended(&format!("prod-{release}"), "Failed").await?;
        same("reason", &failed["status"]["reason"], &json!("TestFailed"))?;
        reads(
            &failed["status"],
            "message",
            "nothing was written: test smoke failed with exit code 1 in 2 attempts",
        )?;
        same("revision", &failed["status"]["revision"], &Value::Null)?;
        same("Jobs", only_jobs(project).await?, 2)?;
        same("rollbacks", project.all("promotions").await?.len(), 1)?;
        project.condition("releases", &release, "Verified", "False", "").await?;
        // A person promotes it again when the cause is fixed.
        let fixed = guarded("t1", 1, json!({}))["tests"].clone();
        project.change("environments", "prod", json!({ "spec": { "tests": fixed } })).await?;
        project.promotion("again", json!({ "release": release, "environment": "prod" })).await?;
        project.ended("again", "Verified").await.map(drop)
    })
    .await
}

async fn a_test_that_cannot_start_before_waits_with_words_and_a_person_can_pass_it() -> Result<()> {
    in_project(&[guarded("t-image-error", 1, json!({}))], async |project| {
        let release = project.release("1.0.0", &web("v1")).await?;
        let name = format!("prod-{release}");
        let waiting = waits_at(project, &name, "Evidence", "test smoke has no result: ImagePullBackOff").await?;
        reads(&waiting["status"], "message", "users granted override can pass the gate Evidence")?;
        same("phase", &waiting["status"]["phase"], &json!("Pending"))?;
        suspended(project, test(&waiting, "smoke")?).await?;
        only_jobs(project).await?;
        let accept = json!({
            "release": release, "environment": "prod", "override": { "gates": ["Evidence"], "reason": "the registry is down" },
        });
        project.promotion("accepted", accept).await?;
        let accepted = project.ended("accepted", "Verified").await?;
        same("test", &test(&accepted, "smoke")?["result"], &json!("Skipped"))?;
        project.ended(&name, "Cancelled").await.map(drop)
    })
    .await
}

async fn a_window_that_closes_while_a_test_runs_before_delays_the_start() -> Result<()> {
    in_project(&[guarded("t1", 20, json!({}))], async |project| {
        let release = project.release("1.0.0", &web("v1")).await?;
        let name = format!("prod-{release}");
        running(project, &name).await?;
        let later = Timestamp::now().to_zoned(TimeZone::UTC).hour().wrapping_add(6).rem_euclid(24);
        let closed = json!([{ "schedule": format!("0 {later} * * *"), "duration": "1h" }]);
        project.change("environments", "prod", json!({ "spec": { "windows": closed } })).await?;
        waits_at(project, &name, "Window", "").await?;
        let passed = |it: &Value| test(it, "smoke").is_ok_and(|test| test["result"] == "Passed");
        let waiting = project.until("promotions", &name, "the test has passed", passed).await?;
        same("phase", &waiting["status"]["phase"], &json!("Pending"))?;
        same("Jobs", only_jobs(project).await?, 1)?;
        project.change("environments", "prod", json!({ "spec": { "windows": null } })).await?;
        let verified = project.ended(&name, "Verified").await?;
        same("attempts", &test(&verified, "smoke")?["attempts"], &json!(1))
    })
    .await
}

async fn a_test_before_is_stopped_with_its_promotion() -> Result<()> {
    in_project(&[guarded("t1", 300, json!({}))], async |project| {
        let release = project.release("1.0.0", &web("v1")).await?;
        let name = format!("prod-{release}");
        running(project, &name).await?;
        project.delete("releases", &release).await?;
        let ended = project.ended(&name, "Cancelled").await?;
        let test = test(&ended, "smoke")?;
        same("test", (&test["result"], &test["reason"]), (&json!("Errored"), &json!("Stopped")))?;
        suspended(project, test).await?;
        same("Jobs", only_jobs(project).await?, 1)
    })
    .await
}

async fn a_test_before_that_reads_config_of_the_release_is_refused() -> Result<()> {
    let volumes = json!([{ "name": "cases", "configMap": { "name": "cases" } }]);
    let reads_it = json!({ "template": { "spec": { "volumes": volumes } } });
    in_project(&[guarded("t1", 1, reads_it)], async |project| {
        let release =
            project.release("1.0.0", &[deployment("web", "v1", None), config("cases", "x")]).await?;
        let refused = project.ended(&format!("prod-{release}"), "Failed").await?;
        same("reason", &refused["status"]["reason"], &json!("InvalidContent"))?;
        reads(&refused["status"], "message", "test smoke runs before anything is written")?;
        same("objects", project.snapshot("prod").await?.len(), 0)
    })
    .await
}

async fn a_test_before_runs_once_when_the_controller_is_killed_while_it_runs() -> Result<()> {
    with_own_controller(&[guarded("t1", 15, json!({}))], async |project| {
        let writes = runs_once_although_killed(project, &web("v1")).await?;
        let first = writes.iter().filter(|event| event.impersonated_user.is_some() && event.code < 300);
        let first = first.min_by_key(|event| event.time).context("nothing was written")?;
        same("first write", first.resource.as_str(), "jobs")
    })
    .await
}
