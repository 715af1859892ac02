//! Holds and recalls of a release: they are recorded when they are seen, and stay when they are lifted.

use crate::api::{CachedRelease, Intervention, InterventionKind, Meta, UserInfo, schema};
use crate::decide::conditions::seconds;
use crate::decide::world::Project;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Maximum number of interventions. The oldest ones that have ended are dropped.
const MOST: usize = 20;
/// Maximum length of a reason.
const LONGEST: usize = 512;

/// The stored interventions, with those that began, and with the ends of those that are over.
pub(super) fn interventions(
    project: &Project,
    release: &CachedRelease,
    digest: Option<&str>,
    stored: Vec<Intervention>,
    now: Timestamp,
) -> Vec<Intervention> {
    let mut all = stored;
    let lasting = lasting(project, release, digest, now);
    for known in all.iter_mut().filter(|known| known.to.is_none()) {
        // A Recall that cannot be decoded is not lifted.
        let recall = ("Recall".to_owned(), known.name.clone().unwrap_or_default());
        if !lasting.iter().any(|one| is_same(one, known)) && !project.undecodable.contains_key(&recall) {
            known.to = Some(Time(seconds(now)));
        }
    }
    let is_new = |one: &Intervention| !all.iter().any(|known| known.to.is_none() && is_same(known, one));
    let new: Vec<Intervention> = lasting.into_iter().filter(is_new).collect();
    all.extend(new);
    // One that lasts would be found again, and written again.
    while let Some(ended) = all.iter().position(|one| one.to.is_some()).filter(|_| all.len() > MOST) {
        all.remove(ended);
    }
    all.truncate(MOST);
    all
}

/// Those that last.
fn lasting(
    project: &Project,
    release: &CachedRelease,
    digest: Option<&str>,
    now: Timestamp,
) -> Vec<Intervention> {
    let cut = |text: &str| schema::cut(text, LONGEST);
    let hold = release.held().map(|held| Intervention {
        kind: InterventionKind::Hold,
        name: None,
        uid: None,
        by: held.by.as_deref().map(cut),
        reason: held.because.as_deref().map(cut),
        from: Time(seconds(held.since.unwrap_or(now))),
        to: None,
    });
    let names = |digest| project.recalls.iter().filter(move |recall| recall.names(digest));
    let by = |author: &UserInfo| author.username.clone();
    let recalls = digest.into_iter().flat_map(names).map(|recall| Intervention {
        kind: InterventionKind::Recall,
        name: Some(recall.name().to_owned()),
        uid: Some(recall.uid().to_owned()),
        by: recall.spec.author.as_ref().map(by),
        reason: Some(cut(&recall.spec.reason)),
        from: Time(recall.created()),
        to: None,
    });
    hold.into_iter().chain(recalls).collect()
}

fn is_same(one: &Intervention, other: &Intervention) -> bool {
    (one.kind, &one.uid) == (other.kind, &other.uid)
}
