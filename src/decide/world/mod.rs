//! What was observed. Plain data: nothing here reads, and nothing here was decided.

use crate::api::{
    Approval, ChangeType, Environment, KeptRelease, Promotion, Reason, RollbackPolicySpec, UserInfo,
};
use crate::content::{ContentError, Digested, ObjectKey, Plan, Sealed};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One project, or one application of it, as the caches hold it. All three decisions read it.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The namespace of the project.
    pub name: String,
    /// Its environments, by name.
    pub environments: BTreeMap<String, Arc<Environment>>,
    /// Its rollback policies, by name.
    pub policies: BTreeMap<String, RollbackPolicySpec>,
    /// Its releases, by name.
    pub releases: BTreeMap<String, Arc<KeptRelease>>,
    /// Its promotions, by name.
    pub promotions: BTreeMap<String, Arc<Promotion>>,
    /// Environments and releases of the project that could not be decoded: kind and name, and the error.
    pub undecodable: BTreeMap<(String, String), String>,
    /// The target namespaces that exist, by name.
    pub namespaces: BTreeMap<String, NamespaceFacts>,
    /// The environments that a target may belong to: target -> `project/environment`.
    pub targets: BTreeMap<String, BTreeSet<String>>,
    /// Its approvals, by name.
    pub approvals: BTreeMap<String, Arc<Approval>>,
    /// The freezes that concern it.
    pub freezes: Vec<Freeze>,
    /// What the API server answered about people's rights, as far as it was asked.
    pub rights: BTreeMap<(Verb, String, UserInfo), bool>,
    /// Whether the API server holds requests to the rules.
    pub admission: Admission,
    /// Consent of the owners of target namespaces, by environment, as far as it was asked for.
    pub grants: BTreeMap<String, Grant>,
}

impl Project {
    /// Consent of the owner of an environment's target namespace.
    pub fn grant(&self, environment: &str) -> &Grant {
        self.grants.get(environment).unwrap_or(&Grant::NotAsked)
    }

    /// Whether somebody has a right on an environment; none when nobody asked.
    pub fn may(&self, verb: Verb, environment: &str, user: &UserInfo) -> Option<bool> {
        self.rights.get(&(verb, environment.to_owned(), user.clone())).copied()
    }
}

/// A right on environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Put releases there.
    Promote,
    /// Approve releases for it.
    Approve,
    /// Pass its gates although they are closed.
    Override,
}

impl Verb {
    /// As RBAC names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Approve => "approve",
            Self::Override => "override",
        }
    }
}

/// Whether the API server holds requests to the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// The policies of the chart are there, as they were shipped.
    Enforced,
    /// The installation does without: nobody is recorded, so approvals and overrides are not to be had.
    #[default]
    Disabled,
    /// Policies are missing or changed; which.
    Degraded(String),
}

/// A period in which no change starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Kind and name.
    pub name: String,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// Why.
    pub reason: String,
    /// The environments of the project that it names; all when empty.
    pub environments: Vec<String>,
    /// Types of changes that pass.
    pub passes: Vec<ChangeType>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its UID: a namespace created again is another one.
    pub uid: String,
    /// It is being deleted.
    pub terminating: bool,
}

/// Whether the owner of the target namespace consented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Not asked, as nothing is to be done there.
    NotAsked,
    /// The derived identity may act there.
    Granted,
    /// It may not; what is missing.
    Missing(String),
}

/// For a decision about an environment.
#[derive(Clone, Debug)]
pub struct EnvironmentWorld {
    /// The project.
    pub project: Project,
    /// The environment.
    pub environment: Arc<Environment>,
    /// Names of the Contents that exist in the project, when something may be cleaned up.
    pub contents: Option<BTreeSet<String>>,
    /// Copies of ConfigMaps in the target namespace that nothing names any more, with their UIDs.
    pub unnamed_copies: Vec<(ObjectKey, String)>,
}

/// For a decision about a release.
#[derive(Clone, Debug)]
pub struct ReleaseWorld {
    /// The project.
    pub project: Project,
    /// The release.
    pub release: Arc<KeptRelease>,
    /// What its source gave, when that had to be read.
    pub capture: Capture,
}

/// What a source gave.
#[derive(Clone, Debug)]
pub enum Capture {
    /// The content is known already.
    NotNeeded,
    /// It is not complete yet.
    Waiting {
        /// One word.
        reason: Reason,
        /// A sentence.
        message: String,
    },
    /// It can never work.
    Refused {
        /// One word.
        reason: Reason,
        /// A sentence.
        message: String,
    },
    /// The objects, pinned where possible.
    Taken {
        /// The content, ready to be stored.
        sealed: Sealed,
        /// Its images.
        images: Vec<crate::api::PinnedImage>,
    },
}

/// For a decision about an approval.
#[derive(Clone, Debug)]
pub struct ApprovalWorld {
    /// The project.
    pub project: Project,
    /// The approval.
    pub approval: Arc<Approval>,
}

