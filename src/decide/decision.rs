//! What was decided. Plain data: nothing here writes.

use crate::api::Meta;
use crate::api::{Environment, EnvironmentName, Location, ProjectName, PromotionSpec, Reason};
use crate::content::{ObjectKey, Sealed};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One decision about one object whose status is an `S`. Carried out in the order of the fields.
#[derive(Clone, Debug)]
pub struct Decision<S> {
    /// Contents that the memory will name. Written first: memory never names what is not there.
    pub records: Vec<Record>,
    /// What cannot be observed again; written before the actions that it guards.
    pub memory: Option<S>,
    /// The object itself is the intent, as nothing but its spec is needed to decide the same again: the memory is written
    /// behind the actions, whether they succeed or not. So nothing stands between a failure and what takes it back.
    pub memory_follows: bool,
    /// What is done.
    pub actions: Vec<Action>,
    /// For people; written last; never drives a decision.
    pub report: Option<S>,
    /// When to look again although nothing happened.
    pub wake_at: Option<Timestamp>,
    /// What people are told of; become events.
    pub notes: Vec<Note>,
}

/// The status of what has none: the published freezes.
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
        }
    }
}

impl<S> Decision<S> {
    /// The same, with an Event.
    pub fn with(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }
}

/// A Content to keep. Named by its digest, so writing it twice is writing it once.
#[derive(Clone, Debug)]
pub struct Record {
    /// The content.
    pub sealed: Sealed,
    /// The application.
    pub application: String,
    /// Who owns it: kind, name and UID.
    pub owners: Vec<Owner>,
}

/// An owner of one of our objects.
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

/// What is done. Every one may be done again after a crash without harm.
#[derive(Clone, Debug)]
pub enum Action {
    /// Create a promotion under a name that says which one it is.
    CreatePromotion {
        /// Its name.
        name: String,
        /// Its spec.
        spec: Box<PromotionSpec>,
        /// The application, for its label.
        application: String,
        /// The environment that owns it.
        owner: Owner,
    },
    /// Say which target namespaces are frozen now, for the admission policy that reads it.
    PublishFreezes {
        /// Namespace -> whose it is, until when, why.
        frozen: BTreeMap<String, String>,
        /// The version that it replaces.
        version: Option<String>,
    },
    /// Remove a promotion that left the history.
    DeletePromotion {
        /// The environment whose history it was in.
        environment: String,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// Remove a Content that nothing names any more.
    DeleteContent {
        /// Its name.
        name: String,
    },
    /// Try every object with a dry-run; the answers are remembered for the next look.
    Preflight {
        /// The environment.
        target: Target,
        /// Digest of the objects.
        digest: String,
        /// The objects, as they would be applied.
        objects: Vec<(ObjectKey, Value)>,
        /// Those of them whose fields are taken over from others first: a conflict with those is no refusal.
        adopt: BTreeSet<ObjectKey>,
        /// Those others, by their field managers.
        adopt_from: Vec<String>,
        /// One pod per template, to meet quota and pod security; by the workload.
        pods: Vec<(ObjectKey, Value)>,
        /// Secrets that must exist.
        secrets: BTreeSet<String>,
    },
    /// Take over the fields of other managers.
    Adopt {
        /// The environment.
        target: Target,
        /// The object.
        key: ObjectKey,
        /// JSON patch with a test on the resourceVersion.
        patch: Value,
    },
    /// Server-side apply, never forced.
    Apply {
        /// The environment.
        target: Target,
        /// The object.
        key: ObjectKey,
        /// What is applied.
        object: Value,
    },
    /// Delete an object.
    Delete {
        /// The environment.
        target: Target,
        /// The object.
        key: ObjectKey,
        /// Its UID: another object of the same name is left alone.
        uid: String,
    },
    /// Remember, in this process alone, since when everything is rolled out: the observe window is counted from there. Whoever
    /// comes after this process sees it again from the pods.
    MarkRolledOut {
        /// Since when.
        since: Timestamp,
    },
    /// Delete a pod that its controller will never replace by itself.
    DeletePod {
        /// The environment.
        target: Target,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
}

/// The environment that is written to, and so the identity that writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The project.
    pub project: ProjectName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The target namespace, and its cluster.
    pub location: Location,
}

/// An event for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// A warning.
    pub warning: bool,
    /// Its reason.
    pub reason: Reason,
    /// A sentence.
    pub message: String,
}
