//! Every gate except Approval, in the order in which they are reported. Approval is evaluated by the promotion, because it depends on the
//! digest of what would be written.

use super::approvals::{requester_may_promote, rules_are_in_force};
use super::calendar::{deadline_has_not_passed, is_due, is_not_frozen, window_is_open};
use super::gate::Gate;
use super::recalls::{known_overrides, not_held_by_recall, not_recalled};
use super::reviews::failure_is_reviewed;
use super::{Requested, opening};
use crate::api::{CachedRelease, Environment, GateName, Promotion, Reason};
use crate::decide::history::lane::Lane;
use crate::decide::requires;
use crate::decide::world::Project;
use jiff::Timestamp;

/// A release that may enter an environment.
struct Case<'a> {
    project: &'a Project,
    environment: &'a Environment,
    lane: Lane<'a>,
    release: &'a CachedRelease,
    requested: Requested,
    now: Timestamp,
}

/// One gate.
struct Rule {
    /// Its name while it is open. A closed one says its name itself.
    gate: Reason,
    /// What holds while it is open.
    holds: &'static str,
    evaluate: fn(&Case<'_>) -> Gate,
}

const RULES: [Rule; 21] = [
    Rule {
        gate: Reason::NotAStage,
        holds: "the environment is on the path of the release",
        evaluate: |it| super::is_a_stage(it.project, it.environment, it.release),
    },
    Rule {
        gate: Reason::Environment,
        holds: "the environment has no fault",
        evaluate: |it| super::accepted(it.project, it.environment, it.now),
    },
    Rule {
        gate: Reason::Security,
        holds: "the admission policies are in force",
        evaluate: |it| rules_are_in_force(it.project),
    },
    Rule {
        gate: Reason::Content,
        holds: "the content of the release is captured",
        evaluate: |it| super::content_is_captured(it.release),
    },
    Rule {
        gate: Reason::Hold,
        holds: "the release is not on hold",
        evaluate: |it| super::not_held(it.release),
    },
    Rule {
        gate: Reason::Recall,
        holds: "no Recall names the content of the release",
        evaluate: |it| not_recalled(it.project, &it.lane, it.release),
    },
    Rule {
        gate: Reason::NotAStage,
        holds: "no newer release was promoted here",
        evaluate: |it| super::not_superseded(it.project, &it.lane, it.release, it.requested),
    },
    Rule {
        gate: Reason::NotAStage,
        holds: "the release was not promoted here before",
        evaluate: |it| super::not_promoted_before(&it.lane, it.release, it.requested),
    },
    Rule {
        gate: Reason::VersionTaken,
        holds: "no other content has the version of the release",
        evaluate: |it| super::version_has_one_content(it.project, it.release),
    },
    Rule {
        gate: Reason::Deadline,
        holds: "the deadline of the release has not passed",
        evaluate: |it| deadline_has_not_passed(it.release, it.now),
    },
    Rule {
        gate: Reason::Order,
        holds: "the release is verified, and has soaked, in every environment before this one",
        evaluate: |it| super::verified_before(it.project, it.environment, it.release, it.now),
    },
    Rule {
        gate: Reason::Requires,
        holds: "what the release requires runs here",
        evaluate: |it| requires::are_met(it.project, it.environment, it.release),
    },
    Rule {
        gate: Reason::FailureHold,
        holds: "the content of the release has not failed here",
        evaluate: |it| super::content_has_not_failed(&it.lane, it.release, it.requested),
    },
    Rule {
        gate: Reason::FailureHold,
        holds: "no failure holds the environment",
        evaluate: |it| super::not_held_by_failure(&it.lane, it.requested),
    },
    Rule {
        gate: Reason::FailureHold,
        holds: "no recalled content holds the environment",
        evaluate: |it| not_held_by_recall(it.project, it.environment, &it.lane, it.requested),
    },
    Rule {
        gate: Reason::Review,
        holds: "no failure here waits for a review",
        evaluate: |it| failure_is_reviewed(it.project, it.environment, &it.lane, it.release),
    },
    Rule {
        gate: Reason::Manual,
        holds: "the environment accepts this promotion",
        evaluate: |it| super::mode_allows(it.environment, it.requested),
    },
    Rule {
        gate: Reason::Requester,
        holds: "the requester may promote here",
        evaluate: |it| match it.requested {
            Requested::ByController => requester_may_promote(it.project, it.environment, it.release),
            Requested::ByPerson => Gate::Open,
        },
    },
    Rule {
        gate: Reason::NotBefore,
        holds: "the earliest start of the release has passed",
        evaluate: |it| is_due(it.environment, it.release, it.now),
    },
    Rule {
        gate: Reason::Window,
        holds: "the windows of the environment allow a start",
        evaluate: |it| window_is_open(it.environment, it.now),
    },
    Rule {
        gate: Reason::Freeze,
        holds: "no freeze is in force",
        evaluate: |it| is_not_frozen(it.project, it.environment, it.release, it.now),
    },
];

/// One gate of a release in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub gate: Reason,
    /// What holds while it is open.
    pub holds: &'static str,
    /// Whether it is open now.
    pub state: Gate,
    /// Whether it is closed and the promotion passes it nevertheless.
    pub overridden: bool,
}

