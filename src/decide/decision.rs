//! The result of `decide`, as plain data. `act` carries it out.

mod delivered;
mod message;
mod question;

pub use delivered::Delivered;
pub use message::{CloudEvent, Message};
pub use question::{Question, Which};

use super::world::{Passed, Phase, Tally};
use crate::api::{
    ApplicationName, Environment, EnvironmentId, EnvironmentName, Location, Meta, NamespaceName,
    PromotionSpec, Reason,
};
use crate::content::object::dependencies::Dependency;
use crate::content::{ObjectKey, Sealed};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The decision about one object with a status of type `S`. `act` carries it out in the order of the fields.
#[derive(Clone, Debug)]
pub struct Decision<S> {
    /// Contents that the memory refers to. Written first, so that memory never refers to a missing Content.
    pub records: Vec<Record>,
    /// The status with the facts that cannot be observed again. Written before the actions that it guards.
    pub memory: Option<S>,
    /// Writes the memory after the actions, whether they succeed or not. Set when the spec of the object is enough to decide the
    /// same again, as for a rollback: a status write must not delay it.
    pub memory_follows: bool,
    /// The actions. None relies on another one of the same decision.
    pub actions: Vec<Action>,
    /// The status to report. Written last; never drives a decision.
    pub report: Option<S>,
    /// When to reconcile again although nothing changed.
    pub wake_at: Option<Timestamp>,
    /// Events to record.
    pub notes: Vec<Note>,
    /// What the end of a promotion adds to the metrics. Counted after its status was written.
    pub delivered: Option<Delivered>,
}

/// The status of an object without one: the ConfigMap of published freezes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum NoStatus {}

impl<S> Default for Decision<S> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            memory: None,
            memory_follows: false,
            actions: Vec::new(),
            report: None,
            wake_at: None,
            notes: Vec::new(),
            delivered: None,
        }
    }
}

impl<S> Decision<S> {
    /// Adds an event.
    pub fn with(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }
}

