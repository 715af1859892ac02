//! The policies are taken away, or changed: nothing starts any more, and what has to come back comes back.

use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::manifests::root;
use support::objects::{deployment, service};
use support::waits::condition;
use support::{Project, SYSTEM};

support::stories![without_its_policies_nothing_starts_but_a_rollback_ends,];

fn web(tag: &str) -> [Value; 2] {
    [service("web"), deployment("web", tag, None)]
}

async fn says(project: &Project, words: &str) -> Result<()> {
    let is_told = |it: &Value| {
        condition(it, "SecurityDegraded")
            .is_some_and(|found| found["status"] == "True" && found["message"].to_string().contains(words))
    };
    project.until("environments", "prod", words, is_told).await.map(drop)
}

/// Alone on its control plane, as policies are of the whole cluster.
async fn without_its_policies_nothing_starts_but_a_rollback_ends() -> Result<()> {
    let project = &Project::alone(&[json!({ "name": "prod" })]).await?;
    project.policy("slow", json!({ "observeWindow": "25s" })).await?;
    project.change("environments", "prod", json!({ "spec": { "rollbackPolicyRef": "slow" } })).await?;
    project.start().await?;
    let first = project.release("1.0.0", &web("v1")).await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    let second = project.release("2.0.0", &web("v2-crash-after-ready")).await?;
    project.in_phase(&format!("prod-{second}"), "Promoting").await?;
    let begun = Instant::now();
    let base = "/apis/admissionregistration.k8s.io/v1";
    let binding = format!("{base}/validatingadmissionpolicybindings/towpath-approvals");
    project.send(Method::DELETE, &binding, "application/json", json!({})).await?;
    says(project, "towpath-approvals is missing").await?;
    ensure!(begun.elapsed() < Duration::from_secs(60), "noticed after {:?}", begun.elapsed());
    project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
    let third = project.release("3.0.0", &web("v3")).await?;
    let waits = |it: &Value| it["status"]["summary"] == "prod:Security";
    project.until("releases", &third, "waits at Security", waits).await?;
    project.promotion("manual", json!({ "release": third, "environment": "prod" })).await?;
    let is_shut = |it: &Value| it["status"]["reason"] == "Security";
    project.until("promotions", "manual", "waits at Security", is_shut).await?;
    project.delete("promotions", "manual").await?;
    // A policy that lets everything through is no policy.
    let policy = format!("{base}/validatingadmissionpolicies/towpath-requests");
    let weak = json!({ "spec": { "failurePolicy": "Ignore" } });
    project.send(Method::PATCH, &policy, "application/merge-patch+json", weak).await?;
    says(project, "towpath-requests differs from the shipped one").await?;
    let helm = project.cluster.helm(project.cluster.admin());
    let chart = root("charts/towpath").display().to_string();
    helm.run(&[
        "upgrade",
        "towpath",
        &chart,
        "--namespace",
        SYSTEM,
        "--set",
        "replicas=0",
        "--force-conflicts",
    ])?;
    project.condition("releases", &third, "Verified", "True", "").await.map(drop)
}
