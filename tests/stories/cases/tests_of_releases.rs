//! Tests run against the rolled-out release: a failed one rolls it back, and one without a result rolls nothing back.

use anyhow::{Context, Result, ensure};
use control_plane::{AuditEvent, eventually};
use serde_json::{Value, json};
use support::objects::{self, deployment, image, with};
use support::operator::Flags;
use support::relay::Relay;
use support::requests::is_write;
use support::{Project, SOON, in_project, merge, same, with_own_controller};

support::stories![
    a_release_is_verified_when_the_tests_of_its_environment_and_its_own_have_passed,
    a_failed_test_rolls_its_release_back_and_its_job_stays,
    a_test_whose_pod_cannot_start_rolls_nothing_back,
    a_test_whose_pod_the_quota_refuses_says_so,
    a_test_whose_pod_is_deleted_is_repeated,
    a_test_that_passed_stays_so_when_its_pod_is_deleted_and_the_controller_is_killed,
    a_test_that_does_not_end_is_suspended,
    a_test_runs_once_when_the_controller_is_killed_while_it_runs,
    the_last_lines_of_the_log_are_recorded_where_a_test_asks_for_them,
    tests_beyond_the_history_are_deleted,
    a_test_that_reaches_for_the_node_is_refused_before_anything_is_written,
];

/// The template of a test whose pods fare as the tag says, for some seconds.
fn template(tag: &str, seconds: u32) -> Value {
    json!({
        "metadata": { "annotations": { "fate.towpath.dev/seconds": seconds.to_string() } },
        "spec": { "containers": [{ "name": "main", "image": image(tag) }] },
    })
}

/// The environment `prod` with one test.
pub fn prod(tag: &str, seconds: u32, more: Value) -> Value {
    let mut test = json!({ "name": "smoke", "template": template(tag, seconds) });
    merge(&mut test, &more);
    json!({ "name": "prod", "tests": [test] })
}

/// The record of a test.
pub fn test<'a>(promotion: &'a Value, name: &str) -> Result<&'a Value> {
    let tests = promotion["status"]["tests"].as_array().context("no tests")?;
    tests.iter().find(|test| test["name"] == name).with_context(|| format!("no test {name} in {tests:?}"))
}

/// The Job of the last attempt of a test.
pub async fn job(project: &Project, test: &Value) -> Result<Value> {
    let name = test["job"].as_str().context("no Job")?;
    project.live("prod", "jobs", name).await?.with_context(|| format!("Job {name} is gone"))
}

/// Waits until the Job of a test is suspended, which is written after the record.
pub async fn suspended(project: &Project, test: &Value) -> Result<()> {
    eventually("the Job to be suspended", SOON, async || {
        Ok((job(project, test).await?["spec"]["suspend"] == true).then_some(()))
    })
    .await
}

pub fn reads(found: &Value, field: &str, wanted: &str) -> Result<()> {
    let text = found[field].as_str().unwrap_or_default();
    ensure!(text.contains(wanted), "nothing of {wanted:?} in {field}: {found:#}");
    Ok(())
}

/// Waits until the only test runs; returns its record.
pub async fn running(project: &Project, promotion: &str) -> Result<Value> {
    eventually("the test to run", SOON, async || {
        let found = project.ours("promotions", promotion).await?;
        let Ok(test) = test(&found, "smoke") else { return Ok(None) };
        let pods = project.list("prod", "pods").await?;
        let job = test["job"].as_str().unwrap_or("none");
        let is_there = pods.iter().any(|pod| pod["metadata"]["labels"]["job-name"] == job);
        Ok((test["result"] == "Running" && is_there).then(|| test.clone()))
    })
    .await
}

async fn a_release_is_verified_when_the_tests_of_its_environment_and_its_own_have_passed() -> Result<()> {
    in_project(&[prod("t1", 3, json!({}))], async |project| {
        let objects = [deployment("web", "v1", None), objects::test("checkout", "t1")];
        let release = project.release("1.0.0", &objects).await?;
        let promotion = project.ended(&format!("prod-{release}"), "Verified").await?;
        for (name, origin) in [("smoke", "Environment"), ("checkout", "Content")] {
            let test = test(&promotion, name)?;
            same(
                name,
                (&test["result"], &test["origin"], &test["attempts"]),
                (&json!("Passed"), &json!(origin), &json!(1)),
            )?;
            let job = job(project, test).await?;
            let owner = format!("{}.prod.shop", project.name);
            same(
                "owner",
                job["metadata"]["annotations"]["towpath.dev/owner"].as_str(),
                Some(owner.as_str()),
            )?;
            let manager = &job["metadata"]["managedFields"][0]["manager"];
            same("field manager", manager, &json!("towpath"))?;
            same("restarts", &job["spec"]["backoffLimit"], &json!(0))?;
        }
        same("ended after its tests", promotion["status"]["steps"].as_array().map(Vec::len), Some(3))
    })
    .await
}

