//! Objects of custom kinds that a promotion changes: read again while their health counts, because nothing watches them.

use super::{ObserveError, health, live};
use crate::api::Location;
use crate::content::ObjectKey;
use crate::content::object::kinds::is_default;
use crate::decide::world::{Custom, Live, PromotionWorld};
use crate::process::Handles;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long an answer is used, so that a pass per pod event costs no read.
const FRESH: Duration = Duration::from_secs(5);

/// The objects of custom kinds that the promotion creates or updates. One that cannot be read is left out: the others decide.
pub async fn customs(
    handles: &Handles,
    client: &kube::Client,
    target: &Location,
    seen: &PromotionWorld,
) -> Result<BTreeMap<ObjectKey, Custom>, ObserveError> {
    let changes = seen.promotion.status.iter().flat_map(|status| &status.changes);
    let keys = changes
        .filter(|change| change.action != crate::api::ChangeAction::Delete)
        .filter(|change| !is_default(&change.api_version, &change.kind))
        .filter_map(ObjectKey::of_change);
    let mut customs = BTreeMap::new();
    for key in keys {
        let cached = handles.caches.customs.get(&(target.clone(), key.clone()));
        let found = match cached.filter(|(at, _)| at.elapsed() < FRESH) {
            Some((_, found)) => found,
            None => {
                let mut read = live::read(handles, client, target, [key.clone()]).await?;
                let Some(found) = read.remove(&key) else { continue };
                let entry = (Instant::now(), found.clone());
                handles.caches.customs.insert((target.clone(), key.clone()), entry);
                found
            }
        };
        let (live, unread) = match found {
            Live::Present(object) => (Some(object), None),
            Live::Absent => (None, None),
            Live::Refused(why) | Live::Unserved(why) | Live::Unreadable(why) => (None, Some(why)),
        };
        let uid = live.as_ref().and_then(|object| object.pointer("/metadata/uid")?.as_str());
        let pods = uid.map(|uid| health::descendants(&handles.stores, target, uid)).unwrap_or_default();
        customs.insert(key, Custom { live, unread, pods });
    }
    Ok(customs)
}
