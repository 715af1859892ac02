//! Which release goes where and when: superseding, hold, Manual environments, budgets, people's rollbacks.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use support::objects::{config, deployment, image, service};
use support::waits::condition;
use support::{Project, in_project, same, with_own_controller};

support::stories![
    a_newer_release_supersedes_one_that_is_on_its_way,
    a_release_that_failed_and_was_superseded_is_ready_and_keeps_its_verdict,
    a_held_release_waits_until_the_hold_is_lifted,
    two_applications_share_environments_and_do_not_hinder_each_other,
    a_spent_budget_holds_and_a_person_goes_on,
    the_action_hold_leaves_everything_and_stops_automation_until_a_person_rolls_back,
    the_action_notify_leaves_everything_and_lets_the_next_release_follow,
    a_manual_environment_waits_for_a_persons_promotion,
    a_person_rolls_back_a_verified_release_and_it_does_not_return_by_itself,
    a_release_soaks_before_the_next_environment,
    a_version_that_was_created_again_with_another_content_is_refused_by_name,
    a_promotion_that_waits_is_for_the_content_that_it_was_asked_for,
    a_release_whose_rollout_a_person_undid_goes_no_further,
];

fn web(tag: &str) -> [Value; 2] {
    [service("web"), deployment("web", tag, None)]
}

async fn verified(project: &Project, version: &str, tag: &str) -> Result<String> {
    let release = project.release(version, &web(tag)).await?;
    project.ended(&format!("prod-{release}"), "Verified").await?;
    Ok(release)
}

/// Waits for as long as automation would have needed to act.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

async fn a_newer_release_supersedes_one_that_is_on_its_way() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        verified(project, "1.0.0", "v1").await?;
        let mut slow = web("v2-ready-after");
        slow[1]["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": "600" });
        let second = project.release("2.0.0", &slow).await?;
        project.in_phase(&format!("prod-{second}"), "Promoting").await?;
        let third = verified(project, "3.0.0", "v3").await?;
        project.ended(&format!("prod-{second}"), "Superseded").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v3"))?;
        let found = project.ours("releases", &second).await?;
        same("Ready", condition(&found, "Ready").map(|c| c["reason"].clone()), Some(json!("Superseded")))?;
        project.condition("releases", &third, "Verified", "True", "").await.map(drop)
    })
    .await
}

async fn a_release_that_failed_and_was_superseded_is_ready_and_keeps_its_verdict() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        verified(project, "1.0.0", "v1").await?;
        let second = project.release("2.0.0", &web("v2-crash-loop")).await?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        project.condition("releases", &second, "Stalled", "True", "RolledBack").await?;
        verified(project, "3.0.0", "v3").await?;
        let found = project.condition("releases", &second, "Ready", "True", "Superseded").await?;
        same("phase", found["status"]["phase"].as_str(), Some("RolledBack"))
    })
    .await
}

async fn a_held_release_waits_until_the_hold_is_lifted() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let spec = json!({ "source": { "manifests": web("v1") }, "hold": true });
        let release = project.release_of("shop", "1.0.0", spec).await?;
        project.condition("releases", &release, "Ready", "True", "Hold").await?;
        a_while().await;
        same("promotions", project.all("promotions").await?.len(), 0)?;
        project.change("releases", &release, json!({ "spec": { "hold": null } })).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

async fn two_applications_share_environments_and_do_not_hinder_each_other() -> Result<()> {
    let environments = [json!({ "name": "staging" }), json!({ "name": "prod", "after": ["staging"] })];
    in_project(&environments, async |project| {
        verified_everywhere(project, "shop", "1.0.0", "web", "v1").await?;
        let before = project.here("prod", "deployments", "web").await?["metadata"]["generation"].clone();
        let blog = |tag: &str| json!({ "source": { "manifests": [config("blog-config", tag), deployment("blog", tag, Some("blog-config"))] } });
        let bad = project.release_of("blog", "1.0.0", blog("v1-crash-loop")).await?;
        project.ended(&format!("staging-{bad}-rollback"), "Verified").await?;
        same("the bad one is gone", project.live("staging", "deployments", "blog").await?.is_none(), true)?;
        verified_everywhere(project, "blog", "2.0.0", "blog", "v2").await?;
        let after = project.here("prod", "deployments", "web").await?["metadata"]["generation"].clone();
        same("generation of the other application", after, before)?;
        let found = project.condition("environments", "prod", "Ready", "True", "").await?;
        let names: Vec<_> = found["status"]["applications"].as_array().into_iter().flatten().map(|a| a["name"].clone()).collect();
        same("applications", names, vec![json!("blog"), json!("shop")])
    })
    .await
}

