//! What has to hold before a promotion is tried: the gates of its release, a free lane, consent, approvals.

use super::outcome::{Outcome, finish};
use super::{Decision, RETRY, Scene};
use crate::api::Meta;
use crate::api::{Approvals, ApprovalsReport, CachedRelease, GateName, Promotion, PromotionKind, Reason};
use crate::decide::gates::approvals::{Case, Tally, due, may_start_unapproved, required_approvals, tally};
use crate::decide::gates::calendar::deadline;
use crate::decide::gates::gate::Gate;
use crate::decide::gates::{Requested, evaluate};
use crate::decide::history::order::newer;
use crate::decide::moments::{earliest, later};
use crate::decide::world::{Admission, Grant, Verb};
use jiff::SignedDuration;

/// How soon it is asked again whether those who decided may.
const RIGHTS: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn closed_gate(scene: &Scene<'_>) -> Option<Decision> {
    if scene.is_rollback() {
        return overtaken_rollback(scene);
    }
    let Some(release) = scene.release else {
        return Some(finish(
            scene,
            Outcome::Cancelled {
                reason: Reason::ReleaseDeleted,
                message: "the release was deleted before anything was written",
            },
        ));
    };
    if scene.is_of_another_release() {
        let message =
            "the release was deleted, and created again with another content, before anything was written";
        return Some(finish(scene, Outcome::Cancelled { reason: Reason::ReleaseDeleted, message }));
    }
    let asked = Requested::of(&scene.world.promotion);
    // What a person asked for before another release went in is not what anybody asks for now.
    let is_later = |other: &&Promotion| {
        other.spec.kind == PromotionKind::Promote && other.created() > scene.world.promotion.created()
    };
    if let (Requested::ByPerson, Some(other)) = (asked, scene.lane.here().find(is_later)) {
        let message = format!("{} went ahead of it; create another Promotion", other.name());
        return Some(finish(scene, Outcome::Cancelled { reason: Reason::Overtaken, message: &message }));
    }
    if let (Requested::ByPerson, Some(why)) = (asked, unjudged(scene)) {
        return Some(scene.wait(&Reason::Requester, &why, Some(later(scene.now, RIGHTS))));
    }
    let overridden = match overridden(scene) {
        Ok(gates) => gates,
        Err(why) => return Some(scene.wait(&Reason::Override, why, None)),
    };
    let gate = evaluate(&scene.world.project, scene.environment, release, asked, overridden, scene.now);
    match gate {
        Gate::Open => None,
        Gate::Never { message, .. } => {
            Some(finish(scene, Outcome::Cancelled { reason: Reason::NotAStage, message: &message }))
        }
        Gate::Closed { gate: Reason::Deadline, message, .. } => {
            Some(finish(scene, Outcome::Cancelled { reason: Reason::Deadline, message: &message }))
        }
        Gate::Closed { gate, message, until } => {
            // Rights are not watched.
            let again = (gate == Reason::Requester).then(|| later(scene.now, RETRY));
            let wake_at = earliest(earliest(until, deadline(release, scene.now)), again);
            match gate.opens_by_itself().then(|| counted(scene)).flatten() {
                None => Some(scene.wait(&gate, &message, wake_at)),
                Some(tally) => {
                    let message = format!("{message}; meanwhile {}", how_to_approve(&tally.report));
                    let mut status = scene.status();
                    status.approvals = Some(tally.report);
                    Some(scene.wait_with(status, &gate, &message, earliest(wake_at, tally.until)))
                }
            }
        }
    }
}

/// What failed is not what runs here any more: somebody else took it back, or the namespace is another one.
fn overtaken_rollback(scene: &Scene<'_>) -> Option<Decision> {
    let own = &scene.world.promotion;
    let current = scene.lane.current();
    let is_still_here = current.is_some_and(|other| {
        other.spec.kind == PromotionKind::Promote && other.spec.release == own.spec.release
    });
    (own.is_automatic() && !is_still_here).then(|| {
        let what = current.map_or("the namespace was created again", Meta::name);
        finish(
            scene,
            Outcome::Cancelled {
                reason: Reason::Overtaken,
                message: &format!("what failed is not here any more: {what}"),
            },
        )
    })
}

