//! The metrics, the dashboard and the alerts of the chart, with a real Prometheus that scrapes both replicas of a real controller.

use crate::plugin::{printed, viewer};
use anyhow::{Context, Result, ensure};
use control_plane::{Prometheus, eventually};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use support::helm::template;
use support::manifests::{documents, read, root};
use support::metrics::{fetch, provider, query};
use support::objects::deployment;
use support::operator::{Flags, Operator};
use support::{Project, SOON, pages, same};

support::stories![every_query_of_the_dashboard_has_data_and_every_alert_fires,];

/// The alerts of the chart, with times that a story can wait for.
fn alerts() -> Result<Vec<Value>> {
    let flags = "--set=metrics.prometheusRule.enabled=true,metrics.prometheusRule.for=1s,\
                 metrics.prometheusRule.releaseWaitingSeconds=1,metrics.prometheusRule.watchStaleSeconds=0";
    let rule = documents(&template(&[flags])?).into_iter().find(|object| object["kind"] == "PrometheusRule");
    let rule = rule.context("the chart has no PrometheusRule")?;
    rule["spec"]["groups"][0]["rules"].as_array().cloned().context("no rules")
}

/// The queries of the dashboard: the title of the panel, and the expression with its variables replaced.
fn queries() -> Result<Vec<(String, String)>> {
    let dashboard: Value = serde_json::from_str(&read(&root("charts/towpath/files/dashboard.json")))?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let mut queries = Vec::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let mut query = target["expr"].as_str().context("no expression")?.to_owned();
            for variable in ["$project", "$environment", "$application"] {
                query = query.replace(variable, ".*");
            }
            query = query.replace("$period", "7d").replace("$__rate_interval", "1m");
            ensure!(!query.contains('$'), "an unknown variable: {query}");
            queries.push((panel["title"].as_str().unwrap_or_default().to_owned(), query));
        }
    }
    Ok(queries)
}

/// A port that is free now. Just released: nothing else takes one by its number.
fn address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A Prometheus that scrapes the controllers of a project.
struct Scraped<'a> {
    project: &'a Project,
    prometheus: Prometheus,
}

