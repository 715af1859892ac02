//! Which type of change counts where. It is noon.

use super::*;
use crate::decide::fixture_tests::{
    answer, at, environment, person, project, release, the_environment, the_release,
};
use crate::decide::gates::approvals::{may_start_unapproved, required_approvals};
use crate::decide::gates::gate::Gate;
use crate::decide::gates::{Requested, evaluate};
use crate::decide::world::Freeze;
use serde_json::{Value, json};

/// A release of this type, requested by alice, and prod, where nothing but the type lets it start.
fn world(type_: &str, requester: Value, admission: Admission) -> Project {
    let approvals = json!({ "required": 1, "notFor": ["Standard"], "emergencyWithin": "4h" });
    let mut project = project([
        environment("prod", json!({ "spec": { "approvals": approvals } })),
        environment("dev", json!({})),
        release("shop-1.1.0", json!({ "spec": { "change": { "type": type_ }, "requestedBy": requester } })),
    ]);
    project.admission = admission;
    project.freezes.push(Freeze {
        name: "ChangeFreeze year-end".into(),
        from: at("10:00:00"),
        to: at("20:00:00"),
        reason: "year-end".into(),
        environments: vec!["prod".into()],
        passes: vec![ChangeType::Standard, ChangeType::Emergency],
    });
    answer(&mut project, Verb::Promote, "prod", &person("alice"), true);
    project
}

fn found(project: &Project) -> Declared {
    declared(project, &the_environment(project, "prod"), &the_release(project, "shop-1.1.0"))
}

#[test]
fn a_type_counts_only_where_the_requester_may_declare_it() {
    let alice = || person("alice");
    let not_granted =
        "alice may not declare TYPE changes; grant them the verb declare on environments/prod".to_owned();
    let disabled =
        "Towpath was installed with admission.enabled=false, so the right to declare is not checked";
    for type_ in ["Standard", "Emergency"] {
        let degraded = || Admission::Degraded("a policy is missing".into());
        for (requester, admission, rights, why) in [
            (alice(), Admission::Enforced, vec![("prod", true)], None),
            (alice(), Admission::Enforced, vec![("prod", false)], Some(not_granted.clone())),
            // A right in another environment, and an unanswered question, are no right here.
            (
                alice(),
                Admission::Enforced,
                vec![("dev", true)],
                Some("checking with the API server whether alice may declare".into()),
            ),
            (alice(), degraded(), vec![("prod", false)], Some(not_granted.clone())),
            (
                Value::Null,
                Admission::Enforced,
                vec![("prod", true)],
                Some(
                    "no requester is recorded, because the release is older than the admission policies"
                        .into(),
                ),
            ),
            (alice(), Admission::Disabled, vec![("prod", true)], Some(disabled.into())),
        ] {
            let mut project = world(type_, requester.clone(), admission.clone());
            for (environment, may) in &rights {
                answer(&mut project, Verb::Declare, environment, &alice(), *may);
            }
            let found = found(&project);
            let expected = if why.is_none() { type_ } else { "Normal" };
            assert_eq!(found.counts_as.as_str(), expected, "{type_} {requester} {admission:?} {rights:?}");
            let why = why.map(|why| {
                format!("it counts as Normal here, not as {type_}: {}", why.replace("TYPE", type_))
            });
            assert_eq!(found.refusal, why, "{type_} {requester} {admission:?} {rights:?}");
        }
    }
    let normal = world("Normal", alice(), Admission::Enforced);
    assert_eq!(found(&normal).refusal, None, "no right is needed for a Normal change");
}

#[test]
fn without_the_right_a_word_passes_neither_a_freeze_nor_approvals() {
    for (type_, may, passes) in [
        ("Standard", true, true),
        ("Standard", false, false),
        ("Emergency", true, true),
        ("Emergency", false, false),
    ] {
        let mut project = world(type_, person("alice"), Admission::Enforced);
        answer(&mut project, Verb::Declare, "prod", &person("alice"), may);
        let (prod, release) = (the_environment(&project, "prod"), the_release(&project, "shop-1.1.0"));
        let gate = evaluate(&project, &prod, &release, Requested::ByController, &[], at("12:00:00"));
        match &gate {
            Gate::Open => assert!(passes, "{type_} {may}"),
            Gate::Closed { message, .. } => {
                assert!(!passes, "{type_} {may}: {message}");
                let words = format!("it counts as Normal here, not as {type_}: alice may not declare");
                assert!(message.contains(&words), "{message}");
            }
            Gate::Never { message, .. } => panic!("{message}"),
        }
        let rules = required_approvals(&project, &prod, &release);
        let unapproved = rules.and_then(|rules| may_start_unapproved(&project, &prod, rules, &release));
        assert_eq!(rules.is_none() || unapproved.is_some(), passes, "{type_} {may}");
    }
}
