//! What each kind of check and a test decide, where no other story shows it. One release is judged by all of them, each in an
//! environment of its own. Where each combination is shown (`here` is this file, the others are modules beside it):
//!
//! | | passes | fails | errors | says nothing | without effect | crash |
//! |---|---|---|---|---|---|---|
//! | prometheus | `checks` | `checks` | `checks` | here | here | here, `checks` |
//! | alerts | `checks` | `checks` | here | here | here | here |
//! | http | `checks` | `checks` | here, `hostile_providers` | here, `hostile_providers` | here, `credentials` | here |
//! | object | `checks` | the catalogue of situations | here | here, the catalogue | here | here, `crash` |
//! | test | `tests_of_releases` | `tests_of_releases` | `tests_of_releases` | is an error | here | `crash`, `tests_of_releases` |

use super::checks::started_before;
use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use support::metrics::{Metrics, answers, metrics, provider_called};
use support::objects::{config, deployment, image, test};
use support::{Project, in_project, merge, same, with_own_controller};

support::stories![
    what_cannot_be_measured_or_says_nothing_or_has_no_effect_rolls_nothing_back,
    a_crash_between_two_failing_measurements_changes_nothing_for_any_kind_of_check,
];

/// What happens when the release is rolled out.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    /// The provider of the check goes down.
    Down,
    /// A gauge of the environment rises.
    Rises(&'static str),
}

/// What a check of one environment asks, and what follows.
struct Cell {
    name: &'static str,
    check: Value,
    then: Then,
    /// Phase and reason of the promotion.
    ends: (&'static str, &'static str),
    /// Verdict and words of the check.
    says: (&'static str, &'static str),
}

const ERRORED: (&str, &str) = ("Inconclusive", "CheckErrored");
const SILENT: (&str, &str) = ("Inconclusive", "CheckInconclusive");
const VERIFIED: (&str, &str) = ("Verified", "Verified");
const UNREACHABLE: (&str, &str) = ("Errored", "cannot connect to 127.0.0.1");

fn query(promql: &str) -> Value {
    json!({ "window": "1s", "prometheus": { "provider": "$prometheus", "query": promql, "max": 0.5 } })
}

fn alerts(severity: &str, more: Value) -> Value {
    let labels = json!({ "namespace": "$namespace", "severity": severity });
    let mut alerts = json!({ "provider": "$prometheus", "labels": labels });
    merge(&mut alerts, &more);
    json!({ "alerts": alerts })
}

fn http() -> Value {
    json!({ "http": { "provider": "$http", "json": { "path": "$.status", "value": "ok" } } })
}

fn object(kind: &str, name: &str, value: &str) -> Value {
    let compare = json!({ "path": "$.data.GREETING", "value": value });
    json!({ "object": { "apiVersion": "v1", "kind": kind, "name": name, "compare": compare } })
}

fn dry(mut check: Value) -> Value {
    merge(&mut check, &json!({ "dryRun": true }));
    check
}

