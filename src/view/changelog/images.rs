//! The images that a release changes.

use super::Image;
use crate::api::{CachedRelease, Promotion, PromotionKind};
use crate::content::capture::images::repository;
use crate::decide::history::lane::{Lane, is_of_content};
use crate::decide::world::Project;
use std::collections::{BTreeMap, BTreeSet};

/// Images by repository: what is written, and how people name it.
type Used = BTreeMap<String, BTreeSet<(String, String)>>;

/// The images that differ between what runs and the release.
pub(super) fn changed(
    project: &Project,
    lane: &Lane<'_>,
    origin: Option<&Promotion>,
    release: &CachedRelease,
    notes: &mut Vec<String>,
) -> Vec<Image> {
    let Some(to) = used(release) else {
        notes.push(format!(
            "the images of {} are not known: its content was not captured yet",
            release.name()
        ));
        return Vec::new();
    };
    let from = match origin {
        None => BTreeMap::new(),
        Some(origin) => {
            let Some(from) = used_by(project, origin) else {
                let name = &origin.spec.release;
                notes.push(format!(
                    "the images of {name}, which runs, are not known: the release was deleted"
                ));
                return Vec::new();
            };
            from
        }
    };
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let pairs = names.into_iter().map(|name| (name, of(&from, name), of(&to, name)));
    let differ = |set: &BTreeSet<(String, String)>, other: &BTreeSet<(String, String)>| {
        let written = |set: &BTreeSet<(String, String)>| {
            set.iter().map(|(written, _)| written.clone()).collect::<BTreeSet<_>>()
        };
        written(set) != written(other)
    };
    let shown = |found: BTreeSet<(String, String)>| found.into_iter().map(|(_, shown)| shown).collect();
    let earlier = Earlier::of(project, lane);
    pairs
        .filter(|(_, from, to)| differ(from, to))
        .map(|(name, from, to)| Image {
            name: name.clone(),
            has_run: earlier.used(name).filter(|_| from.is_empty()),
            from: shown(from),
            to: shown(to),
        })
        .collect()
}

/// The images of every release that ran in the environment. None stands for a release whose images are not known.
struct Earlier(Vec<Option<Used>>);

impl Earlier {
    fn of(project: &Project, lane: &Lane<'_>) -> Self {
        let promoted = lane.here().filter(|promotion| promotion.spec.kind == PromotionKind::Promote);
        Self(promoted.map(|promotion| used_by(project, promotion)).collect())
    }

    /// Whether one of them used the image. None if that is not known: what ran before the first promotion has no record.
    fn used(&self, name: &str) -> Option<bool> {
        let is_known = !self.0.is_empty() && self.0.iter().all(Option::is_some);
        let is_used = self.0.iter().flatten().any(|used| used.contains_key(name));
        (is_used || is_known).then_some(is_used)
    }
}

/// The images of the release that a promotion promoted. None if the release was deleted.
fn used_by(project: &Project, promotion: &Promotion) -> Option<Used> {
    let found = project.releases.get(&promotion.spec.release);
    used(found.filter(|found| is_of_content(promotion, found))?)
}

fn of(used: &Used, name: &str) -> BTreeSet<(String, String)> {
    used.get(name).cloned().unwrap_or_default()
}

/// The images of a release. None if they are not known yet.
fn used(release: &CachedRelease) -> Option<Used> {
    release.content()?;
    let mut found = Used::new();
    for image in release.status()?.images {
        let pinned = image.pinned.as_deref().unwrap_or(&image.image);
        let digest = pinned.split_once('@').map(|(_, digest)| digest);
        let short = digest.map(|digest| digest.chars().take("sha256:".len() + 12).collect::<String>());
        let shown = match (tag(&image.image), short) {
            (Some(tag), Some(digest)) => format!("{tag} ({digest})"),
            (None, Some(digest)) => digest,
            (Some(tag), None) => tag.to_owned(),
            (None, None) => "latest".to_owned(),
        };
        let written = pinned.to_owned();
        found.entry(repository(&image.image)).or_default().insert((written, shown));
    }
    Some(found)
}

/// The tag of an image.
fn tag(image: &str) -> Option<&str> {
    let named = image.split_once('@').map_or(image, |(named, _)| named);
    // A slash follows the colon of a port.
    named.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}