async fn a_failed_test_rolls_its_release_back_and_its_job_stays() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let objects = [deployment("web", "v2", None), objects::test("checkout", "t-job-failure")];
        let second = project.release("2.0.0", &objects).await?;
        let failed = project.ended(&format!("prod-{second}"), "Failed").await?;
        same("reason", &failed["status"]["reason"], &json!("TestFailed"))?;
        reads(&failed["status"], "message", "test checkout failed with exit code 1")?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        let web = project.live("prod", "deployments", "web").await?.context("no web")?;
        same("image", &web["spec"]["template"]["spec"]["containers"][0]["image"], &json!(image("v1")))?;
        let test = test(&failed, "checkout")?;
        same("result", (&test["result"], &test["exitCode"]), (&json!("Failed"), &json!(1)))?;
        job(project, test).await.map(drop)
    })
    .await
}

/// Promotes a release whose test has no result: it stays, and automation stops.
async fn has_no_result(project: &Project, reason: &str, words: &str) -> Result<Value> {
    let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
    let name = format!("prod-{release}");
    let ended = project.ended(&name, "Inconclusive").await?;
    same("reason", &ended["status"]["reason"], &json!("TestErrored"))?;
    let found = test(&ended, "smoke")?.clone();
    same("test", (&found["result"], &found["reason"]), (&json!("Errored"), &json!(reason)))?;
    reads(&found, "message", words)?;
    reads(&ended["status"], "message", "has no result")?;
    ensure!(
        project.get(&project.path("promotions", &format!("{name}-rollback"))).await?.is_none(),
        "rolled back"
    );
    Ok(found)
}

async fn a_test_whose_pod_cannot_start_rolls_nothing_back() -> Result<()> {
    let environment = prod("t-image-error", 1, json!({ "keepLog": 10 }));
    in_project(&[environment], async |project| {
        let test = has_no_result(project, "ImagePullBackOff", "").await?;
        suspended(project, &test).await?;
        same("log", &test["log"], &Value::Null)
    })
    .await
}

async fn a_test_whose_pod_the_quota_refuses_says_so() -> Result<()> {
    let mut environment = prod("t1", 1, json!({}));
    merge(&mut environment, &json!({ "rollbackPolicyRef": "hasty" }));
    in_project(&[environment], async |project| {
        project.policy("hasty", json!({ "observeWindow": "3s", "failing": { "createErrors": "15s" } })).await?;
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "two" }, "spec": { "hard": { "pods": "2" } },
        });
        project.post(&project.live_path("prod", "resourcequotas"), quota).await?;
        has_no_result(project, "FailedCreate", "exceeded quota").await.map(drop)
    })
    .await
}

async fn a_test_whose_pod_is_deleted_is_repeated() -> Result<()> {
    in_project(&[prod("t1", 20, json!({ "retries": 1 }))], async |project| {
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let name = format!("prod-{release}");
        let first = running(project, &name).await?;
        let job = first["job"].as_str().context("no Job")?;
        let selector = format!("job-name={job}");
        project.kubectl().run(&["delete", "pod", "-l", &selector, "-n", &project.target("prod")])?;
        let verified = project.ended(&name, "Verified").await?;
        let test = test(&verified, "smoke")?;
        same("attempts", (&test["attempts"], &test["result"]), (&json!(2), &json!("Passed")))?;
        ensure!(test["job"] != first["job"], "the second attempt has its own Job");
        Ok(())
    })
    .await
}

/// The pass is written with the outcome: until then, only the Job says it to the next process.
async fn a_test_that_passed_stays_so_when_its_pod_is_deleted_and_the_controller_is_killed() -> Result<()> {
    let mut environment = prod("t1", 2, json!({}));
    merge(&mut environment, &json!({ "rollbackPolicyRef": "watched" }));
    with_own_controller(&[environment], async |project| {
        project.policy("watched", json!({ "observeWindow": "25s" })).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let name = format!("prod-{release}");
        let test = running(project, &name).await?;
        eventually("the Job to complete", SOON, async || {
            Ok((job(project, &test).await?["status"]["succeeded"] == 1).then_some(()))
        })
        .await?;
        project.operator(|operator| operator.kill())?;
        let found = project.ours("promotions", &name).await?;
        same("the record", &self::test(&found, "smoke")?["result"], &json!("Running"))?;
        let selector = format!("job-name={}", test["job"].as_str().context("no Job")?);
        project.kubectl().run(&["delete", "pod", "-l", &selector, "-n", &project.target("prod")])?;
        project.free_lease().await?;
        project.start().await?;
        let verified = project.ended(&name, "Verified").await?;
        let test = self::test(&verified, "smoke")?;
        same("test", (&test["attempts"], &test["result"]), (&json!(1), &json!("Passed")))
    })
    .await
}

