//! Jobs that a user deletes, and Jobs whose pods cannot run or are evicted: all are seen at once, and nothing runs twice.

use super::hooks::{jobs, lasting, step};
use super::tests_of_releases::{job, prod, running as running_test, test};
use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use serde_json::{Value, json};
use support::objects::{deployment, hook, with};
use support::requests::is_write;
use support::{Project, SOON, in_project, same, with_own_controller};

support::stories![
    a_hook_that_is_deleted_while_the_controller_is_down_is_not_run_again,
    a_hook_that_is_deleted_while_it_runs_fails_the_promotion_at_once,
    a_hook_whose_image_cannot_be_pulled_fails_the_promotion_at_once,
    a_job_for_which_no_pod_can_be_created_fails_after_the_time_for_creation,
    a_job_that_runs_longer_than_the_progress_deadline_is_waited_for,
    a_job_whose_pod_was_evicted_says_nothing_when_its_pod_is_gone,
    a_test_whose_job_is_deleted_while_the_controller_is_down_is_not_run_again,
];

/// Waits until the Job of a hook runs, and deletes it.
async fn delete_running(project: &Project, name: &str) -> Result<()> {
    let job = running(project, name).await?;
    project.kubectl().run(&["delete", "job", &job, "-n", &project.target("prod")]).map(drop)
}

async fn running(project: &Project, name: &str) -> Result<String> {
    eventually("the hook to run", SOON, async || {
        let jobs = jobs(project, name).await?;
        let running = jobs.iter().find(|job| job["status"]["active"] == 1);
        Ok(running.and_then(|job| Some(job["metadata"]["name"].as_str()?.to_owned())))
    })
    .await
}

fn slow(moment: &str) -> Value {
    lasting("migrate", moment, 300, json!({ "activeDeadlineSeconds": 600 }))
}

async fn a_hook_that_is_deleted_while_the_controller_is_down_is_not_run_again() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let mark = project.cluster.audit()?.mark().await?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None), slow("pre-promote")]).await?;
        let name = format!("prod-{second}");
        let is_started = |it: &Value| step(it, "migrate").is_some_and(|step| step["startedAt"].is_string());
        project.until("promotions", &name, "the hook is recorded as started", is_started).await?;
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        delete_running(project, "migrate").await?;
        project.start().await?;
        let failed = project.ended(&name, "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some("HookDeleted"))?;
        let step = step(&failed, "migrate").context("no step")?;
        same("result", step["result"].as_str(), Some("Errored"))?;
        project.ended(&format!("{name}-rollback"), "Verified").await?;
        let events = project.cluster.audit()?.since(mark).await?;
        let created = events.iter().filter(|event| {
            let is_hook = event.resource == "jobs" && event.name.starts_with("migrate-");
            is_write(event) && is_hook && event.namespace == project.target("prod") && event.code == 201
        });
        same("creations of the hook", created.count(), 1)
    })
    .await
}

async fn a_hook_that_is_deleted_while_it_runs_fails_the_promotion_at_once() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        for (version, moment) in [("1.0.0", "pre-promote"), ("2.0.0", "post-promote")] {
            let release = project.release(version, &[deployment("web", "v1", None), slow(moment)]).await?;
            delete_running(project, "migrate").await?;
            let failed = project.ended(&format!("prod-{release}"), "Failed").await?;
            same("reason", failed["status"]["reason"].as_str(), Some("HookDeleted"))?;
            project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
            same("Jobs", jobs(project, "migrate").await?.len(), 0)?;
        }
        Ok(())
    })
    .await
}

async fn a_hook_whose_image_cannot_be_pulled_fails_the_promotion_at_once() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let objects = [deployment("web", "v1", None), hook("migrate", "pre-promote", "m1-image-error")];
        let release = project.release("1.0.0", &objects).await?;
        let failed = project.ended(&format!("prod-{release}"), "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some("ImagePullBackOff"))?;
        let message = failed["status"]["message"].as_str().unwrap_or_default();
        ensure!(message.contains("Job migrate-"), "{message}");
        Ok(())
    })
    .await
}

