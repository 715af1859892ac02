//! The alerts that a Prometheus has, and whether it could know of a failure.

use super::promql::{selector, single};
use crate::probe::{Endpoint, ProbeError, Rule, Sample};
use crate::process::Handles;
use crate::process::measured::{Alerts, Answer, Labels};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What is asked about alerts.
pub(super) struct AlertQuery {
    /// Labels of the alerts.
    pub labels: BTreeMap<String, String>,
    /// When the promotion started.
    pub since: Timestamp,
    /// What was active at this time is not of the release.
    pub known_before: Timestamp,
    /// When everything was rolled out.
    pub rolled_out: Timestamp,
    /// The query that has to be greater than 0.
    pub evidence: Option<String>,
    /// How old a sample may be.
    pub lookback: SignedDuration,
}

/// The label that tells the parts of a query about alerts apart. No alert can have it: rules set no label that starts with `__`.
const MARK: &str = "__towpath__";
// Its values: that Prometheus had data before the release, at the start of the promotion, and has now; its time; and the alerts that were
// active at the first two.
const BEFORE: &str = "before";
const AT_START: &str = "at start";
const NOW: &str = "now";
const TIME: &str = "time";
const OLD: &str = "old";
const OLD_AT_START: &str = "old at start";

/// The queries about alerts.
struct AlertQueries {
    active: String,
    firing: String,
    pending: String,
}

/// What to ask some time after the promotion started, about alerts that became active after another time. Times are relative to that of
/// the evaluation, because the clock of a Prometheus may not agree with that of the API server.
fn alert_queries(selector: &str, started: SignedDuration, known_before: SignedDuration) -> AlertQueries {
    let milliseconds = |ago: SignedDuration| ago.as_millis().max(1_000);
    let (start, elapsed) = (milliseconds(started), milliseconds(known_before));
    let range = start.saturating_add(1_000);
    let seconds = format!("{}.{:03}", elapsed / 1_000, elapsed % 1_000);
    let marked = |part: &str, mark: &str| format!("label_replace({part},\"{MARK}\",\"{mark}\",\"\",\"\")");
    let known = |at: i128, mark: &str| marked(&format!("count(last_over_time(up[1m] offset {at}ms))"), mark);
    let active_at = |at: i128, mark: &str| {
        marked(&format!("max_over_time(ALERTS_FOR_STATE{{{selector}}}[1m] offset {at}ms)"), mark)
    };
    AlertQueries {
        active: [
            known(elapsed, BEFORE),
            known(start, AT_START),
            marked("count(up)", NOW),
            marked("vector(time())", TIME),
            active_at(elapsed, OLD),
            active_at(start, OLD_AT_START),
            format!("(max_over_time(ALERTS_FOR_STATE{{{selector}}}[{range}ms]) > time() - {seconds})"),
        ]
        .join(" or "),
        firing: format!(
            "max without (alertstate) (max_over_time(ALERTS{{{selector},alertstate=\"firing\"}}[{range}ms]))"
        ),
        pending: format!("max without (alertstate) (ALERTS{{{selector},alertstate=\"pending\"}})"),
    }
}

/// The time that was this long before a time of Prometheus, in seconds since 1970.
fn ago(time: f64, before: SignedDuration) -> Option<Timestamp> {
    Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::try_from_secs_f64(time).ok()?)
        .ok()?
        .checked_sub(before)
        .ok()
}

