//! What a pending promotion waits for: the gates of its release, a free lane, consent and approvals.

use super::outcome::{Outcome, Turn};
use super::{Decision, RETRY, Scene, recalled};
use crate::api::{
    Approvals, ApprovalsReport, CachedRelease, GateName, Meta, Promotion, PromotionKind, Reason,
};
use crate::decide::consent;
use crate::decide::gates::approvals::{
    Case, Tally, due, may_start_unapproved, required_approvals, tally, would_be_spared,
};
use crate::decide::gates::calendar::deadline;
use crate::decide::gates::declared::declared;
use crate::decide::gates::gate::Gate;
use crate::decide::gates::recalls::known_overrides;
use crate::decide::gates::{Requested, evaluate};
use crate::decide::history::order::{newer, promotes_newer};
use crate::decide::history::target;
use crate::decide::moments::{earliest, later};
use crate::decide::recall::is_of_recall;
use crate::decide::requires::is_of_requirement;
use crate::decide::world::{Admission, Grant, Verb};
use jiff::{SignedDuration, Timestamp};

/// The delay after which the rights of requesters and approvers are checked again.
const RIGHTS: SignedDuration = SignedDuration::from_secs(30);

/// Waits or ends while a gate of the release is closed.
pub(super) fn closed_gate(scene: &Scene<'_>) -> Turn<Option<Decision>> {
    if scene.is_rollback() {
        return superseded_rollback(scene);
    }
    let Some(release) = scene.release.filter(|release| !release.deleting()) else {
        return Err(Outcome::Cancelled {
            reason: Reason::ReleaseDeleted,
            message: "the release was deleted before anything was written".into(),
        });
    };
    if scene.is_of_another_release() {
        let message =
            "the release was deleted and recreated with another content before anything was written".into();
        return Err(Outcome::Cancelled { reason: Reason::ReleaseDeleted, message });
    }
    let asked = Requested::of(&scene.world.promotion);
    // A user's request is outdated once another promotion started after it was made.
    let is_later = |other: &&Promotion| {
        other.spec.kind == PromotionKind::Promote && other.created() > scene.world.promotion.created()
    };
    if let (Requested::ByPerson, Some(other)) = (asked, scene.lane.here().find(is_later)) {
        let message = format!("superseded by {}; create another Promotion", other.name());
        return Err(Outcome::Cancelled { reason: Reason::SupersededBeforeStart, message });
    }
    if let (Requested::ByPerson, Some(why)) = (asked, missing_right(scene)) {
        return Ok(Some(scene.wait(&Reason::Requester, &why, Some(later(scene.now, RIGHTS)))));
    }
    let overridden = match overridden(scene) {
        Ok(gates) => gates,
        Err(message) => return Ok(Some(scene.wait(&Reason::Override, message, None))),
    };
    let project = &scene.world.project;
    let gates = known_overrides(project, &scene.lane, release, &scene.world.promotion, overridden);
    let gate = evaluate(project, scene.environment, release, asked, &gates, scene.now);
    match gate {
        Gate::Open => Ok(None),
        Gate::Never { message, .. } => Err(Outcome::Cancelled { reason: Reason::NotAStage, message }),
        Gate::Closed {
            gate: reason @ (Reason::Deadline | Reason::InvalidSource | Reason::VersionTaken),
            message,
            ..
        } => Err(Outcome::Cancelled { reason, message }),
        Gate::Closed { gate, message, until } => {
            let again = recheck_of_rights(scene, release, &gate);
            let wake_at = earliest(earliest(until, deadline(release, scene.now)), again);
            match gate.opens_by_itself().then(|| current_tally(scene)).flatten() {
                None => Ok(Some(scene.wait(&gate, &message, wake_at))),
                Some(tally) => {
                    let message = format!("{message}; {}", how_to_approve(scene, release, &tally.report));
                    let mut status = scene.status.clone();
                    status.approvals = Some(tally.report);
                    Ok(Some(scene.wait_with(status, &gate, &message, earliest(wake_at, tally.until))))
                }
            }
        }
    }
}

