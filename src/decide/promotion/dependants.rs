//! A rollback below a version that running releases of other applications require: those are rolled back first.

use super::{Decision, Scene};
use crate::api::{Meta, PromotionPhase, Reason};
use crate::decide::moments::later;
use crate::decide::requires::{Dependant, dependants};
use jiff::SignedDuration;

/// How long a rollback waits for the rollbacks of its dependants to write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// Creates the rollbacks of the dependants before a rollback starts, and waits until they have written.
pub(super) fn go_first(scene: &Scene<'_>) -> Option<Decision> {
    let number = scene.restored_revision().filter(|_| scene.is_rollback())?;
    let until = later(scene.world.promotion.created(), PATIENCE);
    if scene.now >= until {
        return None;
    }
    let target = scene.lane.revision(number);
    let version =
        target.and_then(|target| scene.lane.content_of(target)?.status.as_ref()?.version.as_deref());
    let found = dependants(&scene.world.project, scene.environment, scene.application, version);
    // One whose rollback has ended without a start is not waited for.
    let waits = |dependant: &&Dependant<'_>| {
        dependant.rollback.is_none_or(|rollback| rollback.phase() == PromotionPhase::Pending)
    };
    let waiting: Vec<&Dependant<'_>> = found.iter().filter(waits).collect();
    if waiting.is_empty() {
        return None;
    }
    let names: Vec<&str> = waiting.iter().map(|dependant| dependant.name.as_str()).collect();
    let message =
        format!("waits at most until {until} for the rollbacks that come first: {}", names.join(", "));
    let actions = waiting.iter().filter_map(|dependant| dependant.action()).collect();
    let wait = scene.wait(&Reason::Requires, &message, Some(until));
    Some(Decision { actions, ..wait })
}
