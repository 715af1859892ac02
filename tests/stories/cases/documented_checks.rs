//! The settings to copy from the page about checks: each passes a good release and fails a bad one, with its times shortened.

use super::checks::started_before;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::metrics::{Metrics, metrics, provider};
use support::objects::deployment;
use support::pages::{Block, blocks};
use support::{Project, in_project, same};

support::stories![
    the_check_of_alerts_to_copy_passes_a_good_release_and_fails_a_bad_one,
    the_check_of_errors_to_copy_passes_a_good_release_and_fails_a_bad_one,
    the_check_of_latency_to_copy_passes_a_good_release_and_fails_a_bad_one,
];

/// The times of the page, and those here.
const TIMES: [(&str, &str); 3] = [
    ("interval: 15s", "interval: 5s"),
    ("window: 2m", "window: 6s"),
    ("observeWindow: 5m", "observeWindow: 25s"),
];

/// The policy in a file of the page, for the environment `prod`, with a provider of the project.
async fn copied(project: &Project, file: &str) -> Result<&'static Metrics> {
    let metrics = metrics().await?;
    let name = provider(project, "prometheus", &metrics.url()).await?;
    let found = blocks("docs/checks.md")?.into_iter().find_map(|block| match block {
        Block::File { name, text } if name == file => Some(text),
        Block::File { .. } | Block::Commands(_) => None,
    });
    let mut text = found.with_context(|| format!("docs/checks.md has no {file}"))?;
    ensure!(text.contains("provider: metrics\n"), "{text}");
    text = text.replace("provider: metrics\n", &format!("provider: {name}\n"));
    for (there, here) in TIMES {
        text = text.replace(there, here);
    }
    ensure!(
        !text.contains("5m") && !text.contains("2m") && !text.contains("15s"),
        "a time that is not shortened: {text}"
    );
    let policy: Value = serde_yaml::from_str(&text)?;
    project.policy("copied", policy["spec"].clone()).await?;
    project.change("environments", "prod", json!({ "spec": { "rollbackPolicyRef": "copied" } })).await?;
    project.condition("rollbackpolicies", "copied", "Ready", "True", "Valid").await?;
    Ok(metrics)
}

/// A release that is rolled out; returns the name of its promotion.
async fn rolled_out(project: &Project, version: &str) -> Result<String> {
    let release = project.release(version, &[deployment("web", &format!("v{version}"), None)]).await?;
    let name = format!("prod-{release}");
    let is_observed = |it: &Value| it["status"]["rolledOutAt"].is_string();
    project.until("promotions", &name, "is rolled out", is_observed).await?;
    Ok(name)
}

async fn passes(project: &Project, promotion: &str) -> Result<()> {
    let verified = project.ended(promotion, "Verified").await?;
    same("verdict", verified["status"]["checks"][0]["verdict"].as_str(), Some("Passed"))
}

async fn fails(project: &Project, promotion: &str, words: &[&str]) -> Result<()> {
    let failed = project.ended(promotion, "Failed").await?;
    same("reason", failed["status"]["reason"].as_str(), Some("CheckFailed"))?;
    let message = failed["status"]["message"].as_str().unwrap_or_default();
    ensure!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
    project.ended(&format!("{promotion}-rollback"), "Verified").await.map(drop)
}

async fn the_check_of_alerts_to_copy_passes_a_good_release_and_fails_a_bad_one() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let metrics = copied(project, "checks-alerts.yaml").await?;
        metrics.errors(project, 0.0).await?;
        metrics.answered("up offset 3s").await?;
        let good = rolled_out(project, "1.0.0").await?;
        passes(project, &good).await?;
        let bad = rolled_out(project, "2.0.0").await?;
        started_before(metrics, project, &bad).await?;
        metrics.errors(project, 0.9).await?;
        fails(project, &bad, &["check alerts: alert ErrorsHigh fires since the promotion started"]).await
    })
    .await
}

/// Lets the pods of the new revision count 50 requests a second, of which some have errors.
async fn requests(metrics: &Metrics, project: &Project, version: &str, errors: f64) -> Result<()> {
    let (namespace, tag) = (project.target("prod"), format!("v{version}"));
    for pod in project.pods("prod", "web").await? {
        let is_new = pod["spec"]["containers"][0]["image"].as_str().is_some_and(|image| image.contains(&tag));
        let name = pod["metadata"]["name"].as_str().filter(|_| is_new);
        for (code, share) in [("200", 1.0 - errors), ("500", errors)] {
            let labels = |name| format!("namespace=\"{namespace}\",pod=\"{name}\",code=\"{code}\"");
            name.into_iter().for_each(|name| {
                metrics.counts(&format!("http_requests_total{{{}}}", labels(name)), 50.0 * share);
            });
        }
    }
    Ok(())
}

async fn the_check_of_errors_to_copy_passes_a_good_release_and_fails_a_bad_one() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let metrics = copied(project, "checks-errors.yaml").await?;
        let good = rolled_out(project, "1.0.0").await?;
        requests(metrics, project, "1.0.0", 0.01).await?;
        passes(project, &good).await?;
        let bad = rolled_out(project, "2.0.0").await?;
        requests(metrics, project, "2.0.0", 0.2).await?;
        fails(project, &bad, &["check error-ratio: 0.", "is greater than 0.05"]).await
    })
    .await
}

/// Lets the application answer 50 requests a second, each in this many seconds.
fn answers_in(metrics: &Metrics, project: &Project, seconds: f64) {
    let labels = format!("{{namespace=\"{}\"}}", project.target("prod"));
    metrics.counts(&format!("http_request_duration_seconds_count{labels}"), 50.0);
    metrics.counts(&format!("http_request_duration_seconds_sum{labels}"), 50.0 * seconds);
}

async fn the_check_of_latency_to_copy_passes_a_good_release_and_fails_a_bad_one() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let metrics = copied(project, "checks-latency.yaml").await?;
        answers_in(metrics, project, 0.1);
        let namespace = project.target("prod");
        // The value before the release is that of a whole window.
        metrics
            .answered(&format!("http_request_duration_seconds_count{{namespace=\"{namespace}\"}} offset 6s"))
            .await?;
        let good = rolled_out(project, "1.0.0").await?;
        answers_in(metrics, project, 0.12);
        passes(project, &good).await?;
        let bad = rolled_out(project, "2.0.0").await?;
        answers_in(metrics, project, 0.5);
        fails(project, &bad, &["check latency: "]).await
    })
    .await
}
