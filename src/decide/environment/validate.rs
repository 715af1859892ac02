//! Faults of a spec that depend on other objects: unknown names, cycles, a target namespace that another environment occupies.

use crate::api::{Environment, EnvironmentName, Reason, RollbackPolicySpec};
use crate::content::template_fault;
use crate::decide::checks;
use crate::decide::consent;
use crate::decide::gates::schedule::check_all;
use crate::decide::world::Project;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Why an environment cannot accept promotions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason for the condition.
    pub reason: Reason,
    /// The field, what is wrong with it, and what to do.
    pub message: String,
}

/// The first fault of an environment.
pub fn environment(project: &Project, environment: &Environment, now: Timestamp) -> Option<Fault> {
    unknown_name(project, environment)
        .or_else(|| cycle(project, environment))
        .or_else(|| shared_target(project, environment))
        .or_else(|| unknown_policy(project, environment))
        .or_else(|| invalid_policy(project, environment))
        .or_else(|| unusable_windows(environment, now))
        .or_else(|| unusable_test(environment))
}

/// What is wrong with the target of an environment: the namespace does not exist, or its owner has not consented.
pub fn target(project: &Project, environment: &Environment) -> Option<Fault> {
    let namespace = &environment.spec.namespace;
    match project.namespace(environment) {
        None => Some(Fault {
            reason: Reason::NamespaceMissing,
            message: format!("spec.namespace {namespace} does not exist; create it, or ask its owner to"),
        }),
        Some(facts) if facts.terminating => Some(Fault {
            reason: Reason::NamespaceTerminating,
            message: format!("the namespace {namespace} is being deleted"),
        }),
        Some(_) => project.missing_consent(environment).map(|missing| Fault {
            reason: Reason::NotGranted,
            message: consent::message(environment, missing),
        }),
    }
}

fn unknown_name(project: &Project, environment: &Environment) -> Option<Fault> {
    let unknown = environment.spec.after.iter().find(|name| !project.environments.contains_key(*name))?;
    Some(Fault {
        reason: Reason::UnknownEnvironment,
        message: format!(
            "spec.after names {unknown}, which does not exist in project {}; known: {}",
            project.name,
            project.environments.keys().map(EnvironmentName::as_str).collect::<Vec<_>>().join(", ")
        ),
    })
}

/// The cycle that an environment is part of, if `after` leads back to it.
pub fn cycle(project: &Project, environment: &Environment) -> Option<Fault> {
    let start = environment.environment_name();
    let path = path_back(project, &start)?;
    Some(Fault {
        reason: Reason::OrderCycle,
        message: format!(
            "spec.after forms a cycle: {}; remove one of these names from spec.after",
            path.join(" after ")
        ),
    })
}

/// The path from an environment along `after` back to itself.
fn path_back<'a>(project: &'a Project, start: &'a EnvironmentName) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut stack = vec![vec![start.as_str()]];
    while let Some(path) = stack.pop() {
        let after =
            path.last().and_then(|name| project.environments.get(*name)).map(|env| env.spec.after.as_slice());
        for name in after.unwrap_or_default() {
            let mut longer = path.clone();
            longer.push(name);
            if name == start {
                return Some(longer);
            }
            if seen.insert(name.as_str()) {
                stack.push(longer);
            }
        }
    }
    None
}

/// Whether `after` of an environment contains `other`, directly or through other environments.
pub fn comes_after(project: &Project, environment: &Environment, other: &EnvironmentName) -> bool {
    let mut seen = BTreeSet::new();
    let mut stack = vec![environment.spec.after.as_slice()];
    while let Some(after) = stack.pop() {
        for before in after {
            if before == other {
                return true;
            }
            if seen.insert(before) {
                stack.extend(project.environments.get(before).map(|env| env.spec.after.as_slice()));
            }
        }
    }
    false
}

