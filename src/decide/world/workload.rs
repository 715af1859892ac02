//! Workloads and their pods, reduced to the fields that health reads.

use jiff::Timestamp;

/// A workload or Job, reduced to the fields that health reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// UID.
    pub uid: String,
    /// The revision in its annotation.
    pub revision: Option<i64>,
    /// Whether its controller has observed its newest spec.
    pub observed: bool,
    /// Desired replicas. For a Job: 1.
    pub desired: i32,
    /// Replicas of the newest template.
    pub updated: i32,
    /// All replicas, old and new.
    pub total: i32,
    /// Replicas of any template that are available.
    pub available: i32,
    /// Whether the rollout is paused or waits for manual approval.
    pub paused: bool,
    /// Why its controller cannot proceed or cannot create pods: reason and message.
    pub failure: Option<(String, String)>,
    /// When its progress deadline was exceeded, and the message. Stays for a while after a newer template was written.
    pub gave_up: Option<(Timestamp, String)>,
    /// For a Job: whether it succeeded.
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
    /// Whether it is ready.
    pub ready: bool,
    /// When `ready` last changed.
    pub ready_since: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Since when it cannot be scheduled, and why.
    pub unschedulable: Option<(Timestamp, String)>,
    /// Why the pod as a whole failed: reason and message.
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
    /// Why it is waiting: reason and message.
    pub waiting: Option<(String, String)>,
    /// Its last termination: the current one, or the one before the last restart.
    pub ended: Option<Ended>,
}

/// The termination of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// The reason from the kubelet, such as `OOMKilled`.
    pub reason: String,
    /// Exit code.
    pub code: i32,
    /// The termination message.
    pub message: String,
    /// When it terminated.
    pub at: Option<Timestamp>,
    /// Whether the container is terminated now, rather than restarted since.
    pub current: bool,
}
