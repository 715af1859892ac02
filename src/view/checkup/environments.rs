//! What the environments of a project need: the owner's consent, providers for their checks, and channels.

use super::{Item, ItemState, Seen, Unseen, item, judged};
use crate::api::{Channel, CheckProvider, Condition, Environment, Meta, Reason, RollbackPolicy, ready};
use crate::decide::consent::{commands, missing_binding, sentence};
use std::collections::{BTreeMap, BTreeSet};

/// The environments of a project, the providers that their checks ask, and the channels that they name.
pub fn environments(
    environments: &[Environment],
    policies: &Seen<Vec<RollbackPolicy>>,
    providers: &Seen<Vec<CheckProvider>>,
    channels: &Seen<Vec<Channel>>,
) -> Vec<Item> {
    let mut items = Vec::new();
    for environment in environments {
        let of = format!("environment/{}", environment.name());
        items.extend(of_environment(&of, environment));
        for notify in &environment.spec.notify {
            let name = notify.channel.as_str();
            items.push(judged(
                &of,
                "channel",
                channels.as_ref().map_err(|it| about(it, "Channel", name)),
                |all| {
                    let found = all.iter().find(|it| it.name() == name);
                    channel(&of, name, found.filter(|it| it.spec.serves(&environment.project())))
                },
            ));
        }
        let policies = match policies {
            Ok(policies) => policies,
            Err(unseen) => {
                items.push(judged(&of, "checks", Err::<(), _>(unseen.clone()), |()| {
                    item(&of, "checks", ItemState::Fine, "")
                }));
                continue;
            }
        };
        let policy = environment.spec.rollback_policy_ref.as_deref();
        let policy = policy
            .and_then(|name| policies.iter().find(|policy| policy.metadata.name.as_deref() == Some(name)));
        let asked: BTreeSet<&str> = policy
            .iter()
            .flat_map(|policy| &policy.spec.checks)
            .filter_map(crate::api::Check::provider)
            .collect();
        let known: Seen<BTreeMap<&str, &CheckProvider>> = match providers {
            Ok(all) => {
                Ok(all.iter().map(|one| (one.metadata.name.as_deref().unwrap_or_default(), one)).collect())
            }
            Err(unseen) => Err(unseen.clone()),
        };
        for name in asked {
            items.push(judged(
                &of,
                "provider",
                known.clone().map_err(|it| about(&it, "CheckProvider", name)),
                |known| provider(&of, name, known.get(name).copied()),
            ));
        }
    }
    items
}

/// Why one object is not shown.
fn about(unseen: &Unseen, kind: &str, name: &str) -> Unseen {
    Unseen { message: format!("{kind} {name}: {}", unseen.message), grant: unseen.grant.clone() }
}

fn of_environment(of: &str, environment: &Environment) -> Vec<Item> {
    let conditions =
        environment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let observed = environment.status.as_ref().map_or(-1, |status| status.observed_generation);
    let Some(ready) = ready(conditions).filter(|_| observed >= environment.generation()) else {
        let message = "the controller has not observed it: does it run, and does it serve this project?";
        return vec![item(of, "ready", ItemState::Missing, message)];
    };
    let degraded = conditions.iter().find(|it| it.type_ == "SecurityDegraded" && it.status == "True");
    let is_fine = ready.status == "True"
        || environment.status.iter().any(|it| it.applications.iter().any(|it| it.active.is_some()));
    let mut items = vec![match is_fine {
        true => item(of, "ready", ItemState::Fine, "the controller reports no fault"),
        false => faulty(of, "ready", ready, environment),
    }];
    items.extend(degraded.map(|condition| faulty(of, "policies", condition, environment)));
    items
}

