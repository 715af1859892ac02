//! What is wrong with the checks of a policy, as far as it is known without asking a provider.

use super::parameters::{Parameters, WORDS, milliseconds, ranges, resolve, resolve_value};
use super::path;
use super::tally::{first_delay, window};
use crate::api::{Check, CheckProviderSpec, CheckTime, Comparison, ProjectName, RollbackPolicySpec};
use crate::content::ObjectKey;
use crate::decide::moments::span;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The providers of the installation, by name.
pub type Providers = BTreeMap<String, Arc<CheckProviderSpec>>;

/// The first fault of the checks of a policy: the field, what is wrong with it, and what to do.
pub fn checks(policy: &RollbackPolicySpec, project: &ProjectName, providers: &Providers) -> Option<String> {
    policy.checks.iter().find_map(|check| {
        let fault = provider(check, project, providers)
            .or_else(|| texts(check))
            .or_else(|| paths(check))
            .or_else(|| limits(check))
            .or_else(|| subject(check))
            .or_else(|| times(check, policy))?;
        Some(format!("check {}: {fault}", check.name))
    })
}

fn provider(check: &Check, project: &ProjectName, providers: &Providers) -> Option<String> {
    let name = check.provider()?;
    let Some(provider) = providers.get(name) else {
        let known: Vec<&str> =
            providers.iter().filter(|(_, it)| it.serves(project)).map(|(name, _)| name.as_str()).collect();
        let known = if known.is_empty() { "none for this project".to_owned() } else { known.join(", ") };
        return Some(format!("provider names {name}, which is no CheckProvider; known: {known}"));
    };
    if !provider.serves(project) {
        return Some(format!(
            "the CheckProvider {name} is not for project {project}; the platform team has to add it to spec.projects of the provider"
        ));
    }
    let is_prometheus = provider.prometheus.is_some();
    match (check.http.is_some(), is_prometheus) {
        (false, false) => {
            Some(format!("the CheckProvider {name} is no Prometheus; name one with spec.prometheus"))
        }
        (true, true) => Some(format!("the CheckProvider {name} is a Prometheus; name one with spec.http")),
        (false, true) | (true, false) => None,
    }
}

/// Queries and label values with unknown or misplaced parameters, and ranges that look further back than the window.
fn texts(check: &Check) -> Option<String> {
    let any = Parameters {
        words: WORDS.iter().map(|word| (*word, String::new())).collect(),
        window: "1m".to_owned(),
        ..Parameters::default()
    };
    let window = window(check);
    let query = |field: &str, query: &str| {
        if let Err(error) = resolve(query, &any) {
            return Some(format!("{field}: {error}"));
        }
        if check.when == CheckTime::Before || check.prometheus.is_none() {
            return None;
        }
        let limit = u64::try_from(window.as_millis()).unwrap_or(0);
        let longer =
            ranges(query).into_iter().find(|range| milliseconds(range).is_some_and(|length| length > limit));
        longer.map(|range| {
            format!("{field} looks back {range}, longer than window ({window:#}): set window to at least {range}, or use $window")
        })
    };
    if let Some(prometheus) = &check.prometheus {
        let samples = prometheus.samples.as_ref();
        return query("prometheus.query", &prometheus.query)
            .or_else(|| query("prometheus.samples.query", &samples?.query))
            .or_else(|| {
                let is_single = prometheus.series == crate::api::Series::One;
                (prometheus.max_ratio_to_baseline.is_some() && !is_single).then(|| {
                    "prometheus.maxRatioToBaseline compares one series: set series to One".to_owned()
                })
            });
    }
    let alerts = check.alerts.as_ref()?;
    let label = alerts.labels.iter().find_map(|(name, value)| {
        if !is_label_name(name) || name.starts_with("__") {
            return Some(format!("alerts.labels: {name} is not the name of a label"));
        }
        if name == "alertstate" {
            return Some(
                "alerts.labels: alertstate is no label of an alert: the check looks at all of its states"
                    .to_owned(),
            );
        }
        resolve_value(value, &any).err().map(|error| format!("alerts.labels.{name}: {error}"))
    });
    label.or_else(|| query("alerts.evidence", alerts.evidence.as_ref()?))
}

fn is_label_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn paths(check: &Check) -> Option<String> {
    let json = check.http.as_ref().and_then(|http| http.json.as_ref());
    let object = check.object.as_ref().and_then(|object| object.compare.as_ref());
    let fault = |field: &str, comparison: Option<&Comparison>| {
        path::parse(&comparison?.path).err().map(|message| format!("{field}.path: {message}"))
    };
    fault("http.json", json).or_else(|| fault("object.compare", object))
}

/// Limits that no measurement can pass.
fn limits(check: &Check) -> Option<String> {
    let is_zero = |limit: Option<crate::api::Duration>| limit.is_some_and(|it| span(it).is_zero());
    if let Some(prometheus) = &check.prometheus {
        if let (Some(min), Some(max)) = (prometheus.min, prometheus.max)
            && min > max
        {
            return Some(format!(
                "prometheus.min is {min}, more than prometheus.max, which is {max}: no value passes"
            ));
        }
        if prometheus.max_ratio_to_baseline.is_some_and(|ratio| ratio <= 0.0) {
            return Some("prometheus.maxRatioToBaseline has to be greater than 0".to_owned());
        }
    }
    if check.http.as_ref().is_some_and(|http| is_zero(http.max_latency)) {
        return Some("http.maxLatency has to be longer than 0s".to_owned());
    }
    let is_stale = check.object.as_ref().is_some_and(|object| is_zero(object.max_age));
    is_stale.then(|| "object.maxAge has to be longer than 0s".to_owned())
}

/// What cannot be asked: Secrets, names that no kind has, and pods that do not run yet.
fn subject(check: &Check) -> Option<String> {
    if let Some(object) = &check.object {
        let (version, kind) = (object.api_version.as_str(), object.kind.as_str());
        let Ok(key) = ObjectKey::new(version, kind, "any") else {
            return Some(format!("object.apiVersion: {version} is no API version, such as apps/v1"));
        };
        if key.is("", "Secret") {
            return Some(
                "object.kind: Secrets are never read; compare an object that shows its state".to_owned(),
            );
        }
    }
    let needs_pods = check.http.as_ref().is_some_and(|http| http.service.is_some());
    (needs_pods && check.when == CheckTime::Before).then(|| {
        "http.service asks pods of the new revision, which do not run before the first write: use http.provider, or when: During"
            .to_owned()
    })
}

/// A check that can never be measured within the observe window.
fn times(check: &Check, policy: &RollbackPolicySpec) -> Option<String> {
    if check.when == CheckTime::Before {
        return None;
    }
    let observed = span(policy.observe_window);
    let more = i64::from(check.min_measurements).saturating_sub(1);
    let seconds = span(check.interval).as_secs().saturating_mul(more);
    let needed = first_delay(check).saturating_add(jiff::SignedDuration::from_secs(seconds));
    (needed > observed).then(|| {
        format!(
            "it needs {needed:#} (window, initialDelay, and interval for each further of {} measurements), and observeWindow is \
             {observed:#}: make observeWindow longer or window shorter",
            check.min_measurements
        )
    })
}