fn cells() -> Vec<Cell> {
    let cell = |name, check, then, ends, says| Cell { name, check, then, ends, says };
    let nothing = json!({});
    let unused = json!({ "evidence": "vector(0)" });
    let fires = ("Failed", "alert SlowAnswers fires since the promotion started");
    vec![
        cell("no-data", query("nothing"), Then::Nothing, SILENT, ("Inconclusive", "returns no data")),
        cell(
            "dry-query",
            dry(query("vector(1)")),
            Then::Nothing,
            VERIFIED,
            ("Failed", "1 is greater than 0.5"),
        ),
        cell("alerts-down", alerts("page", nothing.clone()), Then::Down, ERRORED, UNREACHABLE),
        cell(
            "pending",
            alerts("ticket", nothing.clone()),
            Then::Rises("queue"),
            SILENT,
            ("Inconclusive", "alert QueueGrows is pending"),
        ),
        cell("unused", alerts("page", unused), Then::Nothing, SILENT, ("Inconclusive", "evidence is 0")),
        cell("dry-alerts", dry(alerts("page", nothing)), Then::Rises("latency"), VERIFIED, fires),
        cell("http-down", http(), Then::Down, ERRORED, UNREACHABLE),
        cell("html", http(), Then::Nothing, SILENT, ("Inconclusive", "is not JSON")),
        cell("dry-http", dry(http()), Then::Nothing, VERIFIED, ("Failed", "answers 500, not 200")),
        cell(
            "no-kind",
            object("Nothing", "state", "good"),
            Then::Nothing,
            ERRORED,
            ("Errored", "v1 Nothing"),
        ),
        cell(
            "no-object",
            object("ConfigMap", "nothing", "good"),
            Then::Nothing,
            SILENT,
            ("Inconclusive", "there is no such ConfigMap"),
        ),
        cell(
            "dry-object",
            dry(object("ConfigMap", "state", "bad")),
            Then::Nothing,
            VERIFIED,
            ("Failed", "ConfigMap state: $.data.GREETING is good, not bad"),
        ),
    ]
}

/// What the HTTP providers answer, by environment.
fn answer(environment: &str) -> (u16, &'static str) {
    match environment {
        "html" => (200, "<html>ok</html>"),
        "dry-http" | "http" => (500, "{\"status\":\"bad\"}"),
        _ => (200, "{\"status\":\"ok\"}"),
    }
}

/// The policy of an environment, with one check and a provider of its own.
async fn judged_by(
    project: &Project,
    environment: &str,
    check: &Value,
    window: &str,
    more: Value,
) -> Result<()> {
    let mut whole = json!({ "name": "it", "interval": "5s" });
    merge(&mut whole, check);
    merge(&mut whole, &more);
    let text = whole.to_string();
    let (kind, url) = match text.contains("\"$http\"") {
        true => {
            let (status, body) = answer(environment);
            ("http", format!("http://{}", answers(status, body).await?))
        }
        false => ("prometheus", metrics().await?.url()),
    };
    let provider = provider_called(project, environment, kind, &url).await?;
    let text = text.replace("$http", &provider).replace("$prometheus", &provider);
    let checks: Value = serde_json::from_str(&format!("[{text}]"))?;
    project.policy(environment, json!({ "observeWindow": window, "checks": checks })).await?;
    project.condition("rollbackpolicies", environment, "Ready", "True", "Valid").await?;
    let uses = json!({ "spec": { "rollbackPolicyRef": environment } });
    project.change("environments", environment, uses).await
}

async fn happens(project: &Project, metrics: &Metrics, cell: &Cell, promotion: &str) -> Result<()> {
    match cell.then {
        Then::Nothing => Ok(()),
        Then::Down => {
            started_before(metrics, project, promotion).await?;
            let kind = if cell.check["http"].is_object() { "http" } else { "prometheus" };
            let path = format!("/apis/towpath.dev/v1alpha1/checkproviders/{}-{}", project.name, cell.name);
            // Nothing listens at the discard port.
            let patch = json!({ "spec": { (kind): { "url": "http://127.0.0.1:9" } } });
            project.send(Method::PATCH, &path, "application/merge-patch+json", patch).await.map(drop)
        }
        Then::Rises(gauge) => {
            started_before(metrics, project, promotion).await?;
            metrics.gauge_in(project, cell.name, gauge, 0.9).await
        }
    }
}

/// How a promotion ended, and that nothing was rolled back.
async fn is_kept(project: &Project, environment: &str, release: &str, ends: (&str, &str)) -> Result<Value> {
    let promotion = format!("{environment}-{release}");
    let ended = project.ended(&promotion, ends.0).await?;
    same(environment, ended["status"]["reason"].as_str(), Some(ends.1))?;
    let rollback = project.path("promotions", &format!("{promotion}-rollback"));
    ensure!(project.get(&rollback).await?.is_none(), "{environment}: rolled back");
    same(environment, project.image_of(environment, "deployments", "web").await?, image("v2"))?;
    Ok(ended["status"].clone())
}

