//! The same content a second time: promoted again, offered again under another name, and what is left to roll back to then.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::judgement::Timing;
use support::judgement::acts::{act, perform};
use support::objects::{deployment, image, service};
use support::{Project, in_project, same};

support::stories![
    the_shortest_history_still_holds_the_version_before_one_that_was_promoted_again,
    a_verified_release_that_is_promoted_again_and_crashes_then_is_not_rolled_back,
    a_content_that_was_never_verified_is_rolled_back_under_its_second_name,
    a_release_that_was_refused_until_it_failed_is_verified_when_it_is_promoted_again,
    what_failed_is_not_promoted_again_by_itself_whatever_it_is_called,
];

fn web(tag: &str) -> [Value; 1] {
    [deployment("web", tag, None)]
}

fn message(object: &Value) -> String {
    object["status"]["message"].as_str().unwrap_or_default().to_owned()
}

async fn runs(project: &Project, tag: &str) -> Result<()> {
    same("image", project.image_of("prod", "deployments", "web").await?, image(tag))
}

async fn crash(project: &Project) -> Result<()> {
    let crashes = json!({ "fate": { "pods": "web", "is": "crash-after-ready", "seconds": 0.0 } });
    perform(project, &act(&crashes)?, &Timing::earliest()).await
}

async fn the_shortest_history_still_holds_the_version_before_one_that_was_promoted_again() -> Result<()> {
    in_project(&[json!({ "name": "prod", "historyLimit": 1 })], async |project| {
        for number in 1..=5 {
            let release = project.release(&format!("{number}.0.0"), &web(&format!("v{number}"))).await?;
            project.ended(&format!("prod-{release}"), "Verified").await?;
        }
        for name in ["again", "once-more"] {
            let again = json!({ "release": "shop-5.0.0", "environment": "prod" });
            project.promotion(name, again).await?;
            project.ended(name, "Verified").await?;
        }
        let back = json!({ "release": "shop-5.0.0", "environment": "prod", "kind": "Rollback" });
        project.promotion("back", back).await?;
        let ended = project.ended("back", "Verified").await?;
        same("version", ended["status"]["version"].as_str(), Some("4.0.0"))?;
        runs(project, "v4").await
    })
    .await
}

async fn a_verified_release_that_is_promoted_again_and_crashes_then_is_not_rolled_back() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        for tag in ["v1", "v2"] {
            let release = project.release(&tag.replace('v', "1.0."), &web(tag)).await?;
            project.ended(&format!("prod-{release}"), "Verified").await?;
        }
        project.policy("patient", json!({ "observeWindow": "30s" })).await?;
        project.change("environments", "prod", json!({ "spec": { "rollbackPolicyRef": "patient" } })).await?;
        project.promotion("again", json!({ "release": "shop-1.0.2", "environment": "prod" })).await?;
        project.until("promotions", "again", "starts", |it| it["status"]["startedAt"].is_string()).await?;
        crash(project).await?;
        let failed = project.ended("again", "Failed").await?;
        let said = message(&failed);
        ensure!(said.contains("verified before as revision 2"), "{said}");
        let rollbacks = project.all("promotions").await?;
        same("rollbacks", rollbacks.iter().filter(|it| it["spec"]["kind"] == "Rollback").count(), 0)?;
        runs(project, "v2").await
    })
    .await
}

async fn a_content_that_was_never_verified_is_rolled_back_under_its_second_name() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &web("v1")).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        project.policy("patient", json!({ "observeWindow": "40s" })).await?;
        project.change("environments", "prod", json!({ "spec": { "rollbackPolicyRef": "patient" } })).await?;
        let second = project.release("2.0.0", &web("v2")).await?;
        let name = format!("prod-{second}");
        project.until("promotions", &name, "starts", |it| it["status"]["startedAt"].is_string()).await?;
        project.settled("prod", "deployments", "web").await?;
        let same_content = project.release("2.1.0", &web("v2")).await?;
        project.ended(&name, "Superseded").await?;
        let name = format!("prod-{same_content}");
        project.until("promotions", &name, "starts", |it| it["status"]["startedAt"].is_string()).await?;
        crash(project).await?;
        project.ended(&name, "Failed").await?;
        let back = project.ended(&format!("{name}-rollback"), "Verified").await?;
        same("version", back["status"]["version"].as_str(), Some("1.0.0"))?;
        runs(project, "v1").await
    })
    .await
}

async fn a_release_that_was_refused_until_it_failed_is_verified_when_it_is_promoted_again() -> Result<()> {
    let staging = json!({ "name": "staging", "rollbackPolicyRef": "short" });
    in_project(&[staging, json!({ "name": "prod", "after": ["staging"] })], async |project| {
        project.policy("short", json!({ "failing": { "progressDeadlineSeconds": 6 } })).await?;
        // Another tool has the Service, with another selector.
        let mut other = service("web");
        other["spec"]["selector"] = json!({ "app": "other" });
        project.apply("staging", &[other])?;
        let release = project.release("1.0.0", &[service("web"), deployment("web", "v1", None)]).await?;
        let refused = project.ended(&format!("staging-{release}"), "Failed").await?;
        let said = message(&refused);
        ensure!(said.contains("Service web"), "{said}");
        project.condition("releases", &release, "Stalled", "True", "").await?;

        project.kubectl().run(&["delete", "service", "web", "-n", &project.target("staging")])?;
        let patient = json!({ "spec": { "failing": { "progressDeadlineSeconds": 60 } } });
        project.change("rollbackpolicies", "short", patient).await?;
        project.promotion("again", json!({ "release": release, "environment": "staging" })).await?;
        project.ended("again", "Verified").await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;
        let found = project.condition("releases", &release, "Verified", "True", "").await?;
        same("phase", found["status"]["phase"].as_str(), Some("Verified"))?;
        let stalled = support::waits::condition(&found, "Stalled").map(|it| it["status"].clone());
        same("Stalled", stalled.is_some_and(|status| status == "True"), false)
    })
    .await
}

async fn what_failed_is_not_promoted_again_by_itself_whatever_it_is_called() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &web("v1")).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let bad = project.release("2.0.0", &web("v2-crash-loop")).await?;
        project.ended(&format!("prod-{bad}-rollback"), "Verified").await?;
        // Under another version.
        let other = project.release("2.0.1", &web("v2-crash-loop")).await?;
        let is_held = |it: &Value| it["status"]["environments"][0]["state"] == "FailureHold";
        let found = project.until("releases", &other, "is held", is_held).await?;
        let said = found["status"]["environments"][0]["message"].as_str().unwrap_or_default();
        ensure!(said.contains("the same content failed here as shop-2.0.0"), "{said}");
        // A tool prunes the release and applies it again.
        project.delete("releases", &bad).await?;
        project.release("2.0.0", &web("v2-crash-loop")).await?;
        project.condition("releases", &bad, "Stalled", "True", "RolledBack").await?;
        same("promotions", project.all("promotions").await?.len(), 3)?;
        runs(project, "v1").await
    })
    .await
}
