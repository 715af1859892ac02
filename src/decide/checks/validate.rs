//! What is wrong with the checks of a policy, as far as it is known without asking a provider.

use super::parameters::{Parameters, WORDS, milliseconds, ranges, resolve, resolve_value};
use super::path;
use super::tally::{first_delay, window};
use crate::api::{Check, CheckProviderSpec, CheckTime, Comparison, ProjectName, RollbackPolicySpec};
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
        if !is_label_name(name) {
            return Some(format!("alerts.labels: {name} is not the name of a label"));
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
