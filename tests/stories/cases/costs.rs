//! What promotions cost, counted from the API server's own record.

use anyhow::{Context, Result, ensure};
use control_plane::AuditEvent;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use support::objects::{config, deployment, hook, service, stateful_set, test};
use support::requests::{is_write, shown};
use support::{Project, same, with_own_controller};

support::stories![
    a_promotion_writes_each_object_that_differs_once_and_no_other,
    a_promotion_writes_into_our_own_objects_seven_times,
    a_promotion_with_checks_a_hook_and_tests_writes_as_often_as_it_has_to,
    a_rollback_writes_what_differs_once,
    between_a_rollback_and_what_it_puts_back_nothing_of_our_own_is_written,
    a_settled_project_is_silent_for_a_minute,
    the_controller_itself_writes_nothing_in_a_target_namespace,
];

const MINUTE: Duration = Duration::from_secs(60);

/// Writes in the target, and writes of our own objects; Events and reviews apart.
fn split<'a>(project: &Project, events: &'a [AuditEvent]) -> (Vec<&'a AuditEvent>, Vec<&'a AuditEvent>) {
    let target = project.target("prod");
    // One that came too late, as a controller's status went before it, was refused and is made again: it changed nothing.
    // One that was answered with a time-out, by a machine that is busy, was made all the same.
    let is_made = |event: &AuditEvent| event.code < 300 || event.code == 504;
    let writes: Vec<&AuditEvent> = events.iter().filter(|event| is_write(event) && is_made(event)).collect();
    let in_target = writes.iter().copied().filter(|event| event.namespace == target).collect();
    let ours = writes.iter().copied().filter(|event| event.api_group == "towpath.dev").collect();
    (in_target, ours)
}

fn shop(tag: &str) -> Vec<Value> {
    vec![
        config("web-config", "hello"),
        service("web"),
        deployment("web", tag, Some("web-config")),
        deployment("api", tag, None),
        stateful_set("cache", "v1", None),
    ]
}

async fn a_promotion_writes_each_object_that_differs_once_and_no_other() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &shop("v1")).await?;
        project.condition("releases", &first, "Verified", "True", "").await?;
        project.quiet().await?;
        let mark = project.cluster.audit()?.mark().await?;
        let second = project.release("2.0.0", &shop("v2")).await?;
        project.condition("releases", &second, "Verified", "True", "").await?;
        project.quiet().await?;
        let events = project.requests(mark).await?;
        let (target, _) = split(project, &events);
        // web and api differ; the ConfigMap, the Service and the StatefulSet do not.
        ensure!(target.len() == 2, "{} writes in the target:\n{}", target.len(), shown(target));
        Ok(())
    })
    .await
}

async fn a_promotion_writes_into_our_own_objects_seven_times() -> Result<()> {
    // The window is long enough for the status to say that the release is observed.
    let prod = json!({ "name": "prod", "rollbackPolicyRef": "observed" });
    with_own_controller(&[prod], async |project| {
        project.policy("observed", json!({ "observeWindow": "20s" })).await?;
        let first = project.release("1.0.0", &shop("v1")).await?;
        project.condition("releases", &first, "Verified", "True", "").await?;
        project.quiet().await?;
        let mark = project.cluster.audit()?.mark().await?;
        let second = project.release("2.0.0", &shop("v2")).await?;
        let promotion = format!("prod-{second}");
        let observed = project
            .until("promotions", &promotion, "it is observed", |it| it["status"]["rolledOutAt"].is_string())
            .await?;
        let results = |it: &Value| Some((it["name"].as_str()?.to_owned(), it["result"].as_str()?.to_owned()));
        let steps: BTreeMap<String, String> =
            observed["status"]["steps"].as_array().into_iter().flatten().filter_map(results).collect();
        same("Rollout", steps.get("Rollout").map(String::as_str), Some("Passed"))?;
        same("Observe", steps.get("Observe").map(String::as_str), Some("Running"))?;
        project.condition("releases", &second, "Verified", "True", "").await?;
        project.quiet().await?;
        let events = project.requests(mark).await?;
        let (_, ours) = split(project, &events);
        // The release was captured before, once for all environments.
        let is_captured = |event: &&AuditEvent| event.resource != "promotions";
        let counted: Vec<&AuditEvent> = ours.into_iter().skip_while(is_captured).collect();
        // The promotion: created, intent, observed, outcome. The environment: start, end. The release: verified.
        ensure!(counted.len() <= 7, "{} writes of our own:\n{}", counted.len(), shown(counted));
        Ok(())
    })
    .await
}

/// A policy whose check reads a ConfigMap that the environment has.
async fn with_a_check(project: &Project) -> Result<()> {
    let flag = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "flag" }, "data": { "ready": "yes" } });
    project.apply("prod", &[flag])?;
    let compare = json!({ "path": "$.data.ready", "value": "yes" });
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "flag", "compare": compare });
    let check = json!({ "name": "flag", "interval": "5s", "object": object });
    project.policy("checked", json!({ "checks": [check] })).await
}

