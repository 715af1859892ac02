//! What the measurements of a check say together, as tables.

use super::tally::{End, Round, Span};
use super::tests::{at, check, prometheus};
use crate::api::{Check, CheckReport};
use crate::decide::world::{Answer, Answered, Measured, Queried, Tally, Unmeasured};
use serde_json::json;

/// The round after these measurements, taken every 10 s: `p`assed, `f`ailed, `e`rrored, `i`nconclusive.
fn after<'a>(check: &'a Check, letters: &str, recorded: Option<&'a CheckReport>) -> Round<'a> {
    let mut measured = Measured::default();
    let mut round = Round::of(check, None, recorded);
    for (second, letter) in (0..).step_by(10).zip(letters.chars()) {
        let value =
            |value| Ok(Answer::Query(Queried { series: vec![(String::new(), value)], ..Queried::default() }));
        let answer = match letter {
            'p' => value(0.0),
            'f' => value(9.0),
            'i' => value(f64::NAN),
            _ => Err(Unmeasured { message: "down".into(), ..Unmeasured::default() }),
        };
        measured.answer = Some(Answered { at: at(second), answer });
        round = Round::of(check, Some(&measured), recorded);
        measured = Measured { tally: Some(round.tally.clone()), ..Measured::default() };
    }
    round
}

#[test]
fn measurements_together_give_a_verdict() {
    for (settings, letters, failed, end) in [
        (json!({}), "", false, End::Open),
        (json!({}), "p", false, End::Passed),
        (json!({}), "f", true, End::Open),
        (json!({}), "i", false, End::Inconclusive),
        (json!({}), "iip", false, End::Passed),
        (json!({}), "pi", false, End::Open),
        (json!({}), "pii", false, End::Inconclusive),
        (json!({}), "pip", false, End::Passed),
        (json!({}), "piei", false, End::Inconclusive),
        (json!({}), "pe", false, End::Open),
        (json!({}), "pf", true, End::Open),
        (json!({}), "eeee", false, End::Open),
        (json!({}), "eeeee", false, End::Errored),
        (json!({}), "eeeepeeee", false, End::Open),
        (json!({}), "peeeee", false, End::Errored),
        (json!({ "failureLimit": 2 }), "fpf", false, End::Open),
        (json!({ "failureLimit": 2 }), "fpfp", false, End::Passed),
        (json!({ "failureLimit": 2 }), "fpfpf", true, End::Open),
        (json!({ "failureLimit": 2 }), "efef", false, End::Open),
        (json!({ "failureLimit": 2 }), "efefe", false, End::Open),
        (json!({ "failureLimit": 2 }), "efefef", true, End::Open),
        (json!({ "failureLimit": 2 }), "feeeee", false, End::Errored),
        (json!({ "consecutiveFailures": 2 }), "fpfpf", false, End::Open),
        (json!({ "consecutiveFailures": 2 }), "fpfpfp", false, End::Passed),
        (json!({ "consecutiveFailures": 2 }), "pff", true, End::Open),
        (json!({ "consecutiveFailures": 2 }), "fif", false, End::Open),
        (json!({ "consecutiveFailures": 2 }), "fifi", false, End::Inconclusive),
        (json!({ "minMeasurements": 3 }), "pp", false, End::Open),
        (json!({ "minMeasurements": 3 }), "ppp", false, End::Passed),
        (json!({ "minMeasurements": 3 }), "ppi", false, End::Inconclusive),
        (json!({ "minMeasurements": 3 }), "pppi", false, End::Open),
        (json!({ "errorLimit": 0 }), "pe", false, End::Errored),
    ] {
        let mut whole = json!({ "prometheus": { "provider": "m", "query": "q", "max": 1 } });
        whole.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let check = check(whole);
        let round = after(&check, letters, None);
        assert_eq!((round.has_failed(), round.end(None)), (failed, end), "{settings} {letters}");
    }
}

