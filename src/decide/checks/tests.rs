//! What one measurement says, as tables.

use super::assess::assess;
use crate::api::{Check, Verdict};
use crate::decide::world::{Alerts, Answer, Answered, Labels, Queried, Replied, Unmeasured};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub fn check(what: Value) -> Check {
    let mut whole = json!({ "name": "errors" });
    whole.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

pub fn prometheus(limits: Value) -> Check {
    let mut query = json!({ "provider": "metrics", "query": "errors" });
    query.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    check(json!({ "prometheus": query }))
}

pub fn at(second: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn verdict(check: &Check, answer: Answer, baseline: Option<f64>) -> (Verdict, String) {
    let assessed = assess(check, &Answered { at: at(0), answer: Ok(answer) }, baseline);
    (assessed.verdict, assessed.message)
}

#[test]
fn a_query_passes_only_with_a_value_within_its_limits() {
    let values = |values: &[f64]| {
        let series = values.iter().enumerate().map(|(index, value)| (format!("{{pod=\"{index}\"}}"), *value));
        Queried { series: series.collect(), ..Queried::default() }
    };
    let warned = Queried { warnings: vec!["results truncated".into()], ..values(&[0.0]) };
    let sampled = |count| Queried { samples: Some(count), ..values(&[0.0]) };
    let samples = json!({ "max": 1, "samples": { "query": "count", "min": 10 } });
    for (limits, found, baseline, expected, says) in [
        (json!({ "max": 0.05 }), values(&[0.05]), None, Verdict::Passed, "0.05 is within"),
        (json!({ "max": 0.05 }), values(&[0.06]), None, Verdict::Failed, "0.06 is greater than 0.05"),
        (json!({ "min": 2 }), values(&[1.0]), None, Verdict::Failed, "1 is less than 2"),
        (json!({ "min": 1, "max": 2 }), values(&[1.5]), None, Verdict::Passed, ""),
        (json!({ "max": 1 }), values(&[f64::INFINITY]), None, Verdict::Inconclusive, "the value is inf"),
        (json!({ "min": 1 }), values(&[f64::INFINITY]), None, Verdict::Inconclusive, "the value is inf"),
        (json!({ "min": 1 }), values(&[f64::NEG_INFINITY]), None, Verdict::Inconclusive, "the value is -inf"),
        (json!({ "max": 1 }), values(&[f64::NAN]), None, Verdict::Inconclusive, "NaN"),
        (json!({ "max": 1 }), values(&[]), None, Verdict::Inconclusive, "no data"),
        (json!({ "max": 1 }), warned, None, Verdict::Inconclusive, "results truncated"),
        (json!({ "max": 1 }), values(&[0.0, 0.0]), None, Verdict::Errored, "2 series"),
        (json!({ "max": 1, "series": "All" }), values(&[0.0, 2.0]), None, Verdict::Failed, "{pod=\"1\"}: 2"),
        (json!({ "max": 1, "series": "All" }), values(&[0.0, f64::NAN]), None, Verdict::Inconclusive, "NaN"),
        (json!({ "max": 1, "series": "All" }), values(&[0.0, 1.0]), None, Verdict::Passed, ""),
        (json!({ "max": 1, "series": "Any" }), values(&[2.0, 1.0]), None, Verdict::Passed, "{pod=\"1\"}"),
        (json!({ "max": 1, "series": "Any" }), values(&[2.0, 3.0]), None, Verdict::Failed, ""),
        (samples.clone(), sampled(Some(10.0)), None, Verdict::Passed, ""),
        (samples.clone(), sampled(Some(9.0)), None, Verdict::Inconclusive, "9 samples, 10 are needed"),
        (samples.clone(), sampled(Some(f64::NAN)), None, Verdict::Inconclusive, "NaN samples"),
        (samples.clone(), sampled(Some(f64::INFINITY)), None, Verdict::Inconclusive, "inf samples"),
        (samples, sampled(None), None, Verdict::Inconclusive, "samples.query"),
        (json!({ "maxRatioToBaseline": 1.5 }), values(&[3.0]), Some(2.0), Verdict::Passed, ""),
        (json!({ "maxRatioToBaseline": 1.5 }), values(&[3.1]), Some(2.0), Verdict::Failed, "1.5 times the 2"),
        (json!({ "maxRatioToBaseline": 1.5 }), values(&[0.0]), Some(0.0), Verdict::Passed, ""),
        (json!({ "maxRatioToBaseline": 1.5 }), values(&[0.1]), Some(0.0), Verdict::Inconclusive, "no ratio"),
        (
            json!({ "maxRatioToBaseline": 1.5 }),
            values(&[0.1]),
            None,
            Verdict::Inconclusive,
            "no value from before",
        ),
    ] {
        let what = format!("{limits} {found:?}");
        let (verdict, message) = verdict(&prometheus(limits), Answer::Query(found), baseline);
        assert_eq!(verdict, expected, "{what}: {message}");
        assert!(message.contains(says), "{what}: {message}");
    }
}

#[test]
fn an_alert_fails_only_if_it_became_active_after_the_start_and_fires() {
    let check = check(json!({ "alerts": { "provider": "metrics", "labels": { "severity": "page" } } }));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let quiet = Alerts { before: true, now: true, rules: 3, ..Alerts::default() };
    // `Errors` or, about another object, `Errors web`.
    let labels = |alerts: &[&str]| -> Vec<Labels> {
        let pairs = |alert: &str| {
            let (name, object) = alert.split_once(' ').unwrap_or((alert, "api"));
            [("alertname", name), ("object", object)].map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        alerts.iter().map(|alert| pairs(alert).into()).collect()
    };
    let active = |firing: &[&str], pending: &[&str], active: &[&str]| Alerts {
        firing: labels(firing),
        pending: labels(pending),
        active: labels(active),
        ..quiet.clone()
    };
    let masked = |old: &[&str], alerts: Alerts| Alerts { old: labels(old), ..alerts };
    for (alerts, expected, says) in [
        (quiet.clone(), Verdict::Passed, "no alert became active"),
        (active(&["Errors"], &[], &["Errors"]), Verdict::Failed, "Errors fires since"),
        (active(&["Errors"], &[], &[]), Verdict::Passed, ""),
        (masked(&["Errors"], active(&["Errors"], &[], &["Errors"])), Verdict::Passed, ""),
        (
            masked(&["Errors"], active(&["Errors", "Errors web"], &[], &["Errors web"])),
            Verdict::Failed,
            "alert Errors fires since",
        ),
        (active(&["Errors"], &["Errors web"], &["Errors web"]), Verdict::Inconclusive, "Errors is pending"),
        (active(&[], &["Slow"], &["Slow"]), Verdict::Inconclusive, "Slow is pending"),
        (active(&[], &["Slow"], &[]), Verdict::Passed, ""),
        (active(&[], &[], &["Slow"]), Verdict::Passed, ""),
        (Alerts { rules: 0, ..quiet.clone() }, Verdict::Errored, "no alerting rule"),
        (Alerts { before: false, ..quiet.clone() }, Verdict::Inconclusive, "before the promotion"),
        (
            Alerts { before: false, ..active(&["Errors"], &[], &["Errors"]) },
            Verdict::Inconclusive,
            "distinguished from an old",
        ),
        (Alerts { now: false, ..quiet.clone() }, Verdict::Inconclusive, "scrapes no target"),
        (Alerts { unevaluated: names(&["Bad"]), ..quiet.clone() }, Verdict::Inconclusive, "rule Bad"),
        (Alerts { evidence: Some(Some(3.0)), ..quiet.clone() }, Verdict::Passed, ""),
        (Alerts { evidence: Some(Some(0.0)), ..quiet.clone() }, Verdict::Inconclusive, "evidence is 0"),
        (Alerts { evidence: Some(None), ..quiet.clone() }, Verdict::Inconclusive, "evidence is no data"),
        (Alerts { evidence: Some(Some(f64::NAN)), ..quiet.clone() }, Verdict::Inconclusive, "NaN"),
        (Alerts { evidence: Some(Some(f64::INFINITY)), ..quiet.clone() }, Verdict::Inconclusive, "inf"),
        (Alerts { warnings: names(&["partial"]), ..quiet.clone() }, Verdict::Inconclusive, "partial"),
    ] {
        let what = format!("{alerts:?}");
        let (verdict, message) = verdict(&check, Answer::Alerts(alerts), None);
        assert_eq!(verdict, expected, "{what}: {message}");
        assert!(message.contains(says), "{what}: {message}");
    }
}

#[test]
fn an_answer_passes_with_the_right_status_headers_json_and_latency() {
    let reply = |status, json: Option<Value>| Replied {
        from: "pod web-1".into(),
        pod: None,
        silent: None,
        status,
        headers: BTreeMap::from([("x-version".to_owned(), "2".to_owned())]),
        retry_after: None,
        json: json.map(Arc::new),
        milliseconds: 40,
    };
    let silent = |pod: &str| Replied {
        from: format!("pod {pod}"),
        silent: Some(format!("cannot connect to {pod}: connection refused")),
        ..Replied::default()
    };
    let hangs = || Replied {
        silent: Some("web-0 does not answer within 10 s".into()),
        milliseconds: 10_000,
        ..silent("web-0")
    };
    let service = json!({ "name": "web", "port": 80 });
    let json_check = json!({ "service": service, "json": { "path": "$.ok", "value": true } });
    for (http, replies, expected, says) in [
        (json!({ "service": service }), vec![reply(200, None)], Verdict::Passed, "web-1 answers 200"),
        (
            json!({ "service": service }),
            vec![reply(200, None), reply(503, None)],
            Verdict::Failed,
            "503, not 200",
        ),
        (
            json!({ "service": service }),
            vec![silent("web-0"), reply(503, None), silent("web-2")],
            Verdict::Failed,
            "pod web-1 answers 503, not 200",
        ),
        (
            json!({ "service": service }),
            vec![reply(200, None), silent("web-2")],
            Verdict::Errored,
            "pod web-2: cannot connect to web-2: connection refused",
        ),
        (
            json!({ "service": service }),
            vec![silent("web-0"), silent("web-2")],
            Verdict::Errored,
            "pod web-0",
        ),
        (json!({ "service": service }), vec![hangs()], Verdict::Errored, "does not answer within 10 s"),
        (
            json!({ "service": service, "maxLatency": "1s" }),
            vec![hangs()],
            Verdict::Failed,
            "does not answer within 10 s",
        ),
        (
            json!({ "service": service, "maxLatency": "1s" }),
            vec![silent("web-0")],
            Verdict::Errored,
            "refused",
        ),
        (json!({ "service": service, "status": 404 }), vec![reply(404, None)], Verdict::Passed, ""),
        (json!({ "service": service }), vec![], Verdict::Inconclusive, "no pod"),
        (
            json!({ "service": service, "headers": { "X-Version": "2" } }),
            vec![reply(200, None)],
            Verdict::Passed,
            "",
        ),
        (
            json!({ "service": service, "headers": { "X-Version": "3" } }),
            vec![reply(200, None)],
            Verdict::Failed,
            "not 3",
        ),
        (
            json!({ "service": service, "headers": { "X-Other": "3" } }),
            vec![reply(200, None)],
            Verdict::Failed,
            "missing",
        ),
        (json!({ "service": service, "maxLatency": "40ms" }), vec![reply(200, None)], Verdict::Passed, ""),
        (
            json!({ "service": service, "maxLatency": "39ms" }),
            vec![reply(200, None)],
            Verdict::Failed,
            "40 ms",
        ),
        (json_check.clone(), vec![reply(200, Some(json!({ "ok": true })))], Verdict::Passed, ""),
        (
            json_check.clone(),
            vec![reply(200, Some(json!({ "ok": false })))],
            Verdict::Failed,
            "$.ok is false",
        ),
        (json_check.clone(), vec![reply(200, Some(json!({})))], Verdict::Inconclusive, "finds no value"),
        (json_check, vec![reply(200, None)], Verdict::Inconclusive, "not JSON"),
    ] {
        let what = http.to_string();
        let (verdict, message) = verdict(&check(json!({ "http": http })), Answer::Http(replies), None);
        assert_eq!(verdict, expected, "{what}: {message}");
        assert!(message.contains(says), "{what}: {message}");
    }
}

#[test]
fn an_object_passes_by_a_field_or_by_kstatus() {
    let object = |status: Value| json!({ "metadata": { "name": "web", "generation": 2, "creationTimestamp": "2025-12-31T23:00:00Z" }, "status": status });
    let ready = |status: &str| json!({ "observedGeneration": 2, "conditions": [{ "type": "Ready", "status": status, "message": "m" }] });
    let rollout = |more: Value| {
        let mut whole = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web" });
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        whole
    };
    let healthy = json!({ "compare": { "path": "$.status.phase", "value": "Healthy" } });
    for (what, objects, expected, says) in [
        (rollout(json!({})), vec![object(ready("True"))], Verdict::Passed, "Rollout web is ready"),
        (rollout(json!({})), vec![object(ready("False"))], Verdict::Inconclusive, "is not ready"),
        (
            rollout(json!({})),
            vec![object(
                json!({ "conditions": [{ "type": "Stalled", "status": "True", "reason": "Bad", "message": "m" }] }),
            )],
            Verdict::Failed,
            "Bad",
        ),
        (
            rollout(json!({})),
            vec![object(json!({ "phase": "Healthy" }))],
            Verdict::Inconclusive,
            "no condition Ready",
        ),
        (rollout(json!({})), vec![], Verdict::Inconclusive, "no such Rollout"),
        (rollout(healthy.clone()), vec![object(json!({ "phase": "Healthy" }))], Verdict::Passed, ""),
        (
            rollout(healthy.clone()),
            vec![object(json!({ "phase": "Healthy" })), object(json!({ "phase": "Degraded" }))],
            Verdict::Failed,
            "$.status.phase is Degraded, not Healthy",
        ),
        (rollout(json!({ "maxAge": "1h" })), vec![object(ready("True"))], Verdict::Passed, ""),
        (rollout(json!({ "maxAge": "59m" })), vec![object(ready("True"))], Verdict::Inconclusive, "maxAge"),
    ] {
        let text = what.to_string();
        let objects = objects.into_iter().map(Arc::new).collect();
        let (verdict, message) = verdict(&check(json!({ "object": what })), Answer::Objects(objects), None);
        assert_eq!(verdict, expected, "{text}: {message}");
        assert!(message.contains(says), "{text}: {message}");
    }
}

#[test]
fn what_cannot_be_measured_is_an_error_and_what_a_server_says_is_made_harmless() {
    let unmeasured = Unmeasured {
        message: "cannot connect\u{1b}[2J".to_owned() + &"x".repeat(900),
        refused: true,
        retry_after: Some(SignedDuration::from_secs(30)),
    };
    let assessed =
        assess(&prometheus(json!({ "max": 1 })), &Answered { at: at(0), answer: Err(unmeasured) }, None);
    assert_eq!(
        (assessed.verdict, assessed.refused, assessed.retry_at),
        (Verdict::Errored, true, Some(at(30)))
    );
    assert!(
        assessed.message.starts_with("cannot connect\\u{1b}[2J") && assessed.message.chars().count() <= 501
    );
    let other = assess(
        &check(json!({ "http": { "provider": "x" } })),
        &Answered { at: at(0), answer: Ok(Answer::Query(Queried::default())) },
        None,
    );
    assert_eq!(other.verdict, Verdict::Inconclusive, "the check was changed");
}

#[test]
fn a_provider_that_limits_or_redirects_says_nothing_about_the_release() {
    let wait = SignedDuration::from_secs(90);
    let said = |pod: Option<&str>, answers: u16, wanted: u16| {
        let check = check(json!({ "http": { "provider": "status", "status": wanted } }));
        let reply = Replied {
            from: "status".into(),
            pod: pod.map(str::to_owned),
            status: answers,
            retry_after: Some(wait),
            ..Replied::default()
        };
        let assessed = assess(&check, &Answered { at: at(0), answer: Ok(Answer::Http(vec![reply])) }, None);
        let is_said = assessed.message.ends_with("it is asked again at 2026-01-01T00:01:30Z");
        assert_eq!(is_said, assessed.retry_at.is_some(), "{}", assessed.message);
        (assessed.verdict, assessed.retry_at)
    };
    for (pod, answers, wanted, expected) in [
        (None, 429, 200, (Verdict::Errored, Some(at(90)))),
        (None, 301, 200, (Verdict::Errored, Some(at(90)))),
        (None, 308, 302, (Verdict::Errored, Some(at(90)))),
        (None, 302, 302, (Verdict::Passed, None)),
        (None, 429, 429, (Verdict::Passed, None)),
        (None, 503, 200, (Verdict::Failed, None)),
        (Some("web-1"), 429, 200, (Verdict::Failed, None)),
        (Some("web-1"), 301, 200, (Verdict::Failed, None)),
    ] {
        assert_eq!(said(pod, answers, wanted), expected, "{pod:?} {answers} {wanted}");
    }
}
