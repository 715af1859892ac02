//! What is not sent any more is counted, and a channel for which nothing waits does not fail.

use super::dispatch_tests::{audience, channel, notice};
use super::*;
use crate::api::{Channel, ChannelStatus, NotifyEvent};
use crate::decide::fixture_tests::at;
use serde_json::{Value, json};
use std::sync::Arc;

fn stored(status: &ChannelStatus) -> Arc<Channel> {
    channel("all", serde_json::to_value(status).unwrap())
}

fn sending() -> [(&'static str, Value); 1] {
    [("prod", json!([{ "channel": "all" }]))]
}

fn down() -> Failure {
    Failure { message: "answers 500".to_owned(), is_refusal: false }
}

/// A channel that fails while so many notices wait, and its status.
fn failing(count: usize) -> (Dispatch, ChannelStatus) {
    let channels = [channel("all", json!({}))];
    let mut dispatch = Dispatch::default();
    dispatch.observe(&channels, audience(&channels, &sending()), at("12:00:00"));
    dispatch.caught_up();
    for number in 0..count {
        dispatch.offer(&of(number));
    }
    let next = dispatch.next("all").unwrap();
    dispatch.failed("all", &next.id, &down(), at("12:00:05"));
    let status = dispatch.report(&channels[0], at("12:00:05")).unwrap();
    dispatch.recorded("all", &status, at("12:00:05"));
    (dispatch, status)
}

fn of(number: usize) -> Notice {
    notice(&format!("uid-{number}.Failed"), NotifyEvent::Failed, at("12:00:01"))
}

fn said(status: &ChannelStatus) -> (&str, &str, i64) {
    let ready = &status.conditions[0];
    (ready.status.as_str(), ready.message.as_str(), status.dropped)
}

#[test]
fn what_no_environment_sends_any_more_is_dropped_and_counted() {
    let (mut dispatch, status) = failing(24);
    assert_eq!(said(&status), ("False", "answers 500; 24 notifications wait", 0));
    let known = stored(&status);
    let channels = std::slice::from_ref(&known);
    let only_frozen = [("prod", json!([{ "channel": "all", "events": ["Frozen"] }]))];
    assert!(!dispatch.observe(channels, audience(channels, &only_frozen), at("12:00:10")));
    assert_eq!((dispatch.caught_up(), dispatch.next("all")), (24, None));
    let status = dispatch.report(&known, at("12:00:10")).unwrap();
    assert_eq!(said(&status), ("True", "no notification waits; the last ones were dropped", 24));
    assert_eq!(status.failing, None);
}

/// The environment stopped naming the channel, and most of the promotions were deleted, while no controller ran.
#[test]
fn what_a_restart_does_not_find_any_more_is_counted() {
    for (found, notify, wanted) in [
        (24, &[] as &[(&str, Value)], ("True", "no notification waits; the last ones were dropped", 24)),
        (3, &sending(), ("False", "answers 500; 3 notifications wait", 21)),
        (24, &sending(), ("False", "answers 500; 24 notifications wait", 0)),
    ] {
        let known = stored(&failing(24).1);
        let channels = std::slice::from_ref(&known);
        let mut dispatch = Dispatch::default();
        assert!(dispatch.observe(channels, audience(channels, notify), at("12:10:00")));
        assert_eq!(dispatch.report(&known, at("12:10:00")), None, "not before everything was offered");
        (0..found).map(of).for_each(|notice| drop(dispatch.offer(&notice)));
        assert_eq!(i64::try_from(dispatch.caught_up()).unwrap(), wanted.2);
        let status = dispatch.report(&known, at("12:10:00")).unwrap_or_else(|| known.status.clone().unwrap());
        assert_eq!(said(&status), wanted);
    }
}

#[test]
fn the_number_that_waits_is_at_most_half_a_minute_old() {
    let (mut dispatch, status) = failing(1);
    assert_eq!(said(&status), ("False", "answers 500; 1 notification waits", 0));
    let known = stored(&status);
    (1..24).map(of).for_each(|notice| drop(dispatch.offer(&notice)));
    assert_eq!(dispatch.report(&known, at("12:00:06")), None);
    assert_eq!(dispatch.rests_for(&known, at("12:00:06")).unwrap().as_secs(), 29, "the sender wakes for it");
    let status = dispatch.report(&known, at("12:00:35")).unwrap();
    assert_eq!(said(&status), ("False", "answers 500; 24 notifications wait", 0));
}

/// An environment began to use it: its cursor is written, and still nothing was sent.
#[test]
fn a_channel_that_sent_nothing_does_not_say_that_it_accepts() {
    let fresh = channel("all", json!({ "observedGeneration": 1, "through": "2026-11-02T11:00:00Z" }));
    let channels = std::slice::from_ref(&fresh);
    let mut dispatch = Dispatch::default();
    dispatch.observe(channels, audience(channels, &[]), at("12:00:00"));
    dispatch.caught_up();
    dispatch.observe(channels, audience(channels, &sending()), at("12:00:01"));
    let status = dispatch.report(&fresh, at("12:00:01")).unwrap();
    assert_eq!(said(&status), ("True", "no notification was sent yet", 0));
}
