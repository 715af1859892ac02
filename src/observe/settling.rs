//! Why a capture waits for its source environment, since when, and until when.
//!
//! Invariant: the wait ends. It counts from the first time that this process found the source unsettled, so that time in which consent was
//! missing does not count; a new process waits again.

use crate::api::{CachedRelease, Environment, EnvironmentName, Reason};
use crate::content::ObjectKey;
use crate::decide::world::{Capture, Container, Pod, Project, Workload};
use crate::process::{CaptureWait, Handles};
use jiff::{SignedDuration, Timestamp};

/// Reasons of waiting containers of which nothing is wrong.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// What a capture waits for.
pub enum Obstacle {
    /// A workload rolls out.
    RollingOut(ObjectKey),
    /// A workload fails: how, and since when as far as its pods tell.
    Failing(ObjectKey, Failure),
    /// The API server answers with an error.
    Unreadable(String),
}

/// How a workload fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Since when.
    pub since: Option<Timestamp>,
    /// A pod of it and what its kubelet reports, or what its controller reports.
    pub message: String,
}

/// The answer for a source that cannot be captured now: waits, or gives up after the progress deadline of its environment.
pub fn wait(
    handles: &Handles,
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    obstacle: Obstacle,
) -> Capture {
    let now = handles.clock.now();
    let limit = progress_deadline(project, environment);
    let mut wait = handles
        .caches
        .captures
        .get(&release.uid().to_owned())
        .unwrap_or(CaptureWait { since: now, failing_since: None });
    wait.failing_since = match &obstacle {
        Obstacle::Failing(_, failure) => wait.failing_since.into_iter().chain(failure.since).min(),
        Obstacle::RollingOut(_) | Obstacle::Unreadable(_) => None,
    };
    handles.caches.captures.insert(release.uid().to_owned(), wait.clone());
    answer(&environment.environment_name(), &obstacle, &wait, limit, now)
}

fn progress_deadline(project: &Project, environment: &Environment) -> SignedDuration {
    let policy = environment.spec.rollback_policy_ref.as_ref().and_then(|name| project.policies.get(name));
    let seconds = policy.cloned().unwrap_or_default().failing.progress_deadline_seconds;
    SignedDuration::from_secs(i64::from(seconds))
}

fn answer(
    environment: &EnvironmentName,
    obstacle: &Obstacle,
    wait: &CaptureWait,
    limit: SignedDuration,
    now: Timestamp,
) -> Capture {
    let (what, remedy) = match obstacle {
        Obstacle::RollingOut(key) => {
            (format!("{key} in {environment} is still rolling out"), "captured when it has settled")
        }
        Obstacle::Failing(key, failure) => {
            let since = wait.failing_since.map(|at| format!(" since {}", whole(at))).unwrap_or_default();
            (
                format!("{key} in {environment} is failing{since}: {}", failure.message),
                "repair it, or leave it out with spec.source.environment.selector of another release",
            )
        }
        Obstacle::Unreadable(message) => (message.clone(), "captured when the API server lists them"),
    };
    let end = wait.since.checked_add(limit).unwrap_or(Timestamp::MAX);
    if now < end {
        let reason = match obstacle {
            Obstacle::RollingOut(_) | Obstacle::Failing(..) => Reason::Unsettled,
            Obstacle::Unreadable(_) => Reason::SourceUnreadable,
        };
        let message = format!("{what}; {remedy}; given up at {}", whole(end));
        return Capture::Waiting { reason, message };
    }
    let message = format!(
        "not captured within {} s: {what}; when it is repaired, or left out with spec.source.environment.selector, create another release",
        limit.as_secs()
    );
    Capture::Refused { reason: Reason::CaptureDeadlineExceeded, message }
}

/// The time in whole seconds.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// How a workload that has not settled fails; none while it only rolls out.
pub fn failure(workload: &Workload) -> Option<Failure> {
    let mut pods: Vec<&Pod> = workload.pods.iter().filter(|pod| !pod.leaving && !pod.ready).collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    let of_pod = pods.into_iter().find_map(|pod| {
        let since = pod.ready_since.or(pod.created);
        let message = of_containers(pod).or_else(|| Some(pod.failed.as_ref()?.0.clone()));
        if let Some(message) = message {
            return Some(Failure { since, message: format!("pod {}{message}", pod.name) });
        }
        let (at, message) = pod.unschedulable.as_ref()?;
        Some(Failure {
            since: Some(*at),
            message: format!("pod {} cannot be scheduled: {message}", pod.name),
        })
    });
    let blocked = || {
        let (reason, message) = workload.blocked.as_ref()?;
        Some(Failure { since: workload.progressed, message: format!("{reason}: {message}") })
    };
    let gave_up = || {
        let (at, message) = workload.gave_up.as_ref()?;
        Some(Failure { since: Some(*at), message: message.clone() })
    };
    of_pod.or_else(blocked).or_else(gave_up)
}

