//! Workloads and their pods, reduced to the fields that health reads.

use crate::api::Disruption;
use core::net::IpAddr;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// A workload or Job, reduced to the fields that health reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// UID.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
    /// The revision in its annotation.
    pub revision: Option<i64>,
    /// Whether its controller has observed its newest spec.
    pub observed: bool,
    /// Desired replicas. For a Job: 1.
    pub desired: i32,
    /// The replicas that the content asks for, if it says so: the others are those of a person or an autoscaler.
    pub asked: Option<i32>,
    /// Replicas of the newest template.
    pub updated: i32,
    /// All replicas, old and new.
    pub total: i32,
    /// Replicas of any template that are available.
    pub available: i32,
    /// Whether its rollout is paused.
    pub paused: bool,
    /// Why its controller cannot create pods: reason and message. Passes by itself when a quota, a webhook or an account changes.
    pub blocked: Option<(String, String)>,
    /// When its progress deadline was exceeded, and the message. Stays for a while after a newer template was written.
    pub gave_up: Option<(Timestamp, String)>,
    /// The last progress that its controller reports. For a Job: when its controller began to run it.
    pub progressed: Option<Timestamp>,
    /// Seconds for which a pod must be ready before it is available.
    pub min_ready_seconds: i32,
    /// The deadline in its own spec: `progressDeadlineSeconds` of a Deployment, `activeDeadlineSeconds` of a Job.
    pub deadline_seconds: Option<i64>,
    /// Pods that are being deleted.
    pub stopping: Vec<StoppingPod>,
    /// For a Job: since when its controller runs it, if it has not created a pod for it.
    pub without_pods_since: Option<Timestamp>,
    /// For a Job: whether it is suspended, so that it has no pods.
    pub suspended: bool,
    /// For a Job: whether it succeeded.
    pub complete: bool,
    /// For a Job: why it failed.
    pub failed: Option<String>,
    /// For a Job that has not completed: its pods that were disrupted, the recorded ones first.
    pub disruptions: Vec<Disruption>,
    /// For a Job that failed: the disruption of its pods without which it would not have failed.
    pub disrupted: Option<String>,
    /// Whether only a user replaces its pods, by deleting them.
    pub on_delete: bool,
    /// For a CronJob: its Jobs.
    pub runs: Vec<Run>,
    /// For a CronJob: when its schedule was written, by the clock of the API server, if that was read. Earlier runs do not count.
    pub runs_since: Option<Timestamp>,
    /// For a StatefulSet: whether its controller waits until every pod is ready, pods of an older template included, before it
    /// replaces another one.
    pub ordered: bool,
    /// For a StatefulSet: the partition, if it keeps pods at the old revision.
    pub held_by_partition: Option<i32>,
    /// For a StatefulSet: the pods that the partition keeps at the old revision.
    pub held_pods: Vec<String>,
    /// Pods of the newest template.
    pub pods: Vec<Pod>,
    /// Pods of an older template that are not being deleted.
    pub outdated: Vec<OutdatedPod>,
}

/// A Job of a CronJob.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Name of the Job.
    pub name: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Why it failed.
    pub failed: Option<String>,
    /// Its pods that were disrupted, the recorded ones first, unless it completed.
    pub disruptions: Vec<Disruption>,
    /// The disruption of its pods without which it would not have failed.
    pub disrupted: Option<String>,
}

/// An object of a custom kind, and the pods that descend from it.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    /// The live object, unless it does not exist.
    pub live: Option<Arc<Value>>,
    /// Why it could not be read.
    pub unread: Option<String>,
    /// Pods that descend from it through owner references.
    pub pods: Vec<Pod>,
}

/// A pod of an older template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutdatedPod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Since when it is or is not ready.
    pub ready_since: Option<Timestamp>,
    /// Whether it shows an error: a container that cannot start or that terminated, or no node that has room.
    pub has_error: bool,
}

/// A pod that is being deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct StoppingPod {
    /// Name.
    pub name: String,
    /// The node that it runs on; empty if none is known.
    pub node: String,
    /// When its grace period ends.
    pub until: Timestamp,
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
    /// Whether it was ready and is not any more.
    pub lost_readiness: bool,
    /// When `ready` last changed.
    pub ready_since: Option<Timestamp>,
    /// Whether it leaves for a reason that is not its own: deleted, evicted by the API, preempted, or with its node.
    pub leaving: bool,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Since when it cannot be scheduled, and why.
    pub unschedulable: Option<(Timestamp, String)>,
    /// Why it is held back before it is scheduled: its scheduling gates, by name.
    pub gated: Option<String>,
    /// Why the pod as a whole failed: reason and message.
    pub failed: Option<(String, String)>,
    /// Whether it ended without an error, with its work done or with its node.
    pub completed: bool,
    /// Whether nothing starts it again after an error: neither its kubelet, by its restart policy, nor a Job.
    pub stays_down: bool,
    /// Whether it belongs to a Job that has not failed, which counts what it ends with.
    pub of_job: bool,
    /// The node, if it does not report the pod: the node controller set Ready to False, or no kubelet has taken the pod.
    pub silent_node: Option<String>,
    /// Its address, unless it has the address of its node.
    pub address: Option<IpAddr>,
    /// Containers, init containers included.
    pub containers: Vec<Container>,
}

impl Pod {
    /// Whether it is neither leaving nor over: it runs, or it is going to.
    pub fn is_staying(&self) -> bool {
        !self.leaving && self.failed.is_none() && !self.completed
    }
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
    /// How many of its terminations may follow from changes of its pod in place, such as those of its resources.
    pub excused: i32,
}

impl Container {
    /// How often it has terminated. A container that waits in back-off has terminated once more than it was restarted.
    pub fn exits(&self) -> i32 {
        let is_down = self.ended.as_ref().is_some_and(|ended| ended.current) || self.waiting.is_some();
        self.restarts.saturating_add(i32::from(is_down && self.ended.is_some()))
    }
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
    /// Whether it is part of how the pod works: an init container that is done, or an exit code after which the spec of the
    /// container restarts it on purpose.
    pub planned: bool,
}
