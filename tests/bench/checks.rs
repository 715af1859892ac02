//! How often checks are wrong: releases with metrics of every kind, all at once, against a real Prometheus, with the settings of the
//! documentation at a tenth of their times. Good releases have noise, spikes and gaps; bad ones have errors from some time on; of some of
//! both there is too little traffic to tell.

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::get;
use control_plane::Prometheus;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::installation::control_plane;
use support::metrics::serve;
use support::pages::{Block, blocks};
use towpath::api::{Check, RollbackPolicySpec, Verdict};
use towpath::decide::checks::{Asker, End, Round, Span, ask};
use towpath::decide::decision::Question;
use towpath::decide::world::{Answer, Answered, Measured, Queried, Unmeasured};
use towpath::probe::{Allowed, Credentials, Endpoint, Forbidden, Prober, Resolver, TlsFiles};

/// The times of the documentation, and those here.
const TIMES: [(&str, &str); 3] = [
    ("interval: 15s", "interval: 1500ms"),
    ("window: 2m", "window: 12s"),
    ("observeWindow: 5m", "observeWindow: 30s"),
];

/// What one release does.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    /// Requests per second.
    rate: f64,
    /// Ratio of errors, at first.
    base: f64,
    /// Noise of that ratio, either way.
    noise: f64,
    /// From this second on the ratio is another one.
    onset: f64,
    /// That ratio.
    later: f64,
    /// Seconds in which it is not scraped.
    gap: (f64, f64),
    /// Seconds with many errors, which pass.
    spike: (f64, f64),
}

/// Which end is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Good,
    Bad,
    Quiet,
}

/// Evenly distributed numbers from 0 to 1 that a seed chooses.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.roll()
    }
}

fn releases(count: u64, seed: u64) -> Vec<(Class, Traffic)> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let release = |index: u64| {
        let class = match index % 10 {
            0..=4 => Class::Good,
            5..=8 => Class::Bad,
            _ => Class::Quiet,
        };
        let at = dice.between(8.0, 25.0);
        let gap = if dice.roll() < 0.3 { (at, at + dice.between(1.0, 6.0)) } else { (0.0, 0.0) };
        let at = dice.between(5.0, 25.0);
        let spike = if dice.roll() < 0.3 { (at, at + 0.5) } else { (0.0, 0.0) };
        let traffic = Traffic {
            rate: if class == Class::Quiet { dice.between(0.0, 1.0) } else { dice.between(8.0, 200.0) },
            base: dice.between(0.0, 0.02),
            noise: dice.between(0.0, 0.02),
            onset: if class == Class::Bad { dice.between(0.0, 15.0) } else { f64::INFINITY },
            later: dice.between(0.15, 1.0),
            gap,
            spike,
        };
        (class, traffic)
    };
    (0..count).map(release).collect()
}

impl Traffic {
    fn ratio(&self, second: f64) -> f64 {
        let wave = (second * 7.3 + self.rate).sin() * self.noise;
        let spike = if (self.spike.0..self.spike.1).contains(&second) { 0.3 } else { 0.0 };
        let base = if second >= self.onset { self.later } else { self.base };
        (base + wave + spike).clamp(0.0, 1.0)
    }

    /// All requests and those with errors up to a second, as counters.
    fn counted(&self, second: f64) -> (f64, f64) {
        const STEP: f64 = 0.1;
        let steps = (second / STEP).floor() as u64;
        let errors: f64 = (0..steps).map(|step| self.ratio(step as f64 * STEP) * self.rate * STEP).sum();
        let all = self.rate * STEP * steps as f64;
        ((all - errors).floor(), errors.floor())
    }
}

fn exposed(all: &[(Class, Traffic)], second: f64) -> String {
    let mut text = String::new();
    for (index, (_, traffic)) in all.iter().enumerate() {
        if (traffic.gap.0..traffic.gap.1).contains(&second) {
            continue;
        }
        let (good, bad) = traffic.counted(second);
        for (code, count) in [("200", good), ("500", bad)] {
            let _ = writeln!(
                text,
                "http_requests_total{{namespace=\"r{index}\",pod=\"web\",code=\"{code}\"}} {count}"
            );
        }
    }
    text
}

/// The policy of the documentation, with the times of here.
fn policy() -> Result<RollbackPolicySpec> {
    let found = blocks("docs/checks.md")?.into_iter().find_map(|block| match block {
        Block::File { name, text } if name == "checks-errors.yaml" => Some(text),
        Block::File { .. } | Block::Commands(_) => None,
    });
    let mut text = found.context("docs/checks.md has no checks-errors.yaml")?;
    for (there, here) in TIMES {
        if !text.contains(there) {
            bail!("checks-errors.yaml does not say {there}");
        }
        text = text.replace(there, here);
    }
    // There are no pods here.
    let text = text.replace(",pod=~\"$pods\"", "");
    let policy: Value = serde_yaml::from_str(&text)?;
    Ok(serde_json::from_value(policy["spec"].clone())?)
}

