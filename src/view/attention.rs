//! What an environment says about one of its applications: its conditions are about all of them.

use crate::api::{ApplicationStatus, Condition, Environment, Reason, ready};
use crate::decide::world::Project;

/// What is wrong with an environment, if its condition `Ready` is not True and nothing is in progress. What is about another application
/// is left out.
pub fn fault(
    project: &Project,
    environment: &Environment,
    application: &ApplicationStatus,
) -> Option<String> {
    let message = of_all(environment)?;
    let conditions = environment.status.as_ref().map(|status| status.conditions.as_slice());
    let reason = ready(conditions.unwrap_or_default()).map(|it| Reason::from(it.reason.as_str()));
    if reason == Some(Reason::Recalled) {
        return is_about(&message, application).then_some(message);
    }
    if reason != Some(Reason::Failed) {
        return Some(message);
    }
    let record = application.history.first()?;
    record.ended().filter(|ended| ended.phase.has_failed())?;
    let own = format!("{}: {}: ", Reason::Failed, record.promotion);
    if message.starts_with(&own) {
        return Some(message);
    }
    let promotion = project.promotions.get(&record.promotion);
    let why = promotion.and_then(|promotion| promotion.status.as_ref()?.message.clone());
    Some(own + &why.unwrap_or_else(|| format!("see kubectl towpath status {}", record.promotion)))
}

/// The same for an environment without applications.
pub fn of_all(environment: &Environment) -> Option<String> {
    let Some(status) = &environment.status else {
        return Some("the controller has not observed it: is Towpath running?".to_owned());
    };
    let ready = ready(&status.conditions)?;
    let is_fault = ready.status != "True" && !status.applications.iter().any(|it| it.active.is_some());
    // Further lines are commands, which `status` shows.
    let line = || ready.message.lines().next().unwrap_or_default();
    is_fault.then(|| format!("{}: {}", ready.reason, line()))
}

/// The condition that the release of an application fails after it was verified.
pub fn alarm<'a>(environment: &'a Environment, application: &ApplicationStatus) -> Option<&'a Condition> {
    let mut conditions = environment.status.iter().flat_map(|status| &status.conditions);
    let name = Reason::FailingAfterVerification;
    conditions
        .find(|it| it.type_ == name.as_str() && it.status == "True" && is_about(&it.message, application))
}

/// The recall that the release of an application outlives until a person acts.
pub fn recalled<'a>(environment: &'a Environment, application: &ApplicationStatus) -> Option<&'a Condition> {
    let ready = ready(&environment.status.as_ref()?.conditions)?;
    let is_it = ready.reason == Reason::Recalled.as_str() && is_about(&ready.message, application);
    is_it.then_some(ready)
}

/// Whether a message names the release that runs.
fn is_about(message: &str, application: &ApplicationStatus) -> bool {
    let Some(release) = application.current.as_ref().and_then(|current| current.release.as_deref()) else {
        return false;
    };
    let is_of_a_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.');
    message.split(|char| !is_of_a_name(char)).any(|word| word.trim_end_matches('.') == release)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::board::board;
    use crate::view::waiting::waiting;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn project(conditions: &Value) -> Project {
        let application = |name: &str, outcome: &str| {
            let release = format!("{name}-1.0.0");
            json!({
                "name": name, "current": { "revision": 1, "version": "1.0.0", "release": release },
                "history": [{ "revision": 1, "promotion": format!("prod-{release}"), "release": release, "outcome": outcome }],
            })
        };
        let environment = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Environment",
            "metadata": { "name": "prod", "namespace": "shop" }, "spec": { "namespace": "shop-prod" },
            "status": {
                "applications": [application("api", "Failed"), application("shop", "Verified"), application("web", "Failed")],
                "conditions": conditions,
            },
        });
        let environment: Environment = serde_json::from_value(environment).unwrap();
        let mut project = Project { name: "shop".into(), ..Project::default() };
        project.environments.insert("prod".into(), Arc::new(environment));
        project
    }

    fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({ "type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-01T09:00:00Z" })
    }

    #[test]
    fn a_failure_is_shown_on_the_row_of_its_application() {
        let faults = |condition: Value| -> Vec<Option<String>> {
            board(&project(&json!([condition]))).rows.into_iter().map(|row| row.fault).collect()
        };
        let failed = faults(condition("Ready", "False", "Failed", "prod-api-1.0.0: it crashes"));
        let expected = [
            Some("Failed: prod-api-1.0.0: it crashes"),
            None,
            Some("Failed: prod-web-1.0.0: see kubectl towpath status prod-web-1.0.0"),
        ];
        assert_eq!(failed.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
        let recalled = faults(condition("Ready", "False", "Recalled", "shop-1.0.0 is recalled."));
        assert_eq!(recalled.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
        let unknown = faults(condition("Ready", "False", "UnknownPolicy", "there is no policy shop"));
        assert!(unknown.iter().all(Option::is_some), "{unknown:?}");
    }

    #[test]
    fn a_release_that_fails_after_it_was_verified_is_on_the_board_and_waits_for_a_person() {
        let ready = condition("Ready", "True", "Verified", "the last verified revision is running");
        let failing =
            "shop-1.0.0 fails after it was verified: Deployment web: CrashLoopBackOff; nothing is written";
        let failing = condition("FailingAfterVerification", "True", "CrashLoopBackOff", failing);
        let project = project(&json!([ready, failing]));
        let alarms: Vec<bool> = board(&project).rows.iter().map(|row| row.alarm.is_some()).collect();
        assert_eq!(alarms, [false, true, false]);
        let rows = waiting(&project).rows;
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.name.as_str(), row.verb), ("shop-1.0.0", Some("rollback")));
        assert!(row.message.contains("kubectl towpath rollback prod --app shop"), "{}", row.message);
    }
}
