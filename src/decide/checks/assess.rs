//! What one measurement says about a release.
//!
//! Invariant: only a value that was measured passes or fails. No data, NaN, infinity, too few samples or a warning is inconclusive; an
//! answer that never came is an error.

use super::alerts::new_names;
use super::path::{Compared, compare, failure, printable};
use crate::api::{Check, HttpCheck, ObjectCheck, PrometheusCheck, Series, Verdict};
use crate::decide::conditions::seconds;
use crate::decide::health::{Kstatus, kstatus};
use crate::decide::moments::{later, span};
use crate::decide::world::{Alerts, Answer, Answered, Assessed, Queried, Replied};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;

/// The shortest pause that a provider asks for and that a message mentions.
const WORTH_SAYING: SignedDuration = SignedDuration::from_secs(60);

/// A verdict, the value and the sentence.
struct Said {
    verdict: Verdict,
    value: Option<String>,
    message: String,
}

fn said(verdict: Verdict, message: impl Into<String>) -> Said {
    Said { verdict, value: None, message: message.into() }
}

fn measured(verdict: Verdict, value: impl Into<String>, message: impl Into<String>) -> Said {
    Said { verdict, value: Some(value.into()), message: message.into() }
}

/// Assesses an answer. `baseline` is the value before the first write, if the check compares with it.
pub fn assess(check: &Check, answered: &Answered, baseline: Option<f64>) -> Assessed {
    let (said, refused, retry_at) = match &answered.answer {
        Err(unmeasured) => {
            let retry_at = unmeasured.retry_after.map(|after| later(answered.at, after));
            (said(Verdict::Errored, unmeasured.message.clone()), unmeasured.refused, retry_at)
        }
        Ok(answer) => {
            let retry_at = check.http.as_ref().and_then(|http| retry_at_of(http, answer, answered.at));
            (of(check, answer, baseline, answered.at), false, retry_at)
        }
    };
    Assessed {
        at: answered.at,
        verdict: said.verdict,
        value: said.value.map(|value| printable(&value, 250)),
        message: with_retry(printable(&said.message, 450), answered.at, retry_at),
        refused,
        retry_at,
    }
}

/// What was said, and when it is asked again if a person would wonder why nothing happens.
fn with_retry(said: String, at: Timestamp, retry_at: Option<Timestamp>) -> String {
    match retry_at.filter(|again| *again >= later(at, WORTH_SAYING)) {
        Some(again) => format!("{said}; it is asked again at {}", seconds(again)),
        None => said,
    }
}

fn of(check: &Check, answer: &Answer, baseline: Option<f64>, now: Timestamp) -> Said {
    match (answer, &check.prometheus, &check.alerts, &check.http, &check.object) {
        (Answer::Query(queried), Some(query), _, _, _) => of_query(query, queried, baseline),
        (Answer::Alerts(alerts), _, Some(_), _, _) => of_alerts(alerts),
        (Answer::Http(replies), _, _, Some(http), _) => of_http(http, replies),
        (Answer::Objects(objects), _, _, _, Some(object)) => of_objects(object, objects, now),
        // The check was changed while it was measured. The next measurement is of the changed one.
        _ => said(Verdict::Inconclusive, "the check was changed while it was measured"),
    }
}

fn of_query(query: &PrometheusCheck, queried: &Queried, baseline: Option<f64>) -> Said {
    if let Some(warning) = queried.warnings.first() {
        return said(Verdict::Inconclusive, format!("Prometheus warns: {warning}"));
    }
    if let (Some(samples), Some(found)) = (&query.samples, queried.samples) {
        match found {
            Some(count) if count.is_finite() && count >= samples.min => {}
            Some(count) => {
                let message = format!("{count} samples, {} are needed", samples.min);
                return said(Verdict::Inconclusive, message);
            }
            None => return said(Verdict::Inconclusive, "samples.query does not return one number"),
        }
    }
    let judged =
        |(labels, value): &(String, f64)| (labels.clone(), *value, of_value(query, *value, baseline));
    let all: Vec<(String, f64, Said)> = queried.series.iter().map(judged).collect();
    if all.is_empty() {
        return said(Verdict::Inconclusive, "the query returns no data");
    }
    if all.len() > 1 && query.series == Series::One {
        let message =
            format!("the query returns {} series; aggregate them, or set series to All or Any", all.len());
        return said(Verdict::Errored, message);
    }
    let count = all.len();
    let wanted = match query.series {
        Series::One | Series::All => [Verdict::Failed, Verdict::Inconclusive, Verdict::Passed],
        Series::Any => [Verdict::Passed, Verdict::Inconclusive, Verdict::Failed],
    };
    let position = |verdict: Verdict| wanted.iter().position(|it| *it == verdict).unwrap_or(wanted.len());
    let decisive = all.into_iter().min_by_key(|(_, _, said)| position(said.verdict));
    let Some((labels, value, said)) = decisive else { return self::said(Verdict::Inconclusive, "no data") };
    let message = match count {
        1 => said.message,
        _ => format!("{labels}: {}", said.message),
    };
    measured(said.verdict, value.to_string(), message)
}

