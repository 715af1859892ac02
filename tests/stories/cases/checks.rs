//! Checks decide where pods look healthy: a real Prometheus, alerts, HTTP answers and objects.

use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use support::installation::SOON;
use support::metrics::{Metrics, answers, metrics, provider};
use support::objects::{deployment, image, service, with};
use support::{Project, in_project, same, with_own_controller};

support::stories![
    a_release_whose_errors_rise_after_the_rollout_comes_back_whole,
    an_alert_that_fires_after_the_start_fails_a_release_and_an_older_one_does_not,
    an_alert_of_another_application_hides_none_of_the_release,
    a_provider_that_goes_down_ends_a_release_as_inconclusive_and_a_person_can_accept_it,
    a_query_that_prometheus_refuses_stops_a_release_before_the_first_write,
    pods_and_objects_are_asked_as_the_policy_says,
    a_check_that_cannot_work_is_named_in_its_policy_and_holds_the_environment,
    a_restart_of_the_controller_changes_nothing_about_a_failing_check,
];

/// A policy with one check, measured every five seconds.
async fn policy(project: &Project, name: &str, window: &str, check: Value) -> Result<()> {
    let mut whole = json!({ "name": "it", "interval": "5s" });
    support::merge(&mut whole, &check);
    project.policy(name, json!({ "observeWindow": window, "checks": [whole] })).await
}

fn errors(provider: &str) -> Value {
    json!({
        "window": "1s",
        "prometheus": { "provider": provider, "query": "errors{namespace=\"$namespace\"}", "max": 0.05 },
    })
}

async fn uses(project: &Project, policy: &str) -> Result<()> {
    project.change("environments", "prod", json!({ "spec": { "rollbackPolicyRef": policy } })).await
}

fn status(promotion: &Value) -> &Value {
    &promotion["status"]
}

fn says(promotion: &Value, words: &[&str]) -> Result<()> {
    let message = status(promotion)["message"].as_str().unwrap_or_default();
    ensure!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
    Ok(())
}

fn config(version: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "version": version } })
}

fn web(tag: &str) -> Value {
    with(
        deployment("web", tag, None),
        json!({ "spec": { "template": { "spec": { "volumes": [
        { "name": "settings", "configMap": { "name": "settings" } },
    ] } } } }),
    )
}

/// Waits until a promotion is rolled out and observed.
async fn observed(project: &Project, name: &str) -> Result<()> {
    let is_observed = |it: &Value| status(it)["rolledOutAt"].is_string();
    project.until("promotions", name, "is rolled out", is_observed).await.map(drop)
}

async fn a_release_whose_errors_rise_after_the_rollout_comes_back_whole() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let metrics = metrics().await?;
        metrics.errors(project, 0.01).await?;
        let name = provider(project, "prometheus", &metrics.url()).await?;
        policy(project, "measured", "6s", errors(&name)).await?;
        uses(project, "measured").await?;
        let first =
            project.release("1.0.0", &[config("1"), web("v1"), deployment("worker", "v1", None)]).await?;
        let first = project.ended(&format!("prod-{first}"), "Verified").await?;
        let report = &status(&first)["checks"][0];
        same("verdict", report["verdict"].as_str(), Some("Passed"))?;
        ensure!(report["passed"].as_i64() >= Some(2), "one more at the end of the window: {report}");
        same(
            "query",
            report["query"].as_str(),
            Some(&*format!("errors{{namespace=\"{}\"}}", project.target("prod"))),
        )?;

        project.change("rollbackpolicies", "measured", json!({ "spec": { "observeWindow": "90s" } })).await?;
        let second =
            project.release("2.0.0", &[config("2"), web("v2"), deployment("worker", "v2", None)]).await?;
        let second = format!("prod-{second}");
        observed(project, &second).await?;
        metrics.errors(project, 0.2).await?;
        let failed = project.ended(&second, "Failed").await?;
        same("reason", status(&failed)["reason"].as_str(), Some("CheckFailed"))?;
        says(&failed, &["check it: 0.2 is greater than 0.05", "rolled back to revision 1"])?;
        same("value", status(&failed)["checks"][0]["value"].as_str(), Some("0.2"))?;
        project.ended(&format!("{second}-rollback"), "Verified").await?;
        for workload in ["web", "worker"] {
            same(workload, project.image_of("prod", "deployments", workload).await?, image("v1"))?;
        }
        let maps = project.get(&format!("/api/v1/namespaces/{}/configmaps", project.target("prod"))).await?;
        let maps = maps.unwrap_or_default();
        let mounted = project.here("prod", "deployments", "web").await?;
        let mounted = mounted["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"].clone();
        let map =
            maps["items"].as_array().into_iter().flatten().find(|map| map["metadata"]["name"] == mounted);
        same("config", map.context("no config")?["data"]["version"].as_str(), Some("1"))
    })
    .await
}