/// Every gate except Approval, in the order in which they are reported. `promotion` is the pending promotion of the release, if there is
/// one.
pub fn list(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    promotion: Option<&Promotion>,
    now: Timestamp,
) -> Vec<Listed> {
    let lane = Lane::of(project, environment, &release.application_name());
    let requested = promotion.map_or(Requested::ByController, Requested::of);
    let asked = promotion.and_then(|promotion| Some((promotion, promotion.spec.override_.as_ref()?)));
    let overridden = asked
        .map(|(promotion, asked)| known_overrides(project, &lane, release, promotion, &asked.gates))
        .unwrap_or_default();
    let case = Case { project, environment, lane, release, requested, now };
    let listed = RULES.iter().map(|rule| {
        let state = (rule.evaluate)(&case);
        let gate = match &state {
            Gate::Closed { gate, .. } => gate.clone(),
            Gate::Open | Gate::Never { .. } => rule.gate.clone(),
        };
        let overridden = matches!(&state, Gate::Closed { gate, .. } if is_overridden(gate, &overridden));
        Listed { gate, holds: rule.holds, state, overridden }
    });
    listed.collect()
}

/// Evaluates the gates, and returns the first that is closed. If that one opens with time, the one of its kind that opens last is
/// returned. An overridden gate counts as open.
pub fn evaluate(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    requested: Requested,
    overridden: &[GateName],
    now: Timestamp,
) -> Gate {
    let lane = Lane::of(project, environment, &release.application_name());
    let case = Case { project, environment, lane, release, requested, now };
    let is_closed = |gate: &Gate| match gate {
        Gate::Open => false,
        Gate::Never { .. } => true,
        Gate::Closed { gate, .. } => !is_overridden(gate, overridden),
    };
    let found = RULES.iter().map(|rule| (rule.evaluate)(&case)).find(is_closed).unwrap_or(Gate::Open);
    if !opens_with_time(&found) {
        return found;
    }
    let closed_at = |at: Timestamp| {
        let order = super::verified_before(project, environment, release, at);
        let gates = std::iter::once(order).chain(times(project, environment, release, at));
        gates.filter(|gate| opens_with_time(gate) && is_closed(gate)).collect()
    };
    opening::last_to_open(&closed_at, now)
}

/// The first time from `at` on at which `notBefore`, the windows and the freezes let a release start. If that is later than `at`, the gate
/// that opens last.
pub fn opens_after(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    at: Timestamp,
) -> Gate {
    let closed_at =
        |at: Timestamp| times(project, environment, release, at).filter(opens_with_time).collect();
    opening::last_to_open(&closed_at, at)
}

/// The gates of the calendar at a time.
fn times(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    at: Timestamp,
) -> impl Iterator<Item = Gate> {
    [
        is_due(environment, release, at),
        window_is_open(environment, at),
        is_not_frozen(project, environment, release, at),
    ]
    .into_iter()
}

fn is_overridden(gate: &Reason, overridden: &[GateName]) -> bool {
    overridden.iter().any(|name| name.reason() == *gate)
}

fn opens_with_time(gate: &Gate) -> bool {
    matches!(gate, Gate::Closed { gate, .. } if gate.opens_by_itself())
}
