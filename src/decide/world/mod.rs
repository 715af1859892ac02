//! What was observed. Plain data: nothing here reads, and nothing here was decided.

mod project;
mod workload;

pub use project::{Admission, Freeze, Grant, NamespaceFacts, Objects, Project, Verb};
pub use workload::{Container, Ended, Pod, Workload};

use crate::api::{Approval, CachedRelease, Environment, Promotion, Reason};
use crate::content::{ContentError, Digested, ObjectKey, Plan, Sealed};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    pub release: Arc<CachedRelease>,
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
