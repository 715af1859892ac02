//! Reviews: what a release needed and met is in its status, and a failure that was not reviewed keeps the next release waiting.

use super::outcomes::release as phase;
use super::recalls::recall;
use super::run::{Event, Run};
use super::scenarios::{Scenario, environment, shop};
use super::store::{Store, user};
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use towpath::api::{InterventionKind, ReleasePhase, ReleaseReview, ReviewOutcome, mark};

/// Bob reviews a release.
fn review(store: &mut Store, name: &str, version: &str, now: Timestamp) {
    let spec = json!({
        "release": format!("shop-{version}"), "outcome": "Failed", "notes": "it needs a larger heap",
        "actions": ["raise the limit"], "author": user("bob"),
    });
    store.add_review(name, serde_json::from_value(spec).unwrap(), now);
}

pub const REVIEWED: Scenario = Scenario {
    name: "reviewed",
    about: "An environment requires reviews. A release fails there and is rolled back; the next one waits until the failure was \
            reviewed.",
    setting: |store, now| {
        environment(store, "dev", json!({}), now);
        environment(store, "prod", json!({ "review": "Required" }), now);
    },
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
        (1000, "release 1.1.0, which crashes", |store, now| shop(store, "1.1.0", "crash", now)),
        (2000, "release 1.2.0", |store, now| shop(store, "1.2.0", "web-2", now)),
        (3000, "bob reviews 1.0.0, which did not fail", |store, now| review(store, "good", "1.0.0", now)),
        (4000, "bob reviews 1.1.0", |store, now| review(store, "bad", "1.1.0", now)),
    ],
};

fn reviewed(run: &Run, version: &str) -> ReleaseReview {
    run.store.releases[&format!("shop-{version}")].status.clone().unwrap().review.unwrap()
}

#[test]
fn after_a_failure_the_next_release_waits_for_its_review() {
    let run = REVIEWED.run().until(3900);
    let status = run.store.releases["shop-1.2.0"].status.clone().unwrap();
    let states: Vec<(&str, &str)> =
        status.environments.iter().map(|line| (line.name.as_str(), line.state.as_str())).collect();
    assert_eq!(states, [("dev", "Verified"), ("prod", "Review")]);
    assert_eq!(status.review, None, "it is in progress");
    let message = status.environments[1].message.clone().unwrap();
    assert_eq!(
        message,
        "shop-1.1.0 failed here (prod-shop-1.1.0) and was not reviewed; the gate opens when it is: kubectl towpath review shop-1.1.0 \
         --outcome OUTCOME"
    );
    let run = REVIEWED.run().settle();
    assert_eq!(phase(&run, "1.2.0"), ReleasePhase::Verified);
}

#[test]
fn a_release_that_has_ended_says_what_it_needed_and_met() {
    let run = REVIEWED.run().settle();
    let bad = reviewed(&run, "1.1.0");
    assert_eq!(bad.ending.as_deref(), Some("RolledBack"));
    let [in_dev, in_prod] = bad.incidents.as_slice() else { panic!("{:?}", bad.incidents) };
    for incident in [in_dev, in_prod] {
        assert_eq!(incident.cause, "CrashLoopBackOff");
        assert_eq!(incident.restored.as_deref(), Some("1.0.0"));
        let lasted = incident.restored_at.as_ref().unwrap().0.duration_since(incident.began_at.0);
        assert!((1..900).contains(&lasted.as_secs()), "{lasted}");
    }
    let closed = bad.closed.unwrap();
    assert_eq!((closed.review.as_str(), closed.outcome), ("bad", ReviewOutcome::Failed));
    assert_eq!(closed.by.as_deref(), Some("bob"));
    let good = reviewed(&run, "1.2.0");
    assert_eq!((good.ending.as_deref(), good.incidents.len(), good.closed), (Some("Verified"), 0, None));
    let in_prod = &good.environments[1];
    assert!(in_prod.lead_time.unwrap() >= 2000, "it was verified when the review was there: {in_prod:?}");
    assert!((1900..2100).contains(&in_prod.waited_for_people), "{in_prod:?}");
    assert_eq!((in_prod.waited_otherwise, in_prod.tries), (0, 1));
}

