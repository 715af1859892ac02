//! The transitions that an object shows.

use super::notice::{Notice, Scope};
use crate::api::{
    CachedRelease, ChangeDescription, ChangeFreeze, ClusterChangeFreeze, Meta, NotifyEvent, ProjectName,
    Promotion, PromotionKind, PromotionPhase, Recall,
};
use crate::decide::checks::printable;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

/// The longest message, in characters. A chat refuses messages of more than 3,000.
const MESSAGE: usize = 1_500;
/// The longest other text.
const TEXT: usize = 200;
/// The most stakeholders, and the most tickets.
const NAMES: usize = 20;
/// The longest of them. Teams refuses a message of more than 28 kB.
const NAME: usize = 100;

/// What a promotion shows: that it waits for approvals, started and ended. `release` is the release that it names, if that exists.
pub fn of_promotion(promotion: &Promotion, release: Option<&CachedRelease>) -> Vec<Notice> {
    let Some(status) = promotion.status.as_ref().filter(|_| !promotion.spec.dry_run) else {
        return Vec::new();
    };
    let is_rollback = promotion.spec.kind == PromotionKind::Rollback;
    let base = base_of_promotion(promotion, release);
    let notice = |event: NotifyEvent, at: Timestamp| Notice {
        id: format!("{}.{}", promotion.uid(), event.as_str()),
        event,
        at,
        ..base.clone()
    };
    let time = |time: &Option<Time>| time.as_ref().map(|time| time.0);
    let mut found = Vec::new();
    let approvals = status.approvals.as_ref().filter(|_| status.phase == PromotionPhase::Pending);
    if let Some((report, needed)) = approvals.and_then(|report| Some((report, report.needed.as_ref()?))) {
        let first = report.of.digest.get(..12).unwrap_or_default();
        found.push(Notice {
            id: format!("{}.{}.{first}", promotion.uid(), NotifyEvent::ApprovalNeeded.as_str()),
            reason: None,
            message: text(needed, MESSAGE),
            ..notice(NotifyEvent::ApprovalNeeded, promotion.created())
        });
    }
    if let Some(at) = time(&status.started_at) {
        let event = if is_rollback { NotifyEvent::RollbackStarted } else { NotifyEvent::Started };
        let why = promotion.spec.reason.as_ref().and_then(|reason| text(reason, MESSAGE));
        let cause = promotion.spec.cause.as_ref().and_then(|cause| text(cause, TEXT));
        found.push(Notice { reason: cause, message: why, ..notice(event, at) });
    }
    let event = match (status.phase, is_rollback) {
        (PromotionPhase::Verified, false) => Some(NotifyEvent::Verified),
        (PromotionPhase::Verified, true) => Some(NotifyEvent::RolledBack),
        (PromotionPhase::Failed, false) => Some(NotifyEvent::Failed),
        (PromotionPhase::Failed | PromotionPhase::Inconclusive, true) => Some(NotifyEvent::RollbackFailed),
        (PromotionPhase::Inconclusive, false) => Some(NotifyEvent::Inconclusive),
        (PromotionPhase::Superseded, _) => Some(NotifyEvent::Superseded),
        (
            PromotionPhase::Pending
            | PromotionPhase::Promoting
            | PromotionPhase::Observing
            | PromotionPhase::Cancelled
            | PromotionPhase::Compared,
            _,
        ) => None,
    };
    if let Some((event, at)) = event.zip(time(&status.finished_at)) {
        found.push(Notice {
            reason: status.reason.as_ref().and_then(|reason| text(reason, TEXT)),
            message: status.message.as_ref().and_then(|message| text(message, MESSAGE)),
            ..notice(event, at)
        });
    }
    found
}

fn base_of_promotion(promotion: &Promotion, release: Option<&CachedRelease>) -> Notice {
    let spec = &promotion.spec;
    let status = promotion.status.as_ref();
    let is_rollback = spec.kind == PromotionKind::Rollback;
    let reported = status.and_then(|status| status.version.as_ref()).and_then(|version| text(version, TEXT));
    let version = release.and_then(|release| text(release.version(), TEXT));
    let application = status.and_then(|status| status.application.as_deref());
    let application = application.or(spec.application.as_deref());
    let recorded = status.and_then(|status| status.change.as_ref()).map(|change| change.description.clone());
    let described = release.and_then(CachedRelease::change_record).map(|change| change.description);
    let project = promotion.project();
    Notice {
        application: application
            .or(release.map(CachedRelease::application))
            .and_then(|name| text(name, TEXT)),
        version: if is_rollback { version } else { reported.clone().or(version) },
        restores: reported.filter(|_| is_rollback),
        release: text(&spec.release, TEXT),
        promotion: text(promotion.name(), TEXT),
        environment: text(&spec.environment, TEXT),
        revision: promotion.revision(),
        by: promotion.requester().and_then(|user| text(&user.username, TEXT)),
        scope: Scope::Environment(project.clone(), spec.environment.clone()),
        ..described_by(described.or(recorded).unwrap_or_default(), Some(&project))
    }
}

/// That a release is on hold.
pub fn of_release(release: &CachedRelease) -> Option<Notice> {
    let held = release.held()?;
    let at = held.since.or(release.created)?;
    let description = release.change_record().map(|change| change.description).unwrap_or_default();
    let project: ProjectName = release.namespace().into();
    Some(Notice {
        id: format!("{}.{}.{}", release.uid(), NotifyEvent::Held.as_str(), at.as_second()),
        event: NotifyEvent::Held,
        at,
        application: text(release.application(), TEXT),
        version: text(release.version(), TEXT),
        release: text(release.name(), TEXT),
        message: held.because.and_then(|reason| text(&reason, MESSAGE)),
        by: held.by.and_then(|user| text(&user, TEXT)),
        scope: Scope::Project(project.clone(), Vec::new()),
        ..described_by(description, Some(&project))
    })
}

