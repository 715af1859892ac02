//! Hooks run once, for as long as they may, and do not outlive their promotion.

use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use serde_json::{Value, json};
use support::objects::{deployment, hook, with};
use support::requests::is_write;
use support::{Project, SOON, in_project, same, with_own_controller};

support::stories![
    a_hook_that_vanishes_when_it_finishes_runs_once_whatever_happens_to_the_controller,
    a_hook_that_runs_longer_than_the_progress_deadline_is_waited_for,
    an_unfinished_hook_of_a_release_that_is_rolled_back_is_gone_before_the_rollback_is_done,
];

/// A hook whose pod runs for some seconds.
pub fn lasting(name: &str, moment: &str, seconds: u32, spec: Value) -> Value {
    let notes = json!({ "fate.towpath.dev/seconds": seconds.to_string() });
    let job = with(hook(name, moment, "m1"), json!({ "spec": spec }));
    with(job, json!({ "spec": { "template": { "metadata": { "annotations": notes } } } }))
}

/// The step of a hook in the record of a promotion.
pub fn step(promotion: &Value, job: &str) -> Option<Value> {
    let steps = promotion["status"]["steps"].as_array()?;
    let of_job = |step: &&Value| step["name"].as_str().is_some_and(|name| name.starts_with(job));
    steps.iter().find(of_job).cloned()
}

pub async fn jobs(project: &Project, name: &str) -> Result<Vec<Value>> {
    let of_name = |job: &Value| {
        job["metadata"]["name"].as_str().is_some_and(|found| found.starts_with(&format!("{name}-")))
    };
    Ok(project.list("prod", "jobs").await?.into_iter().filter(of_name).collect())
}

async fn a_hook_that_vanishes_when_it_finishes_runs_once_whatever_happens_to_the_controller() -> Result<()> {
    let prod = json!({ "name": "prod", "rollbackPolicyRef": "watched" });
    with_own_controller(&[prod], async |project| {
        project.policy("watched", json!({ "observeWindow": "8s" })).await?;
        let mark = project.cluster.audit()?.mark().await?;
        let at_once = json!({ "ttlSecondsAfterFinished": 0 });
        let objects = [
            deployment("web", "v1", None),
            lasting("migrate", "pre-promote", 2, at_once.clone()),
            lasting("smoke", "post-promote", 2, at_once),
        ];
        let release = project.release("1.0.0", &objects).await?;
        let name = format!("prod-{release}");
        let passed = |promotion: &Value, job: &str| {
            step(promotion, job).is_some_and(|step| step["result"] == "Passed")
        };
        project.until("promotions", &name, "migrate is recorded", |it| passed(it, "migrate")).await?;
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        // As the controller of finished Jobs does.
        for job in jobs(project, "migrate").await? {
            let job = job["metadata"]["name"].as_str().context("no name")?;
            project.kubectl().run(&["delete", "job", job, "-n", &project.target("prod")])?;
        }
        project.start().await?;
        let verified = project.ended(&name, "Verified").await?;
        ensure!(
            passed(&verified, "migrate") && passed(&verified, "smoke"),
            "{:#}",
            verified["status"]["steps"]
        );
        let events = project.cluster.audit()?.since(mark).await?;
        let target = project.target("prod");
        for job in ["migrate", "smoke"] {
            let created = events.iter().filter(|event| {
                is_write(event)
                    && event.namespace == target
                    && event.resource == "jobs"
                    && event.code == 201
                    && event.name.starts_with(&format!("{job}-"))
            });
            same(job, created.count(), 1)?;
        }
        Ok(())
    })
    .await
}

async fn a_hook_that_runs_longer_than_the_progress_deadline_is_waited_for() -> Result<()> {
    let prod = json!({ "name": "prod", "rollbackPolicyRef": "hasty" });
    in_project(&[prod], async |project| {
        project.policy("hasty", json!({ "failing": { "progressDeadlineSeconds": 20 } })).await?;
        let slow = lasting("migrate", "pre-promote", 30, json!({ "activeDeadlineSeconds": 90 }));
        let release = project.release("1.0.0", &[deployment("web", "v1", None), slow]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

async fn an_unfinished_hook_of_a_release_that_is_rolled_back_is_gone_before_the_rollback_is_done()
-> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let slow = lasting("migrate", "pre-promote", 300, json!({ "activeDeadlineSeconds": 600 }));
        let second = project.release("2.0.0", &[deployment("web", "v2", None), slow]).await?;
        eventually("the hook to run", SOON, async || {
            let jobs = jobs(project, "migrate").await?;
            Ok(jobs.iter().any(|job| job["status"]["active"] == 1).then_some(()))
        })
        .await?;
        project
            .promotion("back", json!({ "release": second, "environment": "prod", "kind": "Rollback" }))
            .await?;
        project.ended("back", "Verified").await?;
        same("Jobs", jobs(project, "migrate").await?.len(), 0)?;
        let of_hook = |pod: &Value| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            name.starts_with("migrate-").then(|| name.to_owned())
        };
        let pods: Vec<String> = project.list("prod", "pods").await?.iter().filter_map(of_hook).collect();
        same("pods", pods, vec![])
    })
    .await
}
