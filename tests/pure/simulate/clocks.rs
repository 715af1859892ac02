//! The clock of the controller is five minutes ahead of that of the API server, or behind: what other managers change and how a release ends
//! follows from times of the API server alone.

use super::cluster::Namespace;
use super::comparison::{differences, of};
use super::outcomes::promotion;
use super::run::{Event, Run};
use super::scenarios::{ALL, app, prod, release, shop};
use super::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use towpath::api::PromotionPhase;
use towpath::content::ObjectKey;

const SKEWS: [i64; 3] = [-300, 0, 300];

fn skewed(setting: fn(&mut Store, Timestamp), events: &[Event], seconds: i64) -> Run {
    let mut run = Run::of(setting, events);
    run.store.skew = SignedDuration::from_secs(seconds);
    run.settle()
}

fn namespace(store: &mut Store) -> &mut Namespace {
    store.namespaces.get_mut("shop-prod").unwrap()
}

fn patch_web(store: &mut Store, now: Timestamp) {
    let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    namespace(store).take(&web, "/spec/template/spec/dnsPolicy", "Default".into(), "kubectl-patch", now);
}

fn patch_service(store: &mut Store, now: Timestamp) {
    let metrics = ObjectKey::new("v1", "Service", "metrics").unwrap();
    namespace(store).take(&metrics, "/spec/selector/app", json!("other"), "kubectl-patch", now);
}

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));
const SECOND: Event = (1000, "release 2.0.0, with a Service for metrics", |store, now| {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "metrics" }, "spec": { "selector": { "app": "web" } },
    });
    release(store, "2.0.0", [app("2.0.0", "web-2"), vec![service]].concat(), now);
});

#[test]
fn what_another_manager_changed_is_told_by_the_clock_of_the_api_server() {
    for (what, event, reason) in [
        ("nothing", None, None),
        (
            "a field was added to the template before",
            Some((900, patch_web as fn(&mut Store, Timestamp))),
            None,
        ),
        ("a field is added to the template after", Some((1030, patch_web as _)), Some("TemplateChanged")),
        ("the Service is changed after", Some((1030, patch_service as _)), Some("ObjectChanged")),
    ] {
        for seconds in SKEWS {
            let change = event.map(|(at, change)| (at, what, change));
            let mut events: Vec<Event> = [FIRST, SECOND].into_iter().chain(change).collect();
            events.sort_by_key(|(at, ..)| *at);
            let run = skewed(prod, &events, seconds);
            let status = run.store.promotions["prod-shop-2.0.0"].status.clone().unwrap();
            let log = || format!("{what}, {seconds} s ahead: {:?}\n{}", status.message, run.log.join("\n"));
            match reason {
                None => assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", log()),
                Some(_) => assert_eq!(status.reason.as_deref(), reason, "{}", log()),
            }
        }
    }
}

#[test]
fn every_scenario_ends_alike_whatever_the_own_clock_shows() {
    let mut faults = Vec::new();
    for scenario in ALL {
        let plain = of(&scenario.run().settle().store);
        for seconds in [-300, 300] {
            let run = skewed(scenario.setting, scenario.events, seconds);
            let differences = differences(&plain, &of(&run.store));
            if !differences.is_empty() {
                faults.push(format!("{}, {seconds} s ahead:\n{}", scenario.name, differences.join("\n")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