/// One promotion at a time per lane. A rollback goes first; a newer promotion may go ahead of one that still runs.
pub(super) fn busy_lane(scene: &Scene<'_>) -> Option<Decision> {
    if !scene.is_rollback() && scene.lane.waiting_rollbacks().next().is_some() {
        return Some(scene.wait(&Reason::Lane, "waits until a rollback of this application has ended", None));
    }
    if let Some(other) = newer_that_may_go(scene) {
        return Some(scene.wait(
            &Reason::Lane,
            &format!("waits, as {} is newer and may go, too", other.name()),
            None,
        ));
    }
    let running = scene.lane.running()?;
    match (running.spec.kind, scene.is_rollback()) {
        (PromotionKind::Rollback, _) => {
            Some(scene.wait(&Reason::Lane, &format!("waits until {} has ended", running.name()), None))
        }
        (PromotionKind::Promote, true) => None,
        (PromotionKind::Promote, false) => {
            let release = scene.release?;
            let running_release = scene.world.project.releases.get(&running.spec.release);
            let is_newer = running_release
                .is_none_or(|other| crate::decide::history::order::newer(release, other).is_gt());
            (!is_newer).then(|| {
                scene.wait(&Reason::Lane, &format!("waits until {} has ended", running.name()), None)
            })
        }
    }
}

/// Of several that automation made ahead of their gates the newest goes.
fn newer_that_may_go<'a>(scene: &'a Scene<'_>) -> Option<&'a Promotion> {
    let release = scene.release.filter(|_| !scene.is_rollback() && scene.world.promotion.is_automatic())?;
    scene.lane.pending.iter().copied().find(|other| {
        let may_go = |newest: &CachedRelease| {
            newer(newest, release).is_gt()
                && evaluate(
                    &scene.world.project,
                    scene.environment,
                    newest,
                    Requested::ByController,
                    &[],
                    scene.now,
                ) == Gate::Open
        };
        let approvals = other.status.as_ref().and_then(|status| status.approvals.as_ref());
        other.is_automatic()
            && other.spec.kind == PromotionKind::Promote
            && !other.phase().is_final()
            && !other.deleting()
            && approvals.is_some_and(|report| report.needed.is_none())
            && scene.world.project.releases.get(&other.spec.release).is_some_and(|newest| may_go(newest))
    })
}

pub(super) fn no_consent(scene: &Scene<'_>) -> Option<Decision> {
    let namespace = &scene.environment.spec.namespace;
    match scene.world.project.namespace(scene.environment) {
        None => {
            return Some(scene.wait(
                &Reason::NamespaceMissing,
                &format!("the namespace {namespace} does not exist"),
                None,
            ));
        }
        Some(facts) if facts.terminating => {
            return Some(scene.wait(
                &Reason::NamespaceTerminating,
                &format!("the namespace {namespace} is being deleted"),
                None,
            ));
        }
        Some(_) => {}
    }
    match scene.world.project.grant(scene.environment.name()) {
        Grant::Granted => None,
        Grant::NotAsked => {
            Some(scene.wait(&Reason::NotGranted, "consent is being asked for", Some(later(scene.now, RETRY))))
        }
        Grant::Missing(message) => {
            Some(scene.wait(&Reason::NotGranted, message, Some(later(scene.now, RETRY))))
        }
    }
}

