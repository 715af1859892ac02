//! What was observed. Plain data: this module makes no requests and no decisions.

mod drift;
mod live;
mod measured;
mod project;
mod provider;
mod reported;
mod test_run;
mod workload;

pub use drift::{Drifted, Drifts};
pub use live::{FailedWrite, Live};
pub use measured::{
    Alerts, Answer, Answered, Assessed, Labels, Measured, Measurements, Phase, Queried, Replied, Tally,
    Unmeasured,
};
pub use project::{Admission, Freeze, Grant, NamespaceFacts, Objects, Project, Verb};
pub use provider::{ProviderHealth, ProviderWorld};
pub use test_run::{Passed, TestPod, TestRun, Tests};
pub use workload::{Container, Custom, Ended, OutdatedPod, Pod, Run, StoppingPod, Workload};

use crate::api::{
    Approval, CachedRelease, Environment, NamespaceName, Promotion, Reason, Recall, RollbackPolicy,
};
use crate::content::{ContentError, Digested, ObjectKey, Plan, Sealed, TestJob};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Input of the decision about an environment.
#[derive(Clone, Debug)]
pub struct EnvironmentWorld {
    /// The project.
    pub project: Project,
    /// The environment.
    pub environment: Arc<Environment>,
    /// Names of the Contents in the project. None if nothing may be deleted.
    pub contents: Option<BTreeSet<String>>,
    /// What a verified release is judged by. Empty if the rollback policy does not ask for it.
    pub watched: Watched,
    /// Copies of ConfigMaps in the target namespace that nothing references, and Jobs of tests whose promotion is gone, with their
    /// UIDs.
    pub unnamed_copies: Vec<(ObjectKey, String)>,
    /// The drift of its workloads. None if they are not compared now.
    pub drift: Option<Drifts>,
}

/// The workloads of an environment after the verification of its releases.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Workloads in the target namespace, by key.
    pub workloads: BTreeMap<ObjectKey, Workload>,
    /// The live objects of those that are compared with what was written, because one of them fails.
    pub live: BTreeMap<ObjectKey, Live>,
}

/// Input of the decision about a release.
#[derive(Clone, Debug)]
pub struct ReleaseWorld {
    /// The project.
    pub project: Project,
    /// The release.
    pub release: Arc<CachedRelease>,
    /// What was read from its source, if it had to be read.
    pub capture: Capture,
}

/// What was read from the source of a release.
#[derive(Clone, Debug)]
pub enum Capture {
    /// The content is captured already.
    NotNeeded,
    /// The source does not exist yet or is not settled.
    Waiting {
        /// The reason for the condition.
        reason: Reason,
        /// A sentence.
        message: String,
    },
    /// The source cannot be captured.
    Refused {
        /// The reason for the condition.
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

/// Input of the decision about an approval.
#[derive(Clone, Debug)]
pub struct ApprovalWorld {
    /// The project.
    pub project: Project,
    /// The approval.
    pub approval: Arc<Approval>,
}

/// Input of the decision about a rollback policy.
#[derive(Clone, Debug)]
pub struct PolicyWorld {
    /// The project, without its releases and promotions.
    pub project: Project,
    /// The policy.
    pub policy: Arc<RollbackPolicy>,
}

/// Input of the decision about a recall.
#[derive(Clone, Debug)]
pub struct RecallWorld {
    /// The project.
    pub project: Project,
    /// The recall.
    pub recall: Arc<Recall>,
}

/// Input of the decision which namespaces are frozen.
#[derive(Clone, Debug)]
pub struct FreezesWorld {
    /// The projects, with only their environments and freezes.
    pub projects: Vec<Project>,
    /// The published data. None if nothing was published yet.
    pub published: Option<BTreeMap<NamespaceName, String>>,
    /// The resource version of the published data.
    pub version: Option<String>,
    /// Published namespaces of projects that another controller reconciles.
    pub foreign: BTreeSet<NamespaceName>,
}

/// Input of the decision about a promotion.
#[derive(Clone, Debug)]
pub struct PromotionWorld {
    /// The project.
    pub project: Project,
    /// The promotion.
    pub promotion: Arc<Promotion>,
    /// The content to write: of the release before the promotion started, of its revision afterwards.
    pub content: Loaded,
    /// The content that is being replaced, if Towpath wrote it. Its objects that are not in the new content are deleted.
    pub replaced: Loaded,
    /// The rendered objects of both.
    pub plans: Plans,
    /// Live objects: those to write, those that stay, those to delete.
    pub live: BTreeMap<ObjectKey, Live>,
    /// The result of the dry run, per object.
    pub tried: Option<Trial>,
    /// Objects that this process wrote for this promotion.
    pub written: BTreeSet<ObjectKey>,
    /// Writes that the API server refused permanently, and why.
    pub refused: BTreeMap<ObjectKey, String>,
    /// Generations of workloads that are known to have the template that was written.
    pub generations: BTreeMap<ObjectKey, i64>,
    /// Writes that failed and are tried again.
    pub failed: BTreeMap<ObjectKey, FailedWrite>,
    /// Since when this process has observed that every workload is rolled out.
    pub rolled_out: Option<Timestamp>,
    /// When this process found that nothing is missing but the comparison with what was written.
    pub comparing: Option<Timestamp>,
    /// Jobs of hooks and tests that this process has seen to pass.
    pub passed: BTreeMap<ObjectKey, Passed>,
    /// Workloads and hooks in the target namespace, by key.
    pub workloads: BTreeMap<ObjectKey, Workload>,
    /// Objects of custom kinds that the promotion changes, as far as they could be read.
    pub customs: BTreeMap<ObjectKey, Custom>,
    /// What this process measured for the checks.
    pub measured: Measurements,
    /// The Jobs of its tests.
    pub tests: Tests,
    /// The term of the replica that holds the lease.
    pub epoch: i64,
}

/// The rendered contents of a promotion, or why they cannot be rendered. Computed once per reconcile by `needs::plans`. None while the
/// content is not loaded.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    /// The content to write.
    pub content: Option<Result<Plan, ContentError>>,
    /// The content that is being replaced, until the promotion has started.
    pub replaced: Option<Result<Plan, ContentError>>,
    /// The tests of the last verified revision, if they have to pass.
    pub regression: Option<Result<Vec<TestJob>, ContentError>>,
    /// The Jobs that are hooks of the revision before this one.
    pub earlier_hooks: BTreeSet<ObjectKey>,
}

/// A Content, if the decision needs it.
#[derive(Clone, Debug, Default)]
pub enum Loaded {
    /// The decision does not need it.
    #[default]
    NotAsked,
    /// It does not exist.
    Missing(String),
    /// It does not hold valid objects.
    Broken(String),
    /// It is loaded.
    Here(Arc<Digested>),
}

/// The result of the dry run before the first write.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Digest of the objects in the dry run.
    pub digest: String,
    /// Each object as it would be stored, or why the API server refused it.
    pub results: BTreeMap<ObjectKey, Result<Arc<Value>, String>>,
    /// Pods that the API server would refuse, and Secrets that are missing.
    pub refusals: Vec<String>,
    /// Pods that the API server would refuse because a quota is used up, by workload: in its words.
    pub crowded: BTreeMap<ObjectKey, String>,
    /// What the objects of the release need and the environment lacks, as sentences.
    pub missing: BTreeMap<ObjectKey, Vec<String>>,
    /// Warnings of the API server, and checks that were not possible.
    pub warnings: Vec<String>,
    /// When the dry run was made.
    pub at: Timestamp,
}
