//! A release fails after it was verified: each environment does what its rollback policy says, and only what the release did counts.

use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use http::Method;
use serde_json::{Value, json};
use support::objects::{deployment, image, service};
use support::waits::condition;
use support::{Project, SOON, in_project, same};

support::stories![
    each_environment_does_what_its_policy_says_when_a_verified_release_fails,
    what_nodes_neighbours_and_other_managers_do_is_not_held_against_a_verified_release,
];

const ALARM: &str = "FailingAfterVerification";

fn web(tag: &str) -> [Value; 2] {
    [service("web"), deployment("web", tag, None)]
}

/// A policy that judges for this long.
async fn policy(project: &Project, name: &str, action: &str, time: &str) -> Result<()> {
    project.policy(name, json!({ "afterVerified": { "action": action, "for": time } })).await
}

async fn verified(project: &Project, version: &str, tag: &str, environments: &[&str]) -> Result<String> {
    let release = project.release(version, &web(tag)).await?;
    for environment in environments {
        project.ended(&format!("{environment}-{release}"), "Verified").await?;
    }
    Ok(release)
}

/// The living pods of web crash from now on.
async fn break_pods(project: &Project, environment: &str) -> Result<()> {
    let notes = json!({ "fate.towpath.dev/pod": "crash-after-ready", "fate.towpath.dev/seconds": "0.1" });
    for pod in project.pods(environment, "web").await? {
        let name = pod["metadata"]["name"].as_str().context("a pod without a name")?;
        let path = format!("/api/v1/namespaces/{}/pods/{name}", project.target(environment));
        let patch = json!({ "metadata": { "annotations": notes } });
        project.send(Method::PATCH, &path, "application/merge-patch+json", patch).await?;
    }
    Ok(())
}

/// A pod of this app has terminated, as its kubelet reports.
async fn crashed(project: &Project, environment: &str, app: &str) -> Result<()> {
    eventually(&format!("pods of {app} in {environment} crash"), SOON, async || {
        let pods = project.pods(environment, app).await?;
        let has_ended =
            |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() > Some(1);
        Ok(pods.iter().any(has_ended).then_some(()))
    })
    .await
}

async fn is_untouched(project: &Project, environment: &str, tag: &str) -> Result<()> {
    let found = project.ours("environments", environment).await?;
    same(environment, condition(&found, ALARM).is_none(), true)?;
    let promotions = project.all("promotions").await?;
    let is_rollback =
        |it: &&Value| it["spec"]["kind"] == "Rollback" && it["spec"]["environment"] == environment;
    same(environment, promotions.iter().filter(is_rollback).count(), 0)?;
    same(environment, project.image_of(environment, "deployments", "web").await?, image(tag))
}

async fn each_environment_does_what_its_policy_says_when_a_verified_release_fails() -> Result<()> {
    let names = ["ignores", "notifies", "returns"];
    let environments = names.map(|name| json!({ "name": name, "rollbackPolicyRef": name }));
    in_project(&environments, async |project| {
        policy(project, "ignores", "Ignore", "1h").await?;
        policy(project, "notifies", "Notify", "1h").await?;
        policy(project, "returns", "Rollback", "1h").await?;
        verified(project, "1.0.0", "v1", &names).await?;
        let second = verified(project, "2.0.0", "v2", &names).await?;

        break_pods(project, "ignores").await?;
        break_pods(project, "notifies").await?;
        crashed(project, "ignores", "web").await?;
        let told = project.condition("environments", "notifies", ALARM, "True", "CrashLoopBackOff").await?;
        let message =
            condition(&told, ALARM).context("no condition")?["message"].as_str().unwrap_or_default();
        let begins = format!(
            "{second} fails after it was verified: Deployment web: CrashLoopBackOff; the rollback policy has"
        );
        ensure!(message.starts_with(&begins), "{message}");
        project.condition("environments", "notifies", "Ready", "True", "").await?;

        break_pods(project, "returns").await?;
        let rollback = project.ended(&format!("returns-{second}-rollback"), "Verified").await?;
        same("cause", rollback["spec"]["cause"].as_str(), Some("CrashLoopBackOff"))?;
        let reason = rollback["spec"]["reason"].as_str().unwrap_or_default();
        ensure!(reason.starts_with("failed after it was verified: Deployment web: pod web-"), "{reason}");
        same("returns", project.image_of("returns", "deployments", "web").await?, image("v1"))?;
        let is_over = |it: &Value| condition(it, ALARM).is_none();
        project.until("environments", "returns", "the end of the failure", is_over).await?;
        let told = project.condition("releases", &second, "Verified", "False", "RolledBack").await?;
        same("phase", told["status"]["phase"].as_str(), Some("RolledBack"))?;
        let record = project.ours("promotions", &format!("returns-{second}")).await?;
        same("the record", record["status"]["phase"].as_str(), Some("Verified"))?;

        // The others were not touched, and the end of the time ends the failure.
        is_untouched(project, "ignores", "v2").await?;
        same("notifies", project.image_of("notifies", "deployments", "web").await?, image("v2"))?;
        let short = json!({ "spec": { "afterVerified": { "for": "10s" } } });
        project.change("rollbackpolicies", "notifies", short).await?;
        project.until("environments", "notifies", "the end of the time", is_over).await.map(drop)
    })
    .await
}

async fn what_nodes_neighbours_and_other_managers_do_is_not_held_against_a_verified_release() -> Result<()> {
    let names = ["drained", "edited", "shared", "returns"];
    let environments = names.map(|name| json!({ "name": name, "rollbackPolicyRef": "watched" }));
    in_project(&environments, async |project| {
        policy(project, "watched", "Rollback", "1h").await?;
        verified(project, "1.0.0", "v1", &names).await?;
        let second = verified(project, "2.0.0", "v2", &names).await?;
        let target = project.target("drained");
        for pod in project.pods("drained", "web").await? {
            let name = pod["metadata"]["name"].clone();
            let eviction = json!({
                "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name, "namespace": target },
            });
            let path = format!("/api/v1/namespaces/{target}/pods/{}/eviction", name.as_str().unwrap_or_default());
            project.post(&path, eviction).await?;
        }
        let bad = image("v9-crash-loop");
        let (edited, shared) = (project.target("edited"), project.target("shared"));
        project.kubectl().run(&["set", "image", "deployment/web", &format!("app={bad}"), "-n", &edited])?;
        project.kubectl().run(&["create", "deployment", "neighbour", "--image", &bad, "-n", &shared])?;
        crashed(project, "edited", "web").await?;
        crashed(project, "shared", "neighbour").await?;
        project.settled("drained", "deployments", "web").await?;
        // What began later has been acted on, so what came before was judged.
        break_pods(project, "returns").await?;
        project.ended(&format!("returns-{second}-rollback"), "Verified").await?;
        is_untouched(project, "drained", "v2").await?;
        is_untouched(project, "shared", "v2").await?;
        // What another manager wrote is told, with its name, and rolls nothing back.
        same("edited", project.image_of("edited", "deployments", "web").await?, bad)?;
        let is_told = |it: &Value| {
            let message = condition(it, ALARM).and_then(|alarm| alarm["message"].as_str());
            message.is_some_and(|it| it.contains("kubectl-set changed ") && it.contains("nothing is rolled back"))
        };
        project.until("environments", "edited", "the change of another manager is told", is_told).await?;
        let is_rollback = |it: &&Value| it["spec"]["kind"] == "Rollback" && it["spec"]["environment"] == "edited";
        let promotions = project.all("promotions").await?;
        same("edited", promotions.iter().filter(is_rollback).count(), 0)
    })
    .await
}