/// Waits until the alert fires, and until Prometheus, which may have started just now, has data from before the promotion that follows.
async fn fires_before(metrics: &Metrics, project: &Project) -> Result<()> {
    metrics.fires(project, "ErrorsHigh").await?;
    metrics.answered("up offset 3s").await
}

/// Waits until the second in which a promotion started is over: Prometheus knows since which second an alert is active, and the second
/// of the start counts as before it.
pub(super) async fn started_before(metrics: &Metrics, project: &Project, promotion: &str) -> Result<()> {
    observed(project, promotion).await?;
    let promotion = project.ours("promotions", promotion).await?;
    let started: Timestamp =
        status(&promotion)["startedAt"].as_str().context("it has not started")?.parse()?;
    metrics.answered(&format!("vector(time()) > {}", started.as_second() + 1)).await
}

async fn an_alert_that_fires_after_the_start_fails_a_release_and_an_older_one_does_not() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let metrics = metrics().await?;
        metrics.errors(project, 0.9).await?;
        metrics.gauge(project, "latency", 0.1).await?;
        let name = provider(project, "prometheus", &metrics.url()).await?;
        let labels = json!({ "namespace": "$namespace", "severity": "page" });
        policy(project, "alerts", "6s", json!({ "alerts": { "provider": name, "labels": labels } })).await?;
        uses(project, "alerts").await?;
        fires_before(metrics, project).await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let first = project.ended(&format!("prod-{first}"), "Verified").await?;
        same("verdict", status(&first)["checks"][0]["verdict"].as_str(), Some("Passed"))?;
        project.change("rollbackpolicies", "alerts", json!({ "spec": { "observeWindow": "90s" } })).await?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        let second = format!("prod-{second}");
        started_before(metrics, project, &second).await?;
        metrics.gauge(project, "latency", 0.9).await?;
        let failed = project.ended(&second, "Failed").await?;
        says(&failed, &["check it: alert SlowAnswers fires since the promotion started"])?;
        project.ended(&format!("{second}-rollback"), "Verified").await.map(drop)
    })
    .await
}

async fn an_alert_of_another_application_hides_none_of_the_release() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let metrics = metrics().await?;
        metrics.gauge_of(project, "errors", "api", 0.9).await?;
        let name = provider(project, "prometheus", &metrics.url()).await?;
        let labels = json!({ "namespace": "$namespace", "severity": "page" });
        policy(project, "alerts", "90s", json!({ "alerts": { "provider": name, "labels": labels } })).await?;
        uses(project, "alerts").await?;
        fires_before(metrics, project).await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let first = format!("prod-{first}");
        started_before(metrics, project, &first).await?;
        metrics.gauge_of(project, "errors", "web", 0.9).await?;
        let failed = project.ended(&first, "Failed").await?;
        says(&failed, &["check it: alert ErrorsHigh fires since the promotion started"])
    })
    .await
}

