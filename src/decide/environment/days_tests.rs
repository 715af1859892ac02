use super::*;
use crate::api::Environment;
use crate::decide::fixture_tests::{ended, environment, project, release, the_environment};
use serde_json::{Value, json};

fn rollback(name: &str, revision: i64, started: &str, phase: &str) -> Value {
    let more =
        json!({ "spec": { "kind": "Rollback" }, "status": { "replaces": revision - 1, "restores": 1 } });
    ended(name, started, revision, phase, more)
}

/// The entry after a pass that finds these promotions.
fn pass(promotions: &[Value], stored: Option<&ApplicationStatus>) -> ApplicationStatus {
    let objects = [environment("prod", json!({})), release("shop-1.1.0", json!({}))];
    let project = project(objects.into_iter().chain(promotions.to_vec()));
    let prod: std::sync::Arc<Environment> = the_environment(&project, "prod");
    let application = "shop".into();
    let lane = Lane::of(&project, &prod, &application);
    let mut entry = ApplicationStatus { name: application.clone(), ..ApplicationStatus::default() };
    count(&mut entry, stored, &project, &lane, 1);
    entry
}

fn history() -> Vec<Value> {
    vec![
        ended("a", "11:00:00", 1, "Verified", json!({})),
        ended("b", "12:00:00", 2, "Failed", json!({})),
        rollback("c", 3, "12:01:00", "Verified"),
        ended(
            "d",
            "13:00:00",
            4,
            "Verified",
            json!({ "metadata": { "uid": "uid-d" }, "spec": { "release": "shop-1.2.0" } }),
        ),
        rollback("e", 5, "15:00:00", "Verified"),
    ]
}

/// The same, however many passes found it, and whatever was deleted after it was counted.
#[test]
fn a_revision_is_counted_once_whenever_it_is_found() {
    let all = history();
    let at_once = pass(&all, None);
    let [day] = at_once.delivery.as_slice() else { panic!("{:?}", at_once.delivery) };
    assert_eq!(at_once.delivered, Some(5));
    assert_eq!((day.day.as_str(), day.deployments, day.failed, day.reworked), ("2026-11-02", 3, 2, 1));
    assert_eq!((day.lead_times, day.lead_seconds), (1, 61 * 60));
    // Revision 2 from its start, revision 4 from the request to roll it back.
    assert_eq!((day.recoveries, day.recovery_seconds), (2, 2 * 60 + 60));
    let mut stored = None;
    for number in 1..=all.len() {
        let next = pass(&all[..number], stored.as_ref());
        assert_eq!(pass(&all[..number], Some(&next)), next, "a second pass");
        stored = Some(next);
    }
    assert_eq!(stored.as_ref(), Some(&at_once));
    assert_eq!(pass(&all[3..], stored.as_ref()), at_once, "after the history was trimmed");
}

#[test]
fn nothing_is_counted_before_what_ran_before_it_has_ended() {
    let mut all = history();
    all[1]["status"]["phase"] = json!("Promoting");
    assert_eq!(pass(&all, None).delivered, Some(1));
}

#[test]
fn the_oldest_days_make_room() {
    let days = |count: usize| -> Vec<DeliveryDay> {
        let day = |nth: usize| DeliveryDay {
            day: format!("2025-{nth:05}"),
            deployments: 1,
            ..DeliveryDay::default()
        };
        (0..count).rev().map(day).collect()
    };
    let stored = ApplicationStatus { delivery: days(90), delivered: Some(0), ..ApplicationStatus::default() };
    let found = pass(&history()[..1], Some(&stored)).delivery;
    assert_eq!((found.len(), found[0].day.as_str()), (90, "2026-11-02"));
    assert!(!found.contains(&days(1)[0]), "{found:?}");
}
