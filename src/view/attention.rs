//! What is wrong in an environment, for each of its applications.

use crate::api::{ApplicationStatus, Environment, Reason, ready};
use crate::decide::world::Project;
use serde::Serialize;

/// What needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// `Failing` after it was verified, or `Recalled`.
    pub state: &'static str,
    /// Why, and what a person can do.
    pub message: String,
}

/// What needs attention although nothing is in progress: the running release fails after it was verified, or is recalled and stays.
pub fn alarm(application: &ApplicationStatus) -> Option<Alarm> {
    let alarm = |state, message: &Option<String>| Some(Alarm { state, message: message.clone()? });
    alarm("Failing", &application.failing).or_else(|| alarm("Recalled", &application.recalled))
}

/// Why nothing can be promoted: a fault of the environment, or the failure of the last promotion of this application.
pub fn fault(
    project: &Project,
    environment: &Environment,
    application: &ApplicationStatus,
) -> Option<String> {
    if application.active.is_some() {
        return None;
    }
    of_environment(environment).or_else(|| {
        let record = application.history.first()?;
        record.ended().filter(|ended| ended.phase.has_failed())?;
        let promotion = project.promotions.get(&record.promotion);
        let why = promotion.and_then(|promotion| promotion.status.as_ref()?.message.clone());
        let why = why.unwrap_or_else(|| format!("see kubectl towpath status {}", record.promotion));
        Some(format!("{}: {}: {why}", Reason::Failed, record.promotion))
    })
}

/// What is wrong with an environment itself, if its condition `Ready` is not True.
pub fn of_environment(environment: &Environment) -> Option<String> {
    let Some(status) = &environment.status else {
        return Some("the controller has not observed it: is Towpath running?".to_owned());
    };
    let ready = ready(&status.conditions)?;
    let is_of_an_application =
        matches!(Reason::from(ready.reason.as_str()), Reason::Failed | Reason::Recalled | Reason::Promoting);
    // Further lines are commands, which `status` shows.
    let line = || ready.message.lines().next().unwrap_or_default();
    (ready.status != "True" && !is_of_an_application).then(|| format!("{}: {}", ready.reason, line()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::board::board;
    use crate::view::waiting::waiting;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn project(condition: (&str, &str)) -> Project {
        let application = |name: &str, outcome: &str, more: &Value| {
            let release = format!("{name}-1.0.0");
            let mut application = json!({
                "name": name, "current": { "revision": 1, "version": "1.0.0", "release": release },
                "history": [{ "revision": 1, "promotion": format!("prod-{release}"), "release": release, "outcome": outcome }],
            });
            application.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
            application
        };
        let failing = json!({ "failing": "shop-1.0.0 fails after it was verified: Deployment web" });
        let recalled = json!({ "recalled": "web-1.0.0 runs here and is recalled (Recall slow): slow" });
        let (status, reason) = condition;
        let ready = json!({
            "type": "Ready", "status": status, "reason": reason, "message": "prod-api-1.0.0: it crashes",
            "lastTransitionTime": "2026-11-01T09:00:00Z",
        });
        let environment = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Environment",
            "metadata": { "name": "prod", "namespace": "shop" }, "spec": { "namespace": "shop-prod" },
            "status": { "conditions": [ready], "applications": [
                application("api", "Failed", &json!({})),
                application("shop", "Verified", &failing),
                application("web", "Verified", &recalled),
            ] },
        });
        let environment: Environment = serde_json::from_value(environment).unwrap();
        let mut project = Project { name: "shop".into(), ..Project::default() };
        project.environments.insert("prod".into(), Arc::new(environment));
        project
    }

    #[test]
    fn a_failure_is_shown_on_the_row_of_its_application() {
        let rows = |status, reason| board(&project((status, reason))).rows;
        for reason in ["Failed", "Recalled", "Promoting"] {
            let faults: Vec<Option<String>> =
                rows("False", reason).into_iter().map(|row| row.fault).collect();
            let own = "Failed: prod-api-1.0.0: see kubectl towpath status prod-api-1.0.0".to_owned();
            assert_eq!(faults, [Some(own), None, None], "{reason}");
        }
        let unknown = rows("False", "UnknownPolicy");
        assert!(unknown.iter().all(|row| row.fault.as_deref().unwrap().starts_with("UnknownPolicy: ")));
    }

    #[test]
    fn what_fails_after_it_was_verified_or_is_recalled_is_on_the_board_and_waits_for_a_person() {
        let project = project(("True", "Verified"));
        let alarms = board(&project).rows.into_iter().map(|row| row.alarm.map(|alarm| alarm.state));
        assert_eq!(alarms.collect::<Vec<_>>(), [None, Some("Failing"), Some("Recalled")]);
        let rows = waiting(&project).rows;
        let [shop, web] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((shop.name.as_str(), shop.verb), ("shop-1.0.0", Some("rollback")));
        assert!(shop.message.ends_with("; kubectl towpath rollback prod --app shop"), "{}", shop.message);
        assert_eq!((web.name.as_str(), web.gate.as_str()), ("web-1.0.0", "Recalled"));
    }
}