impl Scraped<'_> {
    async fn ask(&self, text: &str) -> Result<Vec<Value>> {
        query(&self.prometheus.url(), text).await
    }

    /// Waits until a query has an answer.
    async fn answers(&self, text: &str) -> Result<()> {
        let what = format!("an answer to {text}");
        eventually(&what, SOON, async || Ok((!self.ask(text).await?.is_empty()).then_some(()))).await
    }

    /// Waits until a query has no answer any more.
    async fn is_silent(&self, text: &str) -> Result<()> {
        let what = format!("no answer to {text}");
        eventually(&what, SOON, async || Ok(self.ask(text).await?.is_empty().then_some(()))).await
    }

    /// Waits until an alert fires with these labels.
    async fn fires(&self, alert: &str, labels: &str) -> Result<()> {
        self.answers(&format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"{labels}}}")).await
    }

    /// The alerts that fire now.
    async fn firing(&self) -> Result<BTreeSet<String>> {
        let found = self.ask("ALERTS{alertstate=\"firing\"}").await?;
        let names = found.iter().filter_map(|series| series["metric"]["alertname"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    async fn release(&self, application: &str, version: &str, tag: &str, change: Value) -> Result<()> {
        let mut spec = json!({ "source": { "manifests": [deployment(application, tag, None)] } });
        if !change.is_null() {
            spec["change"] = change;
        }
        self.project.release_of(application, version, spec).await.map(drop)
    }
}

async fn every_query_of_the_dashboard_has_data_and_every_alert_fires() -> Result<()> {
    let prod = json!({ "name": "prod", "approvals": { "required": 1, "emergencyWithin": "3s" } });
    let project = &Project::alone(&[json!({ "name": "dev" }), prod]).await?;
    let impatient = json!({ "spec": { "failing": { "progressDeadlineSeconds": 10 } } });
    project.change("rollbackpolicies", "quick", impatient).await?;
    let listen = [address()?, address()?];
    let flags = |listen: SocketAddr| Flags { listen: listen.to_string(), ..project.flags().clone() };
    project.start_as(&flags(listen[0])).await?;
    let mut standby = Operator::start(&project.cluster, &[&project.name], &flags(listen[1])).await?;
    let alerts = alerts()?;
    let prometheus = Prometheus::start(&project.cluster, &listen, &json!(alerts)).await?;
    let scraped = &Scraped { project, prometheus };
    scraped.answers("sum(towpath_leading) == 1 and count(towpath_leading) == 2").await?;

    scraped.release("shop", "1.0.0", "v1", Value::Null).await?;
    project.ended("dev-shop-1.0.0", "Verified").await?;
    scraped
        .fires("TowpathReleaseWaiting", ",environment=\"prod\",application=\"shop\",gate=\"Approval\"")
        .await?;
    scraped.fires("TowpathWatchStale", ",kind=\"Pod\"").await?;
    let url = format!("{}/api/v1/alerts", scraped.prometheus.url());
    let told = tokio::task::spawn_blocking(move || fetch(&url)).await??;
    let command = format!("`kubectl towpath waiting --namespace {}`", project.name);
    ensure!(told.contains("It waits for Approval.") && told.contains(&command), "{told}");
    let expected = ["TowpathReleaseWaiting", "TowpathWatchStale"].map(str::to_owned).into();
    same("nothing else is wrong", scraped.firing().await?, expected)?;

    scraped.release("shop", "2.0.0", "v2-crash-loop", Value::Null).await?;
    project.ended("dev-shop-2.0.0-rollback", "Verified").await?;
    fail_a_rollback(scraped).await?;
    scraped.fires("TowpathRollbackFailed", ",environment=\"dev\",application=\"api\"").await?;

    let bob = project.person("bob", &[], &["towpath-approver"]).await?;
    scraped.release("worker", "1.0.0", "v1", json!({ "type": "Emergency" })).await?;
    project.ended("prod-worker-1.0.0", "Verified").await?;
    scraped.fires("TowpathApprovalOverdue", ",environment=\"prod\"").await?;
    bob.decides(project, "prod-worker-1.0.0", "Approve").await?;
    scraped.is_silent("ALERTS{alertname=\"TowpathApprovalOverdue\"}").await?;

    let check = json!({ "name": "it", "prometheus": { "provider": "missing", "query": "up", "max": 1 } });
    project.policy("unusable", json!({ "checks": [check] })).await?;
    scraped.fires("TowpathPolicyDegraded", &format!(",project=\"{}\"", project.name)).await?;
    project.delete("rollbackpolicies", "unusable").await?;
    scraped.is_silent("ALERTS{alertname=\"TowpathPolicyDegraded\"}").await?;
    // Nothing listens at the discard port.
    provider(project, "prometheus", "http://127.0.0.1:9").await?;
    scraped.fires("TowpathProviderUnreachable", "").await?;
    fail_a_channel(project).await?;
    project.change("releases", "worker-1.0.0", json!({ "spec": { "hold": true } })).await?;
    scraped.fires("TowpathChannelFailing", "").await?;
    project.change("releases", "worker-1.0.0", json!({ "spec": { "hold": false } })).await?;

    the_documentation_lists_what_is_shown(&listen[..]).await?;
    counts_are_those_of_the_leader(scraped).await?;
    the_report_says_the_same(scraped).await?;

    let binding = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/towpath-approvals";
    project.send(Method::DELETE, binding, "application/json", json!({})).await?;
    scraped.fires("TowpathSecurityDegraded", ",environment=\"prod\"").await?;
    // Now there is something to see in every panel.
    every_query_has_data(scraped).await?;
    ensure!(!scraped.firing().await?.contains("TowpathNotLeading"), "a replica leads");
    standby.kill();
    project.operator(Operator::kill)?;
    scraped.fires("TowpathNotLeading", "").await?;

    let fired =
        scraped.ask("count by (alertname) (max_over_time(ALERTS{alertstate=\"firing\"}[1h]))").await?;
    let fired = fired.iter().filter_map(|series| series["metric"]["alertname"].as_str());
    let all = alerts.iter().filter_map(|alert| alert["alert"].as_str());
    same("every alert fired", fired.collect::<BTreeSet<_>>(), all.collect())
}

/// Lets an environment send to a channel where nothing listens: the discard port.
async fn fail_a_channel(project: &Project) -> Result<()> {
    let name = format!("{}-hook", project.name);
    let channel = json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Channel", "metadata": { "name": name },
        "spec": { "cdevents": { "url": "http://127.0.0.1:9" }, "projects": [project.name], "allowAddresses": ["127.0.0.0/8"] },
    });
    project.post("/apis/towpath.dev/v1alpha1/channels", channel).await?;
    project.change("environments", "dev", json!({ "spec": { "notify": [{ "channel": name }] } })).await
}

/// Lets the rules of the cluster refuse what the rollback of a release has to restore.
async fn fail_a_rollback(scraped: &Scraped<'_>) -> Result<()> {
    let project = scraped.project;
    scraped.release("api", "1.0.0", "v1", Value::Null).await?;
    project.ended("dev-api-1.0.0", "Verified").await?;
    let base = "/apis/admissionregistration.k8s.io/v1";
    let policy = json!({ "metadata": { "name": "holes" }, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": { "resourceRules": [{
            "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE", "UPDATE"],
        }] },
        "validations": [{
            "expression": "object.metadata.name != 'api' || object.spec.template.spec.containers.all(it, !it.image.endsWith(':v1'))",
            "message": "v1 has a hole and must not run",
        }],
    } });
    project.post(&format!("{base}/validatingadmissionpolicies"), policy).await?;
    let binding = json!({ "metadata": { "name": "holes" }, "spec": { "policyName": "holes", "validationActions": ["Deny"] } });
    project.post(&format!("{base}/validatingadmissionpolicybindings"), binding).await?;
    let (target, written) = (project.target("dev"), deployment("api", "v1", None).to_string());
    let apply = ["apply", "--dry-run=server", "--namespace", &target, "--filename", "-"];
    eventually("the policy to be in force", SOON, async || {
        let refused = project.kubectl().run_with(&apply, &written);
        Ok(refused.is_err_and(|error| format!("{error:#}").contains("v1 has a hole")).then_some(()))
    })
    .await?;
    scraped.release("api", "2.0.0", "v2-crash-loop", Value::Null).await?;
    project.ended("dev-api-2.0.0-rollback", "Failed").await.map(drop)
}