async fn a_promotion_with_checks_a_hook_and_tests_writes_as_often_as_it_has_to() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod", "rollbackPolicyRef": "checked" })], async |project| {
        with_a_check(project).await?;
        let first = project.release("1.0.0", &shop("v1")).await?;
        project.condition("releases", &first, "Verified", "True", "").await?;
        let jobs = vec![hook("migrate", "pre-promote", "m1"), test("checkout", "t1")];
        let template = test("db", "t1")["spec"]["template"].clone();
        let before = json!({ "tests": [{ "name": "db", "when": "Before", "template": template }] });
        // A hook: its Job was created. A test: it runs; its result is written with the outcome. A test before the first write: it runs; its
        // result is written with the intent.
        for (version, jobs, tests, most) in
            [("2.0.0", vec![], json!({}), 7), ("3.0.0", jobs, json!({}), 9), ("4.0.0", vec![], before, 8)]
        {
            project.change("environments", "prod", json!({ "spec": tests })).await?;
            project.quiet().await?;
            let mark = project.cluster.audit()?.mark().await?;
            let objects = [shop(&format!("v{version}")), jobs.clone()].concat();
            let release = project.release(version, &objects).await?;
            project.condition("releases", &release, "Verified", "True", "").await?;
            project.quiet().await?;
            let events = project.requests(mark).await?;
            let (target, ours) = split(project, &events);
            // web and api differ, and every hook and test is a Job.
            let expected = 2 + jobs.len() + tests["tests"].as_array().map_or(0, Vec::len);
            ensure!(
                target.len() == expected,
                "{version}: {} in the target:\n{}",
                target.len(),
                shown(target)
            );
            let ours: Vec<&AuditEvent> =
                ours.into_iter().filter(|event| event.resource != "contents").collect();
            ensure!(ours.len() == most, "{version}: {} writes of our own:\n{}", ours.len(), shown(ours));
            println!("{version}: {} writes of our own", ours.len());
        }
        Ok(())
    })
    .await
}

async fn a_rollback_writes_what_differs_once() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &shop("v1")).await?;
        project.condition("releases", &first, "Verified", "True", "").await?;
        project.quiet().await?;
        let mark = project.cluster.audit()?.mark().await?;
        let mut bad = shop("v2-crash-loop");
        bad.push(service("new"));
        let second = project.release("2.0.0", &bad).await?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        project.quiet().await?;
        let events = project.requests(mark).await?;
        let (target, ours) = split(project, &events);
        // There: web, api, new. Back: web, api, and new removed.
        ensure!(target.len() == 6, "{} writes in the target:\n{}", target.len(), shown(target));
        let statuses: Vec<&AuditEvent> =
            ours.into_iter().filter(|event| event.resource != "contents").collect();
        ensure!(statuses.len() <= 14, "{} writes of our own:\n{}", statuses.len(), shown(statuses));
        Ok(())
    })
    .await
}

async fn between_a_rollback_and_what_it_puts_back_nothing_of_our_own_is_written() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &shop("v1")).await?;
        project.condition("releases", &first, "Verified", "True", "").await?;
        // The second failure, so that there is a history that could be read in vain.
        for (version, tag) in [("2.0.0", "v2-crash-loop"), ("3.0.0", "v3-crash-loop")] {
            let mark = project.cluster.audit()?.mark().await?;
            let release = project.release(version, &shop(tag)).await?;
            let rollback = format!("prod-{release}-rollback");
            project.ended(&rollback, "Verified").await?;
            project.quiet().await?;
            let mut events = project.requests(mark).await?;
            events.sort_by_key(|event| event.time);
            let made = events.iter().position(|event| event.verb == "create" && event.name == rollback);
            let behind = &events[made.context("no rollback was created")? + 1..];
            // web and api; one that a controller's status overtakes is made again.
            let reverts = behind
                .iter()
                .enumerate()
                .filter(|(_, event)| event.verb == "patch" && event.namespace == project.target("prod"));
            let last = reverts.map(|(index, _)| index).nth(1).context("two objects are restored")?;
            let (_, ours) = split(project, &behind[..=last]);
            ensure!(ours.is_empty(), "written in front of them:\n{}", shown(ours));
            // Five objects of the content and the copy of its ConfigMap.
            let reads: Vec<_> = behind[..=last].iter().filter(|event| event.verb == "get").collect();
            ensure!(reads.len() <= 6, "{} objects were read:\n{}", reads.len(), shown(reads));
        }
        Ok(())
    })
    .await
}

async fn a_settled_project_is_silent_for_a_minute() -> Result<()> {
    with_own_controller(
        &[json!({ "name": "staging" }), json!({ "name": "prod", "after": ["staging"] })],
        async |project| {
            let release = project.release("1.0.0", &shop("v1")).await?;
            project.condition("releases", &release, "Verified", "True", "").await?;
            project.quiet().await?;
            let mark = project.cluster.audit()?.mark().await?;
            tokio::time::sleep(MINUTE).await;
            let events = project.activity(mark).await?;
            ensure!(events.is_empty(), "{} requests of a settled project:\n{}", events.len(), shown(&events));
            same("alive", project.operator(|operator| operator.is_alive())?, true)?;
            // The record is of this controller: its watches are in it.
            let watches = project.requests(mark).await?.iter().filter(|event| event.verb == "watch").count();
            ensure!(watches > 0, "no watch was renewed within a minute");
            Ok(())
        },
    )
    .await
}

async fn the_controller_itself_writes_nothing_in_a_target_namespace() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let mark = project.cluster.audit()?.mark().await?;
        let release = project.release("1.0.0", &shop("v1")).await?;
        project.condition("releases", &release, "Verified", "True", "").await?;
        let events = project.requests(mark).await?;
        let (target, _) = split(project, &events);
        let identity = format!("system:serviceaccount:towpath-deployers:{}.prod", project.name);
        let as_itself: Vec<&AuditEvent> = target
            .into_iter()
            .filter(|event| event.impersonated_user.as_deref() != Some(&identity))
            .collect();
        ensure!(as_itself.is_empty(), "written as itself:\n{}", shown(as_itself));
        let secrets: Vec<&AuditEvent> = events.iter().filter(|event| event.resource == "secrets").collect();
        ensure!(secrets.is_empty(), "Secrets were asked for:\n{}", shown(secrets));
        Ok(())
    })
    .await
}
