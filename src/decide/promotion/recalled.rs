//! A promotion whose content is recalled, and a rollback that would restore recalled content.

use super::consequence::Consequence;
use super::outcome::{Outcome, Turn};
use super::{Decision, Scene};
use crate::api::{Delivery, Reason, Recall};
use crate::decide::history::recalled::is_overridden;
use crate::decide::history::target::{irreversible_release, recall_target};
use crate::decide::recall::{Disposition, disposition, is_of_recall, no_target_left, why};

/// Ends a promotion whose content was recalled after it started. If a rollback follows, that ends the promotion.
pub(super) fn ended(scene: &Scene<'_>) -> Turn<Option<Decision>> {
    let Some(recall) = scene.lane.recalled_by(&scene.world.promotion) else { return Ok(None) };
    let follows = !scene.is_rollback() && is_rolled_back(scene, recall);
    match follows {
        true => Ok(Some(Decision::default())),
        false => Err(Outcome::Failed { reason: Reason::Recalled, message: why(recall) }),
    }
}

fn is_rolled_back(scene: &Scene<'_>, recall: &Recall) -> bool {
    match disposition(scene.environment, &scene.lane, recall) {
        Disposition::Pending(_) | Disposition::RollBack { .. } => true,
        Disposition::NotHere
        | Disposition::Observed
        | Disposition::Ends(_)
        | Disposition::Refused(_)
        | Disposition::Irreversible { .. }
        | Disposition::NoTarget => false,
    }
}

/// What follows when a promotion ends because of a recall and no rollback of it can start.
pub(super) fn consequence(scene: &Scene<'_>) -> Consequence {
    let release = &scene.world.promotion.spec.release;
    let no_target = || no_target_left(&scene.world.project, &scene.lane, release);
    if scene.environment.spec.delivery == Delivery::Observed {
        return Consequence::Leave("the environment has delivery: Observed, so nothing is written".into());
    }
    let recall = scene.lane.recalled_by(&scene.world.promotion);
    match recall.map(|recall| disposition(scene.environment, &scene.lane, recall)) {
        Some(Disposition::Refused(rollback)) => {
            let message = rollback.status.as_ref().and_then(|status| status.message.as_deref());
            Consequence::Hold(format!("the rollback did not start: {}", message.unwrap_or_default()))
        }
        Some(Disposition::Irreversible { promotion, to }) => {
            Consequence::Hold(irreversible_release(promotion, to))
        }
        Some(Disposition::Ends(_)) if recall_target(&scene.lane).is_some() => {
            Consequence::Hold("another rollback follows".into())
        }
        Some(_) | None => Consequence::Hold(no_target()),
    }
}

/// Ends a rollback that has not started and that would restore recalled content. A user restores it with an override of the gate `Recall`.
pub(super) fn target_is_recalled(scene: &Scene<'_>) -> Option<Outcome> {
    let own = &scene.world.promotion;
    let number = scene.restored_revision()?;
    let digest = scene.lane.release_digest(scene.lane.revision(number)?)?;
    let recalls = scene.lane.recalls.iter().copied().filter(|recall| recall.names(digest));
    let recall = recalls.into_iter().find(|recall| !is_overridden(own, recall))?;
    let message = format!("revision {number}, which it would restore, is {}", why(recall));
    if own.is_automatic() {
        return Some(Outcome::Cancelled { reason: Reason::Recalled, message });
    }
    let message = format!("{message}; to restore it all the same, override the gate Recall");
    Some(Outcome::Refused { reason: Reason::Recalled, message })
}

/// Why a rollback that a recall caused is not needed any more.
pub(super) fn not_needed(scene: &Scene<'_>) -> Option<String> {
    let current = scene.lane.current();
    let runs_recalled = current.is_some_and(|current| scene.lane.recalled_by(current).is_some());
    (is_of_recall(&scene.world.promotion) && !runs_recalled)
        .then(|| "no recalled content runs here: it was replaced, or the recall was lifted".to_owned())
}
