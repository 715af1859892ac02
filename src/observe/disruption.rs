//! Whether a Job failed because its pods were disrupted.
//!
//! A disrupted pod is gone soon, often before its Job has failed. What was recorded of it counts as if it were seen.

use crate::api::Disruption;
use crate::cluster::slim;
use std::sync::Arc;

/// The pods of a Job that were evicted, preempted, or lost with their node: those that were recorded, and those that are seen.
pub(super) fn disruptions(
    job: &slim::Job,
    pods: &[Arc<slim::Pod>],
    recorded: &[Disruption],
) -> Vec<Disruption> {
    if job.is_complete() {
        return Vec::new();
    }
    let uid = job.metadata.uid();
    let mut all: Vec<Disruption> = recorded.iter().filter(|it| it.job == uid).cloned().collect();
    for pod in pods.iter().filter(|pod| pod.metadata.is_controlled_by(uid)) {
        let Some(cause) = of_pod(pod) else { continue };
        let message = format!("{} {}", cause.reason.as_str(), cause.message).trim_end().to_owned();
        let seen = Disruption { job: uid.to_owned(), pod: pod.metadata.name().to_owned(), message };
        if !all.iter().any(|it| it.is_of_same_pod(&seen)) {
            all.push(seen);
        }
    }
    all
}

/// The disruption without which a Job would not have failed. The controller counts a disrupted pod like one that failed, so a Job without
/// retries ends. None if the failures of its own pods are enough.
///
/// With `restartPolicy: OnFailure`, pods do not fail by themselves: their containers are restarted, and the controller counts the restarts
/// apart from the pods. Then it deletes the pod whose containers failed, so the pod may be gone. What is left shows enough: if the pods that were
/// disrupted do not exceed the limit, the restarts did.
pub(super) fn disruption(
    job: &slim::Job,
    pods: &[Arc<slim::Pod>],
    disruptions: &[Disruption],
) -> Option<String> {
    let last = disruptions.last().filter(|_| job.is_out_of_retries())?;
    let own = || pods.iter().filter(|pod| pod.metadata.is_controlled_by(job.metadata.uid()));
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let is_enough = match job.spec.restarts_on_failure {
        true => {
            let running = own().filter(|pod| pod.phase != slim::PodPhase::Failed);
            let containers = running.flat_map(|pod| pod.containers.iter());
            let restarts =
                containers.fold(0, |sum: i64, container| sum.saturating_add(container.restart_count.into()));
            count(disruptions.len()) > job.spec.backoff_limit && restarts < job.spec.backoff_limit.max(1)
        }
        false => {
            // Its controller deletes the pods that still run when it gives up.
            let is_failure = |pod: &&Arc<slim::Pod>| {
                pod.phase == slim::PodPhase::Failed && !pod.metadata.is_terminating() && of_pod(pod).is_none()
            };
            count(own().filter(is_failure).count()) <= job.spec.backoff_limit
        }
    };
    is_enough.then(|| format!("pod {} was disrupted: {}", last.pod, last.message))
}

