//! A rollback below a version that running releases of other applications require: those are rolled back first.

use super::{Decision, Scene};
use crate::api::{Meta, PromotionPhase, Reason};
use crate::decide::conditions::cut;
use crate::decide::moments::later;
use crate::decide::requires::{Dependant, dependants};
use jiff::{SignedDuration, Timestamp};

/// How long a rollback waits for the rollbacks of its dependants to write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// The most dependants that the record names.
const MOST_WARNINGS: usize = 10;

/// Creates the rollbacks of the dependants before a rollback starts, and waits until they have written. The controller may have been down when
/// the rollback was created: the first pass creates them, however late it is.
pub(super) fn rolled_back_first(scene: &Scene<'_>) -> Option<Decision> {
    let (found, _) = of_rollback(scene)?;
    let until = until(scene, &found);
    let is_over = scene.now >= until;
    let was_tried = scene.status.reason.as_deref() == Some(Reason::Requires.as_str());
    // One whose rollback has ended without a start is not waited for.
    let waits = |dependant: &&Dependant<'_>| match dependant.rollback {
        Some(rollback) => !is_over && rollback.phase() == PromotionPhase::Pending,
        None => !is_over || !was_tried,
    };
    let waiting: Vec<&Dependant<'_>> = found.iter().filter(waits).collect();
    if waiting.is_empty() {
        return None;
    }
    let until = if is_over { scene.shortly() } else { until };
    let names: Vec<&str> = waiting.iter().map(|dependant| dependant.name.as_str()).collect();
    let message =
        format!("waits at most until {until} for the rollbacks that come first: {}", names.join(", "));
    let actions = waiting.iter().filter_map(|dependant| dependant.action()).collect();
    let wait = scene.wait(&Reason::Requires, &message, Some(until));
    Some(Decision { actions, ..wait })
}

/// The warnings in the record of a rollback about dependants that stay although what they require goes back.
pub(super) fn staying(scene: &Scene<'_>) -> Vec<String> {
    let (_, stay) = of_rollback(scene).unwrap_or_default();
    stay.iter().map(|text| cut(text, 512)).take(MOST_WARNINGS).collect()
}

fn of_rollback<'a>(scene: &'a Scene<'_>) -> Option<(Vec<Dependant<'a>>, Vec<String>)> {
    let number = scene.restored_revision().filter(|_| scene.is_rollback())?;
    let target = scene.lane.revision(number);
    let version =
        target.and_then(|target| scene.lane.content_of(target)?.status.as_ref()?.version.as_deref());
    Some(dependants(&scene.world.project, scene.environment, &scene.application, version))
}

/// Until when they are waited for: from the creation of the last one, which the API server dates like that of the rollback itself.
fn until(scene: &Scene<'_>, found: &[Dependant<'_>]) -> Timestamp {
    let created = found.iter().filter_map(|dependant| Some(dependant.rollback?.created()));
    later(created.fold(scene.world.promotion.created(), Timestamp::max), PATIENCE)
}