async fn a_provider_that_goes_down_ends_a_release_as_inconclusive_and_a_person_can_accept_it() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let metrics = metrics().await?;
        metrics.errors(project, 0.0).await?;
        let name = provider(project, "prometheus", &metrics.url()).await?;
        let ready = format!("/apis/towpath.dev/v1alpha1/checkproviders/{name}");
        eventually("the provider to be ready", SOON, async || {
            let found = project.get(&ready).await?.unwrap_or_default();
            let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
            Ok(conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True").then_some(()))
        })
        .await?;
        let mut check = errors(&name);
        check["errorLimit"] = json!(0);
        policy(project, "measured", "30s", check).await?;
        uses(project, "measured").await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let promotion = format!("prod-{first}");
        observed(project, &promotion).await?;
        // Nothing listens at the discard port.
        let patch = json!({ "spec": { "prometheus": { "url": "http://127.0.0.1:9" } } });
        project.send(Method::PATCH, &ready, "application/merge-patch+json", patch).await?;
        let ended = project.ended(&promotion, "Inconclusive").await?;
        same("reason", status(&ended)["reason"].as_str(), Some("CheckErrored"))?;
        says(&ended, &["could not be measured", "cannot connect to 127.0.0.1", "gates: [Evidence]"])?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))?;
        let down = eventually("the provider to be down", SOON, async || {
            let found = project.get(&ready).await?.unwrap_or_default();
            let text = found["status"]["conditions"].to_string();
            Ok(text.contains("Unreachable").then_some(text))
        })
        .await?;
        ensure!(down.contains("cannot connect"), "{down}");
        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        project.condition("releases", &second, "Ready", "True", "EvidenceHold").await?;
        let accept = json!({
            "release": first, "environment": "prod", "override": { "gates": ["Evidence"], "reason": "no metrics tonight" },
        });
        project.promotion("accepted", accept).await?;
        project.ended("accepted", "Verified").await.map(drop)
    })
    .await
}

async fn a_query_that_prometheus_refuses_stops_a_release_before_the_first_write() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let metrics = metrics().await?;
        metrics.errors(project, 0.0).await?;
        let name = provider(project, "prometheus", &metrics.url()).await?;
        let query =
            json!({ "window": "1s", "prometheus": { "provider": name, "query": "sum(errors{", "max": 1 } });
        policy(project, "measured", "6s", query).await?;
        uses(project, "measured").await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let promotion = format!("prod-{first}");
        let refused = |it: &Value| status(it)["reason"] == "CheckRefused";
        let told = project.until("promotions", &promotion, "is refused", refused).await?;
        says(&told, &["check it:", "parse error"])?;
        ensure!(status(&told)["startedAt"].is_null(), "{told}");
        let mut fixed = errors(&name);
        support::merge(&mut fixed, &json!({ "name": "it", "interval": "5s" }));
        project.change("rollbackpolicies", "measured", json!({ "spec": { "checks": [fixed] } })).await?;
        project.ended(&promotion, "Verified").await.map(drop)
    })
    .await
}

async fn pods_and_objects_are_asked_as_the_policy_says() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let good = answers(200, "{\"status\":\"ok\"}").await?;
        let bad = answers(500, "{\"status\":\"bad\"}").await?;
        let checks = json!([
            { "name": "health", "interval": "5s", "http": {
                "service": { "name": "web", "port": 80 }, "path": "/health", "json": { "path": "$.status", "value": "ok" },
            } },
            { "name": "flag", "interval": "5s", "object": {
                "apiVersion": "v1", "kind": "ConfigMap", "name": "flag", "compare": { "path": "$.data.ready", "value": "yes" },
            } },
        ]);
        project.policy("asked", json!({ "observeWindow": "20s", "checks": checks })).await?;
        uses(project, "asked").await?;
        let flag = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "flag" }, "data": { "ready": "yes" } });
        project.apply("prod", &[flag])?;
        let behind = |port: u16| with(service("web"), json!({ "spec": {
            "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": port }],
        } }));
        let first = project.release("1.0.0", &[deployment("web", "v1", None), behind(good.port())]).await?;
        let promotion = format!("prod-{first}");
        answer_at(project, &promotion, good.ip()).await?;
        let first = project.ended(&promotion, "Verified").await?;
        let verdicts: Vec<&Value> =
            status(&first)["checks"].as_array().into_iter().flatten().map(|it| &it["verdict"]).collect();
        same("verdicts", verdicts, vec![&json!("Passed"), &json!("Passed")])?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None), behind(bad.port())]).await?;
        let promotion = format!("prod-{second}");
        // The others do not answer.
        let pod = answer_of_one(project, &promotion, bad.ip()).await?;
        let failed = project.ended(&promotion, "Failed").await?;
        says(&failed, &[&format!("check health: pod {pod} answers 500, not 200")])?;
        project.ended(&format!("{promotion}-rollback"), "Verified").await.map(drop)
    })
    .await
}

