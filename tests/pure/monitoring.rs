//! The alerts and the dashboard of the chart, as files: they name metrics that the documentation lists, and commands that exist. Whether a
//! real controller shows these metrics is the question of `stories/cases/figures.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use serde_json::Value;
use std::collections::BTreeSet;
use support::manifests::{read, root};
use support::pages::{metrics, text};

fn alerts() -> String {
    read(&root("charts/towpath/templates/alerts.yaml"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read(&root("charts/towpath/files/dashboard.json"))).unwrap()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().collect()
}

fn queries(dashboard: &Value) -> Vec<&str> {
    let targets = panels(dashboard).into_iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap()).collect()
}

/// What begins so, up to the first character after it that no name has.
fn names<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let end = |at: usize| {
        let rest = &text[at + prefix.len()..];
        at + prefix.len() + rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
    };
    text.match_indices(prefix).map(|(at, _)| &text[at..end(at)]).collect()
}

/// An alert about a metric that does not exist never fires.
#[test]
fn every_metric_of_the_alerts_and_of_the_dashboard_is_documented() {
    let documented = metrics();
    let (alerts, dashboard) = (alerts(), dashboard());
    let text = format!("{alerts}\n{}", queries(&dashboard).join("\n"));
    let used = names(&text, "towpath_");
    assert!(used.len() > 15, "{used:?}");
    for name in used {
        let base = name.strip_suffix("_bucket").unwrap_or(name);
        assert!(documented.contains(base), "docs/platform-teams.md does not list {base}");
    }
}

#[test]
fn every_alert_is_documented_and_names_a_command_that_exists() {
    let (alerts, page, plugin) = (alerts(), text("docs/platform-teams.md"), text("docs/plugin.md"));
    let rules: Vec<&str> = alerts.split("- alert: ").skip(1).collect();
    let documented: BTreeSet<&str> = names(&page, "| `Towpath").into_iter().collect();
    let listed: BTreeSet<&str> = documented.iter().map(|name| name.trim_start_matches("| `")).collect();
    assert_eq!(rules.iter().map(|rule| rule.lines().next().unwrap()).collect::<BTreeSet<_>>(), listed);
    for rule in rules {
        for part in ["severity: ", "summary: ", "description: ", "`kubectl "] {
            assert!(rule.contains(part), "no {part:?} in {rule}");
        }
        assert!(!rule.contains("runbook") && !rule.contains("://"), "{rule}");
        for verb in
            names(rule, "kubectl towpath ").into_iter().map(|it| it.trim_start_matches("kubectl towpath "))
        {
            assert!(plugin.contains(&format!("| `{verb}")), "docs/plugin.md has no verb {verb}");
        }
    }
}

/// Both replicas show the state of a project: a sum would count it twice.
#[test]
fn what_every_replica_shows_is_never_summed_over_the_replicas() {
    let (alerts, dashboard) = (alerts(), dashboard());
    let gauges = ["promotions_in_progress", "releases_waiting", "release_wait_seconds", "lanes_held"];
    let more = [
        "environment_alarms",
        "rollback_policies_not_ready",
        "check_providers_not_ready",
        "channels_not_ready",
    ];
    let expressions = queries(&dashboard).into_iter().chain(alerts.lines());
    let mut seen = 0;
    for expression in expressions {
        for gauge in gauges.iter().chain(&more) {
            for (at, _) in expression.match_indices(&format!("towpath_{gauge}")) {
                let before = expression[..at].trim_end().trim_end_matches('(').trim_end();
                let before = before.rsplit_once(") or ").map_or(before, |(_, last)| last);
                let function = before.rfind("max").unwrap_or_default();
                let is_max = before.is_empty()
                    || (before[function..].starts_with("max") && !before[function..].contains("sum"));
                assert!(is_max, "{expression}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_panels_of_the_dashboard_have_their_own_places_and_the_data_source_of_the_user() {
    let dashboard = dashboard();
    let panels = panels(&dashboard);
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|field| panel["gridPos"][field].as_i64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "two panels at {place:?}: {}", panel["title"]);
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables: BTreeSet<&str> = variables.map(|variable| variable["name"].as_str().unwrap()).collect();
    for query in queries(&dashboard) {
        for used in names(query, "$").into_iter().map(|name| name.trim_start_matches('$')) {
            assert!(variables.contains(used) || used == "__rate_interval", "{used} in {query}");
        }
    }
}
