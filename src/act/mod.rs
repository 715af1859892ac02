//! What was decided, carried out. One file per family of writes.
//!
//! Order: records, memory, actions, report, housekeeping; memory that follows is written after the actions. Reconciling again
//! converges, because every write can be repeated.
//!
//! Invariant: a failed write of one object in a target namespace stops no other write. That of a promotion is remembered, and the next
//! pass decides when it is tried again; any other failure ends the pass behind the last action.

mod address;
mod alerts;
mod deliver;
mod delivered;
mod error;
mod freezes;
mod history;
mod logs;
mod measure;
mod preflight;
mod prerequisites;
mod promql;
mod records;
mod status;
mod target;

pub use deliver::deliver;
pub use error::ActError;
use freezes::publish_freezes;
pub use status::{Status, Subject, reject, write as write_status};

use crate::api::{EnvironmentId, ProjectName, PromotionStatus};
use crate::cluster::{EventType, NewEvent};
use crate::content::ObjectKey;
use crate::content::object::kinds;
use crate::content::object::references::refers_to;
use crate::decide::decision::{Action, Decision};
use crate::process::{Handles, Memory};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use std::collections::{BTreeMap, BTreeSet};

/// Writes into a target namespace at a time, for one decision.
const WIDTH: usize = 8;

/// Carries out a decision about an object. Returns true when something was done that the next reconcile should see at once.
pub async fn act<S: Status>(
    handles: &Handles,
    subject: &Subject,
    decision: Decision<S>,
) -> Result<bool, ActError> {
    let identity = &subject.identity;
    let project = ProjectName::from(identity.namespace.as_deref().unwrap_or_default());
    for record in &decision.records {
        records::create_content(handles, &project, record).await?;
    }
    let mut version = identity.resource_version.clone();
    let (first, behind) = match decision.memory_follows {
        false => (decision.memory, None),
        true => (None, decision.memory),
    };
    let mut delivered = decision.delivered;
    if let Some(memory) = &first {
        version = Some(status::write(handles, subject, version.as_deref(), memory).await?);
        delivered::count(&handles.metrics, delivered.take());
    }
    let uid = identity.uid.clone().unwrap_or_default();
    let memory = (S::KIND == PromotionStatus::KIND).then_some(&handles.memory);
    let (trims, actions): (Vec<Action>, Vec<Action>) =
        decision.actions.into_iter().partition(|action| matches!(action, Action::DeletePromotion { .. }));
    let done = carry_out(handles, memory, &project, &uid, actions).await;
    if let Some(memory) = &behind {
        version = Some(status::write(handles, subject, version.as_deref(), memory).await?);
        delivered::count(&handles.metrics, delivered.take());
    }
    let again = done?;
    if let Some(report) = &decision.report {
        status::write(handles, subject, version.as_deref(), report).await?;
        delivered::count(&handles.metrics, delivered.take());
    }
    for note in decision.notes {
        let event = NewEvent {
            object_ref: reference(subject),
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.to_string(),
            message: note.message,
            action: "Reconcile",
        };
        handles.events.push(handles.clock.now(), event);
    }
    // Housekeeping keeps nothing from being reported. Several deletions may write the same record, so they follow each other.
    for trim in trims {
        one(handles, &project, &uid, trim).await?;
    }
    Ok(again)
}

/// Actions of one decision do not rely on each other's answers, but their order is kept: fields are taken over before the
/// same object is applied, and config is there before the pods that read it.
async fn carry_out(
    handles: &Handles,
    memory: Option<&Memory>,
    project: &ProjectName,
    uid: &str,
    actions: Vec<Action>,
) -> Result<bool, ActError> {
    let mut batches: BTreeMap<u8, Vec<Action>> = BTreeMap::new();
    for action in actions {
        batches.entry(turn(&action)).or_default().push(action);
    }
    let (mut again, mut unwritten, mut fault) = (false, BTreeSet::new(), None);
    for batch in batches.into_values() {
        let ready = batch.into_iter().filter(|action| !follows(action, &unwritten));
        let done: Vec<(Option<ObjectKey>, Result<bool, ActError>)> = futures::stream::iter(ready)
            .map(|action| async {
                let key = action.object();
                (key, one(handles, project, uid, action).await)
            })
            .buffer_unordered(WIDTH)
            .collect()
            .await;
        for (key, result) in done {
            match (key.zip(memory), result) {
                (_, Ok(at_once)) => again |= at_once,
                (Some((key, memory)), Err(error)) if !error.is_of_the_process() => {
                    failed(handles, memory, uid, &key, &error);
                    unwritten.insert(key);
                    again = true;
                }
                (Some(_) | None, Err(error)) => fault = fault.or(Some(error)),
            }
        }
    }
    fault.map_or(Ok(again), Err)
}

