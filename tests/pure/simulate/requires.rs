//! Releases that require another application: what waits, what goes back first, and what can never start.

use super::comparison;
use super::outcomes::{image, promotion};
use super::run::{Event, Run};
use super::scenarios::{Scenario, deployment, prod, settled};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use towpath::api::{ApplicationName, Promotion, PromotionPhase, ReleasePhase};
use towpath::decide::world::Project;

/// As `observe::requires` does; here, everything is loaded.
pub fn load(project: &mut Project) {
    let mut others: BTreeMap<ApplicationName, Vec<Arc<Promotion>>> = BTreeMap::new();
    for promotion in project.promotions.values() {
        let Some(application) = project.application_of(promotion) else { continue };
        others.entry(application).or_default().push(Arc::clone(promotion));
    }
    project.others = Arc::new(others);
    let requiring = project.releases.values().filter(|release| release.requires_any());
    let requiring = requiring.map(|it| ((it.application_name(), it.version().to_owned()), it.requires()));
    project.requiring = requiring.collect();
}

/// A release of one Deployment. It requires these versions of other applications.
fn release(store: &mut Store, application: &str, version: &str, requires: &[(&str, &str)], now: Timestamp) {
    release_of(store, application, version, &format!("{application}-{version}"), requires, now);
}

fn release_of(
    store: &mut Store,
    application: &str,
    version: &str,
    image: &str,
    requires: &[(&str, &str)],
    now: Timestamp,
) {
    let requires: Vec<_> = requires
        .iter()
        .map(|(application, version)| json!({ "application": application, "version": version }))
        .collect();
    let spec = json!({
        "application": application, "version": version, "requires": requires,
        "source": { "manifests": [deployment(application, image, None)] },
    });
    store.add_release(&format!("{application}-{version}"), serde_json::from_value(spec).unwrap(), now);
}

fn back(store: &mut Store, release: &str, now: Timestamp) {
    let spec = json!({ "release": release, "environment": "prod", "kind": "Rollback" });
    store.add_promotion("back", serde_json::from_value(spec).unwrap(), now);
}

const FIRST: Event = (0, "api 1.0.0 and web 1.0.0", |store, now| {
    release(store, "api", "1.0.0", &[], now);
    release(store, "web", "1.0.0", &[("api", "1.0.0")], now);
});
const WEB: Event = (1000, "web 2.0.0, which requires api 2.0.0", |store, now| {
    release(store, "web", "2.0.0", &[("api", "2.0.0")], now);
});
const API: Event = (2000, "api 2.1.0", |store, now| release(store, "api", "2.1.0", &[], now));
const BACK: Event = (4000, "a person rolls api 2.1.0 back", |store, now| back(store, "api-2.1.0", now));

pub const REQUIRED: Scenario = Scenario {
    name: "required",
    about: "web 2.0.0 waits until api 2.0.0 or a newer version is verified. When a person rolls api back below it, web goes back first.",
    setting: prod,
    events: &[FIRST, WEB, API, BACK],
};

fn reason(run: &Run, promotion: &str) -> String {
    run.store.promotions[promotion].spec.reason.clone().unwrap_or_default()
}

#[test]
fn dependants_go_back_first_when_the_rollback_was_created_while_the_controller_was_down() {
    let mut run = Run::of(prod, &[FIRST, WEB, API]).until(3900);
    back(&mut run.store, "api-2.1.0", run.now);
    let run = run.down_until(4060).settle();
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-web-2.0.0-requires"), PromotionPhase::Verified, "{log}");
    assert_eq!(promotion(&run, "back"), PromotionPhase::Verified, "{log}");
    assert_eq!((image(&run, "web"), image(&run, "api")), ("web-1.0.0".into(), "api-1.0.0".into()), "{log}");
    let wrote = |name: &str| {
        run.log.iter().position(|line| line.contains(name) && line.contains("applies ")).unwrap()
    };
    assert!(wrote("prod-web-2.0.0-requires") < wrote("promotion back "), "{log}");
}

