//! Faults of checks that are found without asking a provider.

use super::tests::check;
use crate::api::{CheckProviderSpec, RollbackPolicySpec};
use crate::decide::checks::validate::{Providers, checks};
use serde_json::{Value, json};
use std::sync::Arc;

#[test]
fn a_check_that_cannot_work_is_named_with_its_field() {
    let provider = |kind: &str, projects: &[&str]| -> Arc<CheckProviderSpec> {
        let spec = json!({ kind: { "url": "http://x:1" }, "projects": projects });
        Arc::new(serde_json::from_value(spec).unwrap())
    };
    let providers: Providers = [
        ("metrics".to_owned(), provider("prometheus", &["*"])),
        ("others".to_owned(), provider("prometheus", &["bank"])),
        ("status".to_owned(), provider("http", &["shop"])),
    ]
    .into();
    let query = |query: &str| json!({ "prometheus": { "provider": "metrics", "query": query, "max": 1 } });
    let path = |path: &str| json!({ "http": { "provider": "status", "json": { "path": path, "value": 1 } } });
    let long = |more: Value| {
        let mut whole = query("q");
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        whole
    };
    for (what, says) in [
        (query("rate(x{a=\"$application\"}[$window])"), None),
        (json!({ "http": { "provider": "status" } }), None),
        (json!({ "alerts": { "provider": "metrics", "labels": { "namespace": "$namespace" } } }), None),
        (
            json!({ "prometheus": { "provider": "metrics", "query": "q", "min": 10, "max": 5 } }),
            Some("no value passes"),
        ),
        (
            json!({ "prometheus": { "provider": "metrics", "query": "q", "maxRatioToBaseline": -1 } }),
            Some("has to be greater than 0"),
        ),
        (json!({ "http": { "provider": "status", "maxLatency": "0s" } }), Some("longer than 0s")),
        (
            json!({ "object": { "apiVersion": "v1", "kind": "Secret", "name": "db" } }),
            Some("Secrets are never read"),
        ),
        (
            json!({ "object": { "apiVersion": "../v1", "kind": "ConfigMap", "name": "db" } }),
            Some("../v1 is no API version"),
        ),
        (
            json!({ "object": { "apiVersion": "v1", "kind": "ConfigMap", "name": "db", "maxAge": "0s" } }),
            Some("longer than 0s"),
        ),
        (
            json!({ "http": { "service": { "name": "web", "port": 80 } }, "when": "Before" }),
            Some("which do not run before the first write"),
        ),
        (
            json!({ "alerts": { "provider": "metrics", "labels": { "alertstate": "firing" } } }),
            Some("alertstate is no label of an alert"),
        ),
        (
            json!({ "alerts": { "provider": "metrics", "labels": { "__towpath__": "x" } } }),
            Some("not the name of a label"),
        ),
        (
            json!({ "http": { "provider": "missing" } }),
            Some("names missing, which is no CheckProvider; known: metrics, status"),
        ),
        (
            json!({ "prometheus": { "provider": "others", "query": "q", "max": 1 } }),
            Some("others is not for project shop"),
        ),
        (
            json!({ "prometheus": { "provider": "status", "query": "q", "max": 1 } }),
            Some("status is no Prometheus"),
        ),
        (json!({ "http": { "provider": "metrics" } }), Some("metrics is a Prometheus")),
        (query("x{a=\"$nope\"}"), Some("prometheus.query: $nope is not a parameter; known: $project")),
        (query("$application"), Some("only replaced inside a quoted label value")),
        (
            query("rate(x[5m])"),
            Some("prometheus.query looks back 5m, longer than window (1m): set window to at least 5m"),
        ),
        (long(json!({ "window": "10m" })), Some("it needs 10m (window, initialDelay, and interval")),
        (long(json!({ "minMeasurements": 20 })), Some("observeWindow is 5m")),
        (long(json!({ "when": "Before", "window": "10m" })), None),
        (path("$..a..b"), Some("http.json.path: the path $..a..b has more than one")),
        (
            json!({ "alerts": { "provider": "metrics", "labels": { "a-b": "x" } } }),
            Some("a-b is not the name of a label"),
        ),
        (
            json!({ "alerts": { "provider": "metrics", "labels": { "ab": "$pods" } } }),
            Some("alerts.labels.ab: $pods"),
        ),
    ] {
        let policy =
            RollbackPolicySpec { checks: vec![check(what.clone())], ..RollbackPolicySpec::default() };
        let found = checks(&policy, &"shop".into(), &providers);
        match says {
            None => assert_eq!(found, None, "{what}"),
            Some(says) => assert!(
                found
                    .as_ref()
                    .is_some_and(|message| message.starts_with("check errors: ") && message.contains(says)),
                "{what}: {found:?}"
            ),
        }
    }
}