/// What housekeeping deletes later was a fact.
#[test]
fn facts_stay_when_the_promotions_that_show_them_are_deleted() {
    let run = Run::of(REVIEWED.setting, REVIEWED.events).settle();
    let before = reviewed(&run, "1.1.0");
    let mut after = run;
    after.store.promotions.retain(|_, promotion| promotion.spec.release != "shop-1.1.0");
    after.wake_everything();
    let after = after.settle();
    assert_eq!(reviewed(&after, "1.1.0"), before);
}

/// A review says something about what happened before it, and by whom.
#[test]
fn only_a_later_review_with_an_author_counts() {
    let early = |store: &mut Store, now: Timestamp| review(store, "early", "1.1.0", now);
    let unsigned = |store: &mut Store, now: Timestamp| {
        let spec = json!({ "release": "shop-1.1.0", "outcome": "Successful" });
        store.add_review("unsigned", serde_json::from_value(spec).unwrap(), now);
    };
    let mut events = REVIEWED.events[..3].to_vec();
    events.insert(1, (900, "a review before there is a release", early));
    events.push((3000, "a review without an author", unsigned));
    let run = Run::of(REVIEWED.setting, &events).settle();
    let states = run.store.releases["shop-1.2.0"].status.clone().unwrap().environments;
    assert_eq!(states[1].state, "Review");
    assert_eq!(reviewed(&run, "1.1.0").closed, None);
}

/// It was reviewed while it was good, and rolled back later: that is not reviewed.
#[test]
fn a_review_before_a_rollback_is_not_about_it() {
    let back = |store: &mut Store, now: Timestamp| {
        let spec = json!({
            "release": "shop-1.1.0", "environment": "prod", "application": "shop", "kind": "Rollback",
        });
        store.add_promotion("back", serde_json::from_value(spec).unwrap(), now);
    };
    let run = Run::of(
        REVIEWED.setting,
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
            (1000, "release 1.1.0", |store, now| shop(store, "1.1.0", "web-2", now)),
            (2000, "bob reviews 1.1.0", |store, now| review(store, "early", "1.1.0", now)),
            (3000, "alice rolls it back", back),
            (4000, "release 1.2.0", |store, now| shop(store, "1.2.0", "web-3", now)),
        ],
    )
    .settle();
    let states = run.store.releases["shop-1.2.0"].status.clone().unwrap().environments;
    assert_eq!(states[1].state, "Review");
    let rolled_back = reviewed(&run, "1.1.0");
    assert_eq!((rolled_back.ending.as_deref(), rolled_back.closed), (Some("RolledBack"), None));
    let [incident] = rolled_back.incidents.as_slice() else { panic!("{:?}", rolled_back.incidents) };
    assert_eq!(incident.restored.as_deref(), Some("1.0.0"));
}

/// What a rollback restored can itself be rolled back: it fails later than the release that it was restored for.
#[test]
fn a_release_that_runs_again_and_is_rolled_back_then_has_an_incident_and_is_reviewed() {
    let back = |store: &mut Store, now: Timestamp| {
        let spec = json!({
            "release": "shop-1.1.0", "environment": "prod", "application": "shop", "kind": "Rollback", "toRevision": 1,
        });
        store.add_promotion("back", serde_json::from_value(spec).unwrap(), now);
    };
    let run = Run::of(
        REVIEWED.setting,
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
            (1000, "release 1.1.0", |store, now| shop(store, "1.1.0", "web-2", now)),
            (2000, "release 1.2.0, which crashes", |store, now| {
                shop(store, "1.2.0", "crash-in-shop-prod", now)
            }),
            (3000, "alice rolls back what runs again", back),
            (4000, "bob reviews 1.2.0", |store, now| review(store, "bad", "1.2.0", now)),
            (5000, "release 1.3.0", |store, now| shop(store, "1.3.0", "web-3", now)),
        ],
    )
    .settle();
    let log = run.log.join("\n");
    let rolled_back = reviewed(&run, "1.1.0");
    let [incident] = rolled_back.incidents.as_slice() else { panic!("{:?}\n{log}", rolled_back.incidents) };
    assert_eq!(incident.restored.as_deref(), Some("1.0.0"), "{log}");
    let states = run.store.releases["shop-1.3.0"].status.clone().unwrap().environments;
    assert_eq!(states[1].state, "Review", "{log}");
    let message = states[1].message.clone().unwrap();
    assert!(message.starts_with("shop-1.1.0 was rolled back here"), "{message}");
}

