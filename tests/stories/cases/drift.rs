//! Fields that Towpath wrote and another manager changes: reported, with `Block` a gate, and free as long as nothing drifts.

use anyhow::{Result, ensure};
use control_plane::AuditEvent;
use serde_json::{Value, json};
use std::time::Duration;
use support::objects::{Object, deployment, image, service};
use support::requests::shown;
use support::waits::condition;
use support::{Project, in_project, same, with_own_controller};

support::stories![
    a_changed_field_is_reported_keeps_a_promotion_from_starting_and_is_cleared_when_it_is_restored,
    an_override_passes_the_gate_and_what_runs_may_be_promoted_again,
    a_label_of_a_service_that_nothing_watches_is_found_before_a_promotion_starts,
    a_settled_project_reads_what_drifted_once_and_nothing_that_did_not,
];

const ENOUGH: Duration = Duration::from_secs(12);

fn shop(tag: &str) -> Vec<Object> {
    let mut web = deployment("web", tag, None);
    web["metadata"]["labels"] = json!({ "team": "shop", "tier": "front" });
    let container = &mut web["spec"]["template"]["spec"]["containers"][0];
    container["env"] = json!([{ "name": "MODE", "value": "fast" }, { "name": "LEVEL", "value": "info" }]);
    container["args"] = json!(["--verbose"]);
    container["securityContext"] = json!({});
    let mut web_service = service("web");
    web_service["metadata"]["labels"] = json!({ "team": "shop" });
    vec![web_service, web]
}

fn kubectl(project: &Project, arguments: &[&str]) -> Result<()> {
    let target = project.target("prod");
    project.kubectl().run(&[arguments, &["-n", &target]].concat()).map(drop)
}

fn set_mode(project: &Project, mode: &str) -> Result<()> {
    let containers = json!([{ "name": "app", "env": [{ "name": "MODE", "value": mode }] }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    kubectl(project, &["patch", "deployment/web", "--patch", &patch.to_string()])
}

fn set_image(project: &Project, tag: &str) -> Result<()> {
    kubectl(project, &["set", "image", "deployment/web", &format!("app={}", image(tag))])
}

/// Every drifted field that is reported, once the condition holds; `-` in front of those that were removed.
fn reported(environment: &Value) -> Vec<String> {
    let fields = environment["status"]["drift"].as_array().cloned().unwrap_or_default();
    let text = |field: &Value| {
        let part = |name: &str| field[name].as_str().unwrap_or_default().to_owned();
        let sign = if field["removed"] == true { "-" } else { "" };
        format!("{} {} {sign}{} {}", part("kind"), part("name"), part("field"), part("manager"))
            .trim_end()
            .to_owned()
    };
    fields.iter().map(text).collect()
}

async fn until_reported(project: &Project, expected: &[&str]) -> Result<Value> {
    let is_so =
        |it: &Value| reported(it) == expected && condition(it, "Drifted").is_some() != expected.is_empty();
    project.until("environments", "prod", &format!("reports {expected:?}"), is_so).await
}

const IMAGE: &str = "Deployment web spec.template.spec.containers[app].image kubectl-set";
const MODE: &str = "Deployment web spec.template.spec.containers[app].env[MODE].value kubectl-patch";

async fn first(project: &Project) -> Result<String> {
    let first = project.release("1.0.0", &shop("v1")).await?;
    project.condition("releases", &first, "Verified", "True", "").await?;
    Ok(first)
}

async fn waits_at_drift(project: &Project, release: &str, words: &[&str]) -> Result<()> {
    let at_drift = |it: &Value| it["status"]["reason"] == "Drift";
    let found = project.until("promotions", &format!("prod-{release}"), "waits at Drift", at_drift).await?;
    let message = found["status"]["message"].as_str().unwrap_or_default();
    for word in words {
        ensure!(message.contains(word), "{word} is missing: {message}");
    }
    project.condition("releases", release, "Ready", "True", "Drift").await.map(drop)
}

async fn a_changed_field_is_reported_keeps_a_promotion_from_starting_and_is_cleared_when_it_is_restored()
-> Result<()> {
    let prod = json!({ "name": "prod", "drift": "Block", "adoptFrom": ["kubectl-set", "kubectl-patch"] });
    in_project(&[prod], async |project| {
        first(project).await?;
        set_image(project, "hotfix")?;
        until_reported(project, &[IMAGE]).await?;
        set_mode(project, "slow")?;
        let found = until_reported(project, &[MODE, IMAGE]).await?;
        let drifted = condition(&found, "Drifted").cloned().unwrap_or_default();
        same("reason", drifted["reason"].as_str(), Some("FieldsChanged"))?;
        let message = drifted["message"].as_str().unwrap_or_default();
        ensure!(message.contains("Deployment web: kubectl-patch changed spec.template"), "{message}");
        ensure!(found["status"]["drift"][0]["since"].is_string(), "{found}");
        // What other managers do with what Towpath did not write changes nothing.
        kubectl(project, &["scale", "deployment/web", "--replicas=3"])?;
        kubectl(project, &["annotate", "deployment/web", "note=manual"])?;
        let second = project.release("2.0.0", &shop("v2")).await?;
        waits_at_drift(
            project,
            &second,
            &["Deployment web: kubectl-set changed", "restore it", "gate Drift"],
        )
        .await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("hotfix"))?;
        set_image(project, "v1")?;
        until_reported(project, &[MODE]).await?;
        set_mode(project, "fast")?;
        project.ended(&format!("prod-{second}"), "Verified").await?;
        until_reported(project, &[]).await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v2"))
    })
    .await
}

async fn an_override_passes_the_gate_and_what_runs_may_be_promoted_again() -> Result<()> {
    let prod = json!({ "name": "prod", "drift": "Block", "adoptFrom": ["kubectl-set"] });
    in_project(&[prod], async |project| {
        let running = first(project).await?;
        set_image(project, "hotfix")?;
        until_reported(project, &[IMAGE]).await?;
        project.promotion("again", json!({ "release": running, "environment": "prod" })).await?;
        project.ended("again", "Verified").await?;
        until_reported(project, &[]).await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))?;
        set_image(project, "hotfix")?;
        until_reported(project, &[IMAGE]).await?;
        let second = project.release("2.0.0", &shop("v2")).await?;
        waits_at_drift(project, &second, &[]).await?;
        let override_ = json!({ "gates": ["Drift"], "reason": "the hotfix is part of 2.0.0" });
        project
            .promotion("now", json!({ "release": second, "environment": "prod", "override": override_ }))
            .await?;
        let ended = project.ended("now", "Verified").await?;
        let warnings = ended["status"]["warnings"].to_string();
        ensure!(warnings.contains("kubectl-set changed spec.template"), "{warnings}");
        same("image", project.image_of("prod", "deployments", "web").await?, image("v2"))
    })
    .await
}