/// A Content to create. Its name contains its digest, so creating it again has no effect.
#[derive(Clone, Debug)]
pub struct Record {
    /// The content.
    pub sealed: Sealed,
    /// The application.
    pub application: ApplicationName,
    /// The owners of the Content.
    pub owners: Vec<Owner>,
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Owner {
    /// The environment as an owner.
    pub fn environment(environment: &Environment) -> Self {
        Self { kind: "Environment", name: environment.name().to_owned(), uid: environment.uid().to_owned() }
    }
}

/// One effect. Idempotent: after a crash it may be carried out again.
#[derive(Clone, Debug)]
pub enum Action {
    /// Creates a promotion. The name is derived from its cause, so it is created once.
    CreatePromotion {
        /// Its name.
        name: String,
        /// Its spec.
        spec: Box<PromotionSpec>,
        /// The application, for its label.
        application: ApplicationName,
        /// The environment that owns it.
        owner: Owner,
    },
    /// Publishes the frozen target namespaces for the admission policy.
    PublishFreezes {
        /// By namespace: environment, end and reason of the freeze.
        frozen: BTreeMap<NamespaceName, String>,
        /// The resourceVersion that it replaces.
        version: Option<String>,
    },
    /// Deletes a promotion that is no longer part of the history. Its record is written first, to the status of its release or, if that
    /// does not exist any more, of its environment.
    DeletePromotion {
        /// The environment of the promotion.
        environment: EnvironmentName,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// Deletes a Content that no object refers to.
    DeleteContent {
        /// Its name.
        name: String,
    },
    /// Sends every object as a dry-run. The process remembers the answers for the next reconcile.
    Preflight {
        /// The environment.
        target: Target,
        /// Digest of the objects.
        digest: String,
        /// The objects, as they would be applied.
        objects: Vec<(ObjectKey, Value)>,
        /// The objects whose fields are adopted first: a conflict with the managers in `adopt_from` does not count.
        adopt: BTreeSet<ObjectKey>,
        /// Field managers whose fields are adopted.
        adopt_from: Vec<String>,
        /// One pod per template, by workload, to check quota and pod security.
        pods: Vec<(ObjectKey, Value)>,
        /// Secrets that must exist, and the objects of the release whose pods read them.
        secrets: BTreeMap<String, BTreeSet<ObjectKey>>,
        /// Objects that must exist, and the objects of the release that need them.
        needs: BTreeMap<Dependency, BTreeSet<ObjectKey>>,
    },
    /// Adopts the fields of other managers.
    Adopt {
        /// The environment.
        target: Target,
        /// The object.
        key: ObjectKey,
        /// A JSON patch that tests the resourceVersion.
        patch: Value,
    },
    /// Applies an object by server-side apply, never forced.
    Apply {
        /// The environment.
        target: Target,
        /// The object.
        key: ObjectKey,
        /// The body.
        object: Value,
        /// The body if the API server rejects the first one whenever it is sent: without what the object had before it was deleted.
        otherwise: Option<Value>,
    },
    /// Deletes an object that cannot be updated, and creates it again.
    Replace {
        /// The environment.
        target: Target,
        /// The object.
        key: ObjectKey,
        /// Its UID: a recreated object of the same name is not deleted.
        uid: String,
        /// The body.
        object: Value,
    },
    /// Deletes a Job and its pods; the Job stays until its pods are gone.
    StopJob {
        /// The environment.
        target: Target,
        /// The Job.
        key: ObjectKey,
        /// Its UID.
        uid: String,
    },
    /// Suspends a Job, which deletes its pods.
    SuspendJob {
        /// The environment.
        target: Target,
        /// The Job.
        key: ObjectKey,
        /// Its UID: a recreated Job of the same name is not suspended.
        uid: String,
    },
    /// Reads the last lines of the log of a test. The process remembers them for the next reconcile.
    ReadLog {
        /// The environment.
        target: Target,
        /// The Job of the test.
        key: ObjectKey,
        /// Its pod.
        pod: String,
        /// The container.
        container: String,
        /// Number of lines.
        lines: i32,
    },
    /// Deletes an object that the content no longer contains. A refusal is remembered and fails nothing.
    Delete {
        /// The environment.
        target: Target,
        /// The object.
        key: ObjectKey,
        /// Its UID: a recreated object of the same name is not deleted.
        uid: String,
    },
    /// Remembers, in this process only, since when everything is rolled out: the observe window starts then. The next process
    /// derives it again from the pods.
    MarkRolledOut {
        /// The start of the observe window.
        since: Timestamp,
    },
    /// Remembers in the process that these workloads still have the template that was written, as of these generations.
    MarkUnchanged {
        /// The generations.
        generations: BTreeMap<ObjectKey, i64>,
    },
    /// Remembers, in this process only, that nothing is missing but the comparison with what was written: the next pass reads it.
    MarkComparing {
        /// The current time.
        at: Timestamp,
    },
    /// Remembers, in this process only, that Jobs of hooks and tests passed. Their results are recorded with the next write of the status:
    /// the next process sees them again.
    MarkPassed {
        /// The Jobs.
        jobs: BTreeMap<ObjectKey, Passed>,
    },
    /// Takes a measurement in the background. The process remembers the answer, and requeues the promotion.
    Measure {
        /// The environment.
        target: Target,
        /// Name of the promotion.
        promotion: String,
        /// When it is taken.
        phase: Phase,
        /// Name of the check.
        check: String,
        /// What is asked.
        question: Question,
    },
    /// Remembers, in this process only, what the measurements of a check say together. The answer that was assessed is dropped.
    MarkMeasured {
        /// When they were taken.
        phase: Phase,
        /// Name of the check.
        check: String,
        /// The counts.
        tally: Tally,
    },
    /// Asks a CheckProvider in the background whether it is there. The process remembers the answer, and requeues the provider.
    AskProvider {
        /// Its name.
        provider: String,
    },
    /// Deletes a pod that its controller never replaces.
    DeletePod {
        /// The environment.
        target: Target,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
}

impl Action {
    /// The object in the target namespace that it writes; none for own objects and for what writes nothing.
    pub fn object(&self) -> Option<ObjectKey> {
        match self {
            Self::Adopt { key, .. }
            | Self::Apply { key, .. }
            | Self::Replace { key, .. }
            | Self::StopJob { key, .. }
            | Self::SuspendJob { key, .. }
            | Self::Delete { key, .. } => Some(key.clone()),
            Self::DeletePod { name, .. } => ObjectKey::new("v1", "Pod", name).ok(),
            Self::CreatePromotion { .. }
            | Self::DeletePromotion { .. }
            | Self::PublishFreezes { .. }
            | Self::DeleteContent { .. }
            | Self::MarkRolledOut { .. }
            | Self::MarkUnchanged { .. }
            | Self::MarkPassed { .. }
            | Self::MarkComparing { .. }
            | Self::Measure { .. }
            | Self::MarkMeasured { .. }
            | Self::AskProvider { .. }
            | Self::ReadLog { .. }
            | Self::Preflight { .. } => None,
        }
    }
}

/// The environment that is written to. It determines the identity that writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The environment, in its project.
    pub environment: EnvironmentId,
    /// The target namespace, and its cluster.
    pub location: Location,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether the event is of type Warning.
    pub warning: bool,
    /// Its reason.
    pub reason: Reason,
    /// The message, as a sentence.
    pub message: String,
}
