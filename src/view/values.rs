//! The values of fields by path, for a reader who may read the objects: those of a live object, and those of the Content of a release.

use super::diff::{Object, Values};
use crate::api::Content;
use crate::content::object::comparison::leaves;
use crate::content::object::kinds;
use crate::content::{ContentError, Digested, ObjectKey};
use serde_json::Value;
use std::collections::BTreeMap;

/// An object by API version, kind and name.
pub type Key = (String, String, String);

/// The key of an object in a diff.
pub fn key(object: &Object) -> Key {
    (object.api_version.clone(), object.kind.clone(), object.name.clone())
}

/// The resource of an object in URLs, if it is of a kind that every release may hold and its name is valid.
pub fn plural(object: &Object) -> Option<&'static str> {
    let key = ObjectKey::new(&object.api_version, &object.kind, &object.name).ok()?;
    kinds::plural(key.api_version(), key.kind())
}

/// The values of a live object.
pub fn of_live(object: &Value) -> Values {
    leaves(object)
}

/// The values of every object of a Content.
pub fn of_content(content: &Content) -> Result<BTreeMap<Key, Values>, ContentError> {
    let opened = Digested::open(&content.spec)?;
    let keyed = opened.objects().iter().map(|(key, object)| {
        let owned = (key.api_version().to_owned(), key.kind().to_owned(), key.name().to_owned());
        (owned, leaves(object))
    });
    Ok(keyed.collect())
}
