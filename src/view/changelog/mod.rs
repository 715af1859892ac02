//! The changelog of a release for one environment: everything between what runs there and this release.
//!
//! The order of versions is the one that the controller promotes them in: [`promotes_newer`].

mod images;
mod shown;

use super::log::action;
use crate::api::{
    ApplicationName, CachedRelease, ChangeRecord, Environment, EnvironmentName, Meta, Promotion,
    PromotionKind, ReleaseName,
};
use crate::decide::history::lane::{Lane, is_of_content};
use crate::decide::history::order::{newer, promotes_newer};
use crate::decide::world::Project;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a promotion of a release to an environment would bring, or brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changelog {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Name of the application.
    pub application: ApplicationName,
    /// Name of the release.
    pub release: ReleaseName,
    /// Version of the release.
    pub version: String,
    /// Whether the release is newer than what runs.
    pub direction: Direction,
    /// What runs. Absent if nothing was promoted yet, or if what was there before the first promotion was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Running>,
    /// The versions between the two, newest first: those that the release brings or, for an older release, those that it takes away.
    pub versions: Vec<Version>,
    /// Images that differ.
    pub images: Vec<Image>,
    /// Objects that a promotion of the release changed, if one was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<Objects>,
    /// What could not be compared, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The direction of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Direction {
    /// Nothing runs yet.
    First,
    /// The release is newer than what runs.
    Forward,
    /// The content of the release runs.
    None,
    /// The release is older than what runs.
    Back,
}

/// What runs in the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Name of the release.
    pub release: ReleaseName,
    /// Version of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Number of the revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Phase of the promotion that brought it.
    pub phase: String,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Version of the release.
    pub version: String,
    /// Name of the release.
    pub release: ReleaseName,
    /// When the release was created. Absent if it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Whether the release was deleted. What is known is in the record of a promotion.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Who created the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What the release says about its change.
    #[serde(flatten)]
    pub change: ChangeRecord,
}

/// An image that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Name of the image, without tag and digest.
    pub name: String,
    /// Tags or digests that run. Empty if what runs does not use the image.
    pub from: Vec<String>,
    /// Of an image that what runs does not use: whether a release that ran in the environment earlier did. Absent if that is not known,
    /// because such a release was deleted or because nothing was promoted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_run: Option<bool>,
    /// Tags or digests of the release. Empty if the release does not use the image.
    pub to: Vec<String>,
}

/// Objects that a promotion changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Objects {
    /// Name of the promotion.
    pub promotion: String,
    /// Name of the environment that it was made in.
    pub environment: EnvironmentName,
    /// Whether it was a dry run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The objects.
    pub changes: Vec<Object>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// `Create`, `Update`, `Replace`, `Delete` or `Keep`.
    pub action: String,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
}

/// The changelog of a release for an environment.
pub fn changelog(project: &Project, environment: &Environment, release: &CachedRelease) -> Changelog {
    let lane = Lane::of(project, environment, &release.application_name());
    let current = lane.current();
    let origin = current.and_then(|current| lane.content_of(current));
    let mut notes = Vec::new();
    if let (Some(current), None) = (current, origin) {
        let restored = current.status.as_ref().and_then(|status| status.restores) == Some(0);
        notes.push(match restored {
            true => "what existed before the first promotion runs: it has no version".to_owned(),
            false => format!("the history no longer says which version {} restored", current.name()),
        });
    }
    let direction = direction(project, origin, release);
    let versions = versions(project, origin, release, direction);
    let images = images::changed(project, &lane, origin, release, &mut notes);
    Changelog {
        environment: environment.environment_name(),
        application: release.application_name(),
        release: release.release_name(),
        version: release.version().to_owned(),
        direction,
        from: origin.map(|origin| Running {
            release: origin.spec.release.clone(),
            version: origin.status.as_ref().and_then(|status| status.version.clone()),
            revision: current.and_then(Promotion::revision),
            phase: current.map(|current| current.phase().as_str()).unwrap_or_default().to_owned(),
        }),
        versions,
        images,
        objects: objects(project, environment, release),
        notes,
    }
}

fn direction(project: &Project, origin: Option<&Promotion>, release: &CachedRelease) -> Direction {
    match origin {
        None => Direction::First,
        Some(origin) if is_of_content(origin, release) => Direction::None,
        Some(origin) if promotes_newer(project, origin, release) => Direction::Back,
        Some(_) => Direction::Forward,
    }
}