/// A quota says nothing in the status of a Job.
async fn a_job_for_which_no_pod_can_be_created_fails_after_the_time_for_creation() -> Result<()> {
    in_project(&[json!({ "name": "prod", "rollbackPolicyRef": "hasty" })], async |project| {
        project.policy("hasty", json!({ "failing": { "createErrors": "3s" } })).await?;
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" }, "spec": { "hard": { "pods": "0" } },
        });
        project.apply("prod", &[quota])?;
        let objects = [deployment("web", "v1", None), hook("migrate", "pre-promote", "m1")];
        let release = project.release("1.0.0", &objects).await?;
        let failed = project.ended(&format!("prod-{release}"), "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some("FailedCreate"))?;
        let message = failed["status"]["message"].as_str().unwrap_or_default();
        ensure!(message.contains("kubectl describe job/migrate-"), "{message}");
        Ok(())
    })
    .await
}

async fn a_job_that_runs_longer_than_the_progress_deadline_is_waited_for() -> Result<()> {
    in_project(&[json!({ "name": "prod", "rollbackPolicyRef": "hasty" })], async |project| {
        project.policy("hasty", json!({ "failing": { "progressDeadlineSeconds": 20 } })).await?;
        let mut load = lasting("load", "pre-promote", 30, json!({ "activeDeadlineSeconds": 90 }));
        load["metadata"] = json!({ "name": "load" });
        let release = project.release("1.0.0", &[deployment("web", "v1", None), load]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

async fn a_job_whose_pod_was_evicted_says_nothing_when_its_pod_is_gone() -> Result<()> {
    let prod = json!({ "name": "prod", "rollbackPolicyRef": "watched" });
    with_own_controller(&[prod], async |project| {
        project.policy("watched", json!({ "observeWindow": "15s" })).await?;
        let mut load = lasting("load", "pre-promote", 300, json!({ "backoffLimit": 0 }));
        load["metadata"] = json!({ "name": "load" });
        let terminating = json!({ "annotations": { "fate.towpath.dev/terminating": "3s" } });
        let load = with(load, json!({ "spec": { "template": { "metadata": terminating } } }));
        let release = project.release("1.0.0", &[deployment("web", "v1", None), load]).await?;
        let name = format!("prod-{release}");
        let is_of_job = |pod: &Value| {
            pod["metadata"]["labels"]["job-name"].as_str().is_some_and(|job| job.starts_with("load-"))
        };
        let pods = async || {
            let pods = project.list("prod", "pods").await?;
            let of_job = pods.into_iter().filter(is_of_job);
            anyhow::Ok(of_job.collect::<Vec<Value>>())
        };
        let pod = eventually("the pod to run", SOON, async || {
            let pod = pods().await?.into_iter().find(|pod| pod["status"]["phase"] == "Running");
            Ok(pod.and_then(|pod| Some(pod["metadata"]["name"].as_str()?.to_owned())))
        });
        let (pod, target) = (pod.await?, project.target("prod"));
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod, "namespace": target },
        });
        project.post(&format!("/api/v1/namespaces/{target}/pods/{pod}/eviction"), eviction).await?;
        let is_recorded = |it: &Value| it["status"]["disruptions"][0]["pod"] == json!(pod);
        project.until("promotions", &name, "the disruption is recorded", is_recorded).await?;
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        eventually("the pod to be gone", SOON, async || Ok(pods().await?.is_empty().then_some(()))).await?;
        project.start().await?;
        let verified = project.ended(&name, "Verified").await?;
        let message = verified["status"]["message"].as_str().unwrap_or_default();
        ensure!(message.contains(&format!("says nothing: pod {pod} was disrupted")), "{message}");
        Ok(())
    })
    .await
}

async fn a_test_whose_job_is_deleted_while_the_controller_is_down_is_not_run_again() -> Result<()> {
    with_own_controller(&[prod("t1", 300, json!({}))], async |project| {
        let mark = project.cluster.audit()?.mark().await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let name = format!("prod-{release}");
        let found = running_test(project, &name).await?;
        let job = job(project, &found).await?;
        let job = job["metadata"]["name"].as_str().context("no name")?;
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        project.kubectl().run(&["delete", "job", job, "-n", &project.target("prod")])?;
        project.start().await?;
        let ended = project.ended(&name, "Inconclusive").await?;
        same("reason", test(&ended, "smoke")?["reason"].as_str(), Some("JobDeleted"))?;
        let events = project.cluster.audit()?.since(mark).await?;
        let created = events.iter().filter(|event| is_write(event) && event.name == job && event.code == 201);
        same("creations of the Job", created.count(), 1)
    })
    .await
}
