//! Two replicas: one acts, the other takes over.

use crate::objects::{deployment, image};
use crate::operator::{Flags, Operator};
use crate::support::{Project, same};
use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use serde_json::json;
use std::time::{Duration, Instant};

async fn holder(project: &Project, flags: &Flags) -> Result<Option<String>> {
    let path =
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}", flags.lease_namespace, flags.lease);
    let lease = project.get(&path).await?;
    Ok(lease
        .and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned))
        .filter(|name| !name.is_empty()))
}

/// Waits for a holder other than this one.
async fn next_holder(
    project: &Project,
    flags: &Flags,
    before: Option<&str>,
    limit: Duration,
) -> Result<String> {
    eventually("a leader", limit, async || {
        Ok(holder(project, flags).await?.filter(|now| Some(now.as_str()) != before))
    })
    .await
}

async fn verified(project: &Project, version: &str, tag: &str) -> Result<()> {
    let release = project.release(version, &[deployment("web", tag, None)]).await?;
    project.ended(&format!("prod-{release}"), "Verified").await?;
    same("image", project.image_of("prod", "deployments", "web").await?, image(tag))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_told_to_end_hands_over_at_once() -> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    let flags = Flags { lease_duration: "15s".into(), ..Flags::own_lease(&project.name) };
    let mut first = Operator::start(&[&project.name], &flags).await?;
    let leader = next_holder(&project, &flags, None, Duration::from_secs(10)).await?;
    let _second = Operator::start(&[&project.name], &flags).await?;
    verified(&project, "1.0.0", "v1").await?;
    let begun = Instant::now();
    first.terminate().await?;
    next_holder(&project, &flags, Some(&leader), Duration::from_secs(5)).await?;
    // The lease is good for 15 s; far less shows that it was handed over.
    ensure!(begun.elapsed() < Duration::from_secs(3), "the hand-over took {:?}", begun.elapsed());
    verified(&project, "2.0.0", "v2").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_in_mid_rollout_is_replaced_within_the_lease_time() -> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    let flags = Flags::own_lease(&project.name);
    let mut first = Operator::start(&[&project.name], &flags).await?;
    let leader = next_holder(&project, &flags, None, Duration::from_secs(10)).await?;
    let _second = Operator::start(&[&project.name], &flags).await?;
    verified(&project, "1.0.0", "v1").await?;
    let release = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
    project.in_phase(&format!("prod-{release}"), "Promoting").await?;
    first.kill();
    next_holder(&project, &flags, Some(&leader), Duration::from_secs(8)).await?;
    project.ended(&format!("prod-{release}"), "Failed").await?;
    project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
    same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_of_the_chart_are_all_that_a_promotion_and_a_rollback_need() -> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    project.start_as(&Flags::as_installed()).await?;
    verified(&project, "1.0.0", "v1").await?;
    let release = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
    project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
    let log = project.operator(|operator| operator.log())?;
    ensure!(!log.contains("forbidden") && !log.contains("Forbidden"), "refused: {log}");
    project.operator(|operator| operator.is_alive())?.then_some(()).context("the controller ended")
}
