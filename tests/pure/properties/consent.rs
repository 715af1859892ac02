//! People, windows and freezes of an arbitrary world.

use super::worlds::Choices;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;
use towpath::api::{Approval, ChangeType, GateName, MissingConsent, Recall, UserInfo};
use towpath::decide::world::{Admission, Freeze, Project, Verb};

const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "system:serviceaccount:a:b"];

pub fn user(choices: &mut Choices<'_>) -> UserInfo {
    let groups = if choices.one_in(2) { vec!["leads".to_owned()] } else { vec![] };
    UserInfo { username: choices.of(&PEOPLE).into(), uid: None, groups }
}

/// Rights on the kinds of `spec.kinds` that the owner of a namespace has not granted.
pub fn missing(choices: &mut Choices<'_>) -> MissingConsent {
    let resource = choices.text().chars().take(317).collect();
    MissingConsent { cluster_role: None, resources: vec![resource] }
}

/// Approvals, recalls, freezes, rights and policies. Digests are of what the worlds would write, so that some do count.
pub fn add(project: &mut Project, digests: &[String], choices: &mut Choices<'_>) {
    project.admission = match choices.number(6) {
        0 | 1 => Admission::Disabled,
        2 => Admission::Degraded(choices.text()),
        _ => Admission::Enforced,
    };
    for index in 0..choices.number(5) {
        let name = format!("a{index}");
        let environment = choices.of(&["dev", "dev", "staging", "nowhere"]);
        let release = choices.of(&["r1", "r1", "r2", "gone"]);
        let mut spec = json!({
            "release": { "name": release, "uid": format!("uid-{release}") },
            "environment": { "name": environment, "uid": format!("uid-{environment}") },
            "digest": digests.first().filter(|_| !choices.one_in(3)).cloned().unwrap_or_else(|| "0".repeat(64)),
            "decision": choices.of(&["Approve", "Approve", "Approve", "Reject"]),
            "approver": choices.maybe(user),
        });
        if choices.one_in(3) {
            spec["expiresAt"] = json!(choices.time());
        }
        let mut approval = Approval::new(&name, serde_json::from_value(spec).unwrap());
        approval.metadata.creation_timestamp = choices.maybe(Choices::time);
        project.approvals.insert(name, Arc::new(approval));
    }
    for index in 0..choices.number(3) {
        let from = choices.moment();
        project.freezes.push(Freeze {
            name: format!("ChangeFreeze f{index}"),
            from,
            to: from + SignedDuration::from_secs(choices.of(&[30, 3600, 1])),
            reason: choices.text(),
            environments: if choices.one_in(2) { vec!["dev".into()] } else { vec![] },
            passes: if choices.one_in(2) { vec![ChangeType::Emergency] } else { vec![] },
        });
    }
    recalls(project, choices);
    for name in PEOPLE {
        for groups in [vec![], vec!["leads".to_owned()]] {
            for verb in [Verb::Promote, Verb::Approve, Verb::Declare] {
                let user = UserInfo { username: name.into(), uid: None, groups: groups.clone() };
                for environment in ["dev", "staging", "prod"] {
                    if let Some(answer) = choices.maybe(|choices| !choices.one_in(4)) {
                        project.rights.insert((verb, environment.into(), user.clone()), answer);
                    }
                }
            }
        }
    }
}

fn recalls(project: &mut Project, choices: &mut Choices<'_>) {
    if !choices.one_in(3) {
        return;
    }
    for index in 0..=choices.number(2) {
        let spec = json!({
            "application": choices.of(&["shop", "shop", "other"]),
            "digests": [choices.of(&["here", "here", "other"])],
            "reason": choices.text().chars().take(512).collect::<String>(),
            "author": choices.maybe(user),
        });
        let mut recall = Recall::new(&format!("recall-{index}"), serde_json::from_value(spec).unwrap());
        recall.metadata.creation_timestamp = choices.maybe(Choices::time);
        project.recalls.push(Arc::new(recall));
    }
}

/// What an environment may demand.
pub fn rules(spec: &mut Value, choices: &mut Choices<'_>) {
    if choices.one_in(3) {
        spec["approvals"] = json!({
            "required": choices.of(&[1, 2]),
            "from": if choices.one_in(2) { json!([{ "group": "leads" }]) } else { json!([]) },
            "requesterMayApprove": choices.one_in(2),
            "notFor": if choices.one_in(3) { json!(["Standard"]) } else { json!([]) },
        });
        if choices.one_in(3) {
            spec["approvals"]["emergencyWithin"] = "1h".into();
        }
        if choices.one_in(3) {
            spec["approvals"]["validFor"] = choices.of(&["1s", "24h"]).into();
        }
    }
    if choices.one_in(4) {
        spec["windows"] = json!([{
            "kind": choices.of(&["Allow", "Deny"]),
            "schedule": choices.of(&["0 9 * * *", "* * * * *", "0 0 30 2 *", "nonsense!"]),
            "duration": choices.of(&["1h", "168h", "1m"]),
            "timeZone": choices.of(&["UTC", "Europe/Berlin", "Middle/Earth"]),
        }]);
    }
}

/// What a release may say of its change.
pub fn change(spec: &mut Value, choices: &mut Choices<'_>) {
    if choices.one_in(3) {
        spec["change"] = json!({ "type": choices.of(&["Standard", "Normal", "Emergency"]) });
        if choices.one_in(3) {
            spec["change"]["deadline"] = json!(choices.time());
        }
        if choices.one_in(3) {
            spec["change"]["notBefore"] = json!([{ "environment": "dev", "at": choices.time() }]);
        }
    }
    if choices.one_in(2) {
        spec["requestedBy"] = json!(user(choices));
    }
}

/// Gates that a promotion may pass although they are closed.
pub fn overridden(spec: &mut Value, choices: &mut Choices<'_>) {
    if choices.one_in(5) {
        let gate = choices.of(&[
            GateName::Approval,
            GateName::Window,
            GateName::Freeze,
            GateName::Hold,
            GateName::Recall,
            GateName::Requires,
            GateName::Drift,
        ]);
        spec["override"] = json!({ "gates": [gate], "reason": "it burns" });
    }
    if choices.one_in(2) {
        spec["requestedBy"] = json!(user(choices));
    }
}