async fn verified_everywhere(
    project: &Project,
    app: &str,
    version: &str,
    name: &str,
    tag: &str,
) -> Result<()> {
    let spec = json!({ "source": { "manifests": [deployment(name, tag, None)] } });
    let release = project.release_of(app, version, spec).await?;
    project.condition("releases", &release, "Verified", "True", "").await.map(drop)
}

async fn a_spent_budget_holds_and_a_person_goes_on() -> Result<()> {
    let prod = json!({ "name": "prod", "rollbackPolicyRef": "scarce" });
    in_project(&[prod], async |project| {
        project.policy("scarce", json!({ "budget": { "rollbacks": 1 } })).await?;
        verified(project, "1.0.0", "v1").await?;
        let second = project.release("2.0.0", &web("v2-crash-loop")).await?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        let third = project.release("3.0.0", &web("v3-crash-loop")).await?;
        let failed = project.ended(&format!("prod-{third}"), "Failed").await?;
        let message = failed["status"]["message"].as_str().unwrap_or_default();
        same(message, message.contains("budget"), true)?;
        a_while().await;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v3-crash-loop"))?;
        let fourth = project.release("4.0.0", &web("v4")).await?;
        project.condition("releases", &fourth, "Ready", "True", "FailureHold").await?;
        project.promotion("mine", json!({ "release": fourth, "environment": "prod" })).await?;
        project.ended("mine", "Verified").await?;
        project.condition("environments", "prod", "Ready", "True", "").await.map(drop)
    })
    .await
}

async fn the_action_hold_leaves_everything_and_stops_automation_until_a_person_rolls_back() -> Result<()> {
    let prod = json!({ "name": "prod", "rollbackPolicyRef": "hold" });
    in_project(&[prod], async |project| {
        project.policy("hold", json!({ "action": "Hold" })).await?;
        verified(project, "1.0.0", "v1").await?;
        let second = project.release("2.0.0", &web("v2-crash-loop")).await?;
        project.ended(&format!("prod-{second}"), "Failed").await?;
        project.condition("releases", &second, "Stalled", "True", "Failed").await?;
        let third = project.release("3.0.0", &web("v3")).await?;
        project.condition("releases", &third, "Ready", "True", "FailureHold").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v2-crash-loop"))?;
        let back =
            json!({ "release": second, "environment": "prod", "kind": "Rollback", "reason": "on call" });
        project.promotion("back", back).await?;
        project.ended("back", "Verified").await.map(drop)
    })
    .await
}

async fn the_action_notify_leaves_everything_and_lets_the_next_release_follow() -> Result<()> {
    let prod = json!({ "name": "prod", "rollbackPolicyRef": "notify" });
    in_project(&[prod], async |project| {
        project.policy("notify", json!({ "action": "Notify" })).await?;
        verified(project, "1.0.0", "v1").await?;
        let second = project.release("2.0.0", &web("v2-crash-loop")).await?;
        project.ended(&format!("prod-{second}"), "Failed").await?;
        a_while().await;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v2-crash-loop"))?;
        verified(project, "3.0.0", "v3").await.map(drop)
    })
    .await
}

async fn a_manual_environment_waits_for_a_persons_promotion() -> Result<()> {
    let prod = json!({ "name": "prod", "promotion": "Manual" });
    in_project(&[prod], async |project| {
        let release = project.release("1.0.0", &web("v1")).await?;
        let found = project.condition("releases", &release, "Ready", "True", "Manual").await?;
        same("phase", found["status"]["phase"].as_str(), Some("Waiting"))?;
        a_while().await;
        same("promotions", project.all("promotions").await?.len(), 0)?;
        project.promotion("go", json!({ "release": release, "environment": "prod" })).await?;
        project.ended("go", "Verified").await?;
        project.condition("releases", &release, "Verified", "True", "").await.map(drop)
    })
    .await
}

