//! Facts about one pod and its containers.

use crate::cluster::slim;
use crate::decide::world::{Container, Ended, Pod};

/// A pod, reduced to the fields that health and tests read.
pub fn facts(pod: &slim::Pod) -> Pod {
    let ready = pod.condition("Ready");
    let unscheduled = pod.condition("PodScheduled").filter(|condition| {
        !condition.is_true("PodScheduled") && condition.reason.as_str() == "Unschedulable"
    });
    let gated = pod.condition("PodScheduled").filter(|it| it.reason.as_str() == "SchedulingGated");
    let since = |condition: &slim::Condition| {
        condition.last_transition_time.get().or(pod.metadata.creation_timestamp.get())
    };
    let is_disrupted =
        pod.condition("DisruptionTarget").is_some_and(|condition| condition.is_true("DisruptionTarget"));
    Pod {
        name: pod.metadata.name().to_owned(),
        uid: pod.metadata.uid().to_owned(),
        ready: pod.is_ready(),
        lost_readiness: pod.lost_readiness && !pod.is_ready(),
        ready_since: ready.and_then(|condition| condition.last_transition_time.get()),
        leaving: pod.metadata.is_terminating() || is_disrupted,
        created: pod.metadata.creation_timestamp.get(),
        unschedulable: unscheduled
            .and_then(|condition| Some((since(condition)?, condition.message.to_string()))),
        failed: (pod.phase == slim::PodPhase::Failed)
            .then(|| (pod.reason.as_str().to_owned(), pod.message.to_string())),
        gated: gated.map(|condition| condition.message.to_string()),
        completed: pod.phase == slim::PodPhase::Succeeded,
        stays_down: pod.may_end,
        of_job: false,
        silent_node: pod
            .node
            .as_deref()
            .filter(|_| pod.is_unready_by_its_node() || !pod.is_taken)
            .map(str::to_owned),
        address: pod.address,
        containers: pod
            .containers
            .iter()
            .filter(|container| !container.is_ephemeral)
            .map(|it| container(pod, it))
            .collect(),
    }
}

/// Exit codes of a container that the kubelet stopped.
const STOPPED: [i32; 2] = [137, 143];

fn container(pod: &slim::Pod, container: &slim::Container) -> Container {
    let rules = container.restart_rules.iter().flat_map(|rules| rules.iter());
    let all_rules = pod.containers.iter().filter_map(|it| it.restart_rules.as_ref());
    let stops_all = all_rules.flat_map(|rules| rules.iter()).any(slim::RestartRule::restarts_all);
    let is_planned = |code| {
        // A container that prepares the others has to end.
        (container.is_init && !container.is_sidecar && code == 0)
            || rules.clone().any(|rule| rule.applies_to(code))
            || (stops_all && STOPPED.contains(&code))
    };
    let ended = |end: &slim::Terminated, current: bool| Ended {
        reason: end.reason.as_str().to_owned(),
        code: end.exit_code,
        message: end.message.to_string(),
        at: end.finished_at.get(),
        current,
        planned: is_planned(end.exit_code),
    };
    let (waiting, now) = match &container.state {
        slim::ContainerState::Waiting(why) => {
            (Some((why.reason.as_str().to_owned(), why.message.to_string())), None)
        }
        slim::ContainerState::Terminated(end) => (None, Some(ended(end, true))),
        slim::ContainerState::Running | slim::ContainerState::Unknown => (None, None),
    };
    let ended = now.or_else(|| container.last_terminated.as_ref().map(|end| ended(end, false)));
    Container {
        name: container.name.to_string(),
        restarts: container.restart_count,
        waiting,
        excused: excused(pod, container, ended.as_ref()),
        ended,
    }
}

/// How many terminations may follow from changes of the pod in place. A change of resources restarts a container if its `resizePolicy`
/// says so. For any other change, such as that of an image, the kubelet stops the container, which shows in its exit code. Debug
/// containers raise the generation as well, and restart nothing.
fn excused(pod: &slim::Pod, container: &slim::Container, ended: Option<&Ended>) -> i32 {
    let is_stopped = ended.is_some_and(|ended| ended.code == 0 || STOPPED.contains(&ended.code));
    if !container.resize_restarts && !is_stopped {
        return 0;
    }
    let debug = pod.containers.iter().filter(|container| container.is_ephemeral).count();
    let debug = i64::try_from(debug).unwrap_or(i64::MAX);
    let changes = pod.metadata.generation.saturating_sub(1).saturating_sub(debug);
    i32::try_from(changes).unwrap_or(i32::MAX).max(0)
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