#[test]
fn a_restart_loses_no_failing_measurement_and_takes_passing_ones_again() {
    let check = check(
        json!({ "prometheus": { "provider": "m", "query": "q", "max": 1 }, "failureLimit": 1, "interval": "10s" }),
    );
    let round = after(&check, "pf", None);
    assert!(round.is_news() && !round.has_failed());
    let report = round.report(None, Some("q".into()));
    assert_eq!((report.passed, report.failed, report.failed_in_a_row), (1, 1, 1));
    let restarted = after(&check, "", Some(&report));
    assert_eq!((restarted.tally.failed, restarted.tally.passed, restarted.end(None)), (1, 0, End::Open));
    let span = Span { since: at(-100), until: Some(at(100)), held: false };
    assert_eq!(restarted.due(span), Some(at(20)), "an interval after the recorded one");
    assert!(after(&check, "f", Some(&report)).has_failed());
    assert!(after(&check, "p", Some(&report)).is_news(), "it recovered");
}

/// The search stops at any end, so a check that could be measured without end would not come back.
#[test]
fn every_check_comes_to_an_end_whatever_is_measured() {
    fn longest(check: &Check, letters: &str) -> usize {
        let round = after(check, letters, None);
        if round.has_failed() || round.end(None) != End::Open {
            return letters.len();
        }
        "pfie".chars().map(|letter| longest(check, &format!("{letters}{letter}"))).max().unwrap_or(0)
    }
    for settings in [
        json!({ "errorLimit": 1 }),
        json!({ "errorLimit": 0, "failureLimit": 2 }),
        json!({ "errorLimit": 0, "consecutiveFailures": 2 }),
        json!({ "errorLimit": 0, "minMeasurements": 2, "consecutiveFailures": 2 }),
    ] {
        let mut whole = json!({ "prometheus": { "provider": "m", "query": "q", "max": 1 } });
        whole.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        assert!(longest(&check(whole), "") <= 8, "{settings}");
    }
}

#[test]
fn only_what_a_person_has_to_know_at_once_is_written_at_once() {
    let check =
        check(json!({ "prometheus": { "provider": "m", "query": "q", "max": 1 }, "failureLimit": 9 }));
    for (letters, news) in
        [("p", false), ("pp", false), ("f", true), ("ff", true), ("e", true), ("i", true), ("pi", false)]
    {
        assert_eq!(after(&check, letters, None).is_news(), news, "{letters}");
    }
    let errored = after(&check, "e", None).report(None, None);
    assert!(!after(&check, "e", Some(&errored)).is_news(), "it is recorded");
    assert!(after(&check, "p", Some(&errored)).is_news());
}

#[test]
fn a_measurement_is_due_after_a_whole_window_then_every_interval_and_at_the_end() {
    let check = check(json!({
        "prometheus": { "provider": "m", "query": "q", "max": 1 }, "interval": "30s", "window": "20s", "initialDelay": "5s",
    }));
    let span = Span { since: at(-25), until: Some(at(70)), held: false };
    let due = |letters: &str, span: Span| after(&check, letters, None).due(span);
    assert_eq!(due("", span), Some(at(0)));
    assert_eq!(due("p", span), Some(at(30)));
    assert_eq!(due("pppp", span), Some(at(60)));
    assert_eq!(due("ppppp", span), Some(at(70)), "the last one at the end of the window");
    assert_eq!(due("pppppppp", span), None, "it passed and the window has ended");
    assert_eq!(due("pppppppi", span), Some(at(100)), "the last one says nothing: one more");
    assert_eq!(due("pppppppii", span), None, "it says nothing either");
    assert_eq!(
        due("eeee", Span { until: Some(at(10)), ..span }),
        Some(at(330)),
        "still open after the window, and asked less often"
    );
    assert_eq!(due("f", span), None);
    assert_eq!(due("eeeee", span), None);
}

