//! The kinds, one file each: data, CEL rules, printer columns, defaults. This module makes no requests.
//!
//! `kubectl explain` shows the doc comments on these types, so they are written for users.

#![allow(
    clippy::duplicated_attributes,
    reason = "the lint takes two printer columns of the same type for a duplicate"
)]

pub mod approval;
pub mod cached;
pub mod change;
pub mod channel;
pub mod check;
pub mod check_provider;
pub mod check_report;
pub mod condition;
pub mod consent;
pub mod content;
pub mod delivery_day;
pub mod disruption;
pub mod drift;
pub mod ended;
pub mod environment;
pub mod failure_action;
pub mod freeze;
pub mod gate;
pub mod held;
pub mod intervention;
pub mod meta;
pub mod names;
pub mod notify;
pub mod object_change;
pub mod overrides;
pub mod promotion;
mod promotion_kind;
mod promotion_phase;
pub mod reason;
pub mod recall;
pub mod record;
mod recorded;
pub mod release;
pub mod review;
pub mod rollback_policy;
pub mod schema;
pub mod test;
pub mod trim;
pub mod user;
pub mod window;

pub use approval::{
    Approval, ApprovalDecision, ApprovalOf, ApprovalSpec, ApprovalStatus, Approvals, ApprovalsReport,
    Approved, ApproverGroup, ObjectIdentity,
};
pub use cached::{CachedRelease, Uncaptured, requesters};
pub use change::{
    ChangeDescription, ChangeRecord, ChangeType, Link, NotBefore, PlannedStart, ReleaseChange, Risk,
};
pub use channel::{
    Channel, ChannelFailing, ChannelSpec, ChannelStatus, ChatWebhook, Smtp, SmtpSecurity, Webhook,
};
pub use check::{
    AlertsCheck, Check, CheckTime, Comparison, HttpCheck, ObjectCheck, Operator, PrometheusCheck, Samples,
    Series, ServicePort,
};
pub use check_provider::{
    BasicAuth, CheckProvider, CheckProviderSpec, CheckProviderStatus, Endpoint, ProviderAuth, Tls,
};
pub use check_report::{CheckReport, Verdict};
pub use condition::{Condition, HOLDS, READY, RECONCILING, STALLED, VERIFIED, ready};
pub use consent::MissingConsent;
pub use content::{Content, ContentSpec};
pub use delivery_day::DeliveryDay;
pub use disruption::Disruption;
pub use drift::{DriftMode, DriftedField};
pub use ended::Ended;
pub use environment::{
    ApplicationStatus, Delivery, Environment, EnvironmentSpec, EnvironmentStatus, GateReport, KindRef,
    ObjectRef, PromotionMode, RevisionRecord, RevisionRef,
};
pub use failure_action::FailureAction;
pub use freeze::{ChangeFreeze, ChangeFreezeSpec, ClusterChangeFreeze, ClusterChangeFreezeSpec};
pub use gate::{GateName, Override};
pub use held::Held;
pub use intervention::{Intervention, InterventionKind};
pub use kube::core::Duration;
pub use meta::Meta;
pub use names::{
    ApplicationName, ClusterName, EnvironmentId, EnvironmentName, LaneId, Location, NamespaceName,
    ProjectName, ReleaseName,
};
pub use notify::{Notify, NotifyEvent};
pub use object_change::{ChangeAction, FieldChange, Had, NodePort, ObjectChange, Removal};
pub use overrides::{
    EnvironmentVariable, Overrides, Patch, PatchOperation, ReplicaOverride, VariableOverride,
};
pub use promotion::{ExitsBefore, Promotion, PromotionSpec, PromotionStatus, Step, StepResult};
pub use promotion_kind::PromotionKind;
pub use promotion_phase::PromotionPhase;
pub use reason::{Class, Reason};
pub use recall::{Recall, RecallSpec, RecallStatus, RecalledIn};
pub use record::{Record, RecordEntry, Recorded, RecordedResult};
pub use release::{
    ConfigMapSource, EnvironmentSource, GateWait, ImageOverride, PinnedImage, Release, ReleasePhase,
    ReleaseSpec, ReleaseStatus, Requirement, Source, StageStatus,
};
pub use review::{
    ClosedReview, Incident, ReleaseReview, Review, ReviewMode, ReviewOutcome, ReviewSpec, StageFigures,
};
pub use rollback_policy::{
    AfterVerified, AfterVerifiedAction, Budget, FailureThresholds, RollbackPolicy, RollbackPolicySpec,
    RollbackPolicyStatus, RollbackTarget,
};
pub use test::{EnvironmentTest, TestOrigin, TestResult, TestStatus, TestTime};
pub use trim::Trim;
pub use user::UserInfo;
pub use window::{Window, WindowKind};

