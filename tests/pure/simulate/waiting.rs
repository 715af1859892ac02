//! The time for which a rollout waits for a person is no silence, whether the controller runs on or starts again.

use super::outcomes::promotion;
use super::run::{Event, Run};
use super::scenarios::{environment, pair, release};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use towpath::api::{PromotionPhase, RollbackPolicySpec};
use towpath::content::ObjectKey;

/// 15 seconds without progress fail a release.
fn hasty(store: &mut Store, now: Timestamp) {
    let mut policy = RollbackPolicySpec::default();
    policy.failing.progress_deadline_seconds = 15;
    store.policies.insert("hasty".into(), policy);
    environment(store, "prod", json!({ "rollbackPolicyRef": "hasty" }), now);
}

fn pause(store: &mut Store, paused: bool, now: Timestamp) {
    let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    store.namespaces.get_mut("shop-prod").unwrap().set(&web, "/spec/paused", paused.into(), now);
}

const RELEASES: [Event; 2] = [
    (0, "release 1.0.0", |store, now| release(store, "1.0.0", pair("web", "worker"), now)),
    (1000, "release 2.0.0, whose worker needs 40 seconds", |store, now| {
        release(store, "2.0.0", pair("web-2", "slow"), now);
    }),
];
const PAUSED: Event = (1002, "a person pauses web", |store, now| pause(store, true, now));
const RESUMED: Event = (1300, "and resumes it", |store, now| pause(store, false, now));

fn run(restart: Option<i64>, down_until: i64) -> Run {
    let events = [RELEASES[0], RELEASES[1], PAUSED, RESUMED];
    let run = Run::of(hasty, &events);
    match restart {
        None => run.settle(),
        Some(at) => run.until(at).down_until(down_until).settle(),
    }
}

#[test]
fn waiting_for_a_person_is_no_silence_whether_or_not_the_controller_starts_again_in_that_time() {
    for (restart, down_until) in
        [(None, 0), (Some(1005), 1005), (Some(1005), 1030), (Some(1290), 1301), (Some(1020), 1500)]
    {
        let run = run(restart, down_until);
        let log = run.log.join("\n");
        assert_eq!(
            promotion(&run, "prod-shop-2.0.0"),
            PromotionPhase::Verified,
            "{restart:?} {down_until}\n{log}"
        );
    }
}

/// While it waits, no pass writes a status but the first, and the one that ends it.
#[test]
fn waiting_for_a_person_costs_two_writes() {
    let (with, without) = (
        run(None, 0),
        Run::of(
            hasty,
            &[
                RELEASES[0],
                (1000, "release 2.0.0", |store, now| {
                    release(store, "2.0.0", pair("web-2", "worker"), now);
                }),
            ],
        )
        .settle(),
    );
    let written = |run: &super::run::Run| {
        let own = run.log.iter().filter(|line| line.contains("promotion prod-shop-2.0.0"));
        own.filter(|line| line.contains(" remembers ") || line.contains(" reports ")).count()
    };
    let (with_wait, plain) = (written(&with), written(&without));
    assert_eq!(with_wait, plain + 2, "{}", with.log.join("\n"));
    assert!(with.store.promotions["prod-shop-2.0.0"].status.is_some());
}