async fn a_person_rolls_back_a_verified_release_and_it_does_not_return_by_itself() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        verified(project, "1.0.0", "v1").await?;
        let before = project.snapshot("prod").await?;
        let second = verified(project, "2.0.0", "v2").await?;
        let back =
            json!({ "release": second, "environment": "prod", "kind": "Rollback", "reason": "too slow" });
        project.promotion("back", back).await?;
        let ended = project.ended("back", "Verified").await?;
        same("restores", ended["status"]["restores"].as_i64(), Some(1))?;
        same("everything of prod", project.snapshot("prod").await?, before)?;
        a_while().await;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))?;
        let found = project.condition("environments", "prod", "Ready", "True", "").await?;
        same("current", found["status"]["applications"][0]["current"]["version"].as_str(), Some("1.0.0"))
    })
    .await
}

async fn a_release_soaks_before_the_next_environment() -> Result<()> {
    let environments =
        [json!({ "name": "staging" }), json!({ "name": "prod", "after": ["staging"], "soak": "20s" })];
    in_project(&environments, async |project| {
        let release = project.release("1.0.0", &web("v1")).await?;
        let found = project.condition("releases", &release, "Ready", "True", "Soak").await?;
        same("until", found["status"]["environments"][1]["until"].is_string(), true)?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

async fn a_version_that_was_created_again_with_another_content_is_refused_by_name() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["staging"], "promotion": "Manual" });
    in_project(&[json!({ "name": "staging" }), prod], async |project| {
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended("staging-shop-1.0.0", "Verified").await?;
        project.condition("releases", &release, "Ready", "True", "Manual").await?;
        project.delete("releases", &release).await?;
        project.change("environments", "prod", json!({ "spec": { "promotion": "Automatic" } })).await?;
        project.release("1.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
        let found = project.condition("releases", &release, "Stalled", "True", "VersionTaken").await?;
        let message = found["status"]["message"].as_str().unwrap_or_default();
        ensure!(
            message.contains("version 1.0.0 of shop was promoted to staging by staging-shop-1.0.0"),
            "{message}"
        );
        same("prod", project.snapshot("prod").await?.len(), 0)?;
        same("staging", project.image_of("staging", "deployments", "web").await?, image("v1"))
    })
    .await
}

async fn a_promotion_that_waits_is_for_the_content_that_it_was_asked_for() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod", "promotion": "Manual" })], async |project| {
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.condition("releases", &release, "Ready", "True", "Manual").await?;
        project.change("releases", &release, json!({ "spec": { "hold": true } })).await?;
        project.promotion("asked", json!({ "release": release, "environment": "prod" })).await?;
        project.until("promotions", "asked", "waits", |it| it["status"]["reason"] == "Hold").await?;
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        project.delete("releases", &release).await?;
        project.release("1.0.0", &[deployment("web", "v2", None)]).await?;
        project.start().await?;
        let ended = project.ended("asked", "Cancelled").await?;
        same("reason", ended["status"]["reason"].as_str(), Some("ReleaseDeleted"))?;
        same("prod", project.snapshot("prod").await?.len(), 0)
    })
    .await
}

async fn a_release_whose_rollout_a_person_undid_goes_no_further() -> Result<()> {
    let dev = json!({ "name": "dev", "rollbackPolicyRef": "observed" });
    in_project(&[dev, json!({ "name": "prod", "after": ["dev"] })], async |project| {
        project.policy("observed", json!({ "observeWindow": "8s" })).await?;
        verified(project, "1.0.0", "v1").await?;
        // A person has time to undo the second one.
        project.change("rollbackpolicies", "observed", json!({ "spec": { "observeWindow": "60s" } })).await?;
        let second = project.release("2.0.0", &web("v2")).await?;
        let is_observed = |it: &Value| it["status"]["rolledOutAt"].is_string();
        project.until("promotions", "dev-shop-2.0.0", "is observed", is_observed).await?;
        let target = project.target("dev");
        project.kubectl().run(&["--namespace", &target, "rollout", "undo", "deployment/web"])?;
        let ended = project.ended("dev-shop-2.0.0", "Failed").await?;
        same("reason", ended["status"]["reason"].as_str(), Some("TemplateChanged"))?;
        project.condition("releases", &second, "Verified", "False", "").await?;
        a_while().await;
        let promotions = project.all("promotions").await?;
        let to_prod = |it: &&Value| it["metadata"]["name"] == "prod-shop-2.0.0";
        same("promotions to prod", promotions.iter().filter(to_prod).count(), 0)?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))
    })
    .await
}