/// How many of each class ended how, in words.
pub async fn table(count: u64, seed: u64) -> Result<String> {
    let all = Arc::new(releases(count, seed));
    let (begun, shown) = (Instant::now(), Arc::clone(&all));
    let scraped = async move || exposed(&shown, begun.elapsed().as_secs_f64());
    let exporter = serve("127.0.0.1:0", Router::new().route("/metrics", get(scraped))).await?;
    let prometheus = Prometheus::start(control_plane().await?.as_ref(), &[exporter], &json!([])).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let endpoint = Endpoint {
        name: "metrics".into(),
        url: prometheus.url(),
        allowed: Allowed::parse(&["127.0.0.0/8".to_owned()]).map_err(anyhow::Error::msg)?,
        tls: TlsFiles::default(),
        auth: None,
        headers: BTreeMap::new(),
        rate: 10_000,
    };
    let prober = Prober::new(Credentials::below(PathBuf::new()), Forbidden::default(), Resolver::default());
    let policy = policy()?;
    let check = policy.checks.first().context("the policy has no check")?;
    let until =
        jiff::Timestamp::now() + jiff::SignedDuration::try_from(Duration::from(policy.observe_window))?;
    let ends = (0..all.len()).map(|index| observe(&prober, &endpoint, check, format!("r{index}"), until));
    let ends = join_all(ends).await;
    let mut counts: BTreeMap<(Class, Verdict), usize> = BTreeMap::new();
    for ((class, _), end) in all.iter().zip(ends) {
        *counts.entry((*class, end?)).or_default() += 1;
    }
    let number = |class, verdict| counts.get(&(class, verdict)).copied().unwrap_or(0);
    let mut text = format!(
        "{count} releases with metrics, seed {seed}: ended as\n            Passed  Failed  Errored  Inconclusive\n"
    );
    for (class, name) in [(Class::Good, "good"), (Class::Bad, "bad"), (Class::Quiet, "quiet")] {
        let [passed, failed, errored, open] =
            [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Inconclusive]
                .map(|it| number(class, it));
        let _ = writeln!(text, "{name:<10} {passed:>7} {failed:>7} {errored:>8} {open:>13}");
    }
    let false_rollbacks = number(Class::Good, Verdict::Failed) + number(Class::Quiet, Verdict::Failed);
    let missed = number(Class::Bad, Verdict::Passed);
    let _ = writeln!(text, "false rollbacks {false_rollbacks}, missed failures {missed}");
    Ok(text)
}

/// Measures one release until its window ends, as a promotion does.
async fn observe(
    prober: &Prober,
    endpoint: &Endpoint,
    check: &Check,
    namespace: String,
    until: jiff::Timestamp,
) -> Result<Verdict> {
    let since = jiff::Timestamp::now();
    let span = Span { since, until: Some(until), held: false };
    let mut measured = Measured::default();
    loop {
        let round = Round::of(check, Some(&measured), None);
        measured = Measured { tally: Some(round.tally.clone()), ..Measured::default() };
        let now = jiff::Timestamp::now();
        if round.has_failed() {
            return Ok(Verdict::Failed);
        }
        match round.end(span.until) {
            End::Passed if now >= until => return Ok(Verdict::Passed),
            End::Errored => return Ok(Verdict::Errored),
            End::Inconclusive if now >= until => return Ok(Verdict::Inconclusive),
            End::Passed | End::Inconclusive | End::Open => {}
        }
        let due = round.due(span).context("nothing is due")?;
        let wait = due.duration_since(now);
        tokio::time::sleep(Duration::try_from(wait).unwrap_or(Duration::ZERO)).await;
        let asker = Asker {
            words: vec![("namespace", namespace.clone())],
            wanted: &[],
            workloads: &BTreeMap::new(),
            changed: &[],
            started: since,
            known_before: since,
            rolled_out: Some(since),
            now: jiff::Timestamp::now(),
        };
        let answer = answer(prober, endpoint, ask(check, &asker).map_err(anyhow::Error::msg)?).await;
        measured.answer = Some(Answered { at: jiff::Timestamp::now(), answer });
    }
}

async fn answer(prober: &Prober, endpoint: &Endpoint, question: Question) -> Result<Answer, Unmeasured> {
    let Question::Query { query, samples, lookback, .. } = question else {
        return Err(Unmeasured::default());
    };
    let unmeasured = |error: towpath::probe::ProbeError| Unmeasured {
        message: error.to_string(),
        ..Unmeasured::default()
    };
    let lookback = lookback.as_secs();
    let found = prober.query(endpoint, &query, lookback).await.map_err(unmeasured)?;
    let counted = match samples {
        None => None,
        Some(query) => {
            let counted = prober.query(endpoint, &query, lookback).await.map_err(unmeasured)?;
            Some(counted.samples.first().map(|sample| sample.value))
        }
    };
    let series = found.samples.into_iter().map(|sample| (String::new(), sample.value)).collect();
    Ok(Answer::Query(Queried { series, warnings: found.warnings, samples: counted }))
}