/// Every metric of the leader, and no other. Either of the controllers may lead.
async fn the_documentation_lists_what_is_shown(controllers: &[SocketAddr]) -> Result<()> {
    let mut text = String::new();
    for controller in controllers {
        let url = format!("http://{controller}/metrics");
        let shown = tokio::task::spawn_blocking(move || fetch(&url)).await??;
        if shown.lines().any(|line| line == "towpath_leading 1") {
            text = shown;
        }
    }
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let name = |(name, kind): (&str, &str)| match kind {
        "counter" => format!("{name}_total"),
        _ => name.to_owned(),
    };
    same("the metrics", pages::metrics(), families.map(name).collect())
}

/// The standby shows the same state, and counts nothing.
async fn counts_are_those_of_the_leader(scraped: &Scraped<'_>) -> Result<()> {
    let counts = [
        ("towpath_deployments_total{outcome=\"Verified\"}", 4),
        ("towpath_deployments_total{outcome=\"Failed\"}", 2),
        ("towpath_deployments_failed_total", 2),
        ("towpath_deployments_reworked_total", 2),
        ("towpath_rollbacks_total{outcome=\"Verified\"}", 1),
        ("towpath_rollbacks_total{outcome=\"Failed\"}", 1),
        ("towpath_lead_time_seconds_count", 4),
        ("towpath_recovery_time_seconds_count", 1),
    ];
    for (series, count) in counts {
        scraped.answers(&format!("sum({series}) == {count}")).await?;
    }
    // The first event of a lane is an increase from zero.
    scraped.answers("sum(increase(towpath_rollbacks_total{outcome=\"Failed\"}[1h])) > 0").await?;
    for series in ["towpath_promotions_in_progress", "towpath_lead_time_seconds_count"] {
        let of_one = format!("count({series}{{environment=\"dev\",application=\"shop\"}}) == 2");
        scraped.answers(&of_one).await?;
    }
    Ok(())
}

/// The figures of the record, for each application in each environment.
async fn the_report_says_the_same(scraped: &Scraped<'_>) -> Result<()> {
    let vera = viewer(scraped.project).await?;
    let printed = printed(scraped.project, &vera, &["report", "--days", "7", "--output", "json"]).await?;
    let report: Value = serde_json::from_str(&printed)?;
    let rows = report["rows"].as_array().context("no rows")?;
    same("lanes", rows.len(), 4)?;
    let is_summed = |it: &Value| {
        let sums = it["status"]["applications"].as_array().into_iter().flatten();
        let shop = sums.filter(|it| it["name"] == "shop").flat_map(|it| it["delivery"].as_array()).flatten();
        let sum = |field: &str| shop.clone().filter_map(|day| day[field].as_i64()).sum::<i64>();
        [sum("deployments"), sum("failed"), sum("leadTimes"), sum("recoveries")] == [2, 1, 1, 1]
    };
    scraped.project.until("environments", "dev", "has the sums of the days", is_summed).await?;
    for row in rows {
        let lane = format!("{{environment={},application={}}}", row["environment"], row["application"]);
        for (series, figure) in [
            ("deployments_total", "deployments"),
            ("deployments_failed_total", "failed"),
            ("deployments_reworked_total", "rework"),
        ] {
            scraped.answers(&format!("sum(towpath_{series}{lane}) == {}", row[figure])).await?;
        }
        for (series, figure) in [("lead_time", "leadTime"), ("recovery_time", "recoveryTime")] {
            // One of each at most, so the median is the sum.
            let seconds = row[figure].as_f64().unwrap_or_default();
            let close = format!("abs(sum(towpath_{series}_seconds_sum{lane}) - {seconds}) <= 1");
            scraped.answers(&close).await?;
        }
    }
    Ok(())
}

async fn every_query_has_data(scraped: &Scraped<'_>) -> Result<()> {
    let queries = queries()?;
    ensure!(queries.len() > 20, "the dashboard has {} queries", queries.len());
    let mut empty = Vec::new();
    for (panel, text) in queries {
        let found = scraped.ask(&text).await?;
        let is_number = |series: &Value| series["value"][1].as_str().is_some_and(|value| value != "NaN");
        if !found.iter().any(is_number) {
            empty.push(format!("{panel}: {text}: {found:?}"));
        }
    }
    ensure!(empty.is_empty(), "without data:\n{}", empty.join("\n"));
    Ok(())
}
