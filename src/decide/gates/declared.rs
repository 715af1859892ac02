//! The type of a change as it counts in one environment.
//!
//! Invariant: `Standard` and `Emergency` count only where the requester of the release holds the verb `declare`. Anywhere else the release
//! counts as `Normal`, whatever its spec says: a requester does not pass approvals or freezes by writing a word.

use crate::api::{CachedRelease, ChangeType, Environment, Meta};
use crate::decide::world::{Admission, Project, Verb};

/// What a release declares, and what it counts as in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The type in `spec.change.type` of the release.
    pub declared: ChangeType,
    /// The type that counts here.
    pub counts_as: ChangeType,
    /// Why the declared type does not count here.
    pub refusal: Option<String>,
}

impl Declared {
    /// A message with the reason why the declared type does not count, if that type would have made a difference.
    pub fn explain(&self, message: String, makes_a_difference: bool) -> String {
        match &self.refusal {
            Some(refusal) if makes_a_difference => format!("{message}; {refusal}"),
            Some(_) | None => message,
        }
    }
}

/// The type of the change that a release makes in an environment.
pub fn declared(project: &Project, environment: &Environment, release: &CachedRelease) -> Declared {
    let declared = release.change.as_ref().map(|change| change.type_).unwrap_or_default();
    if declared == ChangeType::Normal {
        return Declared { declared, counts_as: declared, refusal: None };
    }
    match refusal(project, environment, release, declared) {
        None => Declared { declared, counts_as: declared, refusal: None },
        Some(why) => Declared {
            declared,
            counts_as: ChangeType::Normal,
            refusal: Some(format!("it counts as Normal here, not as {}: {why}", declared.as_str())),
        },
    }
}

fn refusal(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    declared: ChangeType,
) -> Option<String> {
    if project.admission == Admission::Disabled {
        return Some(
            "Towpath was installed with admission.enabled=false, so the right to declare is not checked"
                .to_owned(),
        );
    }
    let Some(requester) = release.requested_by() else {
        return Some(
            "no requester is recorded, because the release is older than the admission policies".to_owned(),
        );
    };
    let name = &requester.username;
    match project.may(Verb::Declare, environment, &requester) {
        Some(true) => None,
        Some(false) => Some(format!(
            "{name} may not declare {} changes; grant them the verb declare on environments/{}",
            declared.as_str(),
            environment.name()
        )),
        None => Some(format!("checking with the API server whether {name} may declare")),
    }
}

#[cfg(test)]
#[path = "declared_tests.rs"]
mod tests;
