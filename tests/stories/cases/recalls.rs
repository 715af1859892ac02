//! A release is recalled: every environment that runs its content comes back, and nothing of it is promoted until the recall is lifted.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::objects::{deployment, image, service};
use support::{Project, in_project, same};

support::stories![what_is_recalled_comes_back_everywhere_and_stays_away_until_the_recall_is_lifted,];

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