/// Why a person's promotion may not start: the policies judged it when it was made, if they were there, and rights may have gone since.
fn unjudged(scene: &Scene<'_>) -> Option<String> {
    if scene.world.project.admission != Admission::Enforced {
        return None;
    }
    let spec = &scene.world.promotion.spec;
    let Some(user) = &spec.requested_by else {
        return Some("nobody is recorded as its requester, as it was made while no policy was there; create another one".into());
    };
    let environment = scene.environment.name();
    let verbs = [Some(Verb::Promote), spec.override_.as_ref().map(|_| Verb::Override)];
    verbs.into_iter().flatten().find_map(|verb| match scene.world.project.may(verb, environment, user) {
        Some(true) => None,
        Some(false) => Some(format!("{} may not {} in {environment}", user.username, verb.as_str())),
        None => {
            Some(format!("the API server is being asked whether {} may {}", user.username, verb.as_str()))
        }
    })
}

/// The gates that this promotion passes although they are closed. Without policies nobody checked who may.
fn overridden<'a>(scene: &'a Scene<'_>) -> Result<&'a [GateName], &'static str> {
    match (&scene.world.promotion.spec.override_, &scene.world.project.admission) {
        (None, _) => Ok(&[]),
        (Some(said), Admission::Enforced | Admission::Degraded(_)) => Ok(&said.gates),
        (Some(_), Admission::Disabled) => Err(
            "spec.override is not to be had: Towpath was installed with admission.enabled=false, so nobody checks who may",
        ),
    }
}

/// The approvals of what would be written if the gates were open now.
fn counted(scene: &Scene<'_>) -> Option<Tally> {
    let release = scene.release.filter(|_| scene.world.project.admission != Admission::Disabled)?;
    let rules = required_approvals(scene.environment, release)?;
    let Some(Ok(plan)) = &scene.world.plans.content else { return None };
    Some(tallied(scene, release, rules, plan.digest()))
}

fn tallied(scene: &Scene<'_>, release: &CachedRelease, rules: &Approvals, digest: &str) -> Tally {
    let promotion_requester = scene.world.promotion.requester();
    let case = Case { environment: scene.environment, release, promotion_requester, digest };
    tally(&scene.world.project, rules, case, scene.now)
}

fn how_to_approve(report: &ApprovalsReport) -> String {
    match &report.needed {
        None => "it has all approvals".to_owned(),
        Some(needed) => format!(
            "it {needed}; to approve, create an Approval with the release, environment and digest of status.approvals.of"
        ),
    }
}

/// The approvals for the record, or the wait for them.
pub(super) fn unapproved(scene: &Scene<'_>, digest: &str) -> Result<Option<ApprovalsReport>, Box<Decision>> {
    let Some((release, rules)) =
        scene.release.and_then(|release| Some((release, required_approvals(scene.environment, release)?)))
    else {
        return Ok(None);
    };
    if scene.world.project.admission == Admission::Disabled {
        let message = "approvals are not to be had: Towpath was installed with admission.enabled=false, so nobody checks who \
                       approves; remove spec.approvals of the environment, or enable admission";
        return Err(Box::new(scene.wait(&Reason::Approval, message, None)));
    }
    let mut tally = tallied(scene, release, rules, digest);
    let is_overridden = overridden(scene).is_ok_and(|gates| gates.contains(&GateName::Approval));
    if tally.is_complete() || is_overridden {
        return Ok(Some(tally.report));
    }
    if let (Some(within), true) = (may_start_unapproved(rules, release), tally.report.rejected.is_empty()) {
        tally.report.due = Some(due(scene.now, within));
        return Ok(Some(tally.report));
    }
    let message = how_to_approve(&tally.report);
    let mut status = scene.status();
    status.approvals = Some(tally.report);
    // Whoever may not approve today may be let in: rights are not watched.
    let again = (!scene.world.project.approvals.is_empty()).then(|| later(scene.now, RIGHTS));
    let wake_at = earliest(earliest(tally.until, deadline(release, scene.now)), again);
    Err(Box::new(scene.wait_with(status, &Reason::Approval, &message, wake_at)))
}
