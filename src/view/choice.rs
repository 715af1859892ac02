//! What a choice of a person is about: the lane, the revision, the promotion or the digest; or why there is nothing to choose.

use super::intent::{Intent, Request, roll_back, withdraw};
use super::proposal::{Proposal, proposal};
use super::suggestion::suggestion;
use crate::api::{
    ApplicationName, ApplicationStatus, Environment, Meta, Promotion, PromotionKind, PromotionPhase, Release,
    ReleaseName, RevisionRecord,
};
use jiff::Timestamp;

/// The lane of the application, or the only one of the environment.
pub fn lane<'a>(
    environment: &'a Environment,
    application: Option<&ApplicationName>,
) -> Result<&'a ApplicationStatus, String> {
    let name = environment.name();
    let lanes = environment.status.as_ref().map(|status| status.applications.as_slice()).unwrap_or_default();
    let names: Vec<String> = lanes.iter().map(|lane| lane.name.to_string()).collect();
    match (application, lanes) {
        (Some(wanted), _) => lanes.iter().find(|lane| lane.name == *wanted).ok_or_else(|| {
            format!("environment {name} has no application {wanted}{}", suggestion(wanted, &names))
        }),
        (None, [lane]) => Ok(lane),
        (None, []) => Err(format!("nothing was promoted to {name} yet: there is nothing to roll back")),
        (None, _) => {
            Err(format!("{name} has several applications ({}): name one with --app", names.join(", ")))
        }
    }
}

/// The release that a rollback of a lane is about: the one that is being promoted, or else the one that runs, or ran last.
/// `active`: the promotion that is in progress in the lane.
pub fn rolled_back(
    environment: &Environment,
    lane: &ApplicationStatus,
    to: Option<i64>,
    active: Option<&Promotion>,
) -> Result<ReleaseName, String> {
    if let Some(to) = to {
        is_revision(environment, lane, to)?;
        is_another(environment, lane, to)?;
    }
    let active =
        active.filter(|active| active.spec.kind == PromotionKind::Promote && active.phase().is_running());
    active.map(|active| active.spec.release.clone()).or_else(|| runs(lane)).ok_or_else(|| {
        format!(
            "nothing of {} was promoted to {} yet: there is nothing to roll back",
            lane.name,
            environment.name()
        )
    })
}

/// The release that runs, or ran last.
fn runs(lane: &ApplicationStatus) -> Option<ReleaseName> {
    let current = lane.current.as_ref().and_then(|current| current.release.clone());
    current.or_else(|| lane.history.first().map(|record| record.release.clone()))
}

/// The revisions of a lane that can be restored, as far as its history says so.
pub fn revisions(lane: &ApplicationStatus) -> impl Iterator<Item = &RevisionRecord> {
    let is_verified = |record: &&RevisionRecord| {
        record.ended().is_some_and(|ended| ended.phase == PromotionPhase::Verified)
    };
    lane.history.iter().filter(is_verified)
}

/// Refuses a revision that cannot be restored.
fn is_revision(environment: &Environment, lane: &ApplicationStatus, to: i64) -> Result<(), String> {
    let known: Vec<i64> = revisions(lane).map(|record| record.revision).collect();
    if to == 0 || known.contains(&to) {
        return Ok(());
    }
    let shown: Vec<String> = known.iter().map(i64::to_string).collect();
    Err(format!(
        "{} has no verified revision {to} of {}: the verified ones are {}",
        environment.name(),
        lane.name,
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    ))
}

/// Refuses the revision that runs: its rollback would change nothing, and would hold up every other until it ends.
fn is_another(environment: &Environment, lane: &ApplicationStatus, to: i64) -> Result<(), String> {
    let runs = lane.current.as_ref().is_some_and(|current| current.revision == to);
    if runs && lane.active.is_none() {
        return Err(format!(
            "revision {to} of {} is what runs in {}: name another one with --to; to write it again, promote its release again",
            lane.name,
            environment.name()
        ));
    }
    Ok(())
}