/// The versions after the older of the two, up to the newer one, newest first.
fn versions(
    project: &Project,
    origin: Option<&Promotion>,
    release: &CachedRelease,
    direction: Direction,
) -> Vec<Version> {
    let is_after_origin = |other: &CachedRelease| {
        origin.is_none_or(|origin| {
            !is_of_content(origin, other)
                && origin.spec.release != other.name()
                && !promotes_newer(project, origin, other)
        })
    };
    let is_between = |other: &CachedRelease| match direction {
        Direction::None => false,
        Direction::First | Direction::Forward => {
            other.name() == release.name() || (newer(other, release).is_lt() && is_after_origin(other))
        }
        Direction::Back => newer(other, release).is_gt() && !is_after_origin(other),
    };
    let of_application =
        project.releases.values().filter(|other| other.application() == release.application());
    let mut found: Vec<&CachedRelease> =
        of_application.map(AsRef::as_ref).filter(|other| is_between(other)).collect();
    found.sort_by(|a, b| newer(b, a));
    let mut found: Vec<Version> = found.into_iter().map(of_release).collect();
    let newest_first = deleted_between(project, origin, release, direction);
    for (at, version) in newest_first {
        let place = found.iter().position(|other| other.created_at.is_none_or(|created| created < at));
        found.insert(place.unwrap_or(found.len()), version);
    }
    found
}

fn of_release(release: &CachedRelease) -> Version {
    let by = release.requested_by().map(|user| user.username);
    let created_at = release.created;
    let record = release.change_record().map(|record| *record);
    Version { created_at, by, ..recorded(&release.release_name(), release.version(), record) }
}

fn recorded(release: &ReleaseName, version: &str, record: Option<ChangeRecord>) -> Version {
    Version {
        version: version.to_owned(),
        release: release.clone(),
        created_at: None,
        deleted: false,
        by: None,
        change: record.unwrap_or_default(),
    }
}

/// Releases that were deleted and that promotions still record, with the time of the first one of each, newest first.
fn deleted_between(
    project: &Project,
    origin: Option<&Promotion>,
    release: &CachedRelease,
    direction: Direction,
) -> Vec<(Timestamp, Version)> {
    let mut first: BTreeMap<&ReleaseName, &Promotion> = BTreeMap::new();
    let application = release.application_name();
    for promotion in project.promotions.values().map(AsRef::as_ref) {
        let is_deleted = promotion.spec.kind == PromotionKind::Promote
            && promotion.revision().is_some()
            && !project.releases.contains_key(&promotion.spec.release)
            && project.is_of(promotion, &application);
        if is_deleted {
            let known = first.entry(&promotion.spec.release).or_insert(promotion);
            if promotion.created() < known.created() {
                *known = promotion;
            }
        }
    }
    let running = origin.map(|origin| &origin.spec.release);
    let ran = origin.map(|origin| {
        let of = project.releases.get(&origin.spec.release).map(|release| release.created());
        of.unwrap_or_else(|| {
            first.get(&origin.spec.release).map_or_else(|| origin.created(), |first| first.created())
        })
    });
    let is_between = |(name, promotion): &(&ReleaseName, &Promotion)| {
        let (at, own) = (promotion.created(), release.created());
        let is_running = running == Some(*name);
        match direction {
            Direction::None => false,
            Direction::First => at < own,
            Direction::Forward => !is_running && at < own && Some(at) > ran,
            Direction::Back => is_running || (at > own && Some(at) < ran),
        }
    };
    let between = first.into_iter().filter(is_between);
    let mut found: Vec<(Timestamp, Version)> = between
        .map(|(name, promotion)| {
            let status = promotion.status.as_ref();
            let version = status.and_then(|status| status.version.as_deref()).unwrap_or("?");
            let record = status.and_then(|status| status.change.as_deref().cloned());
            (promotion.created(), Version { deleted: true, ..recorded(name, version, record) })
        })
        .collect();
    found.sort_by(|a, b| (b.0, &b.1.release).cmp(&(a.0, &a.1.release)));
    found
}

/// What the newest promotion or dry run of the release changed: in this environment, else in another one.
fn objects(project: &Project, environment: &Environment, release: &CachedRelease) -> Option<Objects> {
    let is_of = |promotion: &&Promotion| {
        promotion.spec.kind == PromotionKind::Promote
            && promotion.spec.release == release.name()
            && is_of_content(promotion, release)
            && promotion.status.as_ref().is_some_and(|status| !status.changes.is_empty())
    };
    let all = project.promotions.values().chain(project.dry_runs.values());
    let promotions = all.map(AsRef::as_ref).filter(is_of);
    let found = promotions.max_by_key(|promotion| {
        (promotion.spec.environment == environment.name(), !promotion.spec.dry_run, promotion.created())
    })?;
    let changes = found.status.iter().flat_map(|status| &status.changes).map(|change| Object {
        action: action(change.action).to_owned(),
        kind: change.kind.clone(),
        name: change.name.clone(),
    });
    Some(Objects {
        promotion: found.name().to_owned(),
        environment: found.spec.environment.clone(),
        dry_run: found.spec.dry_run,
        changes: changes.collect(),
    })
}
