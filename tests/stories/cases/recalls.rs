//! A release is recalled: every environment that runs its content comes back, and nothing of it is promoted until the recall is lifted.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::objects::{deployment, image, service};
use support::waits::condition;
use support::{Project, in_project, same};

support::stories![
    what_is_recalled_comes_back_everywhere_and_stays_away_until_the_recall_is_lifted,
    what_is_recalled_in_an_observed_environment_is_reported_and_left_to_the_other_tool,
    the_command_that_a_recall_of_the_only_verified_release_prints_restores_what_ran_before,
];

fn web(tag: &str) -> [Value; 2] {
    [service("web"), deployment("web", tag, None)]
}

async fn digest(project: &Project, release: &str) -> Result<String> {
    let found = project.ours("releases", release).await?;
    Ok(found["status"]["digest"].as_str().context("no digest")?.to_owned())
}

async fn runs(project: &Project, environment: &str, tag: &str) -> Result<()> {
    same(environment, project.image_of(environment, "deployments", "web").await?, image(tag))
}

async fn what_is_recalled_comes_back_everywhere_and_stays_away_until_the_recall_is_lifted() -> Result<()> {
    let environments = [
        json!({ "name": "dev" }),
        json!({ "name": "staging", "after": ["dev"] }),
        json!({ "name": "prod", "after": ["staging"], "rollbackPolicyRef": "careful" }),
    ];
    in_project(&environments, async |project| {
        let policy = json!({ "action": "Hold", "budget": { "rollbacks": 0 } });
        project.policy("careful", policy).await?;
        let carol = project.person("carol", &[], &["towpath-oncall"]).await?;
        let first = project.release("1.0.0", &web("v1")).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let second = project.release("2.0.0", &web("v2")).await?;
        project.ended(&format!("prod-{second}"), "Verified").await?;
        // In dev, a rollback restored what is recalled.
        let third = project.release("3.0.0", &web("v3-crash-loop")).await?;
        project.ended(&format!("dev-{third}-rollback"), "Verified").await?;
        let (now, day) = (Timestamp::now(), SignedDuration::from_hours(24));
        let freeze =
            json!({ "from": now - day, "to": now + day, "reason": "sale", "environments": ["prod"] });
        project.create("changefreezes", "sale", freeze).await?;
        // The Recall outlives the release.
        let digest = digest(project, &second).await?;
        project.delete("releases", &second).await?;

        let spec = json!({ "application": "shop", "digests": [digest], "reason": "it loses orders" });
        let made = carol.create(project, "recalls", "lost-orders", spec).await?;
        same("author", made["spec"]["author"]["username"].clone(), json!("carol"))?;
        for rollback in [
            format!("prod-{second}-recalled"),
            format!("staging-{second}-recalled"),
            format!("dev-{third}-rollback-recalled"),
        ] {
            let ended = project.ended(&rollback, "Verified").await?;
            let reason = ended["spec"]["reason"].as_str().unwrap_or_default();
            ensure!(reason == "recalled by carol (Recall lost-orders): it loses orders", "{reason}");
        }
        for environment in ["dev", "staging", "prod"] {
            runs(project, environment, "v1").await?;
        }
        project.condition("recalls", "lost-orders", "Ready", "True", "Recalled").await?;

        // The same content under another name is recalled as well, and passes with an override.
        let again = project.release("2.0.1", &web("v2")).await?;
        let waits = |it: &Value| it["status"]["environments"][0]["state"] == "Recall";
        project.until("releases", &again, "waits at Recall", waits).await?;
        let spec = json!({ "release": again, "environment": "dev" });
        carol.create(project, "promotions", "manual", spec).await?;
        project.until("promotions", "manual", "waits", |it| it["status"]["reason"] == "Recall").await?;
        carol.delete(project, "recalls", "lost-orders").await?;
        project.ended("manual", "Verified").await?;
        runs(project, "dev", "v2").await
    })
    .await
}

fn ready(recall: &Value) -> (&str, &str) {
    let ready = condition(recall, "Ready").unwrap_or(&Value::Null);
    (ready["reason"].as_str().unwrap_or_default(), ready["message"].as_str().unwrap_or_default())
}

async fn what_is_recalled_in_an_observed_environment_is_reported_and_left_to_the_other_tool() -> Result<()> {
    let environments =
        [json!({ "name": "dev", "delivery": "Observed" }), json!({ "name": "prod", "after": ["dev"] })];
    in_project(&environments, async |project| {
        let carol = project.person("carol", &[], &["towpath-oncall"]).await?;
        for tag in ["v1", "v2"] {
            project.apply("dev", &web(tag))?;
            project.settled("dev", "deployments", "web").await?;
            let release = project.capture(&tag.replace('v', "1.0."), "dev").await?;
            project.ended(&format!("prod-{release}"), "Verified").await?;
        }
        let digest = digest(project, "shop-1.0.2").await?;
        let spec = json!({ "application": "shop", "digests": [digest], "reason": "it loses orders" });
        carol.create(project, "recalls", "lost-orders", spec).await?;
        project.ended("prod-shop-1.0.2-recalled", "Verified").await?;
        let found = project.condition("recalls", "lost-orders", "Ready", "False", "Observed").await?;
        let (_, said) = ready(&found);
        ensure!(said.contains("dev: another tool deploys to this environment"), "{said}");
        ensure!(said.contains("prod: rolled back to 1.0.1"), "{said}");
        runs(project, "dev", "v2").await?;
        let pinned = format!("registry.example/shop@{}", control_plane::image_digest(&image("v1")));
        same("prod", project.image_of("prod", "deployments", "web").await?, pinned)?;
        let of_dev = |it: &&Value| it["spec"]["environment"] == "dev" && it["spec"]["kind"] == "Rollback";
        same("rollbacks of dev", project.all("promotions").await?.iter().filter(of_dev).count(), 0)
    })
    .await
}

async fn the_command_that_a_recall_of_the_only_verified_release_prints_restores_what_ran_before() -> Result<()>
{
    let prod = json!({ "name": "prod", "adoptFrom": ["kubectl-client-side-apply"] });
    in_project(&[prod], async |project| {
        let carol = project.person("carol", &[], &["towpath-oncall"]).await?;
        project.apply("prod", &web("v0"))?;
        project.settled("prod", "deployments", "web").await?;
        let first = project.release("1.0.0", &web("v1")).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let digest = digest(project, &first).await?;
        let spec = json!({ "application": "shop", "digests": [digest], "reason": "it loses orders" });
        carol.create(project, "recalls", "only", spec).await?;
        let found = project.condition("recalls", "only", "Ready", "False", "NoTarget").await?;
        let (_, said) = ready(&found);
        let command = said.split_once("echo '").and_then(|(_, rest)| rest.split_once("' | kubectl "));
        let (promotion, command) = command.with_context(|| said.to_owned())?;
        let second = project.release("2.0.0", &web("v2")).await?;
        project.condition("releases", &second, "Ready", "True", "FailureHold").await?;
        runs(project, "prod", "v1").await?;

        let words: Vec<&str> = command.split_whitespace().collect();
        let created = project.cluster.kubectl(&carol.access).run_with(&words, promotion)?;
        let name = created.split_whitespace().next().and_then(|word| word.split_once('/'));
        let (_, name) = name.with_context(|| created.clone())?;
        let restored = project.ended(name, "Verified").await?;
        same("restores", restored["status"]["restores"].as_i64(), Some(0))?;
        project.ended(&format!("prod-{second}"), "Verified").await?;
        project.condition("recalls", "only", "Ready", "True", "Recalled").await.map(drop)
    })
    .await
}