/// Ends a rollback to recalled content. Cancels an automatic rollback of a revision that no longer runs here: it was already replaced, or the
/// namespace was recreated. Cancels a user's rollback once a rollback that a user created later has started.
fn superseded_rollback(scene: &Scene<'_>) -> Turn<Option<Decision>> {
    let own = &scene.world.promotion;
    if let Some(message) = recalled::not_needed(scene) {
        return Err(Outcome::Cancelled { reason: Reason::SupersededBeforeStart, message });
    }
    if let Some(outcome) = recalled::target_is_recalled(scene).or_else(|| irreversible(scene)) {
        return Err(outcome);
    }
    // A user who named another revision since then has decided.
    let is_later = |other: &&Promotion| {
        other.spec.kind == PromotionKind::Rollback && !other.is_automatic() && other.created() > own.created()
    };
    if let Some(other) = scene.lane.here().find(is_later).filter(|_| !own.is_automatic()) {
        let message = format!("superseded by {}; create another Promotion", other.name());
        return Err(Outcome::Cancelled { reason: Reason::SupersededBeforeStart, message });
    }
    let current = scene.lane.current();
    let is_still_here = current.is_some_and(|other| match is_of_requirement(own) {
        // A rollback may have restored what is rolled back now.
        true => scene.lane.content_of(other).is_some_and(|origin| origin.spec.release == own.spec.release),
        false => other.spec.kind == PromotionKind::Promote && other.spec.release == own.spec.release,
    });
    if !own.is_automatic() || is_of_recall(own) || is_still_here {
        return Ok(None);
    }
    let cause = current.map_or_else(
        || "the namespace was recreated".to_owned(),
        |other| format!("{} replaced it", other.name()),
    );
    let message = format!("the failed revision no longer runs here: {cause}");
    Err(Outcome::Cancelled { reason: Reason::SupersededBeforeStart, message })
}

/// Refuses a user's rollback behind an irreversible release, unless the user names the revision.
fn irreversible(scene: &Scene<'_>) -> Option<Outcome> {
    let own = &scene.world.promotion;
    let to = scene.restored_revision().filter(|_| !own.is_automatic() && own.spec.to_revision.is_none())?;
    let message = target::irreversible_release(target::irreversible(&scene.lane, to)?, to);
    Some(Outcome::Refused { reason: Reason::Irreversible, message })
}

/// Waits for the lane: one promotion runs at a time. A rollback has priority, and a newer promotion supersedes a running one. A user's
/// rollback also supersedes a running rollback to another revision.
pub(super) fn busy_lane(scene: &Scene<'_>) -> Option<Decision> {
    if !scene.is_rollback() && scene.lane.waiting_rollbacks().next().is_some() {
        return Some(scene.wait(&Reason::Lane, "waits until a rollback of this application has ended", None));
    }
    if let Some(other) = newer_ready(scene) {
        return Some(scene.wait(
            &Reason::Lane,
            &format!("waits because the newer {} can also start", other.name()),
            None,
        ));
    }
    let running = scene.lane.running()?;
    match (running.spec.kind, scene.is_rollback()) {
        (PromotionKind::Rollback, true) if corrects(scene, running) => None,
        (PromotionKind::Rollback, _) => {
            Some(scene.wait(&Reason::Lane, &format!("waits until {} has ended", running.name()), None))
        }
        (PromotionKind::Promote, true) => None,
        (PromotionKind::Promote, false) => {
            let release = scene.release?;
            let project = &scene.world.project;
            let is_newer = match project.releases.get(&running.spec.release) {
                Some(other) => newer(release, other).is_gt(),
                None => !promotes_newer(project, running, release),
            };
            (!is_newer).then(|| {
                scene.wait(&Reason::Lane, &format!("waits until {} has ended", running.name()), None)
            })
        }
    }
}

