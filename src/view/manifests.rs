//! The objects of a release that is made of manifests, before it is created.

use crate::api::KindRef;
use crate::content::{ContentError, Digested, ObjectKey, ObjectSet, manifests};
use serde_json::Value;
use std::collections::BTreeMap;

/// The objects in texts, by the name of their file, if a release of this application may hold them. An environment may hold further kinds,
/// and which of them do is not known here: see [`admitted`].
pub fn objects(application: &str, texts: &BTreeMap<String, String>) -> Result<Vec<Value>, ContentError> {
    let objects = manifests::parse(texts).map_err(of_file)?;
    let kinds: Vec<KindRef> = objects.iter().filter_map(kind).collect();
    let content = ObjectSet::new(objects.clone(), &kinds, None)?;
    Digested::of(content)?.seal(application)?;
    Ok(objects)
}

/// Whether environments that list these further kinds may hold the objects.
pub fn admitted(objects: Vec<Value>, kinds: &[KindRef]) -> Result<(), ContentError> {
    ObjectSet::new(objects, kinds, None).map(drop)
}

/// The parser names the key of a ConfigMap where there is a file.
fn of_file(error: ContentError) -> ContentError {
    if let ContentError::Manifest { location, problem } = &error
        && let Some(rest) = location.strip_prefix("key ")
    {
        return ContentError::Manifest { location: format!("file {rest}"), problem: problem.clone() };
    }
    error
}

fn kind(object: &Value) -> Option<KindRef> {
    let key = ObjectKey::of(object).ok()?;
    Some(KindRef {
        api_version: key.api_version().to_owned(),
        kind: key.kind().to_owned(),
        pod_template: None,
    })
}