/// Remembers a failed write for the next pass.
fn failed(handles: &Handles, memory: &Memory, uid: &str, key: &ObjectKey, error: &ActError) {
    if error.is_unserved() {
        handles.resources.forget(key.api_version(), key.kind());
    }
    let conflict = error.is_conflict();
    let count = memory.failed(uid, key.clone(), error.words(), conflict, handles.clock.now());
    // Conflicts are common while other controllers write.
    if count > 2 || !conflict {
        tracing::warn!(error = %error, count, "write failed");
    }
}

/// Whether a write waits for one that failed in this pass: of the same object, or of the config of its pods.
fn follows(action: &Action, unwritten: &BTreeSet<ObjectKey>) -> bool {
    let Action::Apply { key, object, .. } = action else { return false };
    unwritten.contains(key) || unwritten.iter().any(|other| refers_to(object, other))
}

/// Which batch an action belongs to.
fn turn(action: &Action) -> u8 {
    match action {
        Action::Adopt { .. } => 0,
        Action::Apply { key, .. } | Action::Replace { key, .. } if kinds::rank(key) == 0 => 1,
        Action::Apply { .. }
        | Action::Replace { .. }
        | Action::StopJob { .. }
        | Action::SuspendJob { .. }
        | Action::ReadLog { .. }
        | Action::CreatePromotion { .. }
        | Action::DeletePromotion { .. }
        | Action::MarkRolledOut { .. }
        | Action::MarkUnchanged { .. }
        | Action::MarkPassed { .. }
        | Action::MarkComparing { .. }
        | Action::Measure { .. }
        | Action::MarkMeasured { .. }
        | Action::AskProvider { .. }
        | Action::PublishFreezes { .. }
        | Action::Preflight { .. } => 2,
        Action::Delete { .. } | Action::DeletePod { .. } | Action::DeleteContent { .. } => 3,
    }
}

async fn one(handles: &Handles, project: &ProjectName, uid: &str, action: Action) -> Result<bool, ActError> {
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
            let trimmed = EnvironmentId { project: project.clone(), environment: environment.clone() };
            handles.caches.trimmed.insert(trimmed, ());
            history::delete_promotion(handles, project, &environment, &name, &uid).await.map(|()| false)
        }
        Action::DeleteContent { name } => {
            records::delete_content(handles, project, &name).await.map(|()| false)
        }
        Action::Preflight { target, digest, objects, adopt, adopt_from, pods, secrets, needs } => {
            let tries = preflight::Tries { digest, objects, adopt, adopt_from, pods, secrets, needs };
            preflight::preflight(handles, uid, &target, tries).await.map(|()| true)
        }
        Action::Adopt { target, key, patch } => {
            target::adopt(handles, &target, &key, patch).await.map(|()| true)
        }
        Action::Apply { target, key, object, otherwise } => {
            target::apply(handles, uid, &target, &key, object, otherwise).await.map(|()| true)
        }
        Action::Replace { target, key, uid: object, object: body } => {
            target::replace(handles, uid, &target, &key, &object, body).await.map(|()| true)
        }
        Action::Delete { target, key, uid: object } => {
            target::delete(handles, uid, &target, &key, &object).await.map(|()| true)
        }
        Action::StopJob { target, key, uid: object } => {
            target::stop(handles, uid, &target, &key, &object).await.map(|()| false)
        }
        Action::SuspendJob { target, key, uid: job } => {
            target::suspend(handles, uid, &target, &key, &job).await.map(|()| false)
        }
        Action::ReadLog { target, key, pod, container, lines } => {
            logs::read_log(handles, uid, &target, key, (&pod, container), lines).await.map(|()| true)
        }
        Action::MarkRolledOut { since } => {
            handles.memory.rolled_out(uid, since);
            Ok(true)
        }
        Action::MarkUnchanged { generations } => {
            handles.memory.unchanged(uid, generations);
            Ok(false)
        }
        Action::MarkComparing { at } => {
            handles.memory.comparing(uid, at);
            Ok(true)
        }
        Action::MarkPassed { jobs } => {
            handles.memory.passed(uid, jobs);
            Ok(false)
        }
        Action::Measure { target, promotion, phase, check, question } => {
            let uid = uid.to_owned();
            measure::measure(
                handles,
                measure::Measurement { uid, promotion, target, phase, check, question },
            );
            Ok(false)
        }
        Action::MarkMeasured { phase, check, tally } => {
            handles.memory.assessed(uid, phase, &check, tally);
            Ok(false)
        }
        Action::AskProvider { provider } => {
            measure::ask_provider(handles, provider);
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
