use super::*;
use crate::decide::fixture_tests::{ended, environment, project, release};
use jiff::SignedDuration;
use serde_json::{Value, json};

fn rollback(name: &str, started: &str, revision: i64, replaces: i64, phase: &str) -> Value {
    let more = json!({ "spec": { "kind": "Rollback" }, "status": { "replaces": replaces, "restores": 1 } });
    ended(name, started, revision, phase, more)
}

/// What the last of these promotions adds when it ends.
fn added(promotions: &[Value]) -> Delivered {
    let (last, before) = promotions.split_last().unwrap();
    let status: PromotionStatus = serde_json::from_value(last["status"].clone()).unwrap();
    let mut running = last.clone();
    running["status"]["phase"] = json!("Promoting");
    let objects = [environment("prod", json!({})), release("shop-1.1.0", json!({}))];
    let project = project(objects.into_iter().chain(before.to_vec()).chain([running]));
    let promotion = &project.promotions[last["metadata"]["name"].as_str().unwrap()];
    let created = project.releases.values().next().and_then(|release| release.created);
    let ended = Promotion { status: Some(status), ..Promotion::clone(promotion) };
    let entries = of_lane(&project, &ended, &"shop".into());
    let id = EnvironmentId { project: "shop".into(), environment: "prod".into() };
    let lane = LaneId { environment: id, application: "shop".into() };
    figures(lane, promotion.uid(), &entries, created).unwrap()
}

fn minutes(delivered: &Delivered) -> Vec<i64> {
    delivered.recovered.iter().map(|(_, time)| time.as_mins()).collect()
}

#[test]
fn the_first_verification_of_a_release_has_a_lead_time_and_a_second_one_has_none() {
    let first = ended("a", "11:00:00", 1, "Verified", json!({}));
    let delivered = added(std::slice::from_ref(&first));
    assert!(delivered.is_deployment() && !delivered.is_rework);
    assert_eq!(delivered.lead_time, Some(SignedDuration::from_mins(61)));
    assert_eq!((delivered.failed.len(), delivered.recovered.len()), (0, 0));
    assert_eq!(added(&[first, ended("b", "12:00:00", 2, "Verified", json!({}))]).lead_time, None);
}

#[test]
fn a_failure_is_counted_when_the_deployment_ends_and_its_recovery_when_the_rollback_does() {
    let good = ended("a", "11:00:00", 1, "Verified", json!({}));
    let bad = ended("b", "12:00:00", 2, "Failed", json!({}));
    let failed = added(&[good.clone(), bad.clone()]);
    assert_eq!((failed.failed.len(), failed.lead_time, failed.recovered.len()), (1, None, 0));
    let back = rollback("c", "12:01:00", 3, 2, "Verified");
    let repaired = added(&[good.clone(), bad.clone(), back.clone()]);
    assert!(!repaired.is_deployment() && !repaired.is_rework);
    assert_eq!((repaired.failed.len(), minutes(&repaired)), (0, vec![2]));
    // What follows is rework, and repairs nothing any more.
    let next = added(&[good.clone(), bad.clone(), back, ended("d", "13:00:00", 4, "Verified", json!({}))]);
    assert_eq!((next.is_rework, next.recovered.len()), (true, 0));
    // Without a rollback, the next verified deployment repairs it.
    let forward = added(&[good, bad, ended("d", "13:00:00", 3, "Verified", json!({}))]);
    assert_eq!((forward.is_rework, minutes(&forward)), (true, vec![61]));
}

#[test]
fn a_verified_deployment_that_is_rolled_back_later_counts_as_failed_once() {
    let (older, good) =
        (ended("a", "11:00:00", 1, "Verified", json!({})), ended("b", "12:00:00", 2, "Verified", json!({})));
    let first = rollback("c", "14:00:00", 3, 2, "Failed");
    let reverted = added(&[older.clone(), good.clone(), first.clone()]);
    assert_eq!((reverted.failed.len(), reverted.recovered.len()), (1, 0));
    let second = added(&[older, good, first, rollback("d", "14:10:00", 4, 3, "Verified")]);
    assert_eq!((second.failed.len(), minutes(&second)), (0, vec![11]));
}

#[test]
fn an_emergency_is_rework() {
    let more = json!({ "status": { "change": { "type": "Emergency" } } });
    assert!(added(&[ended("a", "11:00:00", 1, "Verified", more)]).is_rework);
}

#[test]
fn what_wrote_nothing_is_no_deployment() {
    let more = json!({ "status": { "startedAt": null, "revision": null } });
    for phase in ["Failed", "Cancelled"] {
        let delivered = added(&[ended("a", "11:00:00", 1, phase, more.clone())]);
        assert_eq!((delivered.is_deployment(), delivered.failed.len(), delivered.worked), (false, 0, None));
    }
}
