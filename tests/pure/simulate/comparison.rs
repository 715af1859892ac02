//! The end of a run in words that two runs can be compared by: no times, and no messages that hold one.

use super::run::{Event, Run};
use super::store::Store;
use jiff::Timestamp;
use std::collections::BTreeMap;
use towpath::api::{Condition, Record};

/// Everything that is left, by object.
pub fn of(store: &Store) -> BTreeMap<String, String> {
    let mut end = BTreeMap::new();
    for (name, release) in &store.releases {
        let status = release.status.clone().unwrap_or_default();
        let record = recorded(&status.record);
        let review = status.review.map(|review| {
            let incidents = review.incidents.iter().map(|one| (&one.promotion, &one.cause, &one.restored));
            format!("{:?} {:?} {:?}", review.ending, incidents.collect::<Vec<_>>(), review.closed)
        });
        let words = words(&status.conditions);
        let text = format!("{:?} {:?} {words} {record} {review:?}", status.phase, status.summary);
        end.insert(format!("release {name}"), text);
    }
    for (name, environment) in &store.environments {
        let status = environment.status.clone().unwrap_or_default();
        let lanes: Vec<String> = status
            .applications
            .iter()
            .map(|lane| {
                format!("{:?} {:?} {:?} {:?}", lane.current, lane.last_verified, lane.active, lane.waiting)
            })
            .collect();
        let record = recorded(&status.record);
        let text = format!("{:?} {} {lanes:?} {record}", status.summary, words(&status.conditions));
        end.insert(format!("environment {name}"), text);
    }
    for (name, promotion) in &store.promotions {
        let status = promotion.status.clone().unwrap_or_default();
        let text = format!(
            "{:?} {:?} {:?} revision {:?} replaces {:?} restores {:?} {:?} {:?} {}",
            promotion.spec.kind,
            status.phase,
            status.reason,
            status.revision,
            status.replaces,
            status.restores,
            status.content,
            status.changes,
            words(&status.conditions)
        );
        end.insert(format!("promotion {name}"), text);
    }
    for (name, recall) in &store.recalls {
        let status = recall.status.clone().unwrap_or_default();
        end.insert(
            format!("recall {name}"),
            format!("{:?} {}", status.environments, words(&status.conditions)),
        );
    }
    for (name, namespace) in &store.namespaces {
        for (key, object) in namespace.shown() {
            end.insert(format!("{name} {key}"), object.to_string());
        }
        for (key, counts) in &namespace.counts {
            end.insert(format!("{name} {key}, writes"), format!("{counts:?}"));
        }
    }
    end
}

fn recorded(record: &Record) -> String {
    let entries = record.values().map(|entry| format!("{} {}", entry.promotion, entry.phase));
    entries.collect::<Vec<_>>().join(", ")
}

fn words(conditions: &[Condition]) -> String {
    let words = conditions
        .iter()
        .map(|condition| format!("{}={} {}", condition.type_, condition.status, condition.reason));
    words.collect::<Vec<_>>().join(", ")
}

/// What differs, line by line.
pub fn differences(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differing = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    let none = "nothing".to_owned();
    let text = |end: &BTreeMap<String, String>, name: &String| end.get(name).unwrap_or(&none).clone();
    differing.map(|name| format!("{name}:\n  {}\n  {}", text(one, name), text(other, name))).collect()
}

/// Holds that a run ends as the plain one did.
fn same(what: &str, plain: &BTreeMap<String, String>, run: &Run) {
    let differences = differences(plain, &of(&run.store));
    let text = differences.join("\n");
    assert!(differences.is_empty(), "{what}: the end is another one:\n{text}\n\n{}", run.log.join("\n"));
}

/// Holds that the order of looks does not change the end.
pub fn same_in_any_order(what: &str, setting: fn(&mut Store, Timestamp), events: &[Event]) {
    let plain = of(&Run::of(setting, events).settle().store);
    for seed in 0..super::number("TOWPATH_SEEDS", 12) {
        let run = Run::of(setting, events).in_the_order_of(seed + 1).settle();
        same(&format!("{what}, seed {seed}"), &plain, &run);
    }
}

/// Holds that a crash after any write does not change the end.
pub fn same_after_a_crash(what: &str, setting: fn(&mut Store, Timestamp), events: &[Event]) {
    let plain = of(&Run::of(setting, events).settle().store);
    Run::of(setting, events)
        .crash_everywhere(|writes, run| same(&format!("{what}, a crash after write {writes}"), &plain, &run));
}