/// For the decision which namespaces are frozen now.
#[derive(Clone, Debug)]
pub struct FreezesWorld {
    /// The projects with their environments and freezes; nothing else of them.
    pub projects: Vec<Project>,
    /// What is published; none when nothing ever was.
    pub published: Option<BTreeMap<String, String>>,
    /// The version of what is published.
    pub version: Option<String>,
    /// Namespaces among it that are of projects which another controller serves.
    pub foreign: BTreeSet<String>,
}

/// For a decision about a promotion.
#[derive(Clone, Debug)]
pub struct PromotionWorld {
    /// The project.
    pub project: Project,
    /// The promotion.
    pub promotion: Arc<Promotion>,
    /// The content to write: of the release before it started, of the revision afterwards.
    pub content: Loaded,
    /// The content that is being replaced, if Towpath wrote it: what it lacks is removed.
    pub replaced: Loaded,
    /// What is written for both.
    pub plans: Plans,
    /// Objects as they are live: those to be written, those kept, those to be removed.
    pub live: BTreeMap<ObjectKey, Live>,
    /// What the dry-run answered, per object.
    pub tried: Option<Trial>,
    /// Objects that this process wrote for this promotion.
    pub written: BTreeSet<ObjectKey>,
    /// Writes that the API server refused for good, and why.
    pub refused: BTreeMap<ObjectKey, String>,
    /// Since when this process has seen everything rolled out.
    pub rolled_out: Option<Timestamp>,
    /// Workloads and hooks in the target namespace, by key.
    pub workloads: BTreeMap<ObjectKey, Workload>,
    /// The term of the replica that decides.
    pub epoch: i64,
}

/// What is written for the contents of a promotion, or why they cannot be rendered. Made once for an observation and the decision
/// about it; see `needs::plans`. None while the content is not loaded.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    /// For the content to write.
    pub content: Option<Result<Plan, ContentError>>,
    /// For the content that is being replaced, until the promotion has started.
    pub replaced: Option<Result<Plan, ContentError>>,
}

/// A Content that was asked for.
#[derive(Clone, Debug, Default)]
pub enum Loaded {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// It is not there.
    Missing(String),
    /// It cannot be read.
    Broken(String),
    /// Here it is.
    Here(Arc<Digested>),
}

/// A live object.
#[derive(Clone, Debug)]
pub enum Live {
    /// There is none.
    Absent,
    /// The whole object.
    Present(Arc<Value>),
    /// The identity may not read it.
    Refused(String),
}

/// What the dry-run answered.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Digest of the objects that were tried.
    pub digest: String,
    /// The object as it would be.
    pub results: BTreeMap<ObjectKey, Result<Arc<Value>, String>>,
    /// Pods that would be refused, Secrets that are missing.
    pub refusals: Vec<String>,
    /// Warnings of the API server, and what could not be tried.
    pub warnings: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// A workload or Job, reduced to what health needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// UID.
    pub uid: String,
    /// The revision that its annotation names.
    pub revision: Option<i64>,
    /// Its controller has seen its newest spec.
    pub observed: bool,
    /// Replicas asked for. For a Job 1.
    pub desired: i32,
    /// Replicas of the newest template.
    pub updated: i32,
    /// All replicas, old and new.
    pub total: i32,
    /// Replicas of any template that are available.
    pub available: i32,
    /// The rollout is paused, or waits for a person.
    pub paused: bool,
    /// Its controller gave up, or cannot create pods: reason and message.
    pub failure: Option<(String, String)>,
    /// Its controller gave up waiting for progress: when, and its words. Stays for a while after a newer template came.
    pub gave_up: Option<(Timestamp, String)>,
    /// For a Job: it ended well.
    pub complete: bool,
    /// Pods of the newest template.
    pub pods: Vec<Pod>,
    /// Pods of an older template that are not ready: name and UID.
    pub stuck: Vec<(String, String)>,
}

/// A pod of the newest template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Ready.
    pub ready: bool,
    /// When `ready` last changed.
    pub ready_since: Option<Timestamp>,
    /// It is being deleted.
    pub deleting: bool,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Since when it cannot be scheduled, and why.
    pub unschedulable: Option<(Timestamp, String)>,
    /// The pod as a whole failed: reason and message.
    pub failed: Option<(String, String)>,
    /// Containers, init containers included.
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// Name.
    pub name: String,
    /// How often it was restarted.
    pub restarts: i32,
    /// Why it waits: reason and message.
    pub waiting: Option<(String, String)>,
    /// How it ended last, now or before the last restart.
    pub ended: Option<Ended>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// The kubelet's word, such as `OOMKilled`.
    pub reason: String,
    /// Exit code.
    pub code: i32,
    /// The message that it left.
    pub message: String,
    /// When.
    pub at: Option<Timestamp>,
    /// It is over now, not before the last restart.
    pub current: bool,
}