fn of_value(query: &PrometheusCheck, value: f64, baseline: Option<f64>) -> Said {
    // A division by zero, for example: no number was measured.
    if !value.is_finite() {
        return said(Verdict::Inconclusive, format!("the value is {value}"));
    }
    if let Some(max) = query.max.filter(|max| value > *max) {
        return said(Verdict::Failed, format!("{value} is greater than {max}"));
    }
    if let Some(min) = query.min.filter(|min| value < *min) {
        return said(Verdict::Failed, format!("{value} is less than {min}"));
    }
    if let Some(ratio) = query.max_ratio_to_baseline {
        return of_ratio(value, baseline, ratio);
    }
    said(Verdict::Passed, format!("{value} is within the limits"))
}

fn of_ratio(value: f64, baseline: Option<f64>, ratio: f64) -> Said {
    match baseline {
        None => said(Verdict::Inconclusive, "there is no value from before the first write to compare with"),
        Some(before) if value <= before * ratio => {
            said(Verdict::Passed, format!("{value} is at most {ratio} times the {before} of before"))
        }
        // Any value is infinitely greater than 0.
        Some(before) if before <= 0.0 => said(
            Verdict::Inconclusive,
            format!("the value before the first write was {before}: there is no ratio to it"),
        ),
        Some(before) => {
            said(Verdict::Failed, format!("{value} is more than {ratio} times the {before} of before"))
        }
    }
}

fn of_alerts(alerts: &Alerts) -> Said {
    let names = |list: &[String]| list.join(", ");
    if let Some(warning) = alerts.warnings.first() {
        return said(Verdict::Inconclusive, format!("Prometheus warns: {warning}"));
    }
    let fired = new_names(alerts, &alerts.firing);
    if alerts.before && !fired.is_empty() {
        return measured(
            Verdict::Failed,
            names(&fired),
            format!("alert {} fires since the promotion started", names(&fired)),
        );
    }
    if alerts.rules == 0 {
        return said(Verdict::Errored, "no alerting rule has these labels, so no alert can become active");
    }
    if !alerts.now {
        return said(Verdict::Inconclusive, "Prometheus scrapes no target, so it cannot know of a failure");
    }
    if !alerts.before {
        return said(
            Verdict::Inconclusive,
            "Prometheus has no data from before the promotion: a new alert cannot be distinguished from an old one",
        );
    }
    if let Some(rule) = alerts.unevaluated.first() {
        return said(Verdict::Inconclusive, format!("Prometheus does not evaluate the alerting rule {rule}"));
    }
    let pending = new_names(alerts, &alerts.pending);
    if !pending.is_empty() {
        return measured(
            Verdict::Inconclusive,
            names(&pending),
            format!("alert {} is pending", names(&pending)),
        );
    }
    match alerts.evidence {
        None => said(Verdict::Passed, "no alert became active"),
        Some(Some(value)) if value.is_finite() && value > 0.0 => {
            measured(Verdict::Passed, value.to_string(), "no alert became active")
        }
        Some(value) => {
            let value = value.map_or_else(|| "no data".to_owned(), |value| value.to_string());
            said(
                Verdict::Inconclusive,
                format!(
                    "no alert became active, but evidence is {value}: nothing shows that the release was used"
                ),
            )
        }
    }
}

fn of_http(http: &HttpCheck, replies: &[Replied]) -> Said {
    if replies.is_empty() {
        return said(Verdict::Inconclusive, "no pod of the new revision is behind the Service");
    }
    let judged = replies.iter().map(|reply| of_reply(http, reply));
    let worst = |said: &Said| match said.verdict {
        Verdict::Failed => 0,
        Verdict::Errored => 1,
        Verdict::Inconclusive => 2,
        Verdict::Passed => 3,
    };
    judged.min_by_key(worst).unwrap_or_else(|| said(Verdict::Inconclusive, "no answer"))
}

/// Whether a provider does not answer the question: it limits requests, or answers at another address. What a pod of the release says counts.
fn declines(http: &HttpCheck, reply: &Replied) -> bool {
    let is_other = matches!(reply.status, 300..=399 | 429) && i32::from(reply.status) != http.status;
    is_other && reply.pod.is_none() && reply.silent.is_none()
}

