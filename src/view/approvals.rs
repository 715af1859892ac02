//! The approvals of a release in an environment, as far as they are known.

use crate::api::{Approvals, CachedRelease, Environment, GateName, Promotion};
use crate::decide::gates::approvals::{may_start_unapproved, required_approvals};
use crate::decide::world::Project;

/// How far the approvals are.
pub(super) enum ApprovalState {
    /// The environment requires none for this release.
    NotRequired,
    /// The promotion overrides the gate.
    Overridden,
    /// All are given.
    Given,
    /// Some are missing; which ones.
    Missing(String),
    /// They may follow after the start.
    MayFollow,
    /// They are required, and are counted once a promotion waits for them; how many.
    Required(String),
}

/// The approvals of a release. `promotion` is its pending promotion, if there is one.
pub(super) fn approval_state(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    promotion: Option<&Promotion>,
) -> ApprovalState {
    let Some(rules) = required_approvals(project, environment, release) else {
        return ApprovalState::NotRequired;
    };
    let asked = promotion.and_then(|promotion| promotion.spec.override_.as_ref());
    if asked.is_some_and(|asked| asked.gates.contains(&GateName::Approval)) {
        return ApprovalState::Overridden;
    }
    let report = promotion.and_then(|promotion| promotion.status.as_ref()?.approvals.as_ref());
    match report.map(|report| &report.needed) {
        Some(None) => ApprovalState::Given,
        Some(Some(needed)) => ApprovalState::Missing(format!("it {needed}")),
        None if may_start_unapproved(project, environment, rules, release).is_some() => {
            ApprovalState::MayFollow
        }
        None => ApprovalState::Required(required(rules)),
    }
}

/// The approvals that an environment requires, in words.
fn required(rules: &Approvals) -> String {
    let groups = rules.from.iter().map(|group| format!("{} from {}", group.at_least, group.group));
    let groups = groups.collect::<Vec<_>>().join(", ");
    let of = if groups.is_empty() { String::new() } else { format!(", {groups}") };
    match rules.required {
        1 => format!("1 approval is required{of}"),
        required => format!("{required} approvals are required{of}"),
    }
}
