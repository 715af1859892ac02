//! What a recall means in one lane: whether the recalled content runs there, and what follows.

use crate::api::{
    Delivery, Environment, GROUP, Meta, Promotion, PromotionKind, PromotionPhase, Reason, Recall,
    ReleaseName, VERSION,
};
use crate::decide::history::lane::Lane;
use crate::decide::history::recalled::is_overridden;
use crate::decide::history::target::{
    has_healthy_baseline, irreversible, recall_target, rollback_names, rollback_revision,
};
use crate::decide::world::Project;
use serde_json::json;

/// The suffix of the names of rollbacks that a recall causes.
pub(super) const SUFFIX: &str = "recalled";

/// What a recall means in one lane.
#[derive(Clone, Debug)]
pub enum Disposition<'a> {
    /// The recalled content does not run here.
    NotHere,
    /// The recalled content runs here, and another tool deploys to this environment.
    Observed,
    /// A rollback to the recalled content is in progress. It ends first.
    Ends(&'a Promotion),
    /// A rollback away from the recalled content is pending.
    Pending(&'a Promotion),
    /// A rollback has to be created.
    RollBack {
        /// Its name.
        name: String,
        /// The revision that it restores.
        to: i64,
    },
    /// The rollback was refused before it wrote anything.
    Refused(&'a Promotion),
    /// A rollback would revert this irreversible release.
    Irreversible {
        /// The promotion of the release.
        promotion: &'a Promotion,
        /// The revision that a person can restore.
        to: i64,
    },
    /// No verified content is left to roll back to.
    NoTarget,
}

impl Disposition<'_> {
    /// Whether the recalled content stays until a person acts.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Irreversible { .. } | Self::NoTarget => true,
            Self::NotHere | Self::Observed | Self::Ends(_) | Self::Pending(_) | Self::RollBack { .. } => {
                false
            }
        }
    }
}

/// What a recall means in a lane.
pub fn disposition<'a>(environment: &Environment, lane: &Lane<'a>, recall: &Recall) -> Disposition<'a> {
    let Some(current) = lane.current().filter(|current| runs_recalled(lane, current, recall)) else {
        return Disposition::NotHere;
    };
    if environment.spec.delivery == Delivery::Observed {
        return Disposition::Observed;
    }
    if current.spec.kind == PromotionKind::Rollback && current.phase().is_running() {
        return Disposition::Ends(current);
    }
    let leaves = |rollback: &&'a Promotion| rollback.is_automatic() && leads_away(lane, rollback);
    if let Some(rollback) = lane.waiting_rollbacks().find(leaves) {
        return Disposition::Pending(rollback);
    }
    let Some(to) = recall_target(lane) else { return Disposition::NoTarget };
    if let Some(promotion) = irreversible(lane, to) {
        return Disposition::Irreversible { promotion, to };
    }
    let taken = |name: &str| lane.pending.iter().chain(&lane.revisions).copied().find(|it| it.name() == name);
    for name in rollback_names(current, SUFFIX) {
        match taken(&name) {
            None => return Disposition::RollBack { name, to },
            Some(other) if is_open(other) => return Disposition::Pending(other),
            Some(other) if is_outcome(other, current, recall) => return Disposition::Refused(other),
            Some(_) => {}
        }
    }
    Disposition::NoTarget
}

fn runs_recalled<'a>(lane: &Lane<'a>, current: &'a Promotion, recall: &Recall) -> bool {
    let is_named = lane.release_digest(current).is_some_and(|digest| recall.names(digest));
    is_named && !is_overridden(current, recall)
}

/// Whether a rollback that has not started restores content that is not recalled.
fn leads_away(lane: &Lane<'_>, rollback: &Promotion) -> bool {
    match rollback_revision(lane, rollback) {
        None => false,
        Some(0) => true,
        Some(number) => lane.revision(number).is_some_and(|target| lane.recall_of_target(target).is_none()),
    }
}

/// Whether a promotion is a rollback of a recall that has not ended.
fn is_open(other: &Promotion) -> bool {
    is_of_recall(other) && !other.phase().is_final() && !other.deleting()
}

/// Whether a promotion with the name of the rollback is the rollback that this recall caused, and has ended. One that was cancelled, or that
/// is older than the recall, says nothing: the recall may have been lifted and repeated.
fn is_outcome(other: &Promotion, current: &Promotion, recall: &Recall) -> bool {
    is_of_recall(other)
        && !other.deleting()
        && other.phase() != PromotionPhase::Cancelled
        && other.created() >= current.created()
        && other.created() >= recall.created()
}

/// Whether the controller created a promotion because of a recall.
pub fn is_of_recall(promotion: &Promotion) -> bool {
    let cause = promotion.spec.cause.as_deref().map(Reason::from);
    promotion.spec.kind == PromotionKind::Rollback
        && promotion.is_automatic()
        && cause == Some(Reason::Recalled)
}

/// Who recalled the content, and why.
pub fn why(recall: &Recall) -> String {
    let by = recall.spec.author.as_ref().map(|author| format!(" by {}", author.username)).unwrap_or_default();
    format!("recalled{by} (Recall {}): {}", recall.name(), recall.spec.reason)
}

/// That no verified content is left, and what a person can do. A rollback to revision 0 is a command to copy.
pub fn no_target_left(project: &Project, lane: &Lane<'_>, release: &ReleaseName) -> String {
    const LEFT: &str = "no verified content that was not recalled or rolled back is left to roll back to, so nothing is written";
    if !has_healthy_baseline(lane) {
        return format!("{LEFT}; create a Promotion of a release with other content");
    }
    let promotion = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "Promotion",
        "metadata": { "generateName": "to-revision-0-", "namespace": project.name },
        "spec": {
            "kind": "Rollback",
            "environment": lane.environment,
            "release": release,
            "application": lane.application,
            "toRevision": 0,
        },
    });
    format!(
        "{LEFT}; create a Promotion of a release with other content, or restore what ran before Towpath first wrote: echo \
         '{promotion}' | kubectl create --filename -"
    )
}
