//! Every reason that a status or an Event can have: one word each, documented once, with its class.
//!
//! Invariant: code compares [`Reason`], never text. The API stores reasons as strings, so that an older controller can read a
//! status that a newer one wrote. [`Reason::from`] parses them, and an unknown word becomes [`Reason::Reported`].

use std::fmt;

/// What a reason means for the object that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The object waits at a gate of release management, possibly for days: a settled state, `Ready=True`.
    Holding,
    /// The object cannot proceed until something missing is created or something else is fixed or ends.
    Blocking,
    /// Work in progress, or a fact that an Event reports.
    Transient,
    /// The object has ended, or the reason stays until its spec changes.
    Final,
}

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident: $class:ident,)+) => {
        /// Why an object is in its state.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])+ $name,)+
            /// A reason from Kubernetes, passed on unchanged: what a kubelet or a controller reports for a pod or a workload.
            Reported(String),
        }

        impl Reason {
            /// Every reason with a variant of its own.
            pub const NAMED: &[Self] = &[$(Self::$name,)+];

            /// The word, as a status and `kubectl` show it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    Self::Reported(word) => word,
                }
            }

            /// What the reason means for the object that has it.
            pub fn class(&self) -> Class {
                match self {
                    $(Self::$name => Class::$class,)+
                    Self::Reported(_) => Class::Final,
                }
            }
        }

        impl From<&str> for Reason {
            fn from(word: &str) -> Self {
                match word {
                    $(stringify!($name) => Self::$name,)+
                    _ => Self::Reported(word.to_owned()),
                }
            }
        }
    };
}