/// Whether a user requested another revision than the one that a running rollback restores, after that rollback was created. On call who
/// named the wrong revision does not wait until it has failed.
fn corrects(scene: &Scene<'_>, running: &Promotion) -> bool {
    let own = &scene.world.promotion;
    let content = |revision| target::rollback_content(&scene.lane, revision);
    let restores = running.status.as_ref().and_then(|status| status.restores);
    let is_other = content(scene.restored_revision()) != content(restores);
    !own.is_automatic() && is_other && own.created() >= running.created()
}

/// A newer automatic promotion whose gates are open. The newest of several is promoted first.
fn newer_ready<'a>(scene: &'a Scene<'_>) -> Option<&'a Promotion> {
    let release = scene.release.filter(|_| !scene.is_rollback() && scene.world.promotion.is_automatic())?;
    scene.lane.pending.iter().copied().find(|other| {
        let is_open = |newest: &CachedRelease| {
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
            && scene.world.project.releases.get(&other.spec.release).is_some_and(|newest| is_open(newest))
    })
}

/// Waits for the namespace and for the consent of its owner.
pub(super) fn no_consent(scene: &Scene<'_>) -> Option<Decision> {
    let (reason, message, again) = missing_consent(scene)?;
    Some(scene.wait(&reason, &message, again))
}

/// Why nothing may be read in the target namespace, and when to try again.
pub(super) fn missing_consent(scene: &Scene<'_>) -> Option<(Reason, String, Option<Timestamp>)> {
    let namespace = &scene.environment.spec.namespace;
    match scene.world.project.namespace(scene.environment) {
        None => {
            return Some((
                Reason::NamespaceMissing,
                format!("the namespace {namespace} does not exist"),
                None,
            ));
        }
        Some(facts) if facts.terminating => {
            return Some((
                Reason::NamespaceTerminating,
                format!("the namespace {namespace} is being deleted"),
                None,
            ));
        }
        Some(_) => {}
    }
    match scene.world.project.grant(scene.environment) {
        Grant::Granted => None,
        Grant::NotAsked => Some((
            Reason::NotGranted,
            "the consent of the namespace owner is being checked".to_owned(),
            Some(later(scene.now, RETRY)),
        )),
        Grant::Missing(missing) => {
            let message = consent::message(scene.environment, missing);
            Some((Reason::NotGranted, message, Some(later(scene.now, RETRY))))
        }
    }
}

/// Why a user's promotion may not start. The admission policies checked it on creation if they were installed, and its requester may
/// have lost the right since.
pub(super) fn missing_right(scene: &Scene<'_>) -> Option<String> {
    if scene.world.project.admission != Admission::Enforced {
        return None;
    }
    let spec = &scene.world.promotion.spec;
    let Some(user) = &spec.requested_by else {
        return Some("its requester is not recorded because it was created without the admission policies; create another Promotion".into());
    };
    let environment = scene.environment;
    let verbs = [Some(Verb::Promote), spec.override_.as_ref().map(|_| Verb::Override)];
    verbs.into_iter().flatten().find_map(|verb| match scene.world.project.may(verb, environment, user) {
        Some(true) => None,
        Some(false) => Some(format!("{} may not {} in {}", user.username, verb.as_str(), environment.name())),
        None => {
            Some(format!("the API server is being asked whether {} may {}", user.username, verb.as_str()))
        }
    })
}

/// The gates that this promotion overrides. Without the admission policies an override is not checked, so it is not accepted.
fn overridden<'a>(scene: &'a Scene<'_>) -> Result<&'a [GateName], &'static str> {
    match (&scene.world.promotion.spec.override_, &scene.world.project.admission) {
        (None, _) => Ok(&[]),
        (Some(override_), Admission::Enforced | Admission::Degraded(_)) => Ok(&override_.gates),
        (Some(_), Admission::Disabled) => Err(
            "spec.override is unavailable: Towpath was installed with admission.enabled=false, so the right to override is not checked; remove it",
        ),
    }
}