/// What ends a promotion.
pub fn end(
    request: Request<'_>,
    promotion: &Promotion,
    application: &ApplicationName,
) -> Result<Intent, String> {
    let (name, release, environment) =
        (promotion.name(), &promotion.spec.release, &promotion.spec.environment);
    match (promotion.phase(), promotion.spec.kind) {
        (PromotionPhase::Pending, PromotionKind::Promote) if promotion.is_automatic() => Err(format!(
            "Towpath created {name} and would create it again: hold the release with: kubectl towpath hold {release}"
        )),
        (PromotionPhase::Pending, _) => Ok(withdraw(request, promotion)),
        (PromotionPhase::Observing, _) => Err(format!(
            "another tool deploys to {environment}: end {name} by deploying an earlier version with that tool"
        )),
        (PromotionPhase::Promoting, PromotionKind::Rollback) => Err(format!(
            "{name} is a rollback and is not aborted: it ends when what it restores is healthy, or at its progress deadline; to restore \
             another revision instead: kubectl towpath rollback {environment} --app {application} --to REVISION"
        )),
        (PromotionPhase::Promoting, PromotionKind::Promote) => {
            Ok(roll_back(request, release, environment, application, None))
        }
        (PromotionPhase::Compared, _) => Err(format!("{name} is a dry run that has ended: it wrote nothing")),
        (
            PromotionPhase::Verified
            | PromotionPhase::Failed
            | PromotionPhase::Inconclusive
            | PromotionPhase::Superseded
            | PromotionPhase::Cancelled,
            _,
        ) => Err(format!(
            "{name} has ended: roll back with: kubectl towpath rollback {environment} --app {application}"
        )),
    }
}

/// Refuses the review of a release that is in progress: only a review after its end counts.
pub fn reviewed(release: &Release) -> Result<(), String> {
    let phase = release.status.as_ref().map(|status| status.phase).unwrap_or_default();
    match phase.is_open() {
        true => Err(format!(
            "{} is {phase:?} and has not ended: review it when it has, because a review before that does not count",
            release.name()
        )),
        false => Ok(()),
    }
}

/// When an object was created. Of promotions that were created in the same second, the one with the higher revision is newer.
fn age(promotion: &Promotion) -> (Option<Timestamp>, Option<i64>) {
    (promotion.metadata.creation_timestamp.as_ref().map(|at| at.0), promotion.revision())
}

/// The promotion that is tried again. `here`: those of the release to the environment.
pub fn retried<'a>(
    here: &[&'a Promotion],
    release: &str,
    environment: &str,
) -> Result<&'a Promotion, String> {
    if let Some(open) = here.iter().find(|other| !other.phase().is_final()) {
        return Err(format!("{} is {} and has not failed", open.name(), open.phase().as_str()));
    }
    let newest = here.iter().max_by_key(|it| age(it)).ok_or_else(|| {
        format!(
            "{release} was never promoted to {environment}: promote it with: kubectl towpath promote {release} -e {environment}"
        )
    })?;
    let is_rollback = newest.spec.kind == PromotionKind::Rollback;
    if newest.phase() == PromotionPhase::Verified && !is_rollback {
        return Err(format!(
            "{release} is verified in {environment} ({}): there is nothing to retry",
            newest.name()
        ));
    }
    Ok(newest)
}

/// The promotion that waits for approvals, and what it would write. `here`: the promotions of the release to the environment.
pub fn awaiting_approval<'a>(
    here: &[&'a Promotion],
    release: &Release,
    environment: &Environment,
) -> Result<(&'a Promotion, Proposal), String> {
    let place = environment.name();
    let open = here.iter().copied().filter(|other| !other.phase().is_final());
    let found = open.clone().filter_map(|other| Some((other, proposal(other, release, environment)?)));
    if let Some(found) = found.max_by_key(|(promotion, _)| age(promotion)) {
        return Ok(found);
    }
    let newest = open.max_by_key(|it| age(it)).or_else(|| here.iter().copied().max_by_key(|it| age(it)));
    let Some(promotion) = newest else {
        let stages = release.status.iter().flat_map(|status| &status.environments);
        let stage = stages.into_iter().find(|stage| stage.name == place);
        let state = stage.map(|stage| format!(": it is {} there", stage.state)).unwrap_or_default();
        return Err(format!("no promotion of {} to {place} waits for an approval{state}", release.name()));
    };
    let why = promotion.status.as_ref().and_then(|status| status.message.as_deref());
    Err(format!(
        "{} does not wait for an approval: it is {}: {}",
        promotion.name(),
        promotion.phase().as_str(),
        why.unwrap_or("nothing is known yet")
    ))
}
