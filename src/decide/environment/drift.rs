//! Drift of an environment: what its objects are compared with, when, and what is reported.
//!
//! Invariant: while a promotion of the environment is in progress, and until a revision is verified, nothing is compared: the fields are
//! about to change, and the rules of the promotion hold.

use crate::api::{ApplicationName, Delivery, DriftMode, DriftedField, Environment, Meta, PromotionPhase};
use crate::content::ownership::drift::Drift;
use crate::content::ownership::owner;
use crate::content::{Desired, Destination, Digested, ObjectKey, Plan};
use crate::decide::conditions::{cut, seconds};
use crate::decide::history::lane::Lane;
use crate::decide::moments::{earliest, later};
use crate::decide::world::{EnvironmentWorld, Project};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

/// Maximum number of fields in the status.
pub(super) const MOST: usize = 20;

/// After this time, a further change of an object shows in its managedFields.
const SETTLES: SignedDuration = SignedDuration::from_secs(2);
/// The delay after which an object that could not be read or compared is read again.
const UNREAD: SignedDuration = SignedDuration::from_secs(60);

/// What the objects of an application are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Number of the revision.
    pub revision: i64,
    /// Name of its Content.
    pub content: String,
}

/// Whether the objects of an environment are compared now.
pub fn is_compared(project: &Project, environment: &Environment) -> bool {
    let runs = |application| is_in_progress(project, environment, application);
    environment.spec.delivery == Delivery::Managed && !runs(None)
}

/// Whether a promotion of the environment is in progress; of one application, or any.
fn is_in_progress(
    project: &Project,
    environment: &Environment,
    application: Option<&ApplicationName>,
) -> bool {
    project.promotions.values().any(|promotion| {
        promotion.spec.environment == environment.name()
            && promotion.phase().is_running()
            && application.is_none_or(|name| project.is_of(promotion, name))
    })
}

/// The revision that the objects of an application are compared with: the current one, if it is verified. None for what existed before
/// Towpath first wrote.
pub fn running(
    project: &Project,
    environment: &Environment,
    application: &ApplicationName,
) -> Option<Running> {
    let lane = Lane::of(project, environment, application);
    let current = lane.current().filter(|promotion| promotion.phase() == PromotionPhase::Verified)?;
    let (status, revision) = (current.status.as_ref()?, current.revision()?);
    let content = status.content.clone().filter(|_| !restores_baseline(&lane, revision))?;
    Some(Running { revision, content })
}

/// Whether a chain of restored revisions ends with what existed before Towpath first wrote.
fn restores_baseline(lane: &Lane<'_>, revision: i64) -> bool {
    let restores = |number: i64| lane.revision(number)?.status.as_ref()?.restores.filter(|to| *to < number);
    std::iter::successors(restores(revision), |number| restores(*number)).any(|number| number == 0)
}

/// What a revision wrote.
pub fn written(
    project: &Project,
    environment: &Environment,
    application: &ApplicationName,
    revision: i64,
    content: &Arc<Digested>,
) -> Vec<Desired> {
    let owner = owner(&project.id(environment), application);
    let to =
        Destination { namespace: &environment.spec.namespace, owner: &owner, run: &revision.to_string() };
    let mut objects = Plan::of_revision(content, &to).map(|plan| plan.objects).unwrap_or_default();
    objects.retain(|item| item.hook.is_none());
    objects
}

/// One drifted field for a status.
pub fn field_of(key: &ObjectKey, application: &ApplicationName, drift: &Drift) -> DriftedField {
    DriftedField {
        kind: cut(key.kind(), 63),
        name: cut(key.name(), 253),
        application: cut(application, 63).as_str().into(),
        field: cut(&drift.field, 512),
        removed: drift.is_removed,
        manager: drift.manager.as_deref().map(|manager| cut(manager, 128)),
        since: drift.since.map(|at| Time(seconds(at))),
    }
}

/// The drift for the status. What could not be observed now stays as it was reported.
pub(super) fn report(world: &EnvironmentWorld) -> Vec<DriftedField> {
    let (project, environment) = (&world.project, world.environment.as_ref());
    if environment.spec.delivery == Delivery::Observed {
        return Vec::new();
    }
    let stored = environment.status.iter().flat_map(|status| &status.drift);
    let stored = stored.filter(|field| !is_in_progress(project, environment, Some(&field.application)));
    let mut fields: Vec<DriftedField> = match &world.drift {
        None => stored.cloned().collect(),
        Some(seen) => {
            let is_unread = |field: &&DriftedField| {
                seen.unread.iter().any(|key| key.kind() == field.kind && key.name() == field.name)
            };
            let found = seen.found.iter().flat_map(|object| {
                object.fields.iter().map(|drift| field_of(&object.key, &object.application, drift))
            });
            stored.filter(is_unread).cloned().chain(found).collect()
        }
    };
    fields.sort();
    fields.truncate(MOST);
    fields
}

/// When objects are compared again without a change of them.
pub(super) fn again(world: &EnvironmentWorld, now: Timestamp) -> Option<Timestamp> {
    let seen = world.drift.as_ref()?;
    let recent = seen.is_recent.then(|| later(now, SETTLES));
    earliest(recent, (!seen.unread.is_empty()).then(|| later(now, UNREAD)))
}

/// The message of the condition; none without drift.
pub(super) fn message(environment: &Environment, drift: &[DriftedField]) -> Option<String> {
    let first = drift.first()?;
    let more = match drift.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {more} more in status.drift"),
    };
    let follows = match environment.spec.drift {
        DriftMode::Report => "",
        DriftMode::Block => "; until then, the gate Drift keeps the next promotion from starting",
    };
    Some(format!("{}{more}; {}{follows}", first.sentence(), how_to_restore(environment)))
}

/// What people can do about drift.
pub fn how_to_restore(environment: &Environment) -> String {
    format!(
        "restore it, or promote what runs in {} again, which takes over fields of the managers in spec.adoptFrom",
        environment.name()
    )
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
