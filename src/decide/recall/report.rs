//! The status of a recall: a line per environment, and one state for all of them.

use super::disposition::{Disposition, is_of_recall, no_target_left};
use crate::api::{Meta, Promotion, PromotionPhase, Reason, Recall, RecallStatus, RecalledIn, ready};
use crate::decide::conditions::{self, State, cut};
use crate::decide::decision::{Decision, Note};
use crate::decide::history::lane::Lane;
use crate::decide::history::target::irreversible_release;
use crate::decide::world::Project;
use jiff::Timestamp;

/// Maximum number of environments in the status. Rollbacks are created in further environments as well.
const MOST_LINES: usize = 50;

/// The line of an environment. None if the recalled content neither runs there nor ran there.
pub(super) fn line(
    project: &Project,
    lane: &Lane<'_>,
    recall: &Recall,
    found: &Disposition<'_>,
) -> Option<RecalledIn> {
    let of = |state: Reason, message: String, promotion: Option<&str>| {
        Some(RecalledIn {
            name: lane.environment.clone(),
            state: state.to_string(),
            message: cut(&message, 1024),
            promotion: promotion.map(str::to_owned),
        })
    };
    match found {
        Disposition::NotHere => past(project, lane, recall),
        Disposition::Observed => {
            let message =
                "another tool deploys to this environment (delivery: Observed); roll back with that tool";
            of(Reason::Observed, message.into(), None)
        }
        Disposition::Ends(rollback) => {
            let name = rollback.name();
            of(
                Reason::RollingBack,
                format!("{name} restores the recalled content, and ends first"),
                Some(name),
            )
        }
        Disposition::Pending(rollback) => {
            of(Reason::RollingBack, in_progress(rollback.name()), Some(rollback.name()))
        }
        Disposition::RollBack { name, .. } => of(Reason::RollingBack, in_progress(name), Some(name)),
        Disposition::Refused(rollback) => {
            of(Reason::RollbackFailed, message_of(rollback), Some(rollback.name()))
        }
        Disposition::Irreversible { promotion, to } => {
            of(Reason::Irreversible, irreversible_release(promotion, *to), None)
        }
        Disposition::NoTarget => {
            let release = lane.current().and_then(|current| lane.content_of(current));
            let release = release.map(|origin| origin.spec.release.clone()).unwrap_or_default();
            of(Reason::NoTarget, no_target_left(project, lane, &release), None)
        }
    }
}

/// What became of an environment that ran the recalled content.
fn past(project: &Project, lane: &Lane<'_>, recall: &Recall) -> Option<RecalledIn> {
    let stored = recall.status.iter().flat_map(|status| &status.environments);
    let stored = stored.into_iter().find(|line| line.name == lane.environment);
    let is_stored =
        |name: &str| stored.is_some_and(|line| line.promotion.as_deref().is_some_and(|it| it == name));
    let replaced = |rollback: &Promotion| {
        let replaced = rollback.status.as_ref().and_then(|status| lane.revision(status.replaces?));
        replaced.and_then(|replaced| lane.release_digest(replaced)).is_some_and(|digest| recall.names(digest))
    };
    let rollbacks = lane.here().rev().filter(|promotion| is_of_recall(promotion));
    let mut own = rollbacks.filter(|rollback| is_stored(rollback.name()) || replaced(rollback));
    let Some(rollback) = own.next() else {
        // The history limit has deleted the rollback: its outcome stays in the status.
        let is_deleted = |name: &String| !project.promotions.contains_key(name);
        let is_done = |line: &&RecalledIn| Reason::from(line.state.as_str()) == Reason::RolledBack;
        return stored
            .filter(is_done)
            .filter(|line| line.promotion.as_ref().is_some_and(is_deleted))
            .cloned();
    };
    let is_current = lane.current().is_some_and(|current| current.name() == rollback.name());
    let (state, message) = match rollback.phase() {
        PromotionPhase::Pending | PromotionPhase::Promoting | PromotionPhase::Observing => {
            (Reason::RollingBack, in_progress(rollback.name()))
        }
        PromotionPhase::Failed | PromotionPhase::Inconclusive if is_current => {
            (Reason::RollbackFailed, message_of(rollback))
        }
        PromotionPhase::Verified
        | PromotionPhase::Failed
        | PromotionPhase::Inconclusive
        | PromotionPhase::Superseded
        | PromotionPhase::Cancelled
        | PromotionPhase::Compared => (Reason::RolledBack, restored(rollback)),
    };
    Some(RecalledIn {
        name: lane.environment.clone(),
        state: state.to_string(),
        message: cut(&message, 1024),
        promotion: Some(rollback.name().to_owned()),
    })
}

/// The same from the creation of a rollback to its end, because its own status reports the steps.
fn in_progress(rollback: &str) -> String {
    format!("{rollback} is in progress")
}

fn restored(rollback: &Promotion) -> String {
    let version = rollback.status.as_ref().and_then(|status| status.version.as_deref());
    format!("rolled back to {}", version.unwrap_or("an earlier revision"))
}

fn message_of(rollback: &Promotion) -> String {
    let message = rollback.status.as_ref().and_then(|status| status.message.as_deref());
    format!("{}: {}", rollback.name(), message.unwrap_or_default())
}

/// The report of these lines, if it is another than the stored one.
pub(super) fn report(recall: &Recall, mut lines: Vec<RecalledIn>, now: Timestamp) -> Decision<RecallStatus> {
    lines.truncate(MOST_LINES);
    let (state, reason) = state(&lines);
    let message = match lines.is_empty() {
        true => "no environment runs the recalled content".to_owned(),
        false => {
            let line = |line: &RecalledIn| format!("{}: {}", line.name, line.message);
            lines.iter().map(line).collect::<Vec<_>>().join("; ")
        }
    };
    let stored = recall.status.clone().unwrap_or_default();
    let generation = recall.generation();
    let conditions = conditions::of_state(&state, &reason, &message, generation, &stored.conditions, now);
    let was = ready(&stored.conditions);
    let is_news = was.is_none_or(|was| was.reason != reason.as_str());
    let status = RecallStatus { observed_generation: generation, environments: lines, conditions };
    if recall.status.as_ref() == Some(&status) {
        return Decision::default();
    }
    let note = Note { warning: state != State::Ready, reason, message: cut(&message, 900) };
    Decision {
        report: Some(status),
        notes: is_news.then_some(note).into_iter().collect(),
        ..Decision::default()
    }
}

/// What needs a person counts first, then what is in progress, then what another tool has to do.
fn state(lines: &[RecalledIn]) -> (State, Reason) {
    let order = [
        (Reason::NoTarget, State::Stalled),
        (Reason::Irreversible, State::Stalled),
        (Reason::RollbackFailed, State::Stalled),
        (Reason::RollingBack, State::Reconciling),
        (Reason::Observed, State::Reconciling),
    ];
    let is_in = |reason: &Reason| lines.iter().any(|line| line.state == reason.as_str());
    let found = order.into_iter().find(|(reason, _)| is_in(reason));
    found.map_or((State::Ready, Reason::Recalled), |(reason, state)| (state, reason))
}
