//! The kinds, one file each: data, CEL rules, printer columns, defaults. Nothing here talks to a cluster.
//!
//! Doc comments on these types are what `kubectl explain` prints, so they are written for users.

#![allow(clippy::duplicated_attributes, reason = "it takes two printer columns of one type for a repetition")]

pub mod approval;
pub mod change;
pub mod condition;
pub mod content;
pub mod environment;
pub mod freeze;
pub mod gate;
pub mod kept;
pub mod promotion;
pub mod reason;
pub mod release;
pub mod rollback_policy;
pub mod schema;
pub mod trim;
pub mod user;
pub mod window;

pub use approval::{
    Approval, ApprovalDecision, ApprovalOf, ApprovalSpec, ApprovalStatus, Approvals, ApprovalsReport,
    Approved, ApproverGroup, ObjectIdentity,
};
pub use change::{ChangeType, NotBefore, ReleaseChange};
pub use condition::{Condition, HOLDS, READY, RECONCILING, STALLED, VERIFIED};
pub use content::{Content, ContentSpec};
pub use environment::{
    ApplicationStatus, Delivery, Environment, EnvironmentSpec, EnvironmentStatus, EnvironmentVariable,
    GateReport, Keep, KindRef, Overrides, Patch, PatchOperation, PromotionMode, ReplicaOverride,
    RevisionRecord, RevisionRef, VariableOverride,
};
pub use freeze::{ChangeFreeze, ChangeFreezeSpec, ClusterChangeFreeze, ClusterChangeFreezeSpec};
pub use gate::{GateName, Override};
pub use kept::{KeptRelease, Uncaptured, requesters};
pub use kube::core::Duration;
pub use promotion::{
    Change, ChangeAction, Promotion, PromotionKind, PromotionPhase, PromotionSpec, PromotionStatus, Step,
    StepResult,
};
pub use reason::{Class, Reason};
pub use release::{
    ConfigMapSource, EnvironmentSource, ImageOverride, PinnedImage, Release, ReleasePhase, ReleaseSpec,
    ReleaseStatus, Source, StageStatus,
};
pub use rollback_policy::{
    Budget, FailureAction, FailureThresholds, RollbackPolicy, RollbackPolicySpec, RollbackTarget,
};
pub use trim::Trim;
pub use user::UserInfo;
pub use window::{Window, WindowKind};

/// The API group of every kind.
pub const GROUP: &str = "towpath.dev";
/// The served version.
pub const VERSION: &str = "v1alpha1";
/// The one field manager of everything that Towpath writes.
pub const FIELD_MANAGER: &str = "towpath";
/// The namespace of the derived identities; nothing runs there.
pub const DEPLOYER_NAMESPACE: &str = "towpath-deployers";

/// The ConfigMap, in the namespace of the installation, that tells the admission policy towpath-freeze what is frozen now.
pub const FREEZES: &str = "towpath-freezes";

/// Labels and annotations that Towpath writes or reads.
pub mod mark {
    /// On a target object: whose it is, `project.environment.application`.
    pub const OWNER: &str = "towpath.dev/owner";
    /// On a target object: the revision of the environment that wrote it last.
    pub const REVISION: &str = "towpath.dev/revision";
    /// On a copy of a ConfigMap: the name that the content gave it.
    pub const ORIGINAL_NAME: &str = "towpath.dev/original-name";
    /// On a pod template: digest of the in-place ConfigMaps that its pods read.
    pub const CONFIG_DIGEST: &str = "towpath.dev/config-digest";
    /// Set by users: the wave in which an object is written, default 0.
    pub const WAVE: &str = "towpath.dev/wave";
    /// Set by users on a Job: the moment at which it runs.
    pub const HOOK: &str = "towpath.dev/hook";
    /// Set by users on a ConfigMap: `InPlace` keeps its name.
    pub const CONFIG: &str = "towpath.dev/config";
    /// Label on our own objects: the environment.
    pub const ENVIRONMENT: &str = "towpath.dev/environment";
    /// Label on promotions that Towpath made by itself: they obey the gates of automation.
    pub const AUTOMATIC: &str = "towpath.dev/automatic";
    /// Label on our own objects: the application.
    pub const APPLICATION: &str = "towpath.dev/application";
    /// Every mark of ours starts so.
    pub const PREFIX: &str = "towpath.dev/";
}