async fn what_cannot_be_measured_or_says_nothing_or_has_no_effect_rolls_nothing_back() -> Result<()> {
    let cells = cells();
    let mut environments: Vec<Value> = cells.iter().map(|cell| json!({ "name": cell.name })).collect();
    environments.push(json!({ "name": "not-required" }));
    in_project(&environments, async |project| {
        let metrics = metrics().await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.condition("releases", &first, "Verified", "True", "").await?;
        for cell in &cells {
            project.apply(cell.name, &[config("state", "good")])?;
            judged_by(project, cell.name, &cell.check, "40s", json!({ "errorLimit": 0 })).await?;
        }
        let template = test("smoke", "t-job-failure")["spec"]["template"].clone();
        let tests = json!([{ "name": "smoke", "required": false, "template": template }]);
        project.change("environments", "not-required", json!({ "spec": { "tests": tests } })).await?;
        // Prometheus may have started just now: it needs data from before the promotions.
        metrics.answered("up offset 3s").await?;

        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        // Side by side: their windows run at the same time.
        let happening = cells
            .iter()
            .map(async |cell| happens(project, metrics, cell, &format!("{}-{second}", cell.name)).await);
        futures::future::try_join_all(happening).await?;
        for cell in &cells {
            let status = is_kept(project, cell.name, &second, cell.ends).await?;
            let report = &status["checks"][0];
            same(cell.name, report["verdict"].as_str(), Some(cell.says.0))?;
            let message = report["message"].as_str().unwrap_or_default();
            ensure!(message.contains(cell.says.1), "{}: {message}", cell.name);
        }
        let status = is_kept(project, "not-required", &second, VERIFIED).await?;
        same("the test", status["tests"][0]["result"].as_str(), Some("Failed"))
    })
    .await
}

async fn a_crash_between_two_failing_measurements_changes_nothing_for_any_kind_of_check() -> Result<()> {
    /// One more fails the check.
    const TOLERATED: i64 = 5;
    let kinds = [
        ("prometheus", query("vector(1)")),
        ("alerts", alerts("page", json!({}))),
        ("http", http()),
        ("object", object("ConfigMap", "state", "bad")),
    ];
    let environments: Vec<Value> = kinds.iter().map(|(kind, _)| json!({ "name": kind })).collect();
    with_own_controller(&environments, async |project| {
        let metrics = metrics().await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.condition("releases", &first, "Verified", "True", "").await?;
        for (kind, check) in &kinds {
            project.apply(kind, &[config("state", "good")])?;
            judged_by(project, kind, check, "120s", json!({ "failureLimit": TOLERATED })).await?;
        }
        metrics.answered("up offset 3s").await?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        let promotion = |kind: &str| format!("{kind}-{second}");
        started_before(metrics, project, &promotion("alerts")).await?;
        metrics.gauge_in(project, "alerts", "latency", 0.9).await?;
        let failures = |it: &Value| it["status"]["checks"][0]["failed"].as_i64().unwrap_or_default();
        for (kind, _) in &kinds {
            let counts = |it: &Value| failures(it) > 0;
            project.until("promotions", &promotion(kind), "counts a failure", counts).await?;
        }
        project.operator(|operator| operator.kill())?;
        project.free_lease().await?;
        project.start().await?;
        for (kind, _) in &kinds {
            let failed = project.ended(&promotion(kind), "Failed").await?;
            same(kind, failed["status"]["reason"].as_str(), Some("CheckFailed"))?;
            same(kind, failures(&failed), TOLERATED + 1)?;
            project.ended(&format!("{}-rollback", promotion(kind)), "Verified").await?;
            same(kind, project.image_of(kind, "deployments", "web").await?, image("v1"))?;
        }
        let promotions = project.all("promotions").await?;
        same("promotions", promotions.len(), 3 * kinds.len())
    })
    .await
}