reasons! {
    // Gates at which a release waits.
    /// The release is not verified in every environment of `spec.after`, or was rolled back there.
    Order: Holding,
    /// The release was verified before, but not for as long as `spec.soak` requires.
    Soak: Holding,
    /// An application in `spec.requires` of the release is not verified there in that version or a newer one.
    Requires: Holding,
    /// `spec.hold` of the release is true.
    Hold: Holding,
    /// A Recall names the content of the release.
    Recall: Holding,
    /// The last release that failed in the environment was not reviewed, and `spec.review` is Required.
    Review: Holding,
    /// The environment is Manual: a person creates the Promotion.
    Manual: Holding,
    /// A failure holds the environment, or the same content failed here before. A person creates a Promotion to continue.
    FailureHold: Holding,
    /// The requester may not promote here, or is not recorded.
    Requester: Holding,
    /// `spec.change.notBefore` of the release lies in the future.
    NotBefore: Holding,
    /// No window of the environment is open.
    Window: Holding,
    /// A freeze is in force.
    Freeze: Holding,
    /// Another manager changed fields that Towpath wrote, and `spec.drift` of the environment is Block.
    Drift: Holding,
    /// Approvals are missing, or an approver rejected the release.
    Approval: Holding,
    /// A check or a test that has to pass before the first write has not passed, or a check cannot be measured.
    Evidence: Holding,
    /// A release ended without enough evidence and holds the environment. A person creates a Promotion to continue.
    EvidenceHold: Holding,
    /// `spec.change.deadline` of the release has passed.
    Deadline: Final,

    // Why a promotion cannot start.
    /// The owner of the target namespace has not consented.
    NotGranted: Blocking,
    /// The target namespace does not exist.
    NamespaceMissing: Blocking,
    /// The target namespace is being deleted.
    NamespaceTerminating: Blocking,
    /// The environment has a fault, or the release names one that does not exist.
    Environment: Blocking,
    /// Admission policies are missing or were modified.
    Security: Blocking,
    /// The override of the promotion cannot be used.
    Override: Blocking,
    /// Another promotion of the application is in progress in this environment.
    Lane: Blocking,
    /// The API server rejected an object of the release in a dry run.
    Preflight: Blocking,
    /// The Content that holds the objects was deleted.
    ContentMissing: Blocking,
    /// A check cannot be asked as it is written.
    CheckRefused: Blocking,
    /// The spec names an object that does not exist.
    NotFound: Blocking,
    /// An object cannot be decoded.
    Undecodable: Blocking,

    // What a rollout waits for.
    /// A Deployment is paused.
    Paused: Blocking,
    /// A workload replaces its pods only when a user deletes them.
    OnDelete: Blocking,
    /// The partition of a StatefulSet keeps pods at the old revision.
    Partition: Blocking,
    /// The Job of a hook is suspended.
    Suspended: Blocking,
    /// Pods have scheduling gates, which another controller removes.
    SchedulingGated: Blocking,
    /// Pods that are being deleted have not stopped: they have a long grace period, or their node is down.
    PodsStopping: Blocking,
    /// The node of a pod does not report.
    NodeNotReady: Blocking,

    /// An object is being deleted, and a finalizer keeps it.
    Terminating: Blocking,

    // Progress.
    /// The content of the release is not captured yet.
    Content: Transient,
    /// A promotion exists and has not started.
    Pending: Transient,
    /// A promotion is in progress.
    Promoting: Transient,
    /// Objects are being written and workloads roll out.
    RollingOut: Transient,
    /// A rollback is in progress.
    RollingBack: Transient,
    /// The release runs and its health is checked during the observe window.
    Observing: Transient,
    /// An object cannot be read or written, and the controller retries it.
    Refused: Blocking,
    /// No environment of the project accepts the release.
    NoEnvironment: Transient,
    /// The source of a release does not exist or cannot be read yet.
    SourceMissing: Transient,
    /// The API server answers with an error when the source of a release is read.
    SourceUnreadable: Transient,
    /// Workloads of the source environment are still rolling out.
    Unsettled: Transient,
    /// The environment has no revision yet.
    Idle: Transient,

    // How a promotion or a release ends without a failure.
    /// The release was healthy during the whole observe window.
    Verified: Final,
    /// A rollback restored the earlier content, and it is healthy.
    Restored: Final,
    /// A newer release was promoted first.
    Superseded: Final,
    /// Another promotion of the application started while this one was pending.
    SupersededBeforeStart: Final,
    /// The release was deleted before anything was written.
    ReleaseDeleted: Final,
    /// The promotion ended before it wrote anything.
    Cancelled: Final,
    /// A dry run ended: what would change is recorded, and nothing was written.
    Compared: Final,
    /// The release never enters this environment.
    NotAStage: Final,
    /// The release failed and was rolled back.
    RolledBack: Final,
    /// Nothing shows whether the release is good.
    Inconclusive: Final,
    /// A check could not be measured.
    CheckErrored: Final,
    /// A check was measured, and the result says nothing.
    CheckInconclusive: Final,
    /// Nothing of a workload ran, because it has no replicas, or its controller keeps the earlier pods.
    NothingRan: Final,
    /// Another manager changed the pod template of a workload before the release was verified.
    TemplateChanged: Final,
    /// Another manager changed an object of the release before the release was verified.
    ObjectChanged: Final,
    /// The pod of a hook was evicted, preempted or lost with its node, and the hook is not retried.
    HookDisrupted: Final,
    /// The same for a Job of the release behind which further waves wait.
    JobDisrupted: Final,

    // How a promotion fails.
    /// The release failed.
    Failed: Final,
    /// The rollback failed.
    RollbackFailed: Final,
    /// A person created a rollback of the release.
    RolledBackManually: Final,
    /// The content was recalled.
    Recalled: Final,
    /// The target namespace was deleted during the promotion.
    NamespaceDeleted: Final,
    /// Another tool deploys to this environment: Towpath writes nothing here.
    Observed: Final,
    /// A stored Content does not hold valid objects.
    ContentBroken: Final,
    /// The objects of the release cannot be written to this environment.
    InvalidContent: Final,
    /// An Ingress would answer for the host of the environment that it was captured in.
    IngressHost: Final,
    /// There is no verified revision to roll back to.
    NoTarget: Final,
    /// The rollback would go back behind a release with `spec.change.reversible: false`. A person decides.
    Irreversible: Final,
    /// The named revision was never verified.
    NotVerified: Final,
    /// The objects before the first promotion cannot be recorded.
    Baseline: Final,
    /// The API server rejected a write permanently.
    WriteRefused: Final,
    /// The objects could not be written in time.
    WriteDeadlineExceeded: Final,
    /// A workload was deleted in the observe window.
    Missing: Final,
    /// A workload made no progress in time.
    ProgressDeadlineExceeded: Final,
    /// Replicas became unavailable in the observe window.
    Unavailable: Final,
    /// A check failed.
    CheckFailed: Final,
    /// A pod could not be scheduled in time.
    Unschedulable: Final,
    /// A container terminated more often than the rollback policy allows.
    CrashLoopBackOff: Final,
    /// A container used more memory than its limit.
    OOMKilled: Final,
    /// A pod failed as a whole, and Kubernetes reports no reason.
    PodFailed: Final,
    /// A Job failed, and Kubernetes reports no reason.
    JobFailed: Final,
    /// The Job of a hook was deleted before its result was recorded.
    HookDeleted: Final,
    /// A test of the release failed.
    TestFailed: Final,
    /// A test of the last verified revision failed.
    RegressionFailed: Final,
    /// A test could not run, so nothing shows whether the release is good.
    TestErrored: Final,

    /// Another environment occupies the target namespace, with the consent of its owner.
    SharedNamespace: Blocking,

    // Faults of a spec.
    /// `spec.after` or a source names an environment that does not exist.
    UnknownEnvironment: Final,
    /// `spec.after` forms a cycle.
    OrderCycle: Final,
    /// `spec.requires` of releases forms a cycle.
    RequiresCycle: Final,
    /// `spec.rollbackPolicyRef` names a policy that does not exist.
    UnknownPolicy: Final,
    /// A check of the policy that `spec.rollbackPolicyRef` names cannot be used.
    InvalidPolicy: Final,
    /// A window cannot be evaluated, or the windows never open.
    InvalidWindow: Final,
    /// The template of a test contradicts how tests run.
    InvalidTest: Final,
    /// The source of a release does not hold valid objects.
    InvalidSource: Final,
    /// The source of a release did not settle in time.
    CaptureDeadlineExceeded: Final,
    /// The source of a release holds no objects.
    NothingCaptured: Final,
    /// The history holds another content under the version of the release.
    VersionTaken: Final,
    /// The content of a release is too large to store.
    TooLarge: Final,

    // Alarms of an environment, and approvals.
    /// Admission policies of the installation are missing or were modified.
    PoliciesChanged: Blocking,
    /// An Emergency change started before it was approved.
    Emergency: Blocking,
    /// A release that was verified fails while it runs.
    FailingAfterVerification: Blocking,
    /// The overrides changed after the last promotion.
    OverridesChanged: Transient,
    /// Another manager changed fields that Towpath wrote.
    FieldsChanged: Transient,
    /// A check provider or a Channel answers.
    Reachable: Transient,
    /// A check provider or a Channel does not answer.
    Unreachable: Blocking,
    /// A rollback policy can be used.
    Valid: Transient,
    /// The approval counts.
    Counts: Transient,
    /// The approval does not count.
    Ignored: Transient,

    // Events.
    /// The content of a release was captured.
    Captured: Transient,
    /// A promotion started to write.
    PromotionStarted: Transient,
    /// A rollback started to write.
    RollbackStarted: Transient,
    /// Every workload of a revision is rolled out, and the observe window starts.
    RolledOut: Transient,
    /// A promotion failed.
    PromotionFailed: Final,
    /// A promotion ended before it wrote anything.
    PromotionRefused: Final,
    /// Promotions do not start, because admission policies are missing or were modified.
    SecurityDegraded: Blocking,
    /// An approval is overdue.
    ApprovalOverdue: Blocking,
    /// A freeze names an environment that does not exist.
    FreezeIneffective: Blocking,
    /// An environment names a Channel that it cannot use.
    NotifyIneffective: Blocking,
    /// Overrides wait for the next promotion.
    OverridesPending: Transient,
    /// Another manager changed fields that Towpath wrote.
    Drifted: Transient,
}

impl Reason {
    /// Whether a gate opens with time alone. Users can approve a promotion while it waits there.
    pub fn opens_by_itself(&self) -> bool {
        matches!(self, Self::Soak | Self::NotBefore | Self::Window | Self::Freeze)
    }

    /// Whether a rollout waits until a person acts, or a controller that holds its pods back on purpose. That time is no silence.
    pub fn waits_for_a_person(&self) -> bool {
        matches!(
            self,
            Self::Paused
                | Self::OnDelete
                | Self::Partition
                | Self::Suspended
                | Self::SchedulingGated
                | Self::PodsStopping
                | Self::NodeNotReady
        )
    }

    /// Whether a promotion or a release waits at a gate, possibly for long.
    pub fn is_holding(&self) -> bool {
        self.class() == Class::Holding
    }

    /// Whether something is waited for: a gate, or an obstacle.
    pub fn is_wait(&self) -> bool {
        self.is_holding() || self.is_blocking()
    }

    /// Whether the object cannot proceed until something else is fixed, created or ends.
    pub fn is_blocking(&self) -> bool {
        self.class() == Class::Blocking
    }
}

impl From<String> for Reason {
    fn from(word: String) -> Self {
        Self::from(word.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
#[path = "reason_tests.rs"]
mod tests;
