//! Objects that a finalizer keeps: what waits for them says so, and ends.

use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use support::objects::{deployment, service};
use support::{Project, in_project, same};

support::stories![a_write_that_waits_for_a_finalizer_names_it, a_rollback_ends_when_what_it_removes_is_gone,];

const FINALIZER: &str = "example.com/protect";

async fn finalizers(project: &Project, name: &str, finalizers: Value) -> Result<()> {
    let path = format!("{}/{name}", project.live_path("prod", "services"));
    let patch = json!({ "metadata": { "finalizers": finalizers } });
    project.send(Method::PATCH, &path, "application/merge-patch+json", patch).await.map(drop)
}

fn names_it(promotion: &Value, object: &str) -> bool {
    let message = promotion["status"]["message"].as_str().unwrap_or_default();
    promotion["status"]["reason"] == "Terminating" && message.contains(object) && message.contains(FINALIZER)
}

async fn a_write_that_waits_for_a_finalizer_names_it() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None), service("web")]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        finalizers(project, "web", json!([FINALIZER])).await?;
        let target = project.target("prod");
        project.kubectl().run(&["delete", "service", "web", "-n", &target, "--wait=false"])?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None), service("web")]).await?;
        let name = format!("prod-{second}");
        project.until("promotions", &name, "names the finalizer", |it| names_it(it, "Service web")).await?;
        finalizers(project, "web", json!(null)).await?;
        project.ended(&name, "Verified").await?;
        let web = project.here("prod", "services", "web").await?;
        same("it is there again", web["metadata"]["deletionTimestamp"].is_null(), true)
    })
    .await
}

async fn a_rollback_ends_when_what_it_removes_is_gone() -> Result<()> {
    in_project(&[json!({ "name": "prod", "rollbackPolicyRef": "watched" })], async |project| {
        project.policy("watched", json!({ "observeWindow": "60s" })).await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.change("rollbackpolicies", "watched", json!({ "spec": { "observeWindow": "1s" } })).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        project.change("rollbackpolicies", "watched", json!({ "spec": { "observeWindow": "60s" } })).await?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None), service("extra")]).await?;
        let promotion = format!("prod-{second}");
        let is_observed = |it: &Value| it["status"]["rolledOutAt"].is_string();
        project.until("promotions", &promotion, "is rolled out", is_observed).await?;
        finalizers(project, "extra", json!([FINALIZER])).await?;
        let back = json!({ "release": second, "environment": "prod", "kind": "Rollback" });
        project.promotion("back", back).await?;
        project
            .until("promotions", "back", "names the finalizer", |it| names_it(it, "Service extra"))
            .await?;
        finalizers(project, "extra", json!(null)).await?;
        let restored = project.ended("back", "Verified").await?;
        let message = restored["status"]["message"].as_str().unwrap_or_default();
        ensure!(!message.contains("extra"), "{message}");
        same("it is gone", project.live("prod", "services", "extra").await?.is_none(), true)
    })
    .await
}
