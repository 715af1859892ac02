//! What the Job of a test shows.
//!
//! ```text
//!   container ended with 0                                          Passed
//!   container ended with another code                               Failed
//!   deleted, evicted, killed, never started, suspended, too late    Errored: shows nothing about the release
//! ```
//!
//! Invariant: the conditions of a Job are no verdict. A Job without a pod whose container ended is never `Failed`, and it is `Passed` only if the
//! Job controller has counted a pod whose containers all ended with 0, and no Event says that something stopped it: such a pod may have been
//! removed since, by a person, with its node or by garbage collection.

mod words;

pub use words::{is_invisible, last_lines, printable};

use super::world::{Container, TestPod, TestRun};

/// What the Job of an attempt shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not ended.
    Runs,
    /// Its container ended with 0.
    Passed {
        /// The termination message.
        message: String,
    },
    /// Its container ended with another code.
    Failed {
        /// The exit code.
        code: i32,
        /// The termination message.
        message: String,
    },
    /// It has no result.
    Errored {
        /// Why, in one word.
        reason: String,
        /// Why, in the words of Kubernetes.
        message: String,
    },
}

/// The reason of a test whose Job controller cannot create a pod: of an Event.
pub const NO_POD: &str = "FailedCreate";

/// Reasons of waiting containers that start by themselves. A pull that failed once is tried again, and then waits in back-off.
const STARTING: [&str; 3] = ["ContainerCreating", "PodInitializing", "ErrImagePull"];
/// Reasons of terminated containers whose program did not end by itself.
const NOT_ENDED: [&str; 5] =
    ["StartError", "ContainerCannotRun", "ContainerStatusUnknown", "OOMKilled", "DeadlineExceeded"];

/// What a Job shows.
pub fn standing(run: &TestRun) -> Standing {
    // A pod that ended shows more than one that was replaced.
    let of_pods: Vec<Standing> = run.pods.iter().map(of_pod).collect();
    let rank = |standing: &Standing| match standing {
        Standing::Failed { .. } => 0,
        Standing::Passed { .. } => 1,
        Standing::Errored { .. } => 2,
        Standing::Runs => 3,
    };
    match of_pods.into_iter().min_by_key(rank) {
        // Pods and Jobs are watched apart: the end of the pod is about to be seen, and it says more than that of the Job.
        Some(Standing::Runs) if run.complete || run.failed.is_some() => Standing::Runs,
        Some(Standing::Runs) | None => of_job(run),
        Some(ended) => ended,
    }
}

/// What a Job shows whose pods have not ended, or are gone.
fn of_job(run: &TestRun) -> Standing {
    if let Some((reason, message)) = &run.failed {
        return errored(reason, message);
    }
    if run.suspended {
        return errored("Suspended", "the Job was suspended");
    }
    if let Some(other) = &run.managed_by {
        return errored(
            "ManagedBy",
            &format!("the Job is managed by {other}, which is not the Job controller"),
        );
    }
    match (&run.stopped, run.complete) {
        (Some(words), true) => {
            return errored("PodDeleted", &format!("its pod is gone, and did not end by itself: {words}"));
        }
        (None, true) if run.succeeded => {
            return Standing::Passed {
                message: "its pod is gone; its Job says that it ended with 0".to_owned(),
            };
        }
        (None, true) => return errored("PodMissing", "the Job is complete, and its pod is gone"),
        (_, false) => {}
    }
    match &run.refused {
        Some(message) if run.pods.is_empty() => errored(NO_POD, message),
        Some(_) | None => Standing::Runs,
    }
}

fn of_pod(found: &TestPod) -> Standing {
    let TestPod { pod, disruption } = found;
    if let Some((reason, message)) = disruption {
        return errored(reason, message);
    }
    if pod.leaving {
        return errored("PodDeleted", &format!("pod {} was deleted", pod.name));
    }
    let main = pod.containers.first();
    let ended = main.and_then(|container| container.ended.as_ref()).filter(|ended| ended.current);
    if let Some(ended) = ended {
        let is_killed = NOT_ENDED.contains(&ended.reason.as_str());
        return match ended.code {
            _ if is_killed => errored(&ended.reason, &of_killed(ended.code, &ended.message)),
            0 => Standing::Passed { message: printable(&ended.message, MESSAGE) },
            code => match &pod.failed {
                // The kubelet or a controller ended the pod as a whole.
                Some((reason, message)) if !reason.is_empty() => errored(reason, message),
                Some(_) | None => Standing::Failed { code, message: printable(&ended.message, MESSAGE) },
            },
        };
    }
    if let Some((reason, message)) = &pod.failed {
        return match init_failure(&pod.containers) {
            Some(message) if reason.is_empty() => errored("NotStarted", &message),
            Some(_) | None if reason.is_empty() => errored("PodFailed", message),
            Some(_) | None => errored(reason, message),
        };
    }
    // Sidecars may wait while the test runs.
    let is_waiting = main.is_some_and(|container| container.waiting.is_some());
    let waiting = pod.containers.iter().filter(|_| is_waiting);
    let mut stuck = waiting.filter_map(|container| container.waiting.as_ref());
    match stuck.find(|(reason, _)| !reason.is_empty() && !STARTING.contains(&reason.as_str())) {
        Some((reason, message)) => errored(reason, message),
        None => Standing::Runs,
    }
}

/// Whether other containers run although that of the test has ended.
pub fn runs_on(run: &TestRun) -> bool {
    let has_rest = |found: &TestPod| {
        let mut ended = found.pod.containers.iter().map(|container| container.ended.is_some());
        ended.next() == Some(true) && ended.any(|ended| !ended) && found.pod.failed.is_none()
    };
    !run.is_over() && run.pods.iter().any(has_rest)
}

/// Longest message of a result.
const MESSAGE: usize = 1024;

fn errored(reason: &str, message: &str) -> Standing {
    Standing::Errored { reason: super::conditions::cut(reason, 64), message: printable(message, MESSAGE) }
}

fn of_killed(code: i32, message: &str) -> String {
    match message.is_empty() {
        true => format!("the container did not end by itself (exit code {code})"),
        false => message.to_owned(),
    }
}

/// The init container that ended with an error, so that the test never started.
fn init_failure(containers: &[Container]) -> Option<String> {
    containers.iter().skip(1).find_map(|container| {
        let ended = container.ended.as_ref().filter(|ended| ended.code != 0)?;
        let name = &container.name;
        Some(format!("the init container {name} ended with exit code {}: {}", ended.code, ended.message))
    })
}

/// Why an attempt did not end in time, if something is known about it.
pub fn obstacle(run: Option<&TestRun>) -> Option<String> {
    let Some(run) = run else { return Some("its Job does not exist".to_owned()) };
    let Some(TestPod { pod, .. }) = run.pods.first() else {
        return Some("no pod of it was created".to_owned());
    };
    if let Some((_, message)) = &pod.unschedulable {
        return Some(format!("its pod cannot be scheduled: {message}"));
    }
    let waiting = pod.containers.iter().find_map(|container| container.waiting.as_ref());
    waiting.map(|(reason, message)| format!("its container waits: {reason} {message}").trim_end().to_owned())
}

/// The pod and the container whose log is that of the test; none while it has not started.
pub fn logged(run: &TestRun) -> Option<(&str, &str)> {
    let TestPod { pod, .. } = run.pods.first()?;
    let main = pod.containers.first()?;
    let has_started = main.waiting.is_none() && pod.unschedulable.is_none();
    has_started.then_some((pod.name.as_str(), main.name.as_str()))
}

#[cfg(test)]
mod tests;
