//! Which approvals count, and which are still needed. It is noon; the approvals were created at 10:00.

use super::*;
use crate::decide::fixture_tests::{
    answer, approval, at, digest, environment, person, project, release, stamp, the_approval,
    the_environment, the_release, user,
};
use serde_json::{Value, json};

/// One release that may enter prod, and its approvals.
struct Scene {
    rules: Value,
    release: Value,
    promotion_requester: Option<Value>,
    approvals: Vec<Value>,
    /// Who may approve.
    approvers: Vec<Value>,
}

/// Requested by alice; bob, carol and dave may approve.
fn scene(rules: Value) -> Scene {
    Scene {
        rules,
        release: json!({ "spec": { "requestedBy": person("alice") } }),
        promotion_requester: None,
        approvals: Vec::new(),
        approvers: ["alice", "bob", "carol", "dave"].map(person).to_vec(),
    }
}

impl Scene {
    fn with(mut self, approvals: impl IntoIterator<Item = Value>) -> Self {
        self.approvals.extend(approvals);
        self
    }

    fn ask<T>(&self, question: impl FnOnce(&Project, &Approvals, Case<'_>) -> T) -> T {
        let environment = environment("prod", json!({ "spec": { "approvals": self.rules } }));
        let objects = [environment, release("shop-1.1.0", self.release.clone())];
        let mut project = project(objects.into_iter().chain(self.approvals.iter().cloned()));
        for approver in &self.approvers {
            answer(&mut project, Verb::Approve, "prod", approver, true);
        }
        let (environment, release) = (the_environment(&project, "prod"), the_release(&project, "shop-1.1.0"));
        let promotion_requester = self.promotion_requester.as_ref().map(user);
        let digest = digest();
        let case = Case {
            environment: &environment,
            release: &release,
            promotion_requester: promotion_requester.as_ref(),
            digest: &digest,
        };
        question(&project, environment.spec.approvals.as_ref().unwrap(), case)
    }

    fn tally(&self) -> Tally {
        self.ask(|project, rules, case| tally(project, rules, case, at("12:00:00")))
    }

    fn needed(&self) -> String {
        self.tally().report.needed.unwrap_or_else(|| "nothing".into())
    }
}

/// The message about one approval.
fn outcome(scene: Scene, approval: Value) -> String {
    let scene = scene.with([approval]);
    scene.ask(|project, rules, case| {
        match counts(project, rules, case, &the_approval(project, "one"), at("12:00:00")) {
            Ok(None) => "counts".to_owned(),
            Ok(Some(until)) => format!("counts until {until}"),
            Err(why) => why,
        }
    })
}

fn one() -> Value {
    json!({ "required": 1 })
}

fn approve(who: &str) -> Value {
    approval(&format!("{who}-approves"), person(who), json!({}))
}

fn reject(who: &str) -> Value {
    approval(&format!("{who}-rejects"), person(who), json!({ "spec": { "decision": "Reject" } }))
}

fn of_groups(who: &str, groups: &[&str]) -> Value {
    json!({ "username": who, "groups": groups })
}

fn names(approved: &[Approved]) -> Vec<&str> {
    approved.iter().map(|one| one.by.as_str()).collect()
}

#[test]
fn an_approval_counts_for_the_release_the_environment_and_the_digest_that_it_names() {
    let other = "b".repeat(64);
    let digest_differs = format!("spec.digest is not {}, the digest of what would be written now", digest());
    for (spec, expected) in [
        (json!({}), "counts"),
        (
            json!({ "environment": { "name": "staging" } }),
            "spec.environment.uid is of another environment staging",
        ),
        (
            json!({ "environment": { "uid": "uid-before" } }),
            "spec.environment.uid is of another environment prod",
        ),
        (json!({ "release": { "name": "shop-1.0.0" } }), "spec.release.uid is of another release shop-1.0.0"),
        (json!({ "release": { "uid": "uid-before" } }), "spec.release.uid is of another release shop-1.1.0"),
        (json!({ "digest": other }), digest_differs.as_str()),
    ] {
        let approval = approval("one", person("bob"), json!({ "spec": spec }));
        assert_eq!(outcome(scene(one()), approval), expected, "{spec}");
    }
}

#[test]
fn an_approval_expires_at_the_earlier_of_two_times_and_the_field_of_that_time_is_named() {
    let of_environment =
        |time: &str| format!("spec.approvals.validFor of the environment: it expired at {}", stamp(time));
    let of_approval = |time: &str| format!("spec.expiresAt: it expired at {}", stamp(time));
    let until = |time: &str| format!("counts until {}", stamp(time));
    let never = || "counts".to_owned();
    for (valid_for, expires_at, decision, expected) in [
        (None, None, "Approve", never()),
        (Some("2h1s"), None, "Approve", until("12:00:01")),
        (Some("2h"), None, "Approve", of_environment("12:00:00")),
        (Some("1h"), None, "Approve", of_environment("11:00:00")),
        (None, Some("12:00:01"), "Approve", until("12:00:01")),
        (None, Some("12:00:00"), "Approve", of_approval("12:00:00")),
        (Some("3h"), Some("12:30:00"), "Approve", until("12:30:00")),
        (Some("2h30m"), Some("13:00:00"), "Approve", until("12:30:00")),
        (Some("3h"), Some("11:00:00"), "Approve", of_approval("11:00:00")),
        (Some("1h"), Some("13:00:00"), "Approve", of_environment("11:00:00")),
        (Some("90m"), Some("11:00:00"), "Approve", of_approval("11:00:00")),
        (Some("1h"), Some("11:30:00"), "Approve", of_environment("11:00:00")),
        (Some("1h"), Some("11:00:00"), "Approve", of_environment("11:00:00")),
        // validFor limits no rejection.
        (Some("1h"), None, "Reject", never()),
        (Some("1h"), Some("12:30:00"), "Reject", until("12:30:00")),
        (Some("1h"), Some("11:30:00"), "Reject", of_approval("11:30:00")),
    ] {
        let rules = json!({ "required": 1, "validFor": valid_for });
        let spec = json!({ "decision": decision, "expiresAt": expires_at.map(stamp) });
        let approval = approval("one", person("bob"), json!({ "spec": spec }));
        assert_eq!(outcome(scene(rules), approval), expected, "{valid_for:?} {expires_at:?} {decision}");
    }
}

#[test]
fn only_a_person_who_may_approve_in_this_environment_counts() {
    let robot = "system:serviceaccount:ci:robot";
    for (approver, answers, expected) in [
        (
            Value::Null,
            vec![],
            "spec.approver is missing: the Approval was created without the admission policies; create it again",
        ),
        (
            person(robot),
            vec![(Verb::Approve, "prod", true)],
            "spec.approver is a ServiceAccount, which cannot approve",
        ),
        (person("erin"), vec![(Verb::Approve, "prod", true)], "counts"),
        (
            person("erin"),
            vec![(Verb::Approve, "prod", false)],
            "spec.approver: erin may not approve for prod",
        ),
        (
            person("erin"),
            vec![(Verb::Approve, "staging", true), (Verb::Promote, "prod", true)],
            "checking with the API server whether the approver may approve",
        ),
    ] {
        let spec = json!({ "spec": { "approver": approver } });
        let scene = scene(one()).with([approval("one", person("stranger"), spec)]);
        let found = scene.ask(|project, rules, case| {
            let mut project = project.clone();
            for (verb, environment, may) in &answers {
                answer(&mut project, *verb, environment, &approver, *may);
            }
            counts(&project, rules, case, &the_approval(&project, "one"), at("12:00:00"))
        });
        let found = found.map_or_else(|why| why, |_| "counts".into());
        assert_eq!(found, expected, "{approver} {answers:?}");
    }
}

#[test]
fn the_requester_does_not_count_as_approver_unless_the_environment_allows_it() {
    let with_uid = |name: &str, uid: &str| json!({ "username": name, "uid": uid });
    let own = "spec.approver: alice requested the release and cannot approve it; spec.approvals.requesterMayApprove is false";
    let renamed = "spec.approver: alicia requested the release and cannot approve it; spec.approvals.requesterMayApprove is false";
    for (requester, creator, approver, allowed, decision, expected) in [
        (Some(person("alice")), None, person("alice"), false, "Approve", own),
        (Some(with_uid("alice", "1")), None, with_uid("alice", "2"), false, "Approve", own),
        (Some(with_uid("alice", "1")), None, with_uid("alicia", "1"), false, "Approve", renamed),
        (Some(with_uid("alice", "1")), None, with_uid("alicia", "2"), false, "Approve", "counts"),
        (Some(person("alice")), None, person("alicia"), false, "Approve", "counts"),
        (Some(person("alice")), None, with_uid("alicia", "1"), false, "Approve", "counts"),
        (Some(person("bob")), Some(person("alice")), person("alice"), false, "Approve", own),
        (Some(person("alice")), Some(person("bob")), person("alice"), false, "Approve", own),
        (None, Some(with_uid("alice", "1")), with_uid("alicia", "1"), false, "Approve", renamed),
        (None, None, person("alice"), false, "Approve", "counts"),
        (Some(person("alice")), None, person("alice"), true, "Approve", "counts"),
        (None, Some(person("alice")), person("alice"), true, "Approve", "counts"),
        // A requester may reject their own release.
        (Some(person("alice")), None, person("alice"), false, "Reject", "counts"),
    ] {
        let scene = Scene {
            release: json!({ "spec": { "requestedBy": requester } }),
            promotion_requester: creator.clone(),
            approvers: vec![approver.clone()],
            ..scene(json!({ "required": 1, "requesterMayApprove": allowed }))
        };
        let approval = approval("one", approver.clone(), json!({ "spec": { "decision": decision } }));
        let found = outcome(scene, approval);
        assert_eq!(found, expected, "{requester:?} {creator:?} {approver} {allowed} {decision}");
    }
}

#[test]
fn the_approvals_that_are_still_needed_are_counted_by_person() {
    let again = |who: &str| approval(&format!("{who}-again"), person(who), json!({}));
    for (required, approvals, expected) in [
        (1, vec![], "has 0 of 1 approvals"),
        (1, vec![approve("bob")], "nothing"),
        (2, vec![approve("bob")], "has 1 of 2 approvals (approved by bob)"),
        (2, vec![approve("bob"), again("bob")], "has 1 of 2 approvals (approved by bob)"),
        (2, vec![approve("carol"), approve("bob")], "nothing"),
        (3, vec![approve("carol"), approve("bob")], "has 2 of 3 approvals (approved by bob, carol)"),
        (2, vec![approve("bob"), approve("carol"), approve("dave")], "nothing"),
        (1, vec![approve("alice")], "has 0 of 1 approvals"),
    ] {
        let scene = scene(json!({ "required": required })).with(approvals.clone());
        assert_eq!(scene.needed(), expected, "{required} {approvals:?}");
        let tally = scene.tally();
        assert_eq!(tally.is_complete(), expected == "nothing");
        assert_eq!(tally.report.required, required);
    }
}

#[test]
fn a_rejection_closes_the_gate_until_it_is_deleted() {
    let approved = || [approve("bob"), approve("carol")];
    let rejected = "dave rejected it; the gate opens when they delete their Approval";
    let scene_of = |approvals: Vec<Value>| scene(one()).with(approvals);

    let closed = scene_of([approved().to_vec(), vec![reject("dave")]].concat()).tally().report;
    assert_eq!(closed.needed.as_deref(), Some(rejected));
    assert_eq!((names(&closed.approved), names(&closed.rejected)), (vec!["bob", "carol"], vec!["dave"]));

    let withdrawn = scene_of(approved().to_vec()).tally().report;
    assert_eq!((withdrawn.needed, names(&withdrawn.rejected)), (None, vec![]));

    let two = scene_of(vec![reject("dave"), reject("carol")]);
    assert_eq!(two.needed(), "carol, dave rejected it; the gate opens when they delete their Approval");

    let stranger = scene_of([approved().to_vec(), vec![reject("mallory")]].concat());
    assert_eq!(stranger.needed(), "nothing", "a user who may not approve cannot reject");

    let requester = scene_of(vec![approve("bob"), reject("alice")]);
    assert_eq!(requester.needed(), "alice rejected it; the gate opens when they delete their Approval");
}

#[test]
fn a_person_who_both_approved_and_rejected_counts_as_rejecting() {
    // Whichever of the two comes first by name.
    for reject_name in ["a", "z"] {
        let rejects = approval(reject_name, person("bob"), json!({ "spec": { "decision": "Reject" } }));
        let report = scene(one()).with([approve("bob"), rejects, approve("carol")]).tally().report;
        assert_eq!((names(&report.approved), names(&report.rejected)), (vec!["carol"], vec!["bob"]));
        let expected = "bob rejected it; the gate opens when they delete their Approval";
        assert_eq!(report.needed.as_deref(), Some(expected), "{reject_name}");
    }
}

#[test]
fn every_group_needs_as_many_approvers_as_the_environment_requires() {
    let rules = json!({
        "required": 2,
        "from": [{ "group": "security" }, { "group": "sre", "atLeast": 2 }],
    });
    let (security, sre) = (&["security"][..], &["sre"][..]);
    let both = &["security", "sre"][..];
    for (approvers, expected) in [
        (vec![], "has 0 of 2 approvals, 0 of 1 from security, 0 of 2 from sre"),
        (vec![("bob", both)], "has 1 of 2 approvals, 1 of 2 from sre (approved by bob)"),
        (vec![("bob", both), ("carol", sre)], "nothing"),
        (vec![("bob", sre), ("carol", sre)], "has 0 of 1 from security (approved by bob, carol)"),
        (vec![("bob", security), ("carol", sre)], "has 1 of 2 from sre (approved by bob, carol)"),
        (vec![("bob", security), ("carol", sre), ("dave", sre)], "nothing"),
        (
            vec![("bob", &["sec"][..]), ("carol", &[][..])],
            "has 0 of 1 from security, 0 of 2 from sre (approved by bob, carol)",
        ),
    ] {
        let people: Vec<Value> = approvers.iter().map(|(who, groups)| of_groups(who, groups)).collect();
        let approvals: Vec<Value> = people
            .iter()
            .zip(["a", "b", "c"])
            .map(|(who, name)| approval(name, who.clone(), json!({})))
            .collect();
        let scene = Scene { approvers: people, ..scene(rules.clone()) }.with(approvals);
        assert_eq!(scene.needed(), expected, "{approvers:?}");
    }
}

#[test]
fn the_gate_closes_again_when_the_first_approval_that_counts_expires() {
    let expires = |who: &str, time: Option<&str>, decision: &str| {
        let spec = json!({ "spec": { "expiresAt": time.map(stamp), "decision": decision } });
        approval(&format!("{who}-{decision}"), person(who), spec)
    };
    for (approvals, expected) in [
        (vec![], None),
        (vec![approve("bob")], None),
        (vec![approve("bob"), expires("carol", Some("14:00:00"), "Approve")], Some("14:00:00")),
        (
            vec![
                expires("bob", Some("15:00:00"), "Approve"),
                expires("carol", Some("14:00:00"), "Approve"),
                expires("dave", Some("16:00:00"), "Approve"),
            ],
            Some("14:00:00"),
        ),
        (vec![expires("bob", Some("14:00:00"), "Reject"), approve("carol")], Some("14:00:00")),
        // The expiry of an approval that does not count is ignored.
        (vec![expires("bob", Some("11:00:00"), "Approve"), approve("carol")], None),
        (vec![expires("mallory", Some("13:00:00"), "Approve"), approve("carol")], None),
    ] {
        let tally = scene(one()).with(approvals.clone()).tally();
        assert_eq!(tally.until, expected.map(at), "{approvals:?}");
    }
}

#[test]
fn the_report_names_what_to_approve_and_who_decided_when_and_why() {
    let spec = json!({ "spec": { "comment": "ticket 17" } });
    let tally = scene(json!({ "required": 2 })).with([approval("one", person("bob"), spec)]).tally();
    let report = serde_json::to_value(&tally.report).unwrap();
    let expected = json!({
        "of": {
            "release": { "name": "shop-1.1.0", "uid": "uid-shop-1.1.0" },
            "environment": { "name": "prod", "uid": "uid-prod" },
            "digest": digest(),
        },
        "required": 2,
        "approved": [{ "by": "bob", "at": stamp("10:00:00"), "comment": "ticket 17" }],
        "needed": "has 1 of 2 approvals (approved by bob)",
    });
    assert_eq!(report, expected);
}

#[test]
fn approvals_beyond_the_limit_of_the_status_count_as_well() {
    let people: Vec<String> = (0..60).map(|number| format!("{number:02}-{}", "x".repeat(30))).collect();
    let all = |decision: &str| -> Vec<Value> {
        let spec = json!({ "spec": { "decision": decision } });
        people.iter().map(|who| approval(who, person(who), spec.clone())).collect()
    };
    let scene_of = |required: i32, approvals: Vec<Value>| Scene {
        approvers: people.iter().map(|who| person(who)).collect(),
        ..scene(json!({ "required": required })).with(approvals)
    };
    assert_eq!(scene_of(60, all("Approve")).needed(), "nothing");
    let report = scene_of(61, all("Approve")).tally().report;
    assert_eq!((report.approved.len(), report.rejected.len()), (50, 0));
    let needed = report.needed.unwrap();
    assert!(needed.starts_with("has 60 of 61 approvals (approved by 00-x"), "{needed}");
    assert_eq!((needed.len(), &needed[1021..]), (1024, "..."));

    let report = scene_of(1, all("Reject")).tally().report;
    assert_eq!((report.approved.len(), report.rejected.len()), (0, 50));
    assert_eq!(report.needed.unwrap().len(), 1024);
}

#[path = "approval_people_tests.rs"]
mod people_tests;
#[path = "approval_rules_tests.rs"]
mod rules_tests;