async fn a_label_of_a_service_that_nothing_watches_is_found_before_a_promotion_starts() -> Result<()> {
    in_project(&[json!({ "name": "prod", "drift": "Block" })], async |project| {
        first(project).await?;
        kubectl(project, &["label", "service/web", "team=other", "--overwrite"])?;
        let second = project.release("2.0.0", &shop("v2")).await?;
        waits_at_drift(project, &second, &["Service web: kubectl-label changed metadata.labels.team"])
            .await?;
        let environment = project.ours("environments", "prod").await?;
        same("reported", reported(&environment), Vec::new())?;
        // Nothing watches Services: they are read again after a minute, or when a workload changes.
        kubectl(project, &["label", "service/web", "team=shop", "--overwrite"])?;
        kubectl(project, &["annotate", "deployment/web", "note=manual"])?;
        project.ended(&format!("prod-{second}"), "Verified").await.map(drop)
    })
    .await
}

/// The requests for objects in the target namespace.
async fn reads(project: &Project, mark: control_plane::Mark) -> Result<Vec<AuditEvent>> {
    let mut events = project.activity(mark).await?;
    events.retain(|event| event.verb == "get" && event.namespace == project.target("prod"));
    Ok(events)
}

async fn a_settled_project_reads_what_drifted_once_and_nothing_that_did_not() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        first(project).await?;
        project.quiet().await?;
        let audit = project.cluster.audit()?;
        let mark = audit.mark().await?;
        kubectl(project, &["scale", "deployment/web", "--replicas=3"])?;
        kubectl(project, &["rollout", "restart", "deployment/web"])?;
        kubectl(project, &["annotate", "deployment/web", "note=manual"])?;
        project.settled("prod", "deployments", "web").await?;
        project.quiet().await?;
        let events = reads(project, mark).await?;
        ensure!(events.is_empty(), "nothing drifted, and it read:\n{}", shown(&events));
        // Removed, which leaves no entry in managedFields.
        let mark = audit.mark().await?;
        kubectl(project, &["label", "deployment/web", "team-"])?;
        kubectl(project, &["set", "env", "deployment/web", "MODE-"])?;
        let removed = [
            "Deployment web -metadata.labels.team",
            "Deployment web -spec.template.spec.containers[app].env[MODE]",
        ];
        let is_so = |it: &Value| {
            let found = reported(it);
            found.len() == 2 && removed.iter().zip(&found).all(|(wanted, found)| found.starts_with(wanted))
        };
        project.until("environments", "prod", "reports what was removed", is_so).await?;
        project.settled("prod", "deployments", "web").await?;
        project.quiet().await?;
        let events = reads(project, mark).await?;
        ensure!(events.len() <= 4, "two changes, and it read:\n{}", shown(&events));
        let mark = audit.mark().await?;
        tokio::time::sleep(ENOUGH).await;
        let events = project.activity(mark).await?;
        ensure!(events.is_empty(), "it is settled, and asked:\n{}", shown(&events));
        // A new process reads what is reported, and nothing else.
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        let mark = audit.mark().await?;
        project.start().await?;
        project.quiet().await?;
        let events = reads(project, mark).await?;
        ensure!(events.len() == 1, "one object has drifted, and it read:\n{}", shown(&events));
        project.until("environments", "prod", "still reports it", is_so).await?;
        kubectl(project, &["label", "deployment/web", "team=shop"])?;
        kubectl(project, &["set", "env", "deployment/web", "MODE=fast"])?;
        until_reported(project, &[]).await?;
        // While no controller runs, a field is changed.
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        set_image(project, "hotfix")?;
        project.start().await?;
        until_reported(project, &[IMAGE]).await.map(drop)
    })
    .await
}