async fn a_test_that_does_not_end_is_suspended() -> Result<()> {
    let environment = prod("t1", 300, json!({ "timeout": "10s", "keepLog": 5 }));
    in_project(&[environment], async |project| {
        let test = has_no_result(project, "Timeout", "it did not end within 10s").await?;
        // A played node has no logs.
        reads(&test, "log", "the log cannot be read")?;
        suspended(project, &test).await
    })
    .await
}

async fn a_test_runs_once_when_the_controller_is_killed_while_it_runs() -> Result<()> {
    with_own_controller(&[prod("t1", 15, json!({}))], async |project| {
        runs_once_although_killed(project, &[deployment("web", "v1", None)]).await.map(drop)
    })
    .await
}

/// Kills the controller while the only test runs and starts it again: one Job was created. Returns the writes in the target namespace.
pub async fn runs_once_although_killed(project: &Project, objects: &[Value]) -> Result<Vec<AuditEvent>> {
    let mark = project.cluster.audit()?.mark().await?;
    let release = project.release("1.0.0", objects).await?;
    let name = format!("prod-{release}");
    running(project, &name).await?;
    project.operator(|operator| operator.kill())?;
    project.free_lease().await?;
    project.start().await?;
    let verified = project.ended(&name, "Verified").await?;
    let test = test(&verified, "smoke")?;
    same("attempts", (&test["attempts"], &test["result"]), (&json!(1), &json!("Passed")))?;
    let target = project.target("prod");
    let events = project.cluster.audit()?.since(mark).await?;
    let writes = events.into_iter().filter(|event| is_write(event) && event.namespace == target);
    let writes: Vec<AuditEvent> = writes.collect();
    let created = writes.iter().filter(|event| event.resource == "jobs" && event.code == 201);
    same("Jobs", created.count(), 1)?;
    Ok(writes)
}

async fn tests_beyond_the_history_are_deleted() -> Result<()> {
    let environment = with(prod("t1", 1, json!({})), json!({ "historyLimit": 3 }));
    in_project(&[environment], async |project| {
        let mut jobs = Vec::new();
        for version in ["1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"] {
            let release =
                project.release(version, &[deployment("web", &format!("v{version}"), None)]).await?;
            let promotion = project.ended(&format!("prod-{release}"), "Verified").await?;
            jobs.push(test(&promotion, "smoke")?["job"].as_str().context("no Job")?.to_owned());
        }
        eventually("the Job of the second promotion to be deleted", SOON, async || {
            let found = project.list("prod", "jobs").await?;
            let is_there = |name: &String| found.iter().any(|job| job["metadata"]["name"] == *name);
            Ok((!is_there(&jobs[1]) && is_there(&jobs[4])).then_some(()))
        })
        .await
    })
    .await
}

async fn a_test_that_reaches_for_the_node_is_refused_before_anything_is_written() -> Result<()> {
    let container = |more: Value| with(json!({ "name": "main", "image": image("t1") }), more);
    let privileged = container(json!({ "securityContext": { "privileged": true } }));
    let mounts = json!([{ "name": "root", "hostPath": { "path": "/" } }]);
    for (spec, words) in [
        (json!({ "containers": [privileged] }), "privileged containers"),
        (json!({ "containers": [container(json!({}))], "volumes": mounts }), "hostPath volumes"),
        (json!({ "containers": [container(json!({}))], "hostNetwork": true }), "hostNetwork"),
    ] {
        let test = json!({ "name": "smoke", "template": { "spec": spec } });
        in_project(&[json!({ "name": "prod", "tests": [test] })], async |project| {
            let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
            let says = |it: &Value| it["status"]["message"].as_str().is_some_and(|text| text.contains(words));
            let name = format!("prod-{release}");
            let refused = project.until("promotions", &name, words, says).await?;
            reads(&refused["status"], "message", "Job smoke")?;
            same("revision", &refused["status"]["revision"], &Value::Null)?;
            same("objects", project.snapshot("prod").await?.len(), 0)
        })
        .await?;
    }
    Ok(())
}

async fn the_last_lines_of_the_log_are_recorded_where_a_test_asks_for_them() -> Result<()> {
    let project = Project::without_controller(&[prod("t-job-failure", 1, json!({ "keepLog": 3 }))]).await?;
    let relay = Relay::start(&project.cluster.admin().config).await?;
    relay.tells_log("asked for /checkout\n\u{1b}[31m404\u{1b}[0m\n");
    let flags = Flags { server: Some(relay.url().to_owned()), ..Flags::own_lease(&project.name) };
    project.start_as(&flags).await?;
    let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
    let failed = project.ended(&format!("prod-{release}"), "Failed").await?;
    let log = json!("asked for /checkout\n\\u{1b}[31m404\\u{1b}[0m");
    same("log", &test(&failed, "smoke")?["log"], &log)?;
    let asked = relay.logs();
    ensure!(
        asked.len() == 1 && asked[0].contains("container=main") && asked[0].contains("tailLines=3"),
        "{asked:?}"
    );
    Ok(())
}
