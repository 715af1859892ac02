//! Reads the values of fields with the rights of the user: live objects in the target namespace, and the Content of a release.
//!
//! A right that is missing is a note, and the hashes stay. So is a value that the dry run did not see.

use crate::api::{Content, Environment, Meta, Release};
use crate::user::reader::Reader;
use crate::view::diff::{Diff, Object, Values};
use crate::view::values::{Key, key, of_content, of_live, plural};
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::{Api, ResourceExt};
use std::collections::BTreeMap;

/// One side of the comparison, by object.
type Side = BTreeMap<Key, Values>;

/// Adds the values that the user may read.
pub async fn add(reader: &Reader, environment: &Environment, releases: &[Release], view: &mut Diff) {
    let mut notes = Vec::new();
    let before = match releases {
        [from, _] => of_release(reader, from, &mut notes).await,
        _ => live(reader, &environment.spec.namespace, &view.objects, &mut notes).await,
    };
    let after = match releases.last() {
        Some(release) => of_release(reader, release, &mut notes).await,
        None => Side::new(),
    };
    let of = |object: &Object| (before.get(&key(object)).cloned(), after.get(&key(object)).cloned());
    view.with_values(Meta::uid(environment), of);
    for note in notes {
        if !view.notes.contains(&note) {
            view.notes.push(note);
        }
    }
}

/// The live objects of the kinds that every release may hold.
async fn live(reader: &Reader, namespace: &str, objects: &[Object], notes: &mut Vec<String>) -> Side {
    let mut found = Side::new();
    for object in objects.iter().filter(|object| object.action != "Create") {
        let (kind, name) = (&object.kind, &object.name);
        let Some(plural) = plural(object) else {
            notes.push(format!(
                "the values of {kind} {name} are not shown: it is of a kind that the environment lists"
            ));
            continue;
        };
        let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: object.api_version.clone(),
            kind: kind.clone(),
            plural: plural.to_owned(),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(reader.client().clone(), namespace, &resource);
        match api.get_opt(name).await {
            Ok(Some(live)) => {
                found.insert(key(object), of_live(&serde_json::to_value(live).unwrap_or_default()));
            }
            Ok(None) => {}
            Err(kube::Error::Api(status)) if status.code == 403 => notes.push(format!(
                "the values that are there are not shown: you may not get {plural} in namespace {namespace}. Its owner grants it with: \
                 kubectl create rolebinding view --namespace {namespace} --clusterrole view --user YOUR-NAME"
            )),
            Err(error) => notes.push(format!("{kind} {name} cannot be read: {error}")),
        }
    }
    found
}

/// The objects of a release.
async fn of_release(reader: &Reader, release: &Release, notes: &mut Vec<String>) -> Side {
    let name = release.name_any();
    let Some(content) = release.status.as_ref().and_then(|status| status.content.clone()) else {
        notes.push(format!("the values of {name} are not shown: its content was not captured yet"));
        return Side::new();
    };
    let api: Api<Content> = Api::namespaced(reader.client().clone(), &reader.project);
    let read = match api.get(&content).await {
        Ok(content) => of_content(&content).map_err(|error| error.to_string()),
        Err(kube::Error::Api(status)) if status.code == 403 => Err(format!(
            "it needs the right to get contents.towpath.dev in namespace {}. No role of Towpath grants it, because Contents hold the \
             data of ConfigMaps",
            reader.project
        )),
        Err(error) => Err(error.to_string()),
    };
    read.unwrap_or_else(|why| {
        notes.push(format!("the values of {name} are not shown: {why}"));
        Side::new()
    })
}