/// Gives the pods of a promotion the address of a real server, as soon as they are ready.
async fn answer_at(project: &Project, promotion: &str, address: std::net::IpAddr) -> Result<()> {
    observed(project, promotion).await?;
    let pods = project.pods("prod", "web").await?;
    give(project, pods.iter(), address).await.map(drop)
}

/// The same for the last pod alone; returns its name. Nothing is at the address of the others.
async fn answer_of_one(project: &Project, promotion: &str, address: std::net::IpAddr) -> Result<String> {
    observed(project, promotion).await?;
    let mut pods = project.pods("prod", "web").await?;
    pods.sort_by_key(|pod| pod["metadata"]["name"].to_string());
    let (last, others) = pods.split_last().context("no pods")?;
    ensure!(!others.is_empty(), "there is only one pod");
    give(project, others.iter(), [192, 0, 2, 1].into()).await?;
    give(project, std::iter::once(last), address).await
}

/// Returns the name of the last of the pods.
async fn give(
    project: &Project,
    pods: impl Iterator<Item = &Value>,
    address: std::net::IpAddr,
) -> Result<String> {
    let target = project.target("prod");
    let mut last = String::new();
    for pod in pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        last = name.to_owned();
        let path = format!("/api/v1/namespaces/{target}/pods/{name}/status");
        let ip = address.to_string();
        let patch = json!({ "status": { "podIP": ip, "podIPs": [{ "ip": ip }] } });
        project.send(Method::PATCH, &path, "application/merge-patch+json", patch).await?;
    }
    Ok(last)
}

async fn a_check_that_cannot_work_is_named_in_its_policy_and_holds_the_environment() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        policy(project, "measured", "6s", errors("missing")).await?;
        let named =
            project.condition("rollbackpolicies", "measured", "Ready", "False", "InvalidPolicy").await?;
        let text = named["status"]["conditions"].to_string();
        ensure!(text.contains("check it: provider names missing, which is no CheckProvider"), "{text}");
        uses(project, "measured").await?;
        let held = project.condition("environments", "prod", "Ready", "False", "InvalidPolicy").await?;
        let message = held["status"]["message"].as_str().unwrap_or_default();
        ensure!(message.contains("RollbackPolicy measured: check it"), "{message}");
        let url = metrics().await?.url();
        let name = provider(project, "prometheus", &url).await?;
        let mut check = errors(&name);
        support::merge(&mut check, &json!({ "name": "it" }));
        project.change("rollbackpolicies", "measured", json!({ "spec": { "checks": [check] } })).await?;
        project.condition("rollbackpolicies", "measured", "Ready", "True", "Valid").await?;
        project.condition("environments", "prod", "Ready", "True", "").await.map(drop)
    })
    .await
}

async fn a_restart_of_the_controller_changes_nothing_about_a_failing_check() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let metrics = metrics().await?;
        metrics.errors(project, 0.0).await?;
        let name = provider(project, "prometheus", &metrics.url()).await?;
        let mut check = errors(&name);
        check["failureLimit"] = json!(1);
        policy(project, "measured", "6s", check).await?;
        uses(project, "measured").await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        project
            .change("rollbackpolicies", "measured", json!({ "spec": { "observeWindow": "120s" } }))
            .await?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        let promotion = format!("prod-{second}");
        observed(project, &promotion).await?;
        metrics.errors(project, 0.2).await?;
        let counted = |it: &Value| status(it)["checks"][0]["failed"] == 1;
        project.until("promotions", &promotion, "counts one failure", counted).await?;
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        project.start().await?;
        let failed = project.ended(&promotion, "Failed").await?;
        same("failures", status(&failed)["checks"][0]["failed"].as_i64(), Some(2))?;
        project.ended(&format!("{promotion}-rollback"), "Verified").await.map(drop)
    })
    .await
}
