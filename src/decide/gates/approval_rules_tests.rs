//! Which changes need approvals at all, and the gates about who requests and whether requests are checked.

use super::*;

/// The requester may declare any type of change.
fn ask<T>(
    rules: Value,
    change: Value,
    question: impl FnOnce(&Project, &Environment, &CachedRelease) -> T,
) -> T {
    let objects = [
        environment("prod", json!({ "spec": { "approvals": rules } })),
        release("shop-1.1.0", json!({ "spec": { "change": change, "requestedBy": person("alice") } })),
    ];
    let mut project = project(objects);
    project.admission = Admission::Enforced;
    answer(&mut project, Verb::Declare, "prod", &person("alice"), true);
    question(&project, &the_environment(&project, "prod"), &the_release(&project, "shop-1.1.0"))
}

#[test]
fn approvals_are_required_for_every_type_of_change_that_the_environment_does_not_exempt() {
    for (not_for, change, is_required) in [
        (json!([]), json!({ "type": "Standard" }), true),
        (json!(["Standard"]), json!({ "type": "Standard" }), false),
        (json!(["Standard"]), json!({ "type": "Normal" }), true),
        (json!(["Standard"]), Value::Null, true),
        (json!(["Normal"]), Value::Null, false),
        (json!(["Standard", "Emergency"]), json!({ "type": "Emergency" }), false),
    ] {
        let rules = json!({ "required": 1, "notFor": not_for });
        let found = ask(rules, change.clone(), |project, environment, release| {
            required_approvals(project, environment, release).map(|rules| rules.required)
        });
        assert_eq!(found, is_required.then_some(1), "{not_for} {change}");
    }
    let found = ask(Value::Null, Value::Null, |project, environment, release| {
        required_approvals(project, environment, release).is_some()
    });
    assert!(!found, "the environment has no rules");
}

#[test]
fn only_an_emergency_change_starts_before_it_is_approved_and_only_where_that_is_allowed() {
    for (within, change, expected) in [
        (Some("4h"), "Emergency", Some(4)),
        (Some("4h"), "Normal", None),
        (Some("4h"), "Standard", None),
        (None, "Emergency", None),
    ] {
        let rules = json!({ "required": 1, "emergencyWithin": within });
        let found = ask(rules, json!({ "type": change }), |project, environment, release| {
            let rules = environment.spec.approvals.as_ref().unwrap();
            may_start_unapproved(project, environment, rules, release)
        });
        assert_eq!(found, expected.map(jiff::SignedDuration::from_hours), "{within:?} {change}");
    }
}

#[test]
fn an_emergency_change_is_due_a_whole_number_of_seconds_after_its_start() {
    let due = due(at("12:00:00.75"), jiff::SignedDuration::from_hours(4));
    assert_eq!(due.0, at("16:00:00"));
}

#[test]
fn promotions_do_not_start_while_admission_policies_are_missing_or_modified() {
    let of = |admission| rules_are_in_force(&Project { admission, ..Project::default() });
    assert_eq!(of(Admission::Enforced), Gate::Open);
    assert_eq!(of(Admission::Disabled), Gate::Open);
    let message = "the policy a is missing; only rollbacks start until the admission policies of the chart are restored";
    assert_eq!(
        of(Admission::Degraded("the policy a is missing".into())),
        Gate::closed(Reason::Security, message)
    );
}

#[test]
fn the_controller_promotes_a_release_only_if_its_requester_may_promote() {
    let closed = |message: &str| Gate::closed(Reason::Requester, message);
    let unknown = closed(
        "no requester is recorded, because the release is older than the admission policies; a user with the verb promote here can create a Promotion",
    );
    let refused = closed(
        "alice may not promote to prod; grant them the verb promote on environments/prod, or let a user who has it create a \
         Promotion",
    );
    let asking = closed("checking with the API server whether the requester may promote here");
    let degraded = || Admission::Degraded("a".into());
    for (admission, requester, answers, expected) in [
        (Admission::Disabled, None, vec![], Gate::Open),
        (degraded(), None, vec![], Gate::Open),
        (degraded(), Some("alice"), vec![(Verb::Promote, "prod", false)], Gate::Open),
        (Admission::Disabled, Some("alice"), vec![(Verb::Promote, "prod", false)], Gate::Open),
        (Admission::Enforced, None, vec![], unknown),
        (Admission::Enforced, Some("alice"), vec![(Verb::Promote, "prod", true)], Gate::Open),
        (Admission::Enforced, Some("alice"), vec![(Verb::Promote, "prod", false)], refused),
        (Admission::Enforced, Some("alice"), vec![], asking.clone()),
        (
            Admission::Enforced,
            Some("alice"),
            vec![(Verb::Promote, "staging", true), (Verb::Approve, "prod", true)],
            asking,
        ),
    ] {
        let spec = json!({ "spec": { "requestedBy": requester.map(person) } });
        let mut project = project([environment("prod", json!({})), release("shop-1.1.0", spec)]);
        project.admission = admission.clone();
        for (verb, environment, may) in &answers {
            answer(&mut project, *verb, environment, &person("alice"), *may);
        }
        let (environment, release) = (the_environment(&project, "prod"), the_release(&project, "shop-1.1.0"));
        let gate = requester_may_promote(&project, &environment, &release);
        assert_eq!(gate, expected, "{admission:?} {requester:?} {answers:?}");
    }
}
