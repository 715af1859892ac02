//! Who gets which notice, and in which order.

use super::outbox::{MARGIN, MOST};
use super::*;
use crate::api::{Channel, Environment, NotifyEvent};
use crate::decide::fixture_tests::{at, environment, stamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn channel(name: &str, status: Value) -> Arc<Channel> {
    Arc::new(
        serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Channel",
            "metadata": { "name": name, "uid": format!("uid-{name}"), "generation": 1, "creationTimestamp": stamp("10:00:00") },
            "spec": { "cdevents": { "url": "http://events" }, "projects": ["shop"] },
            "status": status,
        }))
        .unwrap(),
    )
}

pub(super) fn audience(channels: &[Arc<Channel>], notify: &[(&str, Value)]) -> Audience {
    let of = |(name, notify): &(&str, Value)| -> Environment {
        serde_json::from_value(environment(name, json!({ "spec": { "notify": notify } }))).unwrap()
    };
    let environments: Vec<Environment> = notify.iter().map(of).collect();
    Audience::new(channels.iter().map(Arc::as_ref), environments.iter())
}

pub(super) fn notice(id: &str, event: NotifyEvent, at: Timestamp) -> Notice {
    Notice {
        id: id.to_owned(),
        event,
        at,
        project: Some("shop".to_owned()),
        environment: Some("prod".to_owned()),
        application: Some("shop".to_owned()),
        version: Some("1.1.0".to_owned()),
        restores: None,
        release: None,
        promotion: None,
        revision: None,
        reason: None,
        message: None,
        by: None,
        owner: None,
        stakeholders: Vec::new(),
        tickets: Vec::new(),
        scope: Scope::Environment("shop".into(), "prod".into()),
    }
}

fn failure(is_refusal: bool) -> Failure {
    Failure { message: "answers 500".to_owned(), is_refusal }
}

/// A dispatch whose channels were there before everything that follows.
fn settled(channels: &[Arc<Channel>], notify: &[(&str, Value)]) -> Dispatch {
    let mut dispatch = Dispatch::default();
    assert!(dispatch.observe(channels, audience(channels, notify), at("12:00:00")));
    dispatch.caught_up();
    dispatch
}

#[test]
fn each_channel_gets_the_events_that_an_environment_names() {
    let channels = [channel("all", json!({})), channel("bad", json!({})), channel("other", json!({}))];
    let prod =
        json!([{ "channel": "all" }, { "channel": "bad", "events": ["Failed"] }, { "channel": "gone" }]);
    let mut dispatch = settled(
        &channels,
        &[("prod", prod), ("staging", json!([{ "channel": "other", "events": ["Frozen"] }]))],
    );
    let failed = notice("a.Failed", NotifyEvent::Failed, at("12:00:01"));
    assert_eq!(dispatch.offer(&failed).to, ["all", "bad"]);
    assert_eq!(dispatch.offer(&failed).to, Vec::<String>::new(), "it was offered before");
    assert_eq!(dispatch.offer(&notice("a.Started", NotifyEvent::Started, at("12:00:01"))).to, ["all"]);
    let frozen = |id: &str, scope: Scope| Notice { scope, ..notice(id, NotifyEvent::Frozen, at("12:00:01")) };
    let project =
        |names: &[&str]| Scope::Project("shop".into(), names.iter().map(|name| (*name).into()).collect());
    assert_eq!(dispatch.offer(&frozen("f", project(&[]))).to, ["all", "other"]);
    assert_eq!(dispatch.offer(&frozen("g", project(&["staging"]))).to, ["other"]);
    assert_eq!(dispatch.offer(&frozen("h", Scope::Cluster(vec!["bank".into()]))).to, Vec::<String>::new());
    assert_eq!(dispatch.offer(&frozen("i", Scope::Cluster(Vec::new()))).to, ["all", "other"]);
}

#[test]
fn rollbacks_are_sent_first_and_then_the_oldest() {
    let channels = [channel("all", json!({}))];
    let mut dispatch = settled(&channels, &[("prod", json!([{ "channel": "all" }]))]);
    for (id, event, second) in [
        ("a.Started", NotifyEvent::Started, "12:00:01"),
        ("b.Failed", NotifyEvent::Failed, "12:00:03"),
        ("c.RolledBack", NotifyEvent::RolledBack, "12:00:09"),
        ("c.RollbackStarted", NotifyEvent::RollbackStarted, "12:00:04"),
        ("d.Verified", NotifyEvent::Verified, "12:00:02"),
    ] {
        dispatch.offer(&notice(id, event, at(second)));
    }
    let mut order = Vec::new();
    while let Some(next) = dispatch.next("all") {
        dispatch.sent("all", &next.id, at("12:00:10"));
        order.push(next.id);
    }
    assert_eq!(order, ["c.RollbackStarted", "c.RolledBack", "a.Started", "d.Verified", "b.Failed"]);
}