fn shared_target(project: &Project, environment: &Environment) -> Option<Fault> {
    let own = project.id(environment);
    let other = project.targets.get(&environment.location())?.iter().find(|other| **other != own)?;
    Some(Fault {
        reason: Reason::SharedNamespace,
        message: format!(
            "spec.namespace {} is also the target of {other}, which has the consent of its owner; two environments cannot share \
             a namespace: delete one of them, or name another namespace",
            environment.spec.namespace
        ),
    })
}

fn unusable_windows(environment: &Environment, now: Timestamp) -> Option<Fault> {
    let fault = check_all(&environment.spec.windows, now).err()?;
    Some(Fault { reason: Reason::InvalidWindow, message: format!("spec.{}: {}", fault.field, fault.message) })
}

/// A test whose pod would not show how it ended. The API server checks the rest of its template when a promotion tries the pod.
fn unusable_test(environment: &Environment) -> Option<Fault> {
    environment.spec.tests.iter().find_map(|test| {
        let (field, problem) = template_fault(&test.template)?;
        let message = format!("spec.tests, test {}: template.{field}: {problem}", test.name);
        Some(Fault { reason: Reason::InvalidTest, message })
    })
}

/// The rollback policy that an environment names and that does not exist.
pub fn unknown_policy(project: &Project, environment: &Environment) -> Option<Fault> {
    let name = environment.spec.rollback_policy_ref.as_ref()?;
    (!project.policies.contains_key(name)).then(|| Fault {
        reason: Reason::UnknownPolicy,
        message: format!(
            "spec.rollbackPolicyRef names {name}, which does not exist in project {} or cannot be read",
            project.name
        ),
    })
}

fn invalid_policy(project: &Project, environment: &Environment) -> Option<Fault> {
    let name = environment.spec.rollback_policy_ref.as_ref()?;
    let message = checks::validate::checks(project.policies.get(name)?, &project.name, &project.providers)?;
    Some(Fault { reason: Reason::InvalidPolicy, message: format!("RollbackPolicy {name}: {message}") })
}

/// The environments in the order in which a release passes them. Environments in a cycle come last, ordered by name.
pub fn in_order(project: &Project) -> Vec<&EnvironmentName> {
    let mut order: Vec<&EnvironmentName> = Vec::new();
    let mut left: Vec<&EnvironmentName> = project.environments.keys().collect();
    while !left.is_empty() {
        let ready = left.iter().position(|name| {
            project.environments.get(*name).is_none_or(|env| {
                env.spec.after.iter().all(|before| order.contains(&before) || !left.contains(&before))
            })
        });
        let next = left.remove(ready.unwrap_or(0));
        order.push(next);
    }
    order
}

/// The rollback policy of an environment, or the defaults if it names none.
pub fn policy(project: &Project, environment: &Environment) -> RollbackPolicySpec {
    environment
        .spec
        .rollback_policy_ref
        .as_ref()
        .and_then(|name| project.policies.get(name))
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture_tests::{at, environment as prod, project, the_environment};
    use serde_json::{Value, json};

    #[test]
    fn a_test_whose_pod_would_not_show_how_it_ended_is_a_fault_that_names_the_field() {
        let fault = |more: Value| {
            let mut main = json!({ "name": "main", "image": "t" });
            main.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
            let template = json!({ "spec": { "containers": [main] } });
            let project = project([prod(
                "prod",
                json!({ "spec": { "tests": [{ "name": "smoke", "template": template }] } }),
            )]);
            environment(&project, &the_environment(&project, "prod"), at("12:00:00"))
        };
        assert_eq!(fault(json!({})), None);
        let found = fault(json!({ "restartPolicyRules": [{}] })).unwrap();
        assert_eq!(found.reason, Reason::InvalidTest);
        let field = "spec.tests, test smoke: template.spec.containers[0].restartPolicyRules: write Never";
        assert!(found.message.starts_with(field), "{}", found.message);
    }
}