/// When a provider that limits requests may be asked again.
fn retry_at_of(http: &HttpCheck, answer: &Answer, at: Timestamp) -> Option<Timestamp> {
    let Answer::Http(replies) = answer else { return None };
    let after = replies.iter().filter(|reply| declines(http, reply)).filter_map(|reply| reply.retry_after);
    after.max().map(|after| later(at, after))
}

fn of_reply(http: &HttpCheck, reply: &Replied) -> Said {
    let limit = http.max_latency.map(|limit| Duration::from(limit).as_millis());
    if let Some(why) = &reply.silent {
        // It took the request, and hangs.
        let is_slow = limit.is_some_and(|limit| u128::from(reply.milliseconds) > limit);
        let verdict = if is_slow { Verdict::Failed } else { Verdict::Errored };
        return said(verdict, format!("{}: {why}", reply.from));
    }
    let (from, status) = (&reply.from, reply.status.to_string());
    if declines(http, reply) {
        let what = if reply.status == 429 { "it is asked too often" } else { "redirects are not followed" };
        return said(Verdict::Errored, format!("{from} answers {status}: {what}"));
    }
    if i32::from(reply.status) != http.status {
        return measured(Verdict::Failed, &status, format!("{from} answers {status}, not {}", http.status));
    }
    for (name, wanted) in &http.headers {
        let found = reply.headers.get(&name.to_lowercase());
        if found != Some(wanted) {
            let found = found.map_or("missing", String::as_str);
            return measured(
                Verdict::Failed,
                &status,
                format!("{from}: header {name} is {found}, not {wanted}"),
            );
        }
    }
    if let Some(limit) = limit.filter(|limit| u128::from(reply.milliseconds) > *limit) {
        let message = format!("{from} answers after {} ms, more than {limit} ms", reply.milliseconds);
        return measured(Verdict::Failed, format!("{} ms", reply.milliseconds), message);
    }
    let Some(comparison) = &http.json else {
        return measured(
            Verdict::Passed,
            &status,
            format!("{from} answers {status} after {} ms", reply.milliseconds),
        );
    };
    let Some(document) = &reply.json else {
        return measured(Verdict::Inconclusive, &status, format!("the answer of {from} is not JSON"));
    };
    match compare(comparison, document) {
        Compared::Passed(value) => {
            measured(Verdict::Passed, &value, format!("{from}: {} is {value}", comparison.path))
        }
        Compared::Failed(value) => {
            let message = format!("{from}: {}", failure(comparison, &value));
            measured(Verdict::Failed, value, message)
        }
        Compared::Unknown(message) => said(Verdict::Inconclusive, format!("{from}: {message}")),
    }
}

fn of_objects(check: &ObjectCheck, objects: &[std::sync::Arc<Value>], now: Timestamp) -> Said {
    if objects.is_empty() {
        return said(Verdict::Inconclusive, format!("there is no such {}", check.kind));
    }
    let judged = objects.iter().map(|object| of_object(check, object, now));
    let worst = |said: &Said| match said.verdict {
        Verdict::Failed => 0,
        Verdict::Errored | Verdict::Inconclusive => 1,
        Verdict::Passed => 2,
    };
    judged.min_by_key(worst).unwrap_or_else(|| said(Verdict::Inconclusive, "no object"))
}

fn of_object(check: &ObjectCheck, object: &Value, now: Timestamp) -> Said {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let key = format!("{} {name}", check.kind);
    if let Some(limit) = check.max_age {
        let created = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
        let created: Option<Timestamp> = created.and_then(|time| time.parse().ok());
        if created.is_none_or(|created| later(created, span(limit)) < now) {
            return said(Verdict::Inconclusive, format!("{key} is older than maxAge"));
        }
    }
    let Some(comparison) = &check.compare else {
        return match kstatus(object) {
            Kstatus::Current => measured(Verdict::Passed, "Current", format!("{key} is ready")),
            Kstatus::InProgress(message) => {
                measured(Verdict::Inconclusive, "InProgress", format!("{key}: {message}"))
            }
            Kstatus::Failed(message) => measured(Verdict::Failed, "Failed", format!("{key}: {message}")),
            Kstatus::Unknown => {
                said(Verdict::Inconclusive, format!("{key} has no condition Ready; set compare"))
            }
        };
    };
    match compare(comparison, object) {
        Compared::Passed(value) => {
            measured(Verdict::Passed, &value, format!("{key}: {} is {value}", comparison.path))
        }
        Compared::Failed(value) => {
            let message = format!("{key}: {}", failure(comparison, &value));
            measured(Verdict::Failed, value, message)
        }
        Compared::Unknown(message) => said(Verdict::Inconclusive, format!("{key}: {message}")),
    }
}
