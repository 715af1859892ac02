//! Workloads and their pods, reduced to what health needs.

use jiff::Timestamp;

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
