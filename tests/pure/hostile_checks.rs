//! Paths and queries that are written to cost much or to break out: each is refused or answered, and all of them soon.

#![allow(clippy::unwrap_used, reason = "it is how a test fails")]

use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use towpath::api::{Check, CheckProviderSpec, RollbackPolicySpec};
use towpath::content::{Desired, ObjectKey};
use towpath::decide::checks::validate::{Providers, checks};
use towpath::decide::checks::{Asker, Round, ask};
use towpath::decide::world::{Answer, Answered, Measured, Pod, Workload};

/// Long enough for a busy machine, and much shorter than what any of these could cost.
const LIMIT: Duration = Duration::from_secs(60);

/// Ten of each family, which grow: whether the family is refused, and its text.
fn family(all: &mut Vec<(bool, String)>, refused: bool, text: impl Fn(usize) -> String) {
    all.extend((1..=10).map(|size| (refused, text(size))));
}

fn policy(check: Value) -> RollbackPolicySpec {
    serde_json::from_value(json!({ "checks": [check] })).unwrap()
}

/// What the condition of the policy says.
fn fault(policy: &RollbackPolicySpec) -> Option<String> {
    let provider = json!({ "prometheus": { "url": "http://x:1" }, "projects": ["*"] });
    let provider: CheckProviderSpec = serde_json::from_value(provider).unwrap();
    let providers: Providers = [("metrics".to_owned(), Arc::new(provider))].into();
    checks(policy, &"shop".into(), &providers)
}

fn paths() -> Vec<(bool, String)> {
    let mut all = Vec::new();
    family(&mut all, true, |size| format!("$..a{}", "..b".repeat(size)));
    family(&mut all, true, |size| format!("$[?@{}]", "[?@.a]".repeat(size)));
    family(&mut all, true, |size| format!("${}", "[".repeat(size * 20)));
    family(&mut all, true, |size| format!("$['{}", "a".repeat(size * 20)));
    family(&mut all, true, |size| format!("$[?match(@.b, '{}b')]", "(a*)*".repeat(size)));
    family(&mut all, true, |size| format!("$[?@.a == {}]", "$.a".repeat(size)));
    family(&mut all, false, |size| format!("${}", ".*".repeat(size * 10)));
    family(&mut all, false, |size| format!("$..a{}", "[*]".repeat(size * 6)));
    family(&mut all, false, |size| format!("$[{}0]", "0,".repeat(size * 10)));
    family(&mut all, false, |size| format!("$[{}:{}:1]", "-1", "9".repeat(size)));
    all
}

fn queries() -> Vec<(bool, String)> {
    let mut all = Vec::new();
    family(&mut all, true, |size| format!("max_over_time(x[{}y:1ms])", 9 + size * 9));
    family(&mut all, true, |size| format!("{}x[99y:1ms]{}", "sum(".repeat(size * 50), ")".repeat(size * 50)));
    family(&mut all, true, |size| "x[".repeat(size * 100));
    family(&mut all, true, |size| format!("up{{a=\"{}", "$project".repeat(size * 50)));
    family(&mut all, true, |size| format!("up{{a=\"{}\"}}", "$nope".repeat(size * 50)));
    family(&mut all, true, |size| format!("up{{pod!~\"{}\"}}", "$pods".repeat(size * 50)));
    family(&mut all, true, |size| vec!["up{pod=~\"$pods\"}"; 5 + size * 20].join("+"));
    family(&mut all, false, |size| "(".repeat(size * 400));
    family(&mut all, false, |size| format!("up{{a=\"{}\"}}", "$".repeat(size * 400)));
    family(&mut all, false, |size| format!("up{{a=~\"{}\"}} # \"[$nope", "(a*)*".repeat(size * 80)));
    all
}

#[test]
fn a_hundred_hostile_paths_are_refused_or_evaluated_in_time() {
    let document = json!((0..2_000).map(|number| json!({ "a": [number, number] })).collect::<Vec<_>>());
    let document = Arc::new(document);
    let (all, begun, mut refused) = (paths(), Instant::now(), 0);
    assert_eq!(all.len(), 100);
    for (expected, path) in all {
        assert!(path.len() <= 256, "the API server refuses it: {path}");
        let policy = policy(json!({
            "name": "a", "object": { "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "compare": { "path": path, "value": 1 } },
        }));
        let fault = fault(&policy);
        assert_eq!(fault.is_some(), expected, "{path}: {fault:?}");
        assert!(fault.as_ref().is_none_or(|fault| fault.contains("object.compare.path: ")), "{fault:?}");
        refused += usize::from(fault.is_some());
        let answer = Ok(Answer::Objects(vec![Arc::clone(&document)]));
        let answered = Answered { at: Timestamp::UNIX_EPOCH, answer };
        let measured = Measured { answer: Some(answered), ..Measured::default() };
        let last = Round::of(&policy.checks[0], Some(&measured), None).tally.last.unwrap();
        assert!(last.message.len() < 1_000 && !last.message.contains(char::is_control), "{}", last.message);
    }
    assert_eq!(refused, 60);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}

#[test]
fn a_hundred_hostile_queries_are_refused_or_resolved_in_time() {
    let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    let pods = (0..300).map(|number| Pod { name: format!("web-5d78-{number:05}"), ..Pod::default() });
    let workloads = BTreeMap::from([(web.clone(), Workload { pods: pods.collect(), ..Workload::default() })]);
    let wanted = [Desired {
        key: web.clone(),
        source: web,
        object: Value::Null,
        config: false,
        wave: 0,
        rank: 0,
        hook: None,
    }];
    let asker = Asker {
        words: vec![("project", "shop".to_owned())],
        wanted: &wanted,
        workloads: &workloads,
        changed: &[],
        started: Timestamp::UNIX_EPOCH,
        known_before: Timestamp::UNIX_EPOCH,
        rolled_out: None,
        now: Timestamp::UNIX_EPOCH,
    };
    let (all, begun, mut refused, mut long) = (queries(), Instant::now(), 0, 0);
    assert_eq!(all.len(), 100);
    for (expected, query) in all {
        assert!(query.len() <= 4_096, "the API server refuses it: {query}");
        let policy = policy(json!({
            "name": "a", "prometheus": { "provider": "metrics", "query": query, "max": 1 },
        }));
        let check: &Check = &policy.checks[0];
        let asked = ask(check, &asker);
        let said = fault(&policy).or_else(|| asked.clone().err());
        assert_eq!(said.is_some(), expected, "{query}: {said:?}");
        assert!(said.as_ref().is_none_or(|said| said.contains("prometheus.query")), "{said:?}");
        refused += usize::from(said.is_some());
        long += usize::from(said.is_some_and(|said| said.contains("longer than 65536 bytes")));
        assert!(asked.is_err() || asked.unwrap().to_string().len() < 70_000);
    }
    assert_eq!((refused, long), (70, 10));
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}