/// Whether this promotion overrides a gate.
pub(super) fn is_overridden(scene: &Scene<'_>, gate: GateName) -> bool {
    overridden(scene).is_ok_and(|gates| gates.contains(&gate))
}

/// The approvals of the content that would be written if the gates were open now.
fn current_tally(scene: &Scene<'_>) -> Option<Tally> {
    let release = scene.release.filter(|_| scene.world.project.admission != Admission::Disabled)?;
    let rules = required_approvals(&scene.world.project, scene.environment, release)?;
    let plan = scene.plan()?;
    Some(tally_of(scene, release, rules, plan.digest()))
}

fn tally_of(scene: &Scene<'_>, release: &CachedRelease, rules: &Approvals, digest: &str) -> Tally {
    let promotion_requester = scene.world.promotion.requester();
    let case = Case { environment: scene.environment, release, promotion_requester, digest };
    tally(&scene.world.project, rules, case, scene.now)
}

/// When rights are checked again that keep a gate closed. They cannot be watched.
fn recheck_of_rights(scene: &Scene<'_>, release: &CachedRelease, gate: &Reason) -> Option<Timestamp> {
    let change = declared(&scene.world.project, scene.environment, release);
    let requester = (*gate == Reason::Requester).then(|| later(scene.now, RETRY));
    requester.or_else(|| change.refusal.map(|_| later(scene.now, RIGHTS)))
}

/// What is needed, how to approve, and why the declared type of the change does not spare it the approvals.
fn how_to_approve(scene: &Scene<'_>, release: &CachedRelease, report: &ApprovalsReport) -> String {
    let Some(needed) = &report.needed else { return "it has all approvals".to_owned() };
    if !report.rejected.is_empty() {
        return needed.clone();
    }
    let message = format!(
        "it {needed}; to approve, create an Approval with the release, environment and digest of status.approvals.of"
    );
    let change = declared(&scene.world.project, scene.environment, release);
    let rules = scene.environment.spec.approvals.as_ref();
    change.explain(message, rules.is_some_and(|rules| would_be_spared(rules, &change)))
}

/// The approvals for the record, or the wait for them.
pub(super) fn unapproved(scene: &Scene<'_>, digest: &str) -> Result<Option<ApprovalsReport>, Box<Decision>> {
    let project = &scene.world.project;
    let rules = |release| Some((release, required_approvals(project, scene.environment, release)?));
    let Some((release, rules)) = scene.release.and_then(rules) else {
        return Ok(None);
    };
    if scene.world.project.admission == Admission::Disabled {
        let message = "approvals are unavailable: Towpath was installed with admission.enabled=false, so the rights of \
                       approvers are not checked; remove spec.approvals of the environment, or enable admission";
        return Err(Box::new(scene.wait(&Reason::Approval, message, None)));
    }
    let mut tally = tally_of(scene, release, rules, digest);
    if tally.is_complete() || is_overridden(scene, GateName::Approval) {
        return Ok(Some(tally.report));
    }
    let within = may_start_unapproved(project, scene.environment, rules, release);
    if let (Some(within), true) = (within, tally.report.rejected.is_empty()) {
        tally.report.due = Some(due(scene.now, within));
        return Ok(Some(tally.report));
    }
    let message = how_to_approve(scene, release, &tally.report);
    let mut status = scene.status.clone();
    status.approvals = Some(tally.report);
    // A user may get the right to approve later.
    let again = (!scene.world.project.approvals.is_empty()).then(|| later(scene.now, RIGHTS));
    let again = earliest(again, recheck_of_rights(scene, release, &Reason::Approval));
    let wake_at = earliest(earliest(tally.until, deadline(release, scene.now)), again);
    Err(Box::new(scene.wait_with(status, &Reason::Approval, &message, wake_at)))
}