/// A failed delivery is not counted as a delivery. It is repeated until it succeeds, or until the server has accepted others and refused this
/// one several times.
#[test]
fn a_notice_that_is_not_accepted_stays_unless_it_alone_is_refused() {
    let channels = [channel("all", json!({}))];
    let mut dispatch = settled(&channels, &[("prod", json!([{ "channel": "all" }]))]);
    dispatch.offer(&notice("a.Failed", NotifyEvent::Failed, at("12:00:01")));
    dispatch.offer(&notice("r.RolledBack", NotifyEvent::RolledBack, at("12:00:04")));
    for _ in 0..4 {
        assert_eq!(dispatch.next("all").unwrap().id, "r.RolledBack", "a rollback stays first");
        assert!(!dispatch.failed("all", "r.RolledBack", &failure(true), at("12:00:05")));
    }
    dispatch.sent("all", "r.RolledBack", at("12:00:05"));
    for _ in 0..100 {
        assert!(
            !dispatch.failed("all", "a.Failed", &failure(true), at("12:00:05")),
            "nothing else was accepted"
        );
    }
    dispatch.offer(&notice("b.Failed", NotifyEvent::Failed, at("12:00:02")));
    assert_eq!(dispatch.next("all").unwrap().id, "b.Failed", "others are tried before one that was refused");
    dispatch.sent("all", "b.Failed", at("12:00:06"));
    assert_eq!(dispatch.next("all").unwrap().id, "a.Failed");
    assert!(dispatch.failed("all", "a.Failed", &failure(true), at("12:00:07")), "it alone is refused");
    assert_eq!(dispatch.next("all"), None);
    dispatch.offer(&notice("c.Failed", NotifyEvent::Failed, at("12:00:08")));
    for second in 10..60 {
        let now = at(&format!("12:00:{second}"));
        assert!(!dispatch.failed("all", "c.Failed", &failure(false), now), "a dead server is waited for");
    }
    let report = dispatch.report(&channels[0], at("12:01:00")).unwrap();
    assert_eq!((report.dropped, report.failing.as_ref().map(|it| it.since.0)), (1, Some(at("12:00:10"))));
    let ready = &report.conditions[0];
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "Unreachable"));
    assert_eq!(ready.message, "answers 500; 1 notification waits");
}

#[test]
fn an_outbox_is_bounded_and_drops_rollbacks_last() {
    let channels = [channel("all", json!({}))];
    let mut dispatch = settled(&channels, &[("prod", json!([{ "channel": "all" }]))]);
    let mut dropped = 0;
    for number in 0..2 * MOST {
        let time = at("12:00:00") + SignedDuration::from_secs(i64::try_from(number).unwrap());
        let event = if number < 10 { NotifyEvent::RolledBack } else { NotifyEvent::Verified };
        dropped += dispatch.offer(&notice(&format!("{number}.x"), event, time)).dropped;
    }
    assert_eq!(usize::try_from(dropped).unwrap(), MOST);
    let mut left = Vec::new();
    while let Some(next) = dispatch.next("all") {
        dispatch.sent("all", &next.id, at("13:00:00"));
        left.push(next.id);
    }
    assert_eq!(left.len(), MOST);
    assert_eq!((left[0].as_str(), left[9].as_str(), left[10].as_str()), ("0.x", "9.x", "1010.x"));
    let report = dispatch.report(&channels[0], at("13:00:00")).unwrap();
    assert_eq!(usize::try_from(report.dropped).unwrap(), MOST);
}

/// A channel that an environment begins to use gets nothing old, although it may have sent nothing for months.
#[test]
fn ten_thousand_old_promotions_send_nothing_when_a_channel_is_created() {
    let old: Vec<Notice> = (0..10_000)
        .map(|number| notice(&format!("uid-{number}.Verified"), NotifyEvent::Verified, at("09:00:00")))
        .collect();
    let first = [channel("first", json!({}))];
    let mut dispatch = Dispatch::default();
    let prod = |names: &[&str]| {
        [("prod", json!(names.iter().map(|it| json!({ "channel": it })).collect::<Vec<_>>()))]
    };
    assert!(dispatch.observe(&first, audience(&first, &prod(&[])), at("12:00:00")));
    assert!(old.iter().all(|notice| dispatch.offer(notice).to.is_empty()));
    dispatch.caught_up();
    assert!(!dispatch.observe(&first, audience(&first, &prod(&["first"])), at("12:00:01")));
    assert!(
        old.iter().all(|notice| dispatch.offer(notice).to.is_empty()),
        "the environment begins to use it now"
    );
    let both = [channel("first", json!({})), channel("second", json!({}))];
    assert!(dispatch.observe(&both, audience(&both, &prod(&["first", "second"])), at("12:00:02")));
    assert!(old.iter().all(|notice| dispatch.offer(notice).to.is_empty()), "it was created later");
    dispatch.caught_up();
    let new = notice("uid-7.Failed", NotifyEvent::Failed, at("12:00:03"));
    assert_eq!(dispatch.offer(&new).to, ["first", "second"]);
    for number in 0..10_000 {
        dispatch.forget(&format!("uid-{number}"));
    }
    assert!(format!("{dispatch:?}").contains("seen: {}"), "nothing is remembered of objects that are gone");
}