/// More people hold and recall than are kept: what lasts is not found again and again.
#[test]
fn many_recalls_of_one_release_settle() {
    let many = |store: &mut Store, now: Timestamp| {
        (0..25).for_each(|nth| recall(store, &format!("recall-{nth:02}"), &["1.0.0"], now));
    };
    let events: [Event; 2] = [
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
        (1000, "it is recalled", many),
    ];
    let run = Run::of(REVIEWED.setting, &events).settle();
    assert_eq!(run.store.releases["shop-1.0.0"].status.clone().unwrap().interventions.len(), 20);
}

/// The same release may be tried again, a release that was verified afterwards ends the duty, and an override passes the gate.
#[test]
fn a_retry_and_an_override_pass_without_a_review() {
    for (spec, name) in [
        (json!({ "release": "shop-1.1.0" }), "again"),
        (json!({ "release": "shop-1.2.0", "override": { "gates": ["Review"], "reason": "sale" } }), "past"),
    ] {
        let mut run = REVIEWED.run().until(2900);
        let mut whole = json!({ "environment": "prod", "requestedBy": user("alice") });
        json_patch::merge(&mut whole, &spec);
        let now = run.now;
        run.store.enforced = true;
        run.store.add_promotion(name, serde_json::from_value(whole).unwrap(), now);
        run.wake_everything();
        let run = run.until(3400);
        let status = run.store.promotions[name].status.clone().unwrap();
        assert!(status.started_at.is_some(), "{name}: {:?}", status.message);
    }
}

/// Ann holds a release, or ends that.
fn hold(store: &mut Store, version: &str, holds: bool) {
    let release = Arc::make_mut(store.releases.get_mut(&format!("shop-{version}")).unwrap());
    release.spec.hold = holds.then_some(true);
    let annotations = release.metadata.annotations.get_or_insert_default();
    annotations.clear();
    if holds {
        annotations.insert(mark::HELD_BY.to_owned(), "ann".to_owned());
        annotations.insert(mark::HELD_BECAUSE.to_owned(), "the sale".to_owned());
    }
}

#[test]
fn holds_and_recalls_stay_in_the_status_when_they_are_lifted() {
    let run = Run::of(
        REVIEWED.setting,
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
            (1000, "ann holds it", |store, _| hold(store, "1.0.0", true)),
            (1100, "ann resumes it", |store, _| hold(store, "1.0.0", false)),
            (2000, "it is recalled", |store, now| recall(store, "lost-orders", &["1.0.0"], now)),
            (3000, "the recall is lifted", |store, _| drop(store.recalls.remove("lost-orders"))),
            (4000, "ann holds it again", |store, _| hold(store, "1.0.0", true)),
        ],
    )
    .settle();
    let found = run.store.releases["shop-1.0.0"].status.clone().unwrap().interventions;
    let lasted = |nth: usize| {
        let to = found[nth].to.as_ref()?.0;
        Some(to.duration_since(found[nth].from.0).as_secs())
    };
    let said: Vec<(InterventionKind, &str, &str)> = found
        .iter()
        .map(|one| {
            (one.kind, one.by.as_deref().unwrap_or_default(), one.reason.as_deref().unwrap_or_default())
        })
        .collect();
    let held = (InterventionKind::Hold, "ann", "the sale");
    assert_eq!(said, [held, (InterventionKind::Recall, "carol", "it loses orders"), held]);
    assert_eq!([lasted(0), lasted(1), lasted(2)], [Some(100), Some(1000), None]);
}
