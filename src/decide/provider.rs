//! A CheckProvider: asked when it is created or changed, again while it does not answer, and now and then when no check asks it.

use super::checks::printable;
use super::conditions;
use super::conditions::State;
use super::decision::{Action, Decision};
use super::moments::later;
use super::world::{ProviderHealth, ProviderWorld};
use crate::api::{CheckProviderStatus, Meta, Reason};
use jiff::{SignedDuration, Timestamp};

/// The delay before a provider that does not answer is asked again.
const RETRY: SignedDuration = SignedDuration::from_secs(60);
/// How long an answer counts.
const KNOWN_FOR: SignedDuration = SignedDuration::from_mins(10);
/// How long an answer may take.
const LONGEST: SignedDuration = SignedDuration::from_secs(30);

/// Decides about one provider.
pub fn decide(world: &ProviderWorld, now: Timestamp) -> Decision<CheckProviderStatus> {
    let provider = &world.provider;
    if provider.deleting() {
        return Decision::default();
    }
    let generation = provider.generation();
    let ask = Action::AskProvider { provider: provider.name().to_owned() };
    let is_of_it = |health: &&ProviderHealth| health.uid == provider.uid() && health.generation == generation;
    let known = world.health.as_ref().filter(is_of_it);
    let Some(health) = known else {
        return Decision { actions: vec![ask], wake_at: Some(later(now, LONGEST)), ..Decision::default() };
    };
    let (state, reason, message) = match &health.error {
        None => (State::Ready, Reason::Reachable, "the provider answers".to_owned()),
        Some(error) => (State::Reconciling, Reason::Unreachable, printable(error, 1000)),
    };
    let stored = provider.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let status = CheckProviderStatus {
        observed_generation: generation,
        conditions: conditions::of_state(&state, &reason, &message, generation, stored, now),
    };
    let again = later(health.at, if health.error.is_some() { RETRY } else { KNOWN_FOR });
    let is_due = again <= now;
    Decision {
        report: (provider.status.as_ref() != Some(&status)).then_some(status),
        actions: if is_due { vec![ask] } else { Vec::new() },
        wake_at: Some(if is_due { later(now, LONGEST) } else { again }),
        ..Decision::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{CheckProvider, CheckProviderSpec};
    use serde_json::json;
    use std::sync::Arc;

    fn world(health: Option<ProviderHealth>) -> ProviderWorld {
        let spec = json!({ "prometheus": { "url": "http://prometheus:9090" }, "projects": ["*"] });
        let spec: CheckProviderSpec = serde_json::from_value(spec).unwrap();
        let mut provider = CheckProvider::new("metrics", spec);
        provider.metadata.generation = Some(2);
        provider.metadata.uid = Some("new".to_owned());
        ProviderWorld { provider: Arc::new(provider), health }
    }

    #[test]
    fn the_words_of_a_provider_are_printable() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let error = Some(format!("answers 500: \u{1b}[31m\n\u{0}{}", "x".repeat(9_000)));
        let report = decide(
            &world(Some(ProviderHealth { uid: "new".to_owned(), generation: 2, error, at: now })),
            now,
        )
        .report;
        for condition in report.unwrap().conditions {
            assert!(!condition.message.contains(char::is_control), "{}", condition.message);
            assert!(
                condition.message.starts_with("answers 500: \\u{1b}[31m\\n")
                    && condition.message.len() < 1_100
            );
        }
    }

    #[test]
    fn a_provider_is_asked_once_and_again_while_it_does_not_answer() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let of = |uid: &str, generation, error: Option<&str>, age: i64| {
            let at = now - SignedDuration::from_secs(age);
            Some(ProviderHealth { uid: uid.to_owned(), generation, error: error.map(str::to_owned), at })
        };
        let health = |generation, error, age| of("new", generation, error, age);
        for (what, health, asks, ready, wakes) in [
            ("new", None, 1, None, Some(30)),
            ("changed since", health(1, None, 5), 1, None, Some(30)),
            ("created again since", of("old", 2, None, 5), 1, None, Some(30)),
            ("answers", health(2, None, 5), 0, Some("True"), Some(595)),
            ("answered long ago", health(2, None, 9_000), 1, Some("True"), Some(30)),
            ("does not answer", health(2, Some("cannot connect"), 5), 0, Some("False"), Some(55)),
            ("did not answer", health(2, Some("cannot connect"), 60), 1, Some("False"), Some(30)),
        ] {
            let decision = decide(&world(health), now);
            assert_eq!(decision.actions.len(), asks, "{what}");
            let found = decision.report.as_ref().map(|status| {
                status.conditions.iter().find(|it| it.type_ == "Ready").unwrap().status.clone()
            });
            assert_eq!(found.as_deref(), ready, "{what}");
            assert_eq!(decision.wake_at.map(|at| at.duration_since(now).as_secs()), wakes, "{what}");
        }
    }
}