/// API group of every kind.
pub const GROUP: &str = "towpath.dev";
/// Served API version.
pub const VERSION: &str = "v1alpha1";
/// Field manager of everything that Towpath writes.
pub const FIELD_MANAGER: &str = "towpath";
/// Namespace of the identities of environments. No pods run there.
pub const DEPLOYER_NAMESPACE: &str = "towpath-deployers";

/// Name of the ConfigMap, in the namespace of the installation, that lists the frozen namespaces for the admission policy
/// towpath-freeze.
pub const FREEZES: &str = "towpath-freezes";

/// Labels and annotations that Towpath writes or reads.
pub mod mark {
    /// On objects in target namespaces: the owner, `project.environment.application`.
    pub const OWNER: &str = "towpath.dev/owner";
    /// On objects in target namespaces: the revision that last wrote the object.
    pub const REVISION: &str = "towpath.dev/revision";
    /// On copies of ConfigMaps: the name of the ConfigMap in the content.
    pub const ORIGINAL_NAME: &str = "towpath.dev/original-name";
    /// On pod templates: digest of the ConfigMaps that the pods read and that keep their name.
    pub const CONFIG_DIGEST: &str = "towpath.dev/config-digest";
    /// What the names of dry runs start with. No name that the controller gives starts with it: the name of an environment has no dot.
    pub const DRY_RUN: &str = "dry-run.";
    /// Set by users: wave in which the object is written. Default: 0.
    pub const WAVE: &str = "towpath.dev/wave";
    /// Set by users on a Job: when the Job runs, `pre-promote` or `post-promote`.
    pub const HOOK: &str = "towpath.dev/hook";
    /// Set by users on a Job: the Job is a test of the release, `required` or `optional`.
    pub const TEST: &str = "towpath.dev/test";
    /// Set by users on a test: how long one attempt may take. Default: 10m.
    pub const TEST_TIMEOUT: &str = "towpath.dev/test-timeout";
    /// Set by users on a test: how often it is repeated. Default: 0.
    pub const TEST_RETRIES: &str = "towpath.dev/test-retries";
    /// Set by users on a test: number of last lines of the log to record. Default: 0.
    pub const TEST_KEEP_LOG: &str = "towpath.dev/test-keep-log";
    /// In the content of a revision, on tests that the environment added: `Before` if they run before anything is written.
    pub const TEST_WHEN: &str = "towpath.dev/test-when";
    /// In the content of a revision, on tests that the environment added: their name there.
    pub const TEST_OF_ENVIRONMENT: &str = "towpath.dev/test-of-environment";
    /// On the Jobs of tests: name of the Promotion.
    pub const PROMOTION: &str = "towpath.dev/promotion";
    /// Set by users on a ConfigMap: with `InPlace` the ConfigMap keeps its name instead of being copied.
    pub const CONFIG: &str = "towpath.dev/config";
    /// On objects of custom kinds: JSON pointer of the pod template, from `spec.kinds` of an environment or set by users.
    pub const POD_TEMPLATE: &str = "towpath.dev/pod-template";
    /// Set by users: with `never` the object is not deleted when a release no longer contains it.
    pub const PRUNE: &str = "towpath.dev/prune";
    /// The same, as Helm users set it: with `keep` the object is not deleted.
    pub const RESOURCE_POLICY: &str = "helm.sh/resource-policy";
    /// Label on objects of Towpath: name of the environment.
    pub const ENVIRONMENT: &str = "towpath.dev/environment";
    /// Label on Promotions that the controller created. They are subject to the gates of automatic promotion.
    pub const AUTOMATIC: &str = "towpath.dev/automatic";
    /// Label on objects of Towpath: name of the application.
    pub const APPLICATION: &str = "towpath.dev/application";
    /// On a Release: the user who set `spec.hold`. The admission policies keep it true.
    pub const HELD_BY: &str = "towpath.dev/held-by";
    /// On a Release: why the user set `spec.hold`.
    pub const HELD_BECAUSE: &str = "towpath.dev/held-because";
    /// Prefix of every label and annotation of Towpath.
    pub const PREFIX: &str = "towpath.dev/";
}
