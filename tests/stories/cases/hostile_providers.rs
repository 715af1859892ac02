//! Providers that misbehave: each is named with its own reason, nothing is rolled back because of them, and no other check waits.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use support::hostile::{Hostile, Manner};
use support::metrics::provider_called;
use support::objects::{deployment, image};
use support::{Project, in_project, same};

support::stories![
    a_release_that_six_hostile_providers_are_asked_about_is_inconclusive,
    a_release_waits_before_the_first_write_for_six_hostile_prometheus_servers,
];

const OK: &str = "{\"status\":\"ok\"}";
/// What the checks ask for. The controller asks each provider for `/`, too.
const PATH: &str = "/checked";
/// How long one of the providers wants to be left alone; longer than the observe window.
const LEFT_ALONE: Duration = Duration::from_secs(15);
/// How long the one that hangs is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// A client that stops at 1 MiB takes no more of an answer; the rest is what the two ends of a connection buffer.
const BUFFERED: usize = 64 << 20;

/// A check, what its provider does, and what has to be said about it.
struct Asked {
    name: &'static str,
    manner: Manner,
    errors: i64,
    verdict: &'static str,
    says: &'static str,
    /// The same where the provider has to be a Prometheus.
    says_of_prometheus: &'static str,
}

fn asked(elsewhere: &str) -> [Asked; 7] {
    let busy = format!("429 Too Many Requests\r\nRetry-After: {}", LEFT_ALONE.as_secs());
    let moved = format!("302 Found\r\nLocation: {elsewhere}/");
    let row = |name, manner, errors, verdict, says, says_of_prometheus| Asked {
        name,
        manner,
        errors,
        verdict,
        says,
        says_of_prometheus,
    };
    let late = "127.0.0.1 does not answer within 10 s";
    let (long, longer) = ("127.0.0.1 is larger than 1048576 bytes", "127.0.0.1 is larger than 8388608 bytes");
    let cut = "127.0.0.1 sends no valid answer";
    let (moves, moves_too) = ("answers 302: redirects are not followed", "answers 302: no reason given");
    let (waits, waits_too) = ("answers 429: it is asked too often", "answers 429: no reason given");
    let no_prometheus = "does not answer like a Prometheus";
    [
        row("healthy", Manner::answer("200 OK", OK), 0, "Passed", "$.status is ok", no_prometheus),
        row("hangs", Manner::Hangs, 0, "Errored", late, late),
        row("endless", Manner::Endless, 0, "Errored", long, longer),
        row("resets", Manner::Resets, 0, "Errored", cut, cut),
        row("moved", Manner::answer(&moved, ""), 0, "Errored", moves, moves_too),
        row("html", Manner::answer("200 OK", "<p>ok</p>"), 0, "Inconclusive", "is not JSON", no_prometheus),
        row("busy", Manner::answer(&busy, ""), 1, "Errored", waits, waits_too),
    ]
}

async fn measured_by(project: &Project, checks: &[Asked]) -> Result<Vec<Hostile>> {
    let (mut servers, mut specs) = (Vec::new(), Vec::new());
    for check in checks {
        let server = Hostile::start(check.manner.clone()).await?;
        let provider = provider_called(project, check.name, "http", &server.url()).await?;
        let json = json!({ "path": "$.status", "value": "ok" });
        specs.push(json!({
            "name": check.name, "interval": "5s", "errorLimit": check.errors,
            "http": { "provider": provider, "path": PATH, "json": json },
        }));
        servers.push(server);
    }
    project.policy("hostile", json!({ "observeWindow": "12s", "checks": specs })).await?;
    project.condition("rollbackpolicies", "hostile", "Ready", "True", "Valid").await?;
    Ok(servers)
}