/// Whether the owner of the target namespace has consented. `bound` is whether a RoleBinding there names the identity of the environment.
/// None if the environment reports it itself.
pub fn consent(environment: &Environment, bound: Result<bool, &Unseen>) -> Option<Item> {
    let of = format!("environment/{}", environment.name());
    let conditions =
        environment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let reason = ready(conditions).map(|ready| ready.reason.as_str());
    if reason == Some(Reason::NotGranted.as_str()) {
        return None;
    }
    let has_run = environment.status.iter().any(|it| it.applications.iter().any(|it| it.current.is_some()));
    let namespace = &environment.spec.namespace;
    Some(match bound {
        Ok(true) => {
            item(&of, "consent", ItemState::Fine, format!("a RoleBinding in {namespace} names its identity"))
        }
        Ok(false) => {
            let missing = missing_binding(environment);
            item(&of, "consent", ItemState::Missing, sentence(environment, &missing))
                .fixed_by(commands(environment, &missing).join("\n"))
        }
        Err(_) if has_run => item(
            &of,
            "consent",
            ItemState::Fine,
            "releases were promoted here, and the controller reports no fault",
        ),
        Err(unseen) => {
            Item { fix: unseen.grant.clone(), ..item(&of, "consent", ItemState::Unknown, &unseen.message) }
        }
    })
}

/// What a condition reports, and the commands that fix it, as far as they are known.
fn faulty(of: &str, name: &str, condition: &Condition, environment: &Environment) -> Item {
    let reason = condition.reason.as_str();
    let missing = environment.status.as_ref().and_then(|status| status.missing_consent.as_ref());
    if let Some(missing) = missing.filter(|_| reason == Reason::NotGranted.as_str()) {
        let message = format!("{reason}: {}", sentence(environment, missing));
        return item(of, name, ItemState::Missing, message)
            .fixed_by(commands(environment, missing).join("\n"));
    }
    // Further lines may be what a container wrote.
    let first = condition.message.lines().next().unwrap_or_default();
    let found = item(of, name, ItemState::Missing, format!("{reason}: {first}"));
    match reason == Reason::NamespaceMissing.as_str() {
        true => found.fixed_by(format!("kubectl create namespace {}", environment.spec.namespace)),
        false => found,
    }
}

/// A channel that serves the project, if there is one.
fn channel(of: &str, name: &str, found: Option<&Channel>) -> Item {
    let Some(found) = found else {
        return item(
            of,
            "channel",
            ItemState::Missing,
            format!("there is no Channel {name} for this project"),
        )
        .fixed_by("the platform team creates it: kubectl explain channel.spec");
    };
    let conditions = found.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    match ready(conditions) {
        Some(ready) if ready.status == "True" => {
            item(of, "channel", ItemState::Fine, format!("Channel {name}: {}", ready.message))
        }
        Some(ready) => item(of, "channel", ItemState::Missing, format!("Channel {name}: {}", ready.message))
            .fixed_by(format!("kubectl describe channel {name}")),
        None => item(of, "channel", ItemState::Unknown, format!("Channel {name} was not observed yet")),
    }
}

fn provider(of: &str, name: &str, found: Option<&CheckProvider>) -> Item {
    let Some(found) = found else {
        return item(of, "provider", ItemState::Missing, format!("there is no CheckProvider {name}"))
            .fixed_by("the platform team creates it: kubectl explain checkprovider.spec");
    };
    let conditions = found.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    match ready(conditions) {
        Some(ready) if ready.status == "True" => {
            item(of, "provider", ItemState::Fine, format!("CheckProvider {name} answers"))
        }
        Some(ready) => {
            item(of, "provider", ItemState::Missing, format!("CheckProvider {name}: {}", ready.message))
                .fixed_by(format!("kubectl describe checkprovider {name}"))
        }
        None => item(of, "provider", ItemState::Unknown, format!("CheckProvider {name} was not asked yet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture_tests::{environment, project, the_environment};
    use serde_json::json;

    #[test]
    fn a_channel_that_the_user_may_not_see_is_named() {
        let notify = json!([{ "channel": "hook" }, { "channel": "mail" }]);
        let project = project([environment("prod", json!({ "spec": { "notify": notify } }))]);
        let unseen = || Unseen { message: "not shown: list channels".to_owned(), grant: None };
        let prod = the_environment(&project, "prod");
        let items = environments(&[(*prod).clone()], &Ok(Vec::new()), &Ok(Vec::new()), &Err(unseen()));
        let said: Vec<&str> =
            items.iter().filter(|it| it.name == "channel").map(|it| it.message.as_str()).collect();
        let wanted = ["Channel hook: not shown: list channels", "Channel mail: not shown: list channels"];
        assert_eq!(said, wanted);
    }
}
