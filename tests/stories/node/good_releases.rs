//! Good releases, and what could be taken for a bad one.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::shop::{in_shop, in_shops, web, web_with};
use support::objects::config;
use support::same;

support::node_stories![
    two_editions_go_to_prod_by_the_digests_of_the_registry,
    an_image_that_no_registry_knows_is_told_and_not_pinned,
    a_config_only_release_and_its_rollback_are_seen_by_the_process,
    a_slow_start_is_not_taken_for_a_bad_release,
    a_single_restart_at_the_start_is_not_taken_for_a_bad_release,
];

async fn two_editions_go_to_prod_by_the_digests_of_the_registry() -> Result<()> {
    let environments =
        [json!({ "name": "dev", "delivery": "Observed" }), json!({ "name": "prod", "after": ["dev"] })];
    in_shops(&environments, "3s", async |shop| {
        for (version, tag) in [("1.0.0", "v1"), ("2.0.0", "v2")] {
            let pushed = shop.node.push(&shop.edition(tag)).await?;
            shop.project.apply("dev", &[web(&shop.edition(tag).name())])?;
            shop.project.settled("dev", "deployments", "web").await?;
            let release = shop.project.capture(version, "dev").await?;
            shop.ended(&format!("prod-{release}"), "Verified").await?;
            same("image", shop.project.image_of("prod", "deployments", "web").await?, pushed)?;
            shop.answers("prod", "web", &json!({ "version": tag })).await?;
            shop.project.condition("releases", &release, "Verified", "True", "").await?;
        }
        Ok(())
    })
    .await
}

async fn an_image_that_no_registry_knows_is_told_and_not_pinned() -> Result<()> {
    let environments =
        [json!({ "name": "dev", "delivery": "Observed" }), json!({ "name": "prod", "after": ["dev"] })];
    in_shops(&environments, "3s", async |shop| {
        let image = shop.edition("imported");
        shop.node.import(&image).await?;
        shop.project.apply("dev", &[web(&image.name())])?;
        shop.project.settled("dev", "deployments", "web").await?;
        let pods = shop.project.pods("dev", "web").await?;
        let id = pods[0]["status"]["containerStatuses"][0]["imageID"].as_str().unwrap_or_default();
        ensure!(id.starts_with("sha256:"), "the kubelet reports {id}");
        let release = shop.project.capture("1.0.0", "dev").await?;
        let ended = shop.ended(&format!("prod-{release}"), "Verified").await?;
        let warnings = ended["status"]["warnings"].to_string();
        ensure!(warnings.contains("1 image is not pinned"), "nothing of it in {warnings}");
        let found = shop.project.ours("releases", &release).await?;
        let told =
            json!([{ "image": image.name(), "reason": "the kubelet reports no digest of its repository" }]);
        same("images", &found["status"]["images"], &told)?;
        same("image", shop.project.image_of("prod", "deployments", "web").await?, image.name())?;
        shop.answers("prod", "web", &json!({ "version": "imported" })).await
    })
    .await
}

/// The Deployment with its configuration as a variable and as a file.
fn configured(image: &str) -> Value {
    let mut web = web_with(
        image,
        json!({
            "envFrom": [{ "configMapRef": { "name": "web-config" } }],
            "env": [{ "name": "CONFIG_FILE", "value": "/config/GREETING" }],
            "volumeMounts": [{ "name": "config", "mountPath": "/config" }],
        }),
    );
    web["spec"]["template"]["spec"]["volumes"] =
        json!([{ "name": "config", "configMap": { "name": "web-config" } }]);
    web
}

async fn a_config_only_release_and_its_rollback_are_seen_by_the_process() -> Result<()> {
    in_shop("3s", async |shop| {
        let web = configured(&shop.image("v1", &[]).await?);
        for (version, greeting) in [("1.0.0", "hello"), ("2.0.0", "goodbye")] {
            shop.verified(version, &[config("web-config", greeting), web.clone()]).await?;
            let wanted = json!({ "version": "v1", "greeting": greeting, "file": greeting });
            shop.answers("prod", "web", &wanted).await?;
        }
        let back = json!({ "release": "shop-2.0.0", "environment": "prod", "kind": "Rollback" });
        shop.project.promotion("back", back).await?;
        shop.ended("back", "Verified").await?;
        shop.answers("prod", "web", &json!({ "version": "v1", "greeting": "hello", "file": "hello" })).await
    })
    .await
}

async fn a_slow_start_is_not_taken_for_a_bad_release() -> Result<()> {
    in_shop("3s", async |shop| {
        shop.verified("1.0.0", &[web(&shop.image("v1", &[]).await?)]).await?;
        let slow = shop.image("v2", &[("START_AFTER", "15")]).await?;
        shop.verified("2.0.0", &[web(&slow)]).await?;
        shop.answers("prod", "web", &json!({ "version": "v2" })).await
    })
    .await
}

async fn a_single_restart_at_the_start_is_not_taken_for_a_bad_release() -> Result<()> {
    in_shop("6s", async |shop| {
        shop.verified("1.0.0", &[web(&shop.image("v1", &[]).await?)]).await?;
        // The sandbox keeps its shared memory when a container is recreated.
        let once = shop.image("v2", &[("CRASH_ONCE", "/dev/shm/crashed")]).await?;
        shop.verified("2.0.0", &[web(&once)]).await?;
        shop.answers("prod", "web", &json!({ "version": "v2" })).await?;
        let restarts = shop.project.pods("prod", "web").await?;
        let restarts: Vec<_> = restarts
            .iter()
            .map(|pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64())
            .collect();
        same("restarts", restarts, vec![Some(1), Some(1)])
    })
    .await
}