#[test]
fn a_release_waits_for_what_it_requires_and_goes_back_before_it() {
    let run = Run::of(prod, &[FIRST, WEB]).until(1900);
    let status = run.store.releases["web-2.0.0"].status.clone().unwrap();
    assert_eq!((status.phase, status.environments[0].state.as_str()), (ReleasePhase::Waiting, "Requires"));
    let message = status.environments[0].message.clone().unwrap();
    assert_eq!(message, "it requires api 2.0.0 or a newer version in prod: 1.0.0 runs there");
    let run = Run::of(prod, &[FIRST, WEB, API]).until(3900);
    assert_eq!(promotion(&run, "prod-web-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));

    let run = REQUIRED.run().settle();
    let log = run.log.join("\n");
    assert_eq!((image(&run, "api"), image(&run, "web")), ("api-1.0.0".into(), "web-1.0.0".into()), "{log}");
    assert!(reason(&run, "prod-web-2.0.0-requires").starts_with("web-2.0.0 requires api 2.0.0"), "{log}");
    let first = |words: &str| run.log.iter().position(|line| line.contains(words)).unwrap();
    let web = first("promotion prod-web-2.0.0-requires remembers Promoting");
    let api = first("promotion back remembers Promoting");
    assert!(web < api, "{log}");
}

#[test]
fn an_irreversible_dependant_is_not_waited_for() {
    let one_way: Event = (1000, "web 2.0.0, irreversible, which requires api 2.0.0", |store, now| {
        release(store, "web", "2.0.0", &[("api", "2.0.0")], now);
        let release = Arc::make_mut(store.releases.get_mut("web-2.0.0").unwrap());
        release.spec.change = serde_json::from_value(json!({ "reversible": false })).unwrap();
    });
    let run = settled(prod, &[FIRST, one_way, API, BACK]);
    let log = run.log.join("\n");
    assert_eq!((image(&run, "api"), image(&run, "web")), ("api-1.0.0".into(), "web-2.0.0".into()), "{log}");
    let rollback = run.store.promotions["back"].status.clone().unwrap();
    let waited = rollback.started_at.unwrap().0.duration_since(super::run::start()).as_secs();
    assert_eq!(waited, 4000, "{log}");
    let said = "web-2.0.0 requires api 2.0.0 and stays: web-2.0.0 is irreversible";
    assert_eq!(rollback.warnings, [said], "{log}");
}

/// A person went behind the irreversible release before: it does not keep what runs now from going back.
#[test]
fn a_dependant_that_a_person_took_back_behind_an_irreversible_release_goes_back_with_its_requirement() {
    let events: [Event; 6] = [
        FIRST,
        (1000, "api 2.0.0", |store, now| release(store, "api", "2.0.0", &[], now)),
        (2000, "web 1.5.0, which requires it", |store, now| {
            release(store, "web", "1.5.0", &[("api", "2.0.0")], now);
        }),
        (3000, "web 2.0.0, irreversible", |store, now| {
            release(store, "web", "2.0.0", &[("api", "2.0.0")], now);
            let release = Arc::make_mut(store.releases.get_mut("web-2.0.0").unwrap());
            release.spec.change = serde_json::from_value(json!({ "reversible": false })).unwrap();
        }),
        (4000, "a person takes it back", |store, now| {
            let spec =
                json!({ "release": "web-2.0.0", "environment": "prod", "kind": "Rollback", "toRevision": 2 });
            store.add_promotion("web-back", serde_json::from_value(spec).unwrap(), now);
        }),
        (5000, "back below 2.0.0", |store, now| back(store, "api-2.0.0", now)),
    ];
    let run = settled(prod, &events);
    let log = run.log.join("\n");
    assert_eq!((image(&run, "api"), image(&run, "web")), ("api-1.0.0".into(), "web-1.0.0".into()), "{log}");
}

#[test]
fn a_dependant_whose_rollback_cannot_start_is_waited_for_half_a_minute() {
    let gone: Event = (3900, "the Content that web would restore is deleted", |store, _| {
        let content = store.promotions["prod-web-1.0.0"].status.clone().unwrap().content.unwrap();
        store.contents.remove(&content);
    });
    let run = settled(prod, &[FIRST, WEB, API, gone, BACK]);
    let log = run.log.join("\n");
    assert_eq!(image(&run, "api"), "api-1.0.0", "{log}");
    let rollback = run.store.promotions["back"].status.clone().unwrap();
    let waited = rollback.started_at.unwrap().0.duration_since(super::run::start()).as_secs();
    assert_eq!(waited, 4030, "{log}");
}

#[test]
fn a_failure_that_goes_back_below_takes_its_dependants_along_without_a_budget() {
    let fades: Event = (2000, "api 2.1.0, which fades", |store, now| {
        release_of(store, "api", "2.1.0", "fade", &[], now);
    });
    let soon: Event = (2030, "a person promotes web 2.0.0 before api is verified", |store, now| {
        let override_ = json!({ "gates": ["Requires"], "reason": "it is tested together" });
        let spec = json!({
            "release": "web-2.0.0", "environment": "prod", "override": override_,
            "requestedBy": { "username": "alice" },
        });
        store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
    });
    fn enforced(store: &mut Store, now: Timestamp) {
        store.enforced = true;
        let budget = towpath::api::Budget { rollbacks: 1, ..Default::default() };
        let strict = towpath::api::RollbackPolicySpec { budget, ..Default::default() };
        store.policies.insert("strict".into(), strict);
        super::scenarios::environment(store, "prod", json!({ "rollbackPolicyRef": "strict" }), now);
    }
    let first: Event = (0, "api 1.0.0 and web 1.0.0", |store, now| {
        release(store, "api", "1.0.0", &[], now);
        release(store, "web", "1.0.0", &[("api", "1.0.0")], now);
        for release in store.releases.values_mut() {
            Arc::make_mut(release).spec.requested_by =
                serde_json::from_value(json!({ "username": "alice" })).unwrap();
        }
    });
    let fades_by_alice: Event = (fades.0, fades.1, |store, now| {
        release_of(store, "api", "2.1.0", "fade", &[], now);
        for release in store.releases.values_mut() {
            Arc::make_mut(release).spec.requested_by =
                serde_json::from_value(json!({ "username": "alice" })).unwrap();
        }
    });
    let run = Run::of(enforced, &[first, WEB, fades_by_alice, soon]).until(3000);
    let log = run.log.join("\n");
    assert_eq!((image(&run, "api"), image(&run, "web")), ("api-1.0.0".into(), "web-1.0.0".into()), "{log}");
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Failed, "{log}");
    assert_eq!(promotion(&run, "manual-requires"), PromotionPhase::Verified, "{log}");
}

#[test]
fn releases_that_require_each_other_are_stalled_until_one_is_gone() {
    let circle: Event = (1000, "web 2.0.0 and api 2.0.0, which require each other", |store, now| {
        release(store, "web", "2.0.0", &[("api", "2.0.0")], now);
        release(store, "api", "2.0.0", &[("web", "2.0.0")], now);
    });
    let run = settled(prod, &[FIRST, circle]);
    for name in ["web-2.0.0", "api-2.0.0"] {
        let status = run.store.releases[name].status.clone().unwrap();
        let stalled = status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
        assert_eq!(stalled.reason, "RequiresCycle", "{}", run.log.join("\n"));
        assert!(stalled.message.contains("spec.requires forms a cycle"), "{}", stalled.message);
    }
    let gone: Event = (2000, "api 2.0.0 is deleted, and 2.0.1 requires nothing", |store, now| {
        store.releases.remove("api-2.0.0");
        release(store, "api", "2.0.1", &[], now);
    });
    let events = [FIRST, circle, gone];
    let run = settled(prod, &events);
    assert_eq!(image(&run, "web"), "web-2.0.0", "{}", run.log.join("\n"));
    comparison::same_in_any_order("circle", prod, &events);
}