/// The condition of a pod that was disrupted. A kubelet sets it also for a pod that exceeds its own limit, such as that of its ephemeral
/// storage; only the message shows that.
fn of_pod(pod: &slim::Pod) -> Option<&slim::Condition> {
    let is_about_the_node = pod.message.starts_with("The node") || pod.message.starts_with("Pod The node");
    let is_over_its_own_limit = pod.reason == "Evicted" && !is_about_the_node;
    let condition = pod.condition("DisruptionTarget")?;
    (condition.is_true("DisruptionTarget") && !is_over_its_own_limit).then_some(condition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_job_was_disrupted_if_its_own_failures_alone_would_not_have_ended_it() {
        let of_policy = |policy: &str, type_: &str, reason: &str, backoff_limit: i64| -> slim::Job {
            let condition = json!({ "type": type_, "status": "True", "reason": reason });
            let template = json!({ "spec": { "restartPolicy": policy } });
            serde_json::from_value(json!({
                "metadata": { "uid": "job" }, "spec": { "backoffLimit": backoff_limit, "template": template },
                "status": { "conditions": [condition] },
            }))
            .unwrap()
        };
        let job = |type_: &str, reason: &str, limit: i64| of_policy("Never", type_, reason, limit);
        let owner = json!([{ "apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": "job", "controller": true }]);
        let pod = |status: Value, deleted: bool| -> Arc<slim::Pod> {
            let owner = json!([{ "apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": "job", "controller": true }]);
            let mut metadata = json!({ "name": "migrate-1", "uid": "pod", "ownerReferences": owner });
            if deleted {
                metadata["deletionTimestamp"] = json!("2026-11-26T10:00:00Z");
            }
            Arc::new(serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap())
        };
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
        });
        let evicted = pod(json!({ "phase": "Failed", "conditions": [condition] }), false);
        let leaving = pod(json!({ "phase": "Running", "conditions": [condition] }), true);
        let killed = pod(json!({ "phase": "Failed" }), true);
        let crashed = pod(json!({ "phase": "Failed" }), false);
        let of_the_kubelet = |message: &str| {
            let status = json!({ "phase": "Failed", "reason": "Evicted", "message": message, "conditions": [condition] });
            pod(status, false)
        };
        let (full, greedy) = (
            of_the_kubelet("The node was low on resource: memory."),
            of_the_kubelet("Pod ephemeral local storage usage exceeds the total limit of containers 1Mi."),
        );
        let restarting = |restarts: i64, deleted: bool| -> Arc<slim::Pod> {
            let owner = json!([{ "apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": "job", "controller": true }]);
            let mut metadata = json!({ "name": "migrate-2", "uid": "pod-2", "ownerReferences": owner });
            if deleted {
                metadata["deletionTimestamp"] = json!("2026-11-26T10:00:00Z");
            }
            let main = json!({ "name": "main", "restartCount": restarts, "image": "", "imageID": "", "ready": false });
            let spec =
                json!({ "restartPolicy": "OnFailure", "containers": [{ "name": "main", "image": "m" }] });
            let status = json!({ "phase": "Running", "containerStatuses": [main] });
            Arc::new(
                serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status }))
                    .unwrap(),
            )
        };
        let other = {
            let mut pod = slim::Pod::clone(&evicted);
            pod.metadata = serde_json::from_value(
                json!({ "name": "migrate-0", "uid": "pod-0", "ownerReferences": owner }),
            )
            .unwrap();
            Arc::new(pod)
        };
        let spent = |limit| job("Failed", "BackoffLimitExceeded", limit);
        let retried = |limit| of_policy("OnFailure", "Failed", "BackoffLimitExceeded", limit);
        for (what, job, pods, expected) in [
            ("an eviction ended it", spent(0), vec![evicted.clone()], true),
            ("it is about to end", job("FailureTarget", "BackoffLimitExceeded", 0), vec![leaving], true),
            ("its node ran out of memory", spent(0), vec![full], true),
            ("it used too much storage", spent(0), vec![greedy], false),
            ("its pod failed", spent(0), vec![crashed.clone()], false),
            ("its pod is gone", spent(0), vec![], false),
            ("one of its pods failed", spent(0), vec![evicted.clone(), crashed.clone()], false),
            ("one failed and was retried", spent(1), vec![crashed, evicted.clone()], true),
            ("its controller stopped the other pod", spent(0), vec![evicted.clone(), killed], true),
            ("it ran too long", job("Failed", "DeadlineExceeded", 0), vec![evicted.clone()], false),
            ("its containers are retried, and it was evicted", retried(0), vec![evicted.clone()], true),
            (
                "evicted, and then its container failed",
                retried(1),
                vec![evicted.clone(), restarting(1, true)],
                false,
            ),
            ("evicted, and the pod that failed then is gone", retried(1), vec![evicted.clone()], false),
            ("evicted twice", retried(1), vec![other, evicted.clone(), restarting(0, true)], true),
            ("it goes on", job("Complete", "", 0), vec![evicted.clone()], false),
        ] {
            let seen = disruptions(&job, &pods, &[]);
            let said = disruption(&job, &pods, &seen);
            assert_eq!(said.is_some(), expected, "{what}: {said:?}");
            assert!(
                said.as_ref().is_none_or(|said| said.starts_with("pod migrate-1 was disrupted: Eviction"))
            );
            // What was recorded counts when the pod is gone, and of no other Job.
            let left: Vec<_> = pods.into_iter().filter(|pod| of_pod(pod).is_none()).collect();
            let recorded = disruptions(&job, &left, &seen);
            assert_eq!(disruption(&job, &left, &recorded), said, "{what}, and its disrupted pods are gone");
            let of_another: Vec<_> =
                seen.into_iter().map(|it| Disruption { job: "another".into(), ..it }).collect();
            assert_eq!(disruptions(&job, &left, &of_another), [], "{what}");
        }
    }
}