/// What became active since the release was first promoted, and what was active just before. `ALERTS_FOR_STATE` holds, for each active
/// alert, since when it is active; the two counts of `up` show that Prometheus could know. Alerts differ if any label differs: one of the same
/// name may be about another object.
pub(super) async fn alerts(
    handles: &Handles,
    endpoint: &Endpoint,
    asked: &AlertQuery,
) -> Result<Answer, ProbeError> {
    let now = handles.clock.now();
    let [started, known_before] = [asked.since, asked.known_before].map(|at| now.duration_since(at));
    let AlertQueries { active, firing, pending } =
        alert_queries(&selector(&asked.labels), started, known_before);
    let seconds = asked.lookback.as_secs();
    let ask = async |query: &str| handles.prober.query(endpoint, query, seconds).await;
    let (active, firing, pending) = (ask(&active).await?, ask(&firing).await?, ask(&pending).await?);
    let rules = handles.prober.rules(endpoint).await?;
    let evidence = match &asked.evidence {
        None => None,
        Some(query) => Some(single(&ask(query).await?.samples)),
    };
    let mark = |sample: &Sample| sample.labels.get(MARK).cloned().unwrap_or_default();
    let has = |what: &str| active.samples.iter().any(|sample| mark(sample) == what);
    let marked = |what: &str| -> Vec<Labels> {
        active
            .samples
            .iter()
            .filter(|sample| mark(sample) == what)
            .map(|sample| labels(&sample.labels))
            .collect()
    };
    let all = |samples: &[Sample]| samples.iter().map(|sample| labels(&sample.labels)).collect();
    let matching: Vec<&Rule> = rules.iter().filter(|rule| can_have(rule, &asked.labels)).collect();
    // Its clock, which dates evaluations, may not agree with that of the API server.
    let its_time = active.samples.iter().find(|sample| mark(sample) == TIME);
    let rolled_out = its_time.and_then(|time| ago(time.value, now.duration_since(asked.rolled_out)));
    let rolled_out = rolled_out.unwrap_or(asked.rolled_out);
    let unevaluated = |rule: &&&Rule| {
        let at: Option<Timestamp> = rule.last_evaluation.parse().ok();
        rule.health != "ok" || at.is_none_or(|at| at < rolled_out)
    };
    // A Prometheus that lost its data since the first promotion of the release still knows what was active when this one started.
    let old = if has(BEFORE) { marked(OLD) } else { marked(OLD_AT_START) };
    Ok(Answer::Alerts(Alerts {
        before: has(BEFORE) || has(AT_START),
        now: has(NOW),
        old,
        active: marked(""),
        firing: all(&firing.samples),
        pending: all(&pending.samples),
        rules: matching.len(),
        unevaluated: matching.iter().filter(unevaluated).map(|rule| rule.name.clone()).collect(),
        evidence,
        warnings: [active.warnings, firing.warnings, pending.warnings].concat(),
    }))
}

/// The labels of an alert, without the mark of this query and the name of the series.
fn labels(all: &Labels) -> Labels {
    let is_own = |name: &str| !matches!(name, MARK | "__name__");
    all.iter().filter(|(name, _)| is_own(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether an alert of a rule can have these labels: each is set by the rule, or comes from the series of its expression.
fn can_have(rule: &Rule, labels: &BTreeMap<String, String>) -> bool {
    labels.iter().all(|(name, value)| match name.as_str() {
        "alertname" => rule.name == *value,
        name => rule.labels.get(name).is_none_or(|set| set == value || set.contains("{{")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_about_alerts_names_no_time_of_the_own_clock() {
        let AlertQueries { active, firing, .. } = alert_queries(
            "severity=\"page\"",
            SignedDuration::from_millis(60_250),
            SignedDuration::from_millis(90_250),
        );
        assert!(
            active.contains("up[1m] offset 90250ms")
                && active.contains("up[1m] offset 60250ms")
                && active.contains("> time() - 90.250)"),
            "{active}"
        );
        assert!(firing.contains("[61250ms]") && !active.contains('@'), "{firing} {active}");
    }

    #[test]
    fn a_rule_was_evaluated_since_the_rollout_by_the_clock_of_prometheus() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // Its clock is five minutes behind, and the rollout was two minutes ago.
        let its_time = at("2026-11-02T11:55:00Z").as_second() as f64;
        assert_eq!(ago(its_time, SignedDuration::from_mins(2)), Some(at("2026-11-02T11:53:00Z")));
        assert_eq!(ago(f64::NAN, SignedDuration::ZERO), None);
    }
}
