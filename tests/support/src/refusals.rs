//! What the API server refuses by the schemas and rules of the kinds: a table of changes.

use crate::refusals_of_channels::of_channels;
use serde_json::{Value, json};

/// Kind, what is there before, what is applied over it, and a word of the refusal; none where it is allowed.
pub type Change = (&'static str, &'static str, Option<Value>, Value, Option<&'static str>);

/// Changes of objects of every kind, allowed and refused.
pub fn changes() -> Vec<Change> {
    [of_other_kinds(), of_channels()].concat()
}

fn of_other_kinds() -> Vec<Change> {
    let release =
        |more: Value| merged(json!({ "application": "a", "version": "1", "source": source("v") }), more);
    let from = |source: Value| json!({ "application": "a", "version": "1", "source": source });
    let environment = |more: Value| merged(json!({ "namespace": "shop-dev" }), more);
    let promotion = |more: Value| merged(json!({ "release": "r", "environment": "e" }), more);
    let content =
        |data: &str| json!({ "application": "a", "digest": "0".repeat(64), "objects": 1, "data": data });
    let recall =
        |more: Value| merged(json!({ "application": "a", "digests": ["0".repeat(64)], "reason": "a" }), more);
    let review = |more: Value| merged(json!({ "release": "r", "outcome": "Failed" }), more);
    let plain = || Some(release(json!({})));
    let full = || Some(release(json!({ "until": "prod", "images": [{ "name": "a", "image": "b" }] })));
    let move_nowhere =
        json!([{ "kind": "Ingress", "name": "a", "operations": [{ "op": "move", "path": "/a" }] }]);
    let merge_check = |mut policy: Value, more: Value| {
        let check = policy["checks"][0].take();
        policy["checks"][0] = merged(check, more);
        policy
    };
    let query = |more: Value| {
        let query = merged(json!({ "provider": "a", "query": "b", "max": 1 }), more);
        json!({ "checks": [{ "name": "a", "prometheus": query }] })
    };
    let check = |more: Value| merge_check(query(json!({})), more);
    let provider = |more: Value| {
        merged(json!({ "prometheus": { "url": "http://a.b:9090/c" }, "projects": ["*"] }), more)
    };
    let address = |url: &str| json!({ "prometheus": { "url": url }, "projects": ["*"] });
    const FIXED: Option<&str> = Some("a Release is immutable");
    const ONE: Option<&str> = Some("exactly one of");
    let test = |spec: Value| json!({ "name": "smoke", "template": { "spec": spec } });
    let main = json!({ "name": "main", "image": "t" });
    let tests = |tests: Value| environment(json!({ "tests": tests }));
    let usual = || test(json!({ "containers": [main] }));
    vec![
        ("Environment", "a test", None, tests(json!([usual()])), None),
        (
            "Environment",
            "two tests of one name",
            None,
            tests(json!([usual(), usual()])),
            Some("duplicate entries"),
        ),
        (
            "Environment",
            "a test of two containers",
            None,
            tests(json!([test(json!({ "containers": [main, main] }))])),
            Some("must have at most 1 item"),
        ),
        (
            "Environment",
            "a test that is started again",
            None,
            tests(json!([test(json!({ "containers": [main], "restartPolicy": "OnFailure" }))])),
            Some("restartPolicy"),
        ),
        (
            "Environment",
            "a test where nothing is written",
            None,
            environment(json!({ "delivery": "Observed", "tests": [usual()] })),
            Some("remove spec.tests and spec.regression"),
        ),
        (
            "Environment",
            "regression where nothing is written",
            None,
            environment(json!({ "delivery": "Observed", "regression": true })),
            Some("remove spec.tests and spec.regression"),
        ),
        (
            "Environment",
            "drift as a gate where nothing is written",
            None,
            environment(json!({ "delivery": "Observed", "drift": "Block" })),
            Some("set spec.drift to Report"),
        ),
        (
            "Environment",
            "a review as a gate where nothing is written",
            None,
            environment(json!({ "delivery": "Observed", "review": "Required" })),
            Some("remove spec.review"),
        ),
        ("Release", "a value deep in a manifest changed", plain(), from(source("w")), FIXED),
        ("Release", "hold set", plain(), release(json!({ "hold": true })), None),
        ("Release", "hold removed", Some(release(json!({ "hold": true }))), release(json!({})), None),
        ("Release", "until added", plain(), release(json!({ "until": "prod" })), FIXED),
        ("Release", "images added", plain(), release(json!({ "images": [] })), FIXED),
        (
            "Release",
            "until removed",
            full(),
            release(json!({ "images": [{ "name": "a", "image": "b" }] })),
            FIXED,
        ),
        ("Release", "images removed", full(), release(json!({ "until": "prod" })), FIXED),
        ("Release", "version changed", plain(), release(json!({ "version": "2" })), FIXED),
        ("Release", "source changed", plain(), from(json!({ "configMapRef": { "name": "a" } })), FIXED),
        ("Release", "no source", None, from(json!({})), ONE),
        (
            "Release",
            "two sources",
            None,
            from(merged(source("v"), json!({ "configMapRef": { "name": "a" } }))),
            ONE,
        ),
        (
            "Release",
            "an absent source as null",
            None,
            from(merged(source("v"), json!({ "environment": null }))),
            None,
        ),
        ("Release", "a release of nothing", None, from(json!({ "manifests": [] })), Some("manifests")),
        (
            "Release",
            "requires added",
            plain(),
            release(json!({ "requires": [{ "application": "b", "version": "1" }] })),
            FIXED,
        ),
        (
            "Release",
            "an address that is none",
            None,
            release(json!({ "change": { "links": [{ "title": "a", "url": "javascript:alert(1)" }] } })),
            Some("url"),
        ),
        (
            "Release",
            "a risk that is none",
            None,
            release(json!({ "change": { "risk": "Huge" } })),
            Some("risk"),
        ),
        (
            "Release",
            "it requires itself",
            None,
            release(json!({ "requires": [{ "application": "a", "version": "1" }] })),
            Some("must not name the application of the release itself"),
        ),
        (
            "Release",
            "reversible written as its default",
            Some(release(json!({ "change": {} }))),
            release(json!({ "change": { "reversible": true } })),
            None,
        ),
        (
            "Release",
            "irreversible afterwards",
            Some(release(json!({ "change": {} }))),
            release(json!({ "change": { "reversible": false } })),
            FIXED,
        ),
        (
            "Recall",
            "a reason changed",
            Some(recall(json!({}))),
            recall(json!({ "reason": "b" })),
            Some("a Recall is immutable"),
        ),
        (
            "Recall",
            "a digest added",
            Some(recall(json!({}))),
            recall(json!({ "digests": ["0".repeat(64), "1".repeat(64)] })),
            Some("a Recall is immutable"),
        ),
        ("Recall", "no digest", None, recall(json!({ "digests": [] })), Some("digests")),
        ("Recall", "a short digest", None, recall(json!({ "digests": ["abc"] })), Some("digests")),
        ("Recall", "no reason", None, recall(json!({ "reason": "" })), Some("reason")),
        (
            "Review",
            "an outcome changed",
            Some(review(json!({}))),
            review(json!({ "outcome": "Successful" })),
            Some("a Review is immutable"),
        ),
        ("Review", "an unknown outcome", None, review(json!({ "outcome": "Fine" })), Some("outcome")),
        ("Review", "an empty action", None, review(json!({ "actions": [""] })), Some("actions")),
        (
            "Review",
            "notes that are too long",
            None,
            review(json!({ "notes": "a".repeat(4097) })),
            Some("notes"),
        ),
        ("Content", "data changed", Some(content("x")), content("z"), Some("a Content is immutable")),
        (
            "Promotion",
            "reason added",
            Some(promotion(json!({}))),
            promotion(json!({ "reason": "a" })),
            Some("is immutable"),
        ),
        (
            "Promotion",
            "its default written",
            Some(promotion(json!({}))),
            promotion(json!({ "kind": "Promote" })),
            None,
        ),
        (
            "Promotion",
            "a dry run with the name of a promotion",
            None,
            promotion(json!({ "dryRun": true })),
            Some("the name of a Promotion starts with dry-run."),
        ),
        (
            "Promotion",
            "a dry run of a rollback",
            None,
            promotion(json!({ "kind": "Rollback", "dryRun": true })),
            Some("spec.dryRun is only allowed"),
        ),
        (
            "Promotion",
            "toRevision of no rollback",
            None,
            promotion(json!({ "toRevision": 1 })),
            Some("spec.toRevision is only allowed"),
        ),
        (
            "Environment",
            "namespace changed",
            Some(environment(json!({}))),
            json!({ "namespace": "b" }),
            Some("cannot be changed"),
        ),
        (
            "Environment",
            "Observed with overrides",
            None,
            environment(json!({ "delivery": "Observed", "overrides": { "env": [] } })),
            Some("never written to"),
        ),
        (
            "Environment",
            "a move from nowhere",
            None,
            environment(json!({ "overrides": { "patches": move_nowhere } })),
            Some("from is required when op is move or copy"),
        ),
        ("Environment", "a soak in words", None, environment(json!({ "soak": "2 hours" })), Some("soak")),
        (
            "Environment",
            "a soak of a thousand years",
            None,
            environment(json!({ "soak": "9999999h" })),
            Some("soak"),
        ),
        ("RollbackPolicy", "all defaults", None, json!({}), None),
        ("RollbackPolicy", "a check", None, check(json!({})), None),
        ("RollbackPolicy", "a check of nothing", None, json!({ "checks": [{ "name": "a" }] }), ONE),
        ("RollbackPolicy", "a check of two things", None, check(json!({ "http": { "provider": "b" } })), ONE),
        (
            "RollbackPolicy",
            "a query without a limit",
            None,
            query(json!({ "max": null })),
            Some("set at least one of max"),
        ),
        (
            "RollbackPolicy",
            "an interval of a second",
            None,
            check(json!({ "interval": "1s" })),
            Some("at least 5s"),
        ),
        (
            "RollbackPolicy",
            "a window of an HTTP check",
            None,
            json!({ "checks": [{ "name": "a", "window": "1m", "http": { "provider": "b" } }] }),
            Some("only allowed with prometheus"),
        ),
        (
            "RollbackPolicy",
            "a baseline before the baseline",
            None,
            merge_check(query(json!({ "maxRatioToBaseline": 2 })), json!({ "when": "Before" })),
            Some("only allowed with when: During"),
        ),
        (
            "RollbackPolicy",
            "an HTTP check of a missing provider",
            None,
            json!({ "checks": [{ "name": "a", "http": { "path": "/" } }] }),
            Some("exactly one of provider and service"),
        ),
        (
            "RollbackPolicy",
            "an object with name and labels",
            None,
            json!({ "checks": [{ "name": "a", "object": {
                "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "labels": { "a": "b" },
            } }] }),
            Some("exactly one of name and labels"),
        ),
        ("CheckProvider", "a Prometheus", None, provider(json!({})), None),
        ("CheckProvider", "no project", None, provider(json!({ "projects": [] })), Some("projects")),
        ("CheckProvider", "two addresses", None, provider(json!({ "http": { "url": "http://b:1" } })), ONE),
        ("CheckProvider", "a file", None, address("file:///etc/passwd"), Some("url")),
        ("CheckProvider", "credentials in the address", None, address("http://a:b@c:1"), Some("url")),
        ("CheckProvider", "a query in the address", None, address("http://a:1/?b=c"), Some("url")),
        (
            "CheckProvider",
            "a credential outside of the folder",
            None,
            provider(json!({ "auth": { "bearer": "../token" } })),
            Some("bearer"),
        ),
        (
            "CheckProvider",
            "no credential",
            None,
            provider(json!({ "auth": {} })),
            Some("set exactly one of bearer and basic"),
        ),
        (
            "Environment",
            "a window of seconds",
            None,
            environment(json!({ "windows": [{ "schedule": "0 9 * * *", "duration": "90s" }] })),
            Some("duration must be whole minutes"),
        ),
        (
            "RollbackPolicy",
            "a moment after the verification",
            None,
            json!({ "afterVerified": { "action": "Notify", "for": "5s" } }),
            Some("for must be from 10s to 168h"),
        ),
        (
            "ChangeFreeze",
            "a freeze that ends before it starts",
            None,
            json!({ "from": "2026-12-27T00:00:00Z", "to": "2026-12-20T00:00:00Z", "reason": "a" }),
            Some("spec.to must be later than spec.from"),
        ),
        (
            "CheckProvider",
            "a certificate without its key",
            None,
            provider(json!({ "tls": { "certificate": "a/b" } })),
            Some("both certificate and key"),
        ),
    ]
}

fn source(value: &str) -> Value {
    let config_map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "k": value } });
    json!({ "manifests": [config_map] })
}

fn merged(mut base: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        base[name] = value.clone();
    }
    base
}
