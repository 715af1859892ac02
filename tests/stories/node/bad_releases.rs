//! Ways to fail of real processes: each is told by its reason, and the edition before answers again.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::shop::{Shop, in_shop, template, web, web_with};
use support::objects::config;
use support::same;

support::node_stories![
    a_crash_loop_comes_back,
    a_crash_seconds_after_becoming_ready_comes_back,
    lost_readiness_comes_back,
    running_out_of_memory_comes_back,
    an_image_that_the_registry_lacks_comes_back,
    a_wrong_command_comes_back,
    a_key_that_its_config_map_lacks_comes_back,
    a_hook_that_fails_is_told_with_its_last_words,
];

/// A second edition of the Deployment fails by what its image does.
async fn bad_image(shop: &Shop<'_>, fate: &[(&str, &str)]) -> Result<Value> {
    let (good, bad) = (shop.image("v1", &[]).await?, shop.image("v2", fate).await?);
    shop.comes_back("web", &[web(&good)], &[web(&bad)]).await
}

pub fn tells(status: &Value, reason: &str, words: &[&str]) -> Result<()> {
    let told = status["reason"].as_str().unwrap_or_default();
    ensure!(told == reason, "{told} instead of {reason}: {}", status["message"]);
    let message = status["message"].as_str().unwrap_or_default();
    for word in words {
        ensure!(message.contains(word), "nothing of {word:?} in: {message}");
    }
    Ok(())
}

async fn a_crash_loop_comes_back() -> Result<()> {
    in_shop("3s", async |shop| {
        let status = bad_image(shop, &[("CRASH_AFTER", "0")]).await?;
        tells(&status, "CrashLoopBackOff", &["terminated 2 times", "crashed as told"])
    })
    .await
}

async fn a_crash_seconds_after_becoming_ready_comes_back() -> Result<()> {
    in_shop("45s", async |shop| {
        let status = bad_image(shop, &[("CRASH_AFTER", "8")]).await?;
        // Whichever is seen first: that it ended again, or that it waits to be started a third time.
        let again = if status["reason"] == "CrashLoopBackOff" { "CrashLoopBackOff" } else { "Error" };
        tells(&status, again, &["Error (exit code 1)"])
    })
    .await
}

async fn lost_readiness_comes_back() -> Result<()> {
    in_shop("60s", async |shop| {
        let status = bad_image(shop, &[("UNREADY_AFTER", "40")]).await?;
        tells(&status, "Unavailable", &["pods lost readiness"])
    })
    .await
}

async fn running_out_of_memory_comes_back() -> Result<()> {
    in_shop("45s", async |shop| {
        let status = bad_image(shop, &[("EAT_MEMORY_AFTER", "8")]).await?;
        tells(&status, "OOMKilled", &["OOMKilled (exit code 137)"])
    })
    .await
}

async fn an_image_that_the_registry_lacks_comes_back() -> Result<()> {
    in_shop("3s", async |shop| {
        let good = shop.image("v1", &[]).await?;
        let status = shop.comes_back("web", &[web(&good)], &[web(&shop.edition("missing").name())]).await?;
        tells(&status, "ImagePullBackOff", &[":missing", "not found"])
    })
    .await
}

async fn a_wrong_command_comes_back() -> Result<()> {
    in_shop("3s", async |shop| {
        let good = shop.image("v1", &[]).await?;
        let bad = web_with(&good, json!({ "command": ["/nonexistent"] }));
        let status = shop.comes_back("web", &[web(&good)], &[bad]).await?;
        tells(&status, "RunContainerError", &["/nonexistent"])
    })
    .await
}

async fn a_key_that_its_config_map_lacks_comes_back() -> Result<()> {
    in_shop("3s", async |shop| {
        let good = shop.image("v1", &[]).await?;
        let reference = json!({ "env": [{
            "name": "GREETING", "valueFrom": { "configMapKeyRef": { "name": "web-config", "key": "MISSING" } },
        }] });
        let bad = [config("web-config", "hello"), web_with(&good, reference)];
        let status = shop.comes_back("web", &[web(&good)], &bad).await?;
        tells(&status, "CreateContainerConfigError", &["MISSING"])
    })
    .await
}

async fn a_hook_that_fails_is_told_with_its_last_words() -> Result<()> {
    in_shop("3s", async |shop| {
        let good = shop.image("v1", &[]).await?;
        let words = [("EXIT_CODE", "3"), ("EXIT_MESSAGE", "no such table")];
        let hook = shop.image("m2", &words).await?;
        let mut template = template("migrate", &hook);
        template["spec"]["restartPolicy"] = json!("Never");
        template["spec"]["containers"][0]["args"] = json!(["job"]);
        template["spec"]["containers"][0]["readinessProbe"].take();
        let migrate = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": "migrate", "annotations": { "towpath.dev/hook": "pre-promote" } },
            "spec": { "backoffLimit": 0, "template": template },
        });
        let status =
            shop.comes_back("web", &[web(&good)], &[web(&shop.image("v2", &[]).await?), migrate]).await?;
        tells(&status, "JobFailed", &["migrate", "no such table"])?;
        same("ReplicaSets", shop.project.list("prod", "replicasets").await?.len(), 1)
    })
    .await
}