#[test]
fn a_status_is_written_when_first_observed_and_a_while_after_the_last_notice() {
    let fresh = channel("all", json!({ "observedGeneration": -1 }));
    let mut dispatch = settled(std::slice::from_ref(&fresh), &[("prod", json!([{ "channel": "all" }]))]);
    let first = dispatch.report(&fresh, at("12:00:00")).unwrap();
    assert_eq!(first.through.as_ref().map(|time| time.0), Some(at("11:59:00")));
    dispatch.recorded("all", &first, at("12:00:00"));
    let stored = |status: &crate::api::ChannelStatus| channel("all", serde_json::to_value(status).unwrap());
    let known = stored(&first);
    assert_eq!(dispatch.report(&known, at("15:00:00")), None, "a settled channel is silent");
    assert_eq!(dispatch.rests_for(&known, at("15:00:00")), None);
    dispatch.offer(&notice("a.Failed", NotifyEvent::Failed, at("15:00:00")));
    dispatch.sent("all", "a.Failed", at("15:00:01"));
    let told = dispatch.report(&known, at("15:00:01")).unwrap();
    assert_eq!(told.conditions[0].message, "the channel accepts notifications", "it says so at once");
    dispatch.recorded("all", &told, at("15:00:01"));
    let known = stored(&told);
    assert_eq!(
        dispatch.report(&known, at("15:00:02")),
        None,
        "an earlier transition may still become visible"
    );
    assert_eq!(dispatch.rests_for(&known, at("15:00:01")), Some(MARGIN));
    let second = dispatch.report(&known, at("15:01:01")).unwrap();
    assert_eq!(second.through.as_ref().map(|time| time.0), Some(at("15:00:01")));
    dispatch.recorded("all", &second, at("15:01:01"));
    assert_eq!(dispatch.report(&stored(&second), at("19:00:00")), None);
    assert_eq!(second.conditions[0].reason, "Reachable");
}

/// The channel sent nothing for months, and the process starts again after an environment began to use it.
#[test]
fn an_environment_that_begins_to_use_a_channel_sends_nothing_of_the_past_after_a_restart_either() {
    let old = notice("uid-1.Verified", NotifyEvent::Verified, at("11:00:00"));
    let known = channel("all", json!({ "observedGeneration": 1, "through": stamp("10:00:00") }));
    let channels = std::slice::from_ref(&known);
    let prod = [("prod", json!([{ "channel": "all" }]))];
    let mut dispatch = settled(channels, &[]);
    assert!(dispatch.offer(&old).to.is_empty());
    assert_eq!(dispatch.report(&known, at("12:00:00")), None);
    dispatch.observe(channels, audience(channels, &prod), at("12:00:00"));
    let status = dispatch.report(&known, at("12:00:00")).unwrap();
    dispatch.recorded("all", &status, at("12:00:00"));
    let known = channel("all", serde_json::to_value(&status).unwrap());
    assert_eq!(dispatch.report(&known, at("13:00:00")), None, "once");
    let mut dispatch = Dispatch::default();
    dispatch.observe(&[Arc::clone(&known)], audience(&[known], &prod), at("13:00:00"));
    assert!(dispatch.offer(&old).to.is_empty());
}

#[test]
fn statuses_are_half_a_minute_apart_while_much_is_sent() {
    let mut now = at("12:00:00");
    let mut known = channel("all", json!({ "observedGeneration": -1 }));
    let mut dispatch = settled(std::slice::from_ref(&known), &[("prod", json!([{ "channel": "all" }]))]);
    let mut writes: Vec<Timestamp> = Vec::new();
    for number in 0..600 {
        let id = format!("{number}.x");
        dispatch.offer(&notice(&id, NotifyEvent::Started, now));
        dispatch.sent("all", &id, now);
        if let Some(status) = dispatch.report(&known, now) {
            dispatch.recorded("all", &status, now);
            known = channel("all", serde_json::to_value(&status).unwrap());
            writes.push(now);
        }
        now += SignedDuration::from_secs(1);
    }
    assert!(writes.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_secs() >= 30), "{writes:?}");
    assert!((15..=21).contains(&writes.len()), "{}", writes.len());
}