#[test]
fn a_provider_that_gives_no_answer_is_asked_less_and_less_often() {
    let delays = |interval: &str| {
        let check = check(json!({
            "prometheus": { "provider": "m", "query": "q", "max": 1 }, "interval": interval, "errorLimit": 20,
        }));
        let span = Span { since: at(-100), until: Some(at(0)), held: false };
        let delay = |count: usize| {
            let due = after(&check, &"e".repeat(count), None).due(span).unwrap();
            due.duration_since(at(10 * (count as i64 - 1))).as_secs()
        };
        assert_eq!(after(&check, "eeep", None).pace(), crate::decide::moments::span(check.interval));
        [1, 2, 3, 4, 5, 6, 7, 12].map(delay)
    };
    assert_eq!(delays("5s"), [10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(delays("30s"), [60, 120, 240, 300, 300, 300, 300, 300]);
    assert_eq!(delays("10m"), [600; 8], "a longer interval stays");
}

#[test]
fn measurements_go_on_while_the_promotion_is_held_and_one_follows() {
    let check =
        check(json!({ "prometheus": { "provider": "m", "query": "q", "max": 1 }, "interval": "30s" }));
    let span = Span { since: at(-100), until: Some(at(-50)), held: false };
    let held = Span { held: true, ..span };
    let round = after(&check, "p", None);
    assert_eq!((round.due(span), round.end(span.until)), (None, End::Passed));
    assert_eq!(round.due(held), Some(at(30)));
    // The next pass, in which the wait has ended.
    let tally = Tally { held: true, ..round.tally.clone() };
    let measured = Measured { tally: Some(tally.clone()), ..Measured::default() };
    let round = Round::of(&check, Some(&measured), None);
    assert_eq!((round.due(span), round.end(span.until)), (Some(at(30)), End::Open));
    let answer = Ok(Answer::Query(Queried { series: vec![(String::new(), 0.0)], ..Queried::default() }));
    let measured =
        Measured { tally: Some(tally), answer: Some(Answered { at: at(30), answer }), asked: None };
    let round = Round::of(&check, Some(&measured), None);
    assert_eq!((round.due(span), round.end(span.until)), (None, End::Passed));
}

#[test]
fn an_object_that_does_not_change_is_read_less_often_in_a_long_wait() {
    let check = check(json!({
        "object": { "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "compare": { "path": "$.data.a", "value": "b" } },
        "when": "Before", "interval": "30s",
    }));
    let object = |version: &str| json!({ "metadata": { "name": "a", "uid": "1", "resourceVersion": version }, "data": { "a": "c" } });
    let delays = |versions: &[Option<&str>]| -> Vec<i64> {
        let mut measured = Measured::default();
        let delay = |version: &Option<&str>| {
            let objects = version.iter().map(|version| std::sync::Arc::new(object(version))).collect();
            measured.answer = Some(Answered { at: at(0), answer: Ok(Answer::Objects(objects)) });
            let round = Round::of(&check, Some(&measured), None);
            measured = Measured { tally: Some(round.tally.clone()), ..Measured::default() };
            assert_eq!(round.pace().as_secs(), 30);
            round.slow_pace().as_secs()
        };
        versions.iter().map(delay).collect()
    };
    let one = Some("1");
    assert_eq!(delays(&[one; 7]), [30, 60, 120, 240, 300, 300, 300]);
    assert_eq!(delays(&[one, one, one, Some("2"), Some("2")]), [30, 60, 120, 30, 60]);
    assert_eq!(delays(&[None, None, one, None]), [30, 60, 30, 30]);
}

#[test]
fn counts_do_not_overflow() {
    let check = prometheus(json!({ "max": 1 }));
    let full = Tally { passed: u32::MAX, taken: u32::MAX, failed: u32::MAX, ..Tally::default() };
    let answer = Ok(Answer::Query(Queried { series: vec![(String::new(), 0.0)], ..Queried::default() }));
    let measured = Measured { tally: Some(full), answer: Some(Answered { at: at(0), answer }), asked: None };
    let round = Round::of(&check, Some(&measured), None);
    assert_eq!((round.tally.passed, round.report(None, None).passed), (u32::MAX, i32::MAX));
}
