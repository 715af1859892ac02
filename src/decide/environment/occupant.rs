//! Which environment occupies a target namespace that several name.
//!
//! Invariant: an environment without the consent of the namespace owner does not occupy its target. An
//! environment does not block another one by naming its namespace.

use crate::api::EnvironmentId;
use jiff::Timestamp;

/// An environment that names the target namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// The environment.
    pub id: EnvironmentId,
    /// Whether the owner of the namespace is known to have consented to it.
    pub has_consent: bool,
    /// Whether Towpath started a promotion to it in the namespace that exists now.
    pub has_revision: bool,
    /// When it was created.
    pub created: Option<Timestamp>,
}

/// The environment that occupies the namespace: of those with consent, the one that has a revision there, then the oldest.
pub fn occupant(contenders: impl IntoIterator<Item = Contender>) -> Option<EnvironmentId> {
    let consented = contenders.into_iter().filter(|contender| contender.has_consent);
    let order = |contender: &Contender| (!contender.has_revision, contender.created, contender.id.clone());
    consented.min_by_key(order).map(|contender| contender.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, has_consent: bool, has_revision: bool, created: &str) -> Contender {
        Contender {
            id: EnvironmentId { project: name.into(), environment: "prod".into() },
            has_consent,
            has_revision,
            created: Some(format!("2026-11-02T{created}Z").parse().unwrap()),
        }
    }

    #[test]
    fn only_an_environment_with_consent_occupies_a_namespace() {
        let early = |consent, revision| contender("early", consent, revision, "10:00:00");
        let late = |consent, revision| contender("late", consent, revision, "11:00:00");
        for (contenders, expected) in [
            (vec![], None),
            (vec![early(false, false)], None),
            (vec![early(false, false), late(true, false)], Some("late")),
            (vec![late(true, false), early(true, false)], Some("early")),
            // A second consent does not take the namespace from the environment that runs there.
            (vec![early(true, false), late(true, true)], Some("late")),
            // Consent was withdrawn.
            (vec![early(true, false), late(false, true)], Some("early")),
            (
                vec![contender("b", true, false, "10:00:00"), contender("a", true, false, "10:00:00")],
                Some("a"),
            ),
        ] {
            let found = occupant(contenders.clone()).map(|id| id.project.to_string());
            assert_eq!(found.as_deref(), expected, "{contenders:?}");
        }
    }
}
