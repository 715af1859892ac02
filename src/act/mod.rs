//! What was decided, carried out. One file per family of writes.
//!
//! Order: records, memory, actions, report; memory that is told to follow is written behind the actions. The first failure ends
//! the pass; reconciling again converges, because every write can be repeated.

mod error;
mod freezes;
mod preflight;
mod records;
mod status;
mod target;

pub use error::ActError;
use freezes::publish_freezes;
pub use status::{Status, Subject, reject};

use crate::cluster::{Note, NoteType};
use crate::content::object::kinds;
use crate::decide::decision::{Action, Decision};
use crate::process::Handles;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ObjectReference;
use std::collections::BTreeMap;

/// Writes into a target namespace at a time, for one decision.
const WIDTH: usize = 8;

/// Carries out a decision about an object. Returns true when something was done that the next reconcile should see at once.
pub async fn act<S: Status>(
    handles: &Handles,
    subject: &Subject,
    decision: Decision<S>,
) -> Result<bool, ActError> {
    let identity = &subject.identity;
    let project = identity.namespace.clone().unwrap_or_default();
    for record in &decision.records {
        records::create_content(handles, &project, record).await?;
    }
    let mut version = identity.resource_version.clone();
    let (first, behind) = match decision.memory_follows {
        false => (decision.memory, None),
        true => (None, decision.memory),
    };
    if let Some(memory) = &first {
        version = Some(status::write(handles, subject, version.as_deref(), memory).await?);
    }
    let uid = identity.uid.clone().unwrap_or_default();
    let done = carry_out(handles, &project, &uid, decision.actions).await;
    if let Some(memory) = &behind {
        version = Some(status::write(handles, subject, version.as_deref(), memory).await?);
    }
    let again = done?;
    if let Some(report) = &decision.report {
        status::write(handles, subject, version.as_deref(), report).await?;
    }
    for note in decision.notes {
        let note = Note {
            object_ref: reference(subject),
            type_: if note.warning { NoteType::Warning } else { NoteType::Normal },
            reason: note.reason.to_string(),
            message: note.message,
            action: "Reconcile",
        };
        handles.notes.push(handles.clock.now(), note);
    }
    Ok(again)
}

/// Actions of one decision do not rely on each other's answers, but their order is kept: fields are taken over before the
/// same object is applied, and config is there before the pods that read it.
async fn carry_out(
    handles: &Handles,
    project: &str,
    uid: &str,
    actions: Vec<Action>,
) -> Result<bool, ActError> {
    let mut batches: BTreeMap<u8, Vec<Action>> = BTreeMap::new();
    for action in actions {
        batches.entry(turn(&action)).or_default().push(action);
    }
    let mut again = false;
    for batch in batches.into_values() {
        let done: Vec<bool> = futures::stream::iter(batch)
            .map(|action| one(handles, project, uid, action))
            .buffer_unordered(WIDTH)
            .try_collect()
            .await?;
        again |= done.contains(&true);
    }
    Ok(again)
}

/// Which batch an action belongs to.
fn turn(action: &Action) -> u8 {
    match action {
        Action::Adopt { .. } => 0,
        Action::Apply { key, .. } if kinds::rank(key) == 0 => 1,
        Action::Apply { .. }
        | Action::CreatePromotion { .. }
        | Action::DeletePromotion { .. }
        | Action::MarkRolledOut { .. }
        | Action::MarkUnchanged { .. }
        | Action::PublishFreezes { .. }
        | Action::Preflight { .. } => 2,
        Action::Delete { .. } | Action::DeletePod { .. } | Action::DeleteContent { .. } => 3,
    }
}

async fn one(handles: &Handles, project: &str, uid: &str, action: Action) -> Result<bool, ActError> {
    match action {
        Action::CreatePromotion { name, spec, application, owner } => {
            records::create_promotion(handles, project, &name, *spec, &application, &owner)
                .await
                .map(|()| false)
        }
        Action::PublishFreezes { frozen, version } => {
            publish_freezes(handles, frozen, version).await.map(|()| false)
        }
        Action::DeletePromotion { environment, name, uid } => {
            handles.caches.trimmed.insert((project.to_owned(), environment), ());
            records::delete_promotion(handles, project, &name, &uid).await.map(|()| false)
        }
        Action::DeleteContent { name } => {
            records::delete_content(handles, project, &name).await.map(|()| false)
        }
        Action::Preflight { target, digest, objects, adopt, adopt_from, pods, secrets } => {
            let tries = preflight::Tries { digest, objects, adopt, adopt_from, pods, secrets };
            preflight::preflight(handles, uid, &target, tries).await.map(|()| true)
        }
        Action::Adopt { target, key, patch } => {
            target::adopt(handles, &target, &key, patch).await.map(|()| true)
        }
        Action::Apply { target, key, object } => {
            target::apply(handles, uid, &target, &key, object).await.map(|()| true)
        }
        Action::Delete { target, key, uid: object } => {
            target::delete(handles, uid, &target, &key, &object).await.map(|()| true)
        }
        Action::MarkRolledOut { since } => {
            handles.memory.rolled_out(uid, since);
            Ok(true)
        }
        Action::MarkUnchanged { generations } => {
            handles.memory.unchanged(uid, generations);
            Ok(false)
        }
        Action::DeletePod { target, name, uid } => {
            target::delete_pod(handles, &target, &name, &uid).await.map(|()| false)
        }
    }
}

fn reference(subject: &Subject) -> ObjectReference {
    let identity = &subject.identity;
    ObjectReference {
        api_version: Some(subject.resource.api_version.clone()),
        kind: Some(subject.resource.kind.clone()),
        name: identity.name.clone(),
        namespace: identity.namespace.clone(),
        uid: identity.uid.clone(),
        resource_version: None,
        field_path: None,
    }
}
