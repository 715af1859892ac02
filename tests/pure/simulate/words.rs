//! What people are told: which version came back, which revision does not exist, what a rollback made of the releases around it.

use super::outcomes::{promotion, release as phase};
use super::run::{Event, Run};
use super::scenarios::{ROLLED_BACK_MANUALLY, SECOND_WORKLOAD, environment, hold, prod, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use towpath::api::{ApprovalDecision, PromotionPhase, ReleasePhase, ReleaseStatus};

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));
const SECOND: Event = (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now));

fn rollback(store: &mut Store, release: &str, further: Value, now: Timestamp) {
    let mut spec = json!({ "release": release, "environment": "prod", "kind": "Rollback" });
    spec.as_object_mut().unwrap().append(&mut further.as_object().unwrap().clone());
    store.add_promotion("back", serde_json::from_value(spec).unwrap(), now);
}

fn message(run: &Run, promotion: &str) -> String {
    run.store.promotions[promotion].status.clone().unwrap().message.unwrap_or_default()
}

fn status(run: &Run, release: &str) -> ReleaseStatus {
    run.store.releases[release].status.clone().unwrap()
}

#[test]
fn a_rollback_names_the_version_that_it_restored() {
    let run = ROLLED_BACK_MANUALLY.run().settle();
    assert_eq!(message(&run, "prod-shop-2.0.0-rollback"), "restored 1.0.0, and it is healthy");
    let run = SECOND_WORKLOAD.run().settle();
    let baseline = "restored what ran before Towpath first wrote, and it is healthy";
    assert_eq!(message(&run, "prod-shop-1.0.0-rollback"), baseline);
}

#[test]
fn a_rollback_to_a_revision_that_does_not_exist_says_so() {
    let back: Event = (2000, "a person rolls back to revision 9", |store, now| {
        rollback(store, "shop-2.0.0", json!({ "toRevision": 9 }), now);
    });
    let run = settled(prod, &[FIRST, SECOND, back]);
    assert_eq!(promotion(&run, "back"), PromotionPhase::Failed);
    let said = message(&run, "back");
    assert!(said.contains("spec.toRevision is 9, and prod has no such revision of shop"), "{said}");
    assert_eq!(phase(&run, "2.0.0"), ReleasePhase::Verified);
}

#[test]
fn a_release_that_a_rollback_names_and_that_did_not_run_is_not_rolled_back() {
    // 1.0.0 was replaced before; the rollback restores what runs, the last verified revision of another release.
    let back: Event = (2000, "a person rolls back 1.0.0, which does not run", |store, now| {
        rollback(store, "shop-1.0.0", json!({}), now);
    });
    let run = settled(prod, &[FIRST, SECOND, back]);
    assert_eq!(promotion(&run, "back"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(phase(&run, "1.0.0"), ReleasePhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(phase(&run, "2.0.0"), ReleasePhase::Verified);

    // 3.0.0 waits and never ran.
    let third: Event = (1500, "release 3.0.0, held", |store, now| {
        shop(store, "3.0.0", "web-3", now);
        hold(store, "shop-3.0.0", Some(true));
    });
    let back: Event = (2000, "a person rolls back 3.0.0", |store, now| {
        rollback(store, "shop-3.0.0", json!({ "toRevision": 1 }), now);
    });
    let run = settled(prod, &[FIRST, SECOND, third, back]);
    assert_eq!(promotion(&run, "back"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(phase(&run, "3.0.0"), ReleasePhase::Waiting, "{}", run.log.join("\n"));
}

#[test]
fn a_failed_release_says_how_it_failed_after_a_newer_one_is_verified() {
    let crashes: Event =
        (1000, "release 2.0.0, which crashes", |store, now| shop(store, "2.0.0", "crash", now));
    let third: Event = (2000, "release 3.0.0", |store, now| shop(store, "3.0.0", "web-3", now));
    for pruned in [false, true] {
        let prune: Event = match pruned {
            false => (3000, "nothing", |_, _| {}),
            true => (3000, "3.0.0 is pruned", |store, _| _ = store.releases.remove("shop-3.0.0")),
        };
        let run = settled(prod, &[FIRST, crashes, third, prune]);
        let status = status(&run, "shop-2.0.0");
        assert_eq!(status.phase, ReleasePhase::RolledBack);
        assert_eq!(status.summary.as_deref(), Some("prod:RolledBack"), "{}", run.log.join("\n"));
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", "Superseded"), "{pruned}");
    }
}

/// prod demands an approval; alice asks for the release.
fn careful(store: &mut Store, now: Timestamp) {
    store.enforced = true;
    environment(store, "prod", json!({ "approvals": { "required": 1 } }), now);
}

const ASKED: Event = (0, "release 1.0.0", |store, now| {
    shop(store, "1.0.0", "web", now);
    let release = Arc::make_mut(store.releases.get_mut("shop-1.0.0").unwrap());
    release.spec.requested_by = serde_json::from_value(json!({ "username": "alice" })).unwrap();
});

#[test]
fn a_rejection_is_a_sentence_and_names_what_opens_the_gate() {
    let rejected: Event = (100, "bob rejects it", |store, now| {
        store.approve("prod-shop-1.0.0", now);
        let approval = store.approvals.values_mut().next().unwrap();
        Arc::make_mut(approval).spec.decision = ApprovalDecision::Reject;
    });
    let run = Run::of(careful, &[ASKED, rejected]).until(700);
    assert_eq!(
        message(&run, "prod-shop-1.0.0"),
        "bob rejected it; the gate opens when they delete their Approval"
    );
}

#[test]
fn what_was_rolled_back_is_approved_again_before_it_is_promoted_again() {
    let approved: Event = (100, "bob approves it", |store, now| store.approve("prod-shop-1.0.0", now));
    let back: Event = (2000, "a person rolls it back", |store, now| {
        let to_the_baseline = json!({ "toRevision": 0, "requestedBy": { "username": "alice" } });
        rollback(store, "shop-1.0.0", to_the_baseline, now);
    });
    let again: Event = (3000, "and promotes it again", |store, now| {
        let spec =
            json!({ "release": "shop-1.0.0", "environment": "prod", "requestedBy": { "username": "alice" } });
        store.add_promotion("again", serde_json::from_value(spec).unwrap(), now);
    });
    let run = Run::of(careful, &[ASKED, approved, back, again]).until(3600);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    let status = run.store.promotions["again"].status.clone().unwrap();
    assert_eq!(status.reason.as_deref(), Some("Approval"), "{}", run.log.join("\n"));
    assert!(message(&run, "again").starts_with("it has 0 of 1 approvals"), "{}", message(&run, "again"));
}
