//! Two replicas: one acts, the other takes over.

use anyhow::{Context, Result, ensure};
use control_plane::{Mark, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::objects::{deployment, image};
use support::operator::{Flags, Operator};
use support::requests::is_write;
use support::{Project, SOON, same};

support::stories![
    a_replica_that_is_told_to_end_hands_over_at_once,
    a_replica_that_is_killed_in_mid_rollout_is_replaced_within_the_lease_time,
    a_rollout_whose_leader_is_killed_is_finished_once_the_lease_has_expired_and_nothing_is_done_twice,
    the_rights_of_the_chart_are_all_that_a_promotion_and_a_rollback_need,
];

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

async fn a_replica_that_is_told_to_end_hands_over_at_once() -> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    let flags = Flags { lease_duration: "60s".into(), ..Flags::own_lease(&project.name) };
    let mut first = Operator::start(&project.cluster, &[&project.name], &flags).await?;
    let leader = next_holder(&project, &flags, None, SOON).await?;
    let _second = Operator::start(&project.cluster, &[&project.name], &flags).await?;
    verified(&project, "1.0.0", "v1").await?;
    let begun = Instant::now();
    first.terminate().await?;
    next_holder(&project, &flags, Some(&leader), SOON).await?;
    // The lease is good for 60 s; far less shows that it was handed over.
    ensure!(begun.elapsed() < Duration::from_secs(40), "the hand-over took {:?}", begun.elapsed());
    verified(&project, "2.0.0", "v2").await
}

async fn a_replica_that_is_killed_in_mid_rollout_is_replaced_within_the_lease_time() -> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    let flags = Flags { lease_duration: "6s".into(), ..Flags::own_lease(&project.name) };
    let mut first = Operator::start(&project.cluster, &[&project.name], &flags).await?;
    let leader = next_holder(&project, &flags, None, SOON).await?;
    let _second = Operator::start(&project.cluster, &[&project.name], &flags).await?;
    verified(&project, "1.0.0", "v1").await?;
    let release = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
    let has_started = |it: &Value| it["status"]["startedAt"].is_string();
    project.until("promotions", &format!("prod-{release}"), "has started", has_started).await?;
    first.kill();
    next_holder(&project, &flags, Some(&leader), Duration::from_secs(60)).await?;
    project.ended(&format!("prod-{release}"), "Failed").await?;
    project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
    same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))
}

/// How often two controllers together wrote each object since the mark. Statuses apart, which a successor may write again, and what
/// passes: leases, Events, questions to the authorizer.
async fn written(project: &Project, mark: Mark, by: [&Operator; 2]) -> Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for event in project.cluster.audit()?.since(mark).await? {
        let is_theirs = by.iter().any(|one| event.credential.as_deref() == Some(one.credential()));
        let passing = ["leases", "events", "subjectaccessreviews"];
        let lasts = is_write(&event) && event.subresource.is_empty() && event.code < 300;
        if is_theirs && lasts && !passing.contains(&event.resource.as_str()) {
            *found.entry(format!("{}/{}", event.resource, event.name)).or_default() += 1;
        }
    }
    Ok(found)
}

async fn a_rollout_whose_leader_is_killed_is_finished_once_the_lease_has_expired_and_nothing_is_done_twice()
-> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    let flags = Flags { lease_duration: "30s".into(), ..Flags::own_lease(&project.name) };
    let mut first = Operator::start(&project.cluster, &[&project.name], &flags).await?;
    let leader = next_holder(&project, &flags, None, SOON).await?;
    let second = Operator::start(&project.cluster, &[&project.name], &flags).await?;
    verified(&project, "1.0.0", "v1").await?;
    let mark = project.cluster.audit()?.mark().await?;
    let mut slow = deployment("web", "v2-ready-after", None);
    slow["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": "3" });
    let mut late = deployment("late", "v2", None);
    late["metadata"]["annotations"] = json!({ "towpath.dev/wave": "1" });
    let release = project.release("2.0.0", &[slow, late]).await?;
    let name = format!("prod-{release}");
    eventually("the first wave", SOON, async || {
        let image = project.image_of("prod", "deployments", "web").await?;
        Ok(image.contains("v2").then_some(()))
    })
    .await?;
    first.kill();
    let killed = Instant::now();
    let next = next_holder(&project, &flags, Some(&leader), SOON).await?;
    let vacant = killed.elapsed();
    // Renewed every third of its duration, the dead leader's lease was good for twenty seconds at least, and thirty at most.
    ensure!(vacant > Duration::from_secs(15), "{next} did not wait for the lease: {vacant:?}");
    ensure!(vacant < Duration::from_secs(60), "{next} took over only after {vacant:?}");
    project.ended(&name, "Verified").await?;
    project.condition("releases", &release, "Verified", "True", "").await?;
    same("image", project.image_of("prod", "deployments", "web").await?, image("v2-ready-after"))?;
    project.condition("environments", "prod", "Ready", "True", "").await?;
    let written = written(&project, mark, [&first, &second]).await?;
    let once = |(object, times): (&String, &usize)| (*times == 1).then(|| object.clone());
    let all = written.iter().filter_map(once).filter(|object| !object.starts_with("contents/"));
    let wanted = ["deployments/late".to_owned(), "deployments/web".to_owned(), format!("promotions/{name}")];
    same(&format!("written once, of {written:#?}"), all.collect::<Vec<_>>(), wanted.to_vec())?;
    same("written twice", written.values().filter(|times| **times > 1).count(), 0)?;
    same("promotions", project.all("promotions").await?.len(), 2)?;
    same("ReplicaSets", project.list("prod", "replicasets").await?.len(), 3)
}

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
