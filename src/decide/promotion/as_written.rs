//! Whether what is live is what the promotion wrote, when the observe window has ended.
//!
//! The workloads are watched, so a change of a template is seen in the window. The other objects are read once more before the promotion
//! is verified: the evidence is about what was written, and a rollback to it would restore that.
//!
//! They are read when the window has just ended, and after that, while tests run or pods are not ready yet, only when nothing else is missing:
//! a pass for each event of a pod must not read all of them.

use super::Scene;
use super::health::written_since;
use super::removals::window_ends;
use crate::api::{Delivery, FIELD_MANAGER, Reason};
use crate::content::object::kinds::is_default;
use crate::content::ownership::fields::changed_field;
use crate::content::{Desired, ObjectKey};
use crate::decide::health::is_workload;
use crate::decide::moments::later;
use crate::decide::world::{Live, PromotionWorld};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// What is live, compared with what was written.
pub(super) enum Comparison {
    /// What was written, as far as it can be read.
    AsWritten,
    /// Something else.
    Changed {
        /// What happened to it.
        reason: Reason,
        /// Who changed what, as a sentence.
        message: String,
    },
    /// It was not read yet.
    Unread,
}

/// How long the objects are read after the window has ended, or after nothing else was missing.
const SPAN: SignedDuration = SignedDuration::from_secs(5);

/// The objects to read when the observe window has ended.
pub(super) fn due_after_window(world: &PromotionWorld, now: Timestamp) -> BTreeSet<ObjectKey> {
    let ended = window_ends(world).filter(|at| *at <= now);
    let Some(ended) = ended else { return BTreeSet::new() };
    let is_due = |since: Timestamp| now < later(since, SPAN);
    if !is_due(ended) && !world.comparing.is_some_and(|at| at <= now && is_due(at)) {
        return BTreeSet::new();
    }
    written(world).collect()
}

/// The objects that the promotion wrote, without workloads and hooks.
fn written(world: &PromotionWorld) -> impl Iterator<Item = ObjectKey> {
    let changes = world.promotion.status.iter().flat_map(|status| &status.changes);
    let keys = changes.filter(|change| change.action.is_write()).filter_map(ObjectKey::of_change);
    // An autoscaler may enlarge a claim, and a claim never shrinks.
    keys.filter(|key| !is_workload(key) && !key.is("", "PersistentVolumeClaim"))
}

/// Compares what is live with what was written.
pub(super) fn compare(scene: &Scene<'_>, wanted: &[Desired]) -> Comparison {
    if scene.environment.spec.delivery == Delivery::Observed {
        return Comparison::AsWritten;
    }
    // The controller of a custom object may change others as its work, such as the selector of a Service.
    let is_custom = |item: &Desired| !is_default(item.key.api_version(), item.key.kind());
    let has_controllers = wanted.iter().any(is_custom);
    for key in written(scene.world) {
        let Some(item) = wanted.iter().find(|item| item.key == key && item.hook.is_none()) else { continue };
        match scene.world.live.get(&key) {
            None => return Comparison::Unread,
            Some(Live::Absent) => {
                let message = format!(
                    "{key} was deleted before the release was verified; promote the release again to create it again"
                );
                return Comparison::Changed { reason: Reason::Missing, message };
            }
            Some(Live::Present(live)) => {
                let changed = changed_field(live, &item.object, FIELD_MANAGER, written_since(scene, live));
                let is_theirs = |manager: &str| has_controllers && !is_a_tool_of_people(manager);
                if let Some(changed) = changed.filter(|changed| !is_theirs(&changed.manager)) {
                    let message = format!(
                        "{key} is no longer what was written: {} changed {} before the release was verified",
                        changed.manager, changed.field
                    );
                    return Comparison::Changed { reason: Reason::ObjectChanged, message };
                }
            }
            // The objects of a kind are deleted with its definition.
            Some(Live::Unserved(why)) => {
                let message = format!(
                    "{key} is gone, because {why}; promote the release again when the kind is served"
                );
                return Comparison::Changed { reason: Reason::Missing, message };
            }
            Some(Live::Refused(_) | Live::Unreadable(_)) => {}
        }
    }
    Comparison::AsWritten
}

/// Whether people change objects with this tool.
fn is_a_tool_of_people(manager: &str) -> bool {
    const TOOLS: [&str; 6] = ["kubectl", "helm", "argocd", "kustomize", "k9s", "Mozilla"];
    TOOLS.iter().any(|tool| manager.starts_with(tool))
}