/// The first container that fails. Only words that stay the same while it is restarted: each other message would be a write.
fn of_containers(pod: &Pod) -> Option<String> {
    pod.containers.iter().find_map(|container| {
        let word = word(container)?;
        Some(format!(", container {}: {word}", container.name))
    })
}

fn word(container: &Container) -> Option<String> {
    let exit = container.ended.as_ref().filter(|ended| ended.code != 0 && !ended.planned);
    let waiting = container.waiting.as_ref().map(|(reason, _)| reason.as_str());
    match (waiting.filter(|reason| !STARTING.contains(reason)), exit) {
        // Between two starts it waits, ends or runs: all of that is one failure.
        (None | Some("CrashLoopBackOff"), Some(exit)) => {
            Some(format!("CrashLoopBackOff, it terminates with {} (exit code {})", exit.reason, exit.code))
        }
        (Some(reason), _) => Some(reason.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::world::Ended;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-02T{time}Z").parse().unwrap()
    }

    fn pod(container: Container) -> Pod {
        Pod {
            name: "api-0".into(),
            ready_since: Some(at("09:00:00")),
            containers: vec![Container { name: "app".into(), ..container }],
            ..Pod::default()
        }
    }

    fn waiting(reason: &str) -> Container {
        Container { waiting: Some((reason.into(), "back-off 5m0s".into())), ..Container::default() }
    }

    fn exited() -> Option<Ended> {
        Some(Ended { reason: "Error".into(), code: 1, ..Ended::default() })
    }

    #[test]
    fn a_workload_that_only_rolls_out_does_not_fail() {
        let crash = Container { ended: exited(), ..waiting("CrashLoopBackOff") };
        let running = Container { restarts: 3, ended: exited(), ..Container::default() };
        let crashes = Some(", container app: CrashLoopBackOff, it terminates with Error (exit code 1)");
        for (what, pod, expected) in [
            ("starts", pod(waiting("ContainerCreating")), None),
            ("runs", pod(Container::default()), None),
            ("is ready", Pod { ready: true, ..pod(crash.clone()) }, None),
            ("leaves", Pod { leaving: true, ..pod(crash.clone()) }, None),
            ("waits in back-off", pod(crash), crashes),
            ("runs between two exits", pod(running), crashes),
            ("lacks its image", pod(waiting("ImagePullBackOff")), Some(", container app: ImagePullBackOff")),
        ] {
            let found = failure(&Workload { pods: vec![pod], ..Workload::default() });
            let expected = expected
                .map(|words| Failure { since: Some(at("09:00:00")), message: format!("pod api-0{words}") });
            assert_eq!(found, expected, "a pod that {what}");
        }
    }

    #[test]
    fn what_is_waited_for_is_said_until_the_deadline_and_then_given_up() {
        let key = || ObjectKey::new("apps/v1", "Deployment", "api").unwrap();
        let failing =
            |message: &str| Obstacle::Failing(key(), Failure { since: None, message: message.into() });
        let wait = CaptureWait { since: at("10:00:00"), failing_since: Some(at("09:00:00")) };
        let said = |obstacle: Obstacle, now: &str| match answer(
            &"dev".into(),
            &obstacle,
            &wait,
            SignedDuration::from_secs(600),
            at(now),
        ) {
            Capture::Waiting { reason, message } => (reason, message),
            Capture::Refused { reason, message } => (reason, message),
            other @ (Capture::NotNeeded | Capture::Taken { .. }) => panic!("{other:?}"),
        };
        assert_eq!(
            said(Obstacle::RollingOut(key()), "10:09:59").1,
            "Deployment api in dev is still rolling out; captured when it has settled; given up at 2026-11-02T10:10:00Z"
        );
        assert_eq!(
            said(failing("it crashes"), "10:00:00"),
            (
                Reason::Unsettled,
                "Deployment api in dev is failing since 2026-11-02T09:00:00Z: it crashes; repair it, or leave it out with \
                 spec.source.environment.selector of another release; given up at 2026-11-02T10:10:00Z"
                    .into()
            )
        );
        let (reason, message) = said(failing("it crashes"), "10:10:00");
        assert_eq!(reason, Reason::CaptureDeadlineExceeded);
        assert!(
            message.starts_with("not captured within 600 s: Deployment api in dev is failing since"),
            "{message}"
        );
        assert_eq!(said(Obstacle::Unreadable("HTTP 500".into()), "10:00:00").0, Reason::SourceUnreadable);
    }
}
