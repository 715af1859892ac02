use super::*;
use crate::api::{EnvironmentId, PromotionPhase};
use std::collections::BTreeMap;

fn lane(application: &str) -> LaneId {
    let environment = EnvironmentId { project: "shop".into(), environment: "prod".into() };
    LaneId { environment, application: application.into() }
}

/// Metrics whose scrapes find these lanes.
fn metrics(lanes: &'static [&'static str]) -> Metrics {
    Metrics::new(&Telemetry::default(), move || {
        let waits = Gauges {
            name: "releases_waiting",
            help: "Releases that wait",
            labels: &["application", "gate"],
            samples: vec![(vec!["web".to_owned(), "Approval".to_owned()], 2.0)],
        };
        Observation { gauges: vec![waits], lanes: lanes.iter().map(|name| lane(name)).collect() }
    })
}

fn shows(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.render().unwrap();
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "no {line} in\n{text}");
    }
}

#[test]
fn a_scrape_shows_what_was_counted_and_what_was_observed() {
    let telemetry = Telemetry::default();
    let metrics = Metrics::new(&telemetry, Observation::default);
    telemetry.request("get", "200");
    metrics.promotion_ended("Verified", Some(Duration::from_secs(7)));
    metrics.clone().decision("Release");
    shows(
        &metrics,
        &[
            r#"towpath_requests_total{verb="get",code="200"} 1"#,
            r#"towpath_decisions_total{kind="Release"} 1"#,
            r#"towpath_reconcile_panics_total{kind="Release"} 0"#,
            r#"towpath_quarantined{kind="Release"} 0"#,
            r#"towpath_promotions_total{outcome="Verified"} 1"#,
            r#"towpath_promotion_duration_seconds_bucket{le="15.0"} 1"#,
        ],
    );
    let observed = self::metrics(&["web"]);
    shows(&observed, &[r#"towpath_releases_waiting{application="web",gate="Approval"} 2.0"#]);
}

/// Prometheus sees no increase from nothing to one: the first event would be lost.
#[test]
fn the_counters_of_a_lane_start_at_zero() {
    let metrics = metrics(&["web"]);
    let lane = r#"project="shop",environment="prod",application="web""#;
    let zeros = [
        format!(r#"towpath_deployments_total{{{lane},outcome="Verified"}} 0"#),
        format!(r#"towpath_deployments_total{{{lane},outcome="Failed"}} 0"#),
        format!(r#"towpath_rollbacks_total{{{lane},outcome="Failed"}} 0"#),
        format!("towpath_deployments_failed_total{{{lane}}} 0"),
        format!("towpath_deployments_reworked_total{{{lane}}} 0"),
        format!("towpath_lead_time_seconds_count{{{lane}}} 0"),
        format!(r#"towpath_recovery_time_seconds_bucket{{le="+Inf",{lane}}} 0"#),
    ];
    shows(&metrics, &zeros.each_ref().map(String::as_str));
    let delivery = Delivery {
        deployment: Some(PromotionPhase::Verified),
        lead_time: Some(Duration::from_secs(400)),
        recovery_times: vec![Duration::from_secs(40), Duration::from_secs(50)],
        failed: 2,
        is_rework: true,
        ..Delivery::default()
    };
    metrics.delivered(self::lane("web"), &delivery);
    let ones = [
        format!(r#"towpath_deployments_total{{{lane},outcome="Verified"}} 1"#),
        format!("towpath_deployments_failed_total{{{lane}}} 2"),
        format!("towpath_deployments_reworked_total{{{lane}}} 1"),
        format!(r#"towpath_lead_time_seconds_bucket{{le="300.0",{lane}}} 0"#),
        format!(r#"towpath_lead_time_seconds_bucket{{le="900.0",{lane}}} 1"#),
        format!(r#"towpath_recovery_time_seconds_bucket{{le="60.0",{lane}}} 2"#),
    ];
    shows(&metrics, &ones.each_ref().map(String::as_str));
}

/// A series that outlives its object keeps an alert firing.
#[test]
fn a_lane_that_is_gone_has_no_series() {
    let metrics = metrics(&["web"]);
    metrics.delivered(lane("api"), &Delivery::default());
    let text = metrics.render().unwrap();
    assert!(text.contains(r#"application="web""#) && !text.contains(r#"application="api""#), "{text}");
}

/// Prometheus refuses a scrape with two samples of one series, and drops all others with it.
#[test]
fn every_series_is_shown_once() {
    let metrics = metrics(&["api", "web"]);
    let text = metrics.render().unwrap();
    let mut seen = BTreeMap::<&str, u32>::new();
    for series in text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series) {
        *seen.entry(series).or_default() += 1;
    }
    let twice: Vec<_> =
        seen.into_iter().filter(|(series, count)| *count > 1 && !series.starts_with('#')).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// Such a label of a metric is renamed at the scrape, and every query that names it is wrong.
#[test]
fn no_label_is_one_that_prometheus_adds_to_a_target() {
    let text = metrics(&["web"]).render().unwrap();
    for label in ["namespace", "pod", "service", "job", "instance", "container", "endpoint", "cluster"] {
        assert!(!text.contains(&format!("{{{label}=")) && !text.contains(&format!(",{label}=")), "{label}");
    }
}
