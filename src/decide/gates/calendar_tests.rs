use super::*;
use crate::api::{EnvironmentSpec, Reason, Release, ReleaseSpec, UserInfo};
use crate::decide::world::{Admission, Verb};
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn environment(name: &str, windows: Value) -> Environment {
    let spec = json!({ "namespace": "shop-prod", "windows": windows });
    Environment::new(name, serde_json::from_value::<EnvironmentSpec>(spec).unwrap())
}

fn release(change: Value) -> CachedRelease {
    let source = json!({ "configMapRef": { "name": "a" } });
    let requester = json!({ "username": "alice" });
    let spec = json!({
        "application": "shop", "version": "1", "source": source, "change": change, "requestedBy": requester,
    });
    Release::new("shop-1", serde_json::from_value::<ReleaseSpec>(spec).unwrap()).into()
}

fn frozen(environments: &[&str], passes: &[ChangeType]) -> Project {
    let freeze = Freeze {
        name: "ChangeFreeze year-end".into(),
        from: at("2026-12-20T00:00:00Z"),
        to: at("2027-01-04T00:00:00Z"),
        reason: "year-end".into(),
        environments: environments.iter().map(|name| (*name).into()).collect(),
        passes: passes.to_vec(),
    };
    // Alice may declare any type of change.
    let alice = UserInfo { username: "alice".into(), uid: None, groups: Vec::new() };
    Project {
        freezes: vec![freeze],
        admission: Admission::Enforced,
        rights: [((Verb::Declare, "prod".into(), alice), true)].into(),
        ..Project::default()
    }
}

#[test]
fn a_freeze_closes_its_environments_from_start_to_end_for_changes_that_do_not_pass() {
    let emergency = json!({ "type": "Emergency" });
    let normal = json!({});
    let everything: &[&str] = &[];
    for (now, environments, passes, change, is_closed) in [
        ("2026-12-19T23:59:59Z", everything, vec![], &normal, false),
        ("2026-12-20T00:00:00Z", everything, vec![], &normal, true),
        ("2027-01-03T23:59:59Z", everything, vec![], &normal, true),
        ("2027-01-04T00:00:00Z", everything, vec![], &normal, false),
        ("2026-12-24T00:00:00Z", &["prod"], vec![], &normal, true),
        ("2026-12-24T00:00:00Z", &["staging"], vec![], &normal, false),
        ("2026-12-24T00:00:00Z", everything, vec![ChangeType::Emergency], &emergency, false),
        ("2026-12-24T00:00:00Z", everything, vec![ChangeType::Standard], &emergency, true),
        ("2026-12-24T00:00:00Z", everything, vec![ChangeType::Emergency], &normal, true),
    ] {
        let gate = is_not_frozen(
            &frozen(environments, &passes),
            &environment("prod", json!([])),
            &release(change.clone()),
            at(now),
        );
        assert_eq!(gate != Gate::Open, is_closed, "{now} {environments:?} {passes:?} {change}: {gate:?}");
    }
}

#[test]
fn the_freeze_that_ends_last_is_reported() {
    let mut project = frozen(&[], &[]);
    let until = at("2027-02-01T00:00:00Z");
    let longer = Freeze { name: "ChangeFreeze longer".into(), to: until, ..project.freezes[0].clone() };
    project.freezes.insert(0, longer);
    let prod = environment("prod", json!([]));
    let gate = is_not_frozen(&project, &prod, &release(json!({})), at("2026-12-24T00:00:00Z"));
    let Gate::Closed { message, until: reported, .. } = gate else { panic!("{gate:?}") };
    assert_eq!(reported, Some(until));
    assert!(message.contains("ChangeFreeze longer") && message.contains("only rollbacks pass"), "{message}");
}

#[test]
fn not_before_and_deadline_come_from_the_release() {
    let release = release(json!({
        "notBefore": [{ "environment": "prod", "at": "2026-11-01T00:00:00Z" }], "deadline": "2026-11-02T00:00:00Z",
    }));
    let prod = environment("prod", json!([]));
    let early = is_due(&prod, &release, at("2026-10-31T23:59:59Z"));
    assert!(matches!(early, Gate::Closed { gate: Reason::NotBefore, .. }), "{early:?}");
    assert_eq!(is_due(&prod, &release, at("2026-11-01T00:00:00Z")), Gate::Open);
    assert_eq!(is_due(&environment("qa", json!([])), &release, at("2026-10-01T00:00:00Z")), Gate::Open);
    assert_eq!(deadline_has_not_passed(&release, at("2026-11-01T23:59:59Z")), Gate::Open);
    let late = deadline_has_not_passed(&release, at("2026-11-02T00:00:00Z"));
    assert!(matches!(late, Gate::Closed { gate: Reason::Deadline, until: None, .. }), "{late:?}");
}

#[test]
fn a_window_follows_local_time_through_both_changes_of_the_clock() {
    let office = json!([{ "schedule": "0 9 * * 1-5", "duration": "8h", "timeZone": "Europe/Berlin" }]);
    let prod = environment("prod", office);
    for (now, is_open) in [
        ("2026-03-27T08:00:00Z", true),
        ("2026-03-27T07:59:59Z", false),
        ("2026-03-30T07:00:00Z", true),
        ("2026-03-30T06:59:59Z", false),
        ("2026-10-23T07:00:00Z", true),
        ("2026-10-26T07:30:00Z", false),
        ("2026-10-26T08:00:00Z", true),
    ] {
        let gate = window_is_open(&prod, at(now));
        assert_eq!(gate == Gate::Open, is_open, "{now}: {gate:?}");
    }
}