async fn a_release_that_six_hostile_providers_are_asked_about_is_inconclusive() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let elsewhere = Hostile::start(Manner::answer("200 OK", OK)).await?;
        let checks = asked(&elsewhere.url());
        let servers = measured_by(project, &checks).await?;
        let uses = json!({ "spec": { "rollbackPolicyRef": "hostile" } });
        project.change("environments", "prod", uses).await?;

        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        let ended = project.ended(&format!("prod-{second}"), "Inconclusive").await?;
        let status = &ended["status"];
        same("reason", status["reason"].as_str(), Some("CheckErrored"))?;
        let reports = status["checks"].as_array().context("no checks")?;
        for check in &checks {
            let of_check = |report: &&Value| report["name"] == check.name;
            let report = reports.iter().find(of_check).with_context(|| format!("no {}", check.name))?;
            same(check.name, report["verdict"].as_str(), Some(check.verdict))?;
            let message = report["message"].as_str().unwrap_or_default();
            ensure!(message.contains(check.says), "{}: {message}", check.name);
            same(check.name, report["failed"].as_i64(), Some(0))?;
        }
        let message = status["message"].as_str().unwrap_or_default();
        ensure!(message.contains("check hangs could not be measured"), "{message}");

        same("promotions", project.all("promotions").await?.len(), 2)?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v2"))?;
        let [healthy, hangs, endless, .., busy] = servers.as_slice() else {
            anyhow::bail!("{} servers", servers.len());
        };
        same("connections to where a provider redirects", elsewhere.connections(), 0)?;
        same("requests to the one that hangs", hangs.asked(PATH).len(), 1)?;
        ensure!(endless.most_sent() < BUFFERED, "{} bytes of the endless answer", endless.most_sent());
        let times = busy.asked(PATH);
        let [once, again] = times.as_slice() else { anyhow::bail!("the busy one was asked at {times:?}") };
        // The time runs from the answer, which is a moment later.
        ensure!(*again - *once >= LEFT_ALONE, "the busy one was asked again after {:?}", *again - *once);
        on_time(healthy)
    })
    .await
}

/// Whether the healthy provider was asked as often as the window has room for, and while another one hung.
fn on_time(healthy: &Hostile) -> Result<()> {
    let times = healthy.asked(PATH);
    let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    ensure!(times.len() >= 3, "measured {} times in the window", times.len());
    // The second question falls into the time for which the other one hangs.
    ensure!(gaps[0] < PATIENCE, "the healthy one was asked {gaps:?} apart");
    Ok(())
}

/// A query is asked once before anything is written.
async fn a_release_waits_before_the_first_write_for_six_hostile_prometheus_servers() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let elsewhere = Hostile::start(Manner::answer("200 OK", OK)).await?;
        let [_, hostile @ ..] = asked(&elsewhere.url());
        let (mut servers, mut specs) = (Vec::new(), Vec::new());
        for check in &hostile {
            let server = Hostile::start(check.manner.clone()).await?;
            let provider = provider_called(project, check.name, "prometheus", &server.url()).await?;
            let query = json!({ "provider": provider, "query": "up", "max": 1 });
            specs.push(json!({ "name": check.name, "interval": "5s", "window": "1s", "prometheus": query }));
            servers.push(server);
        }
        project.policy("hostile", json!({ "observeWindow": "6s", "checks": specs })).await?;
        let uses = json!({ "spec": { "rollbackPolicyRef": "hostile" } });
        project.change("environments", "prod", uses).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let promotion = format!("prod-{release}");
        let names_each = |it: &Value| {
            let message = it["status"]["message"].as_str().unwrap_or_default();
            let of_check = |check: &Asked| {
                let own = message
                    .split("; ")
                    .find_map(|part| part.strip_prefix(&format!("check {}: ", check.name)));
                own.is_some_and(|own| own.contains(check.says_of_prometheus))
            };
            it["status"]["reason"] == "Evidence" && hostile.iter().all(of_check)
        };
        let waiting = project.until("promotions", &promotion, "names each provider", names_each).await?;
        same("phase", waiting["status"]["phase"].as_str(), Some("Pending"))?;
        ensure!(project.live("prod", "deployments", "web").await?.is_none(), "written");
        same("connections to where a provider redirects", elsewhere.connections(), 0)?;
        ensure!(servers[1].most_sent() < BUFFERED, "{} bytes", servers[1].most_sent());
        project.change("rollbackpolicies", "hostile", json!({ "spec": { "checks": [] } })).await?;
        project.ended(&promotion, "Verified").await?;
        same("promotions", project.all("promotions").await?.len(), 1)
    })
    .await
}