/// That content was recalled. `releases` are those of its application: it names the ones that hold the content, and all for whom it matters.
pub fn of_recall<'a>(recall: &Recall, releases: impl Iterator<Item = &'a CachedRelease>) -> Notice {
    let project = recall.project();
    let is_recalled = |release: &&CachedRelease| {
        release.application() == recall.spec.application.as_str()
            && release.digest().is_some_and(|digest| recall.names(digest))
    };
    let mut found: Vec<&CachedRelease> = releases.filter(is_recalled).collect();
    found.sort_by_key(|release| (release.created, release.name()));
    let described = |release: &&CachedRelease| release.change_record().map(|change| change.description);
    let descriptions: Vec<ChangeDescription> = found.iter().filter_map(described).collect();
    let owners = distinct(descriptions.iter().filter_map(|it| it.owner.clone()));
    let description = ChangeDescription {
        owner: Some(owners.join(", ")),
        stakeholders: distinct(descriptions.iter().flat_map(|it| it.stakeholders.clone())),
        tickets: distinct(descriptions.iter().flat_map(|it| it.tickets.clone())),
        ..ChangeDescription::default()
    };
    let joined = |part: fn(&CachedRelease) -> &str| {
        distinct(found.iter().map(|release| part(release).to_owned())).join(", ")
    };
    let unknown = match found.is_empty() {
        true => format!("; no release holds the content {}", recall.spec.digests.join(", ")),
        false => String::new(),
    };
    Notice {
        version: text(&joined(CachedRelease::version), TEXT),
        release: text(&joined(CachedRelease::name), TEXT),
        id: format!("{}.{}", recall.uid(), NotifyEvent::Recalled.as_str()),
        event: NotifyEvent::Recalled,
        at: recall.created(),
        application: text(&recall.spec.application, TEXT),
        reason: text(recall.name(), TEXT),
        message: text(&format!("{}{unknown}", recall.spec.reason), MESSAGE),
        by: recall.spec.author.as_ref().and_then(|user| text(&user.username, TEXT)),
        scope: Scope::Project(project.clone(), Vec::new()),
        ..described_by(description, Some(&project))
    }
}

/// That a freeze of a project is in force. Before it is: the time at which it will be.
pub fn of_freeze(freeze: &ChangeFreeze, now: Timestamp) -> Result<Notice, Timestamp> {
    let project: ProjectName = freeze.metadata.namespace.as_deref().unwrap_or_default().into();
    let spec = &freeze.spec;
    let scope = Scope::Project(project.clone(), spec.environments.clone());
    let names = spec.environments.iter().take(NAMES).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let notice = frozen(&freeze.metadata, &spec.from, &spec.to, &spec.reason, now)?;
    Ok(Notice { project: text(&project, TEXT), environment: text(&names, TEXT), scope, ..notice })
}

/// That a freeze of the cluster is in force. Before it is: the time at which it will be.
pub fn of_cluster_freeze(freeze: &ClusterChangeFreeze, now: Timestamp) -> Result<Notice, Timestamp> {
    let spec = &freeze.spec;
    let notice = frozen(&freeze.metadata, &spec.from, &spec.to, &spec.reason, now)?;
    let project = match spec.projects.as_slice() {
        [only] => text(only, TEXT),
        _ => None,
    };
    Ok(Notice { project, scope: Scope::Cluster(spec.projects.clone()), ..notice })
}

fn frozen(
    metadata: &ObjectMeta,
    from: &Time,
    to: &Time,
    reason: &str,
    now: Timestamp,
) -> Result<Notice, Timestamp> {
    let created = metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let at = created.max(from.0);
    if at > now {
        return Err(at);
    }
    let uid = metadata.uid.as_deref().unwrap_or_default();
    Ok(Notice {
        id: format!("{uid}.{}.{}", NotifyEvent::Frozen.as_str(), from.0.as_second()),
        event: NotifyEvent::Frozen,
        at,
        reason: metadata.name.as_deref().and_then(|name| text(name, TEXT)),
        message: text(&format!("until {}: {reason}", to.0), MESSAGE),
        ..described_by(ChangeDescription::default(), None)
    })
}

/// Texts without repetition, in their order.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

/// A notice that says only what the change is about.
fn described_by(description: ChangeDescription, project: Option<&ProjectName>) -> Notice {
    let names = |all: &[String]| all.iter().take(NAMES).filter_map(|name| text(name, NAME)).collect();
    Notice {
        id: String::new(),
        event: NotifyEvent::Started,
        at: Timestamp::UNIX_EPOCH,
        project: project.and_then(|name| text(name, TEXT)),
        environment: None,
        application: None,
        version: None,
        restores: None,
        release: None,
        promotion: None,
        revision: None,
        reason: None,
        message: None,
        by: None,
        owner: description.owner.as_ref().and_then(|owner| text(owner, TEXT)),
        stakeholders: names(&description.stakeholders),
        tickets: names(&description.tickets),
        scope: Scope::Cluster(Vec::new()),
    }
}

/// A text as it is sent: bounded, without control characters and without characters that change the direction of others.
fn text(raw: &str, length: usize) -> Option<String> {
    Some(printable(raw.trim(), length)).filter(|text| !text.is_empty())
}
