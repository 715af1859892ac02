//! What a promotion writes into Towpath's own objects, Contents apart: the release, the promotion and the environment.

use super::hooks::{hook, with};
use super::outcomes::promotion;
use super::run::{Event, Run};
use super::scenarios::{deployment, environment};
use super::store::Store;
use super::tests_of_releases::of_content;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{PromotionPhase, RollbackPolicySpec};

const SECOND: &str = "release 2.0.0";

/// The writes of the second promotion.
fn writes(setting: fn(&mut Store, Timestamp), second: fn(&mut Store, Timestamp)) -> usize {
    let first: Event = (0, "release 1.0.0", |store, now| with(store, "1.0.0", "web", vec![], now));
    let run = Run::of(setting, &[first, (1000, SECOND, second)]).settle();
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{text}");
    let is_event = |line: &&String| line.ends_with(&format!("* {SECOND}"));
    let lines = run.log.iter().skip_while(|line| !is_event(line)).skip(1);
    let is_write =
        |step: &&str| ["remembers ", "reports ", "creates "].iter().any(|verb| step.contains(verb));
    lines.flat_map(|line| line.split(" | ")).filter(is_write).count()
}

fn prod(store: &mut Store, now: Timestamp) {
    environment(store, "prod", json!({}), now);
}

/// Its observe window is too short to be written to the status.
fn brief(store: &mut Store, now: Timestamp) {
    add_brief(store);
    environment(store, "prod", json!({ "rollbackPolicyRef": "brief" }), now);
}

fn add_brief(store: &mut Store) {
    let policy =
        RollbackPolicySpec { observe_window: "2s".parse().unwrap(), ..RollbackPolicySpec::default() };
    store.policies.insert("brief".into(), policy);
}

fn tested_before(store: &mut Store, now: Timestamp) {
    let template: Value = deployment("db", "web", None)["spec"]["template"].clone();
    let test = json!({ "name": "db", "when": "Before", "template": template });
    environment(store, "prod", json!({ "tests": [test] }), now);
}

fn plain(store: &mut Store, now: Timestamp) {
    with(store, "2.0.0", "web-2", vec![], now);
}

fn migration() -> Value {
    hook("migrate", "pre-promote", "web", json!({}))
}

fn migrated(store: &mut Store, now: Timestamp) {
    with(store, "2.0.0", "web-2", vec![migration()], now);
}

/// A Job that is no hook, and whose pod is disrupted.
fn drained() -> Value {
    let mut load = hook("load", "pre-promote", "drained", json!({}));
    load["metadata"]["annotations"].take();
    load
}

fn checkout() -> Value {
    of_content("checkout", "web", json!({}))
}

/// Two environments in a row, each with a window that is written.
fn line(store: &mut Store, now: Timestamp) {
    environment(store, "staging", json!({}), now);
    environment(store, "prod", json!({ "after": ["staging"] }), now);
}

/// The same with windows that are too short to be written.
fn brief_line(store: &mut Store, now: Timestamp) {
    add_brief(store);
    environment(store, "staging", json!({ "rollbackPolicyRef": "brief" }), now);
    environment(store, "prod", json!({ "rollbackPolicyRef": "brief", "after": ["staging"] }), now);
}

#[test]
fn a_hook_and_a_test_before_the_first_write_cost_one_write_each_and_a_test_after_the_rollout_none() {
    let tested = |store: &mut Store, now| with(store, "2.0.0", "web-2", vec![checkout()], now);
    let both = |store: &mut Store, now| with(store, "2.0.0", "web-2", vec![migration(), checkout()], now);
    // The release: captured, verified. The promotion: created, intent, outcome. The environment: start, end.
    assert_eq!(writes(brief, plain), 7);
    // A longer window: that it began.
    assert_eq!(writes(prod, plain), 8);
    // That the Job was created, before anything else follows. That it is complete is written with the window or the outcome.
    assert_eq!(writes(brief, migrated), 8);
    assert_eq!(writes(prod, migrated), 9);
    // The start of a test is written with that of the window, and its result with the outcome.
    assert_eq!(writes(brief, tested), 8);
    assert_eq!(writes(prod, tested), 8);
    assert_eq!(writes(prod, both), 9);
    // The start of the test. The result is written with the intent.
    assert_eq!(writes(tested_before, plain), 9);
}

#[test]
fn a_disrupted_pod_costs_one_write() {
    let loaded = |store: &mut Store, now| with(store, "2.0.0", "web-2", vec![drained()], now);
    assert_eq!((writes(prod, plain), writes(prod, loaded)), (8, 9));
}

/// The capture is written once for a release, however many environments follow. In each: the promotion is created, its intent, its window
/// and its outcome; the environment, at its start and its end; and the release, when the promotion has ended. The environment that comes
/// later also says what the release waits for.
#[test]
fn each_environment_costs_seven_writes() {
    assert_eq!(writes(line, plain), 1 + 7 + 7 + 1);
}

/// That its Job was created is written before anything that follows from it: a Job that is gone after a crash was deleted, or never created.
/// Neither the intent, which comes before, nor the window, which comes after the hook, can say so.
#[test]
fn a_hook_costs_each_environment_one_more_write() {
    assert_eq!(writes(brief_line, plain), 1 + 6 + 6 + 1);
    assert_eq!(writes(brief_line, migrated), 1 + 7 + 7 + 1);
    assert_eq!(writes(line, migrated), 1 + 8 + 8 + 1);
}
