//! The health of a Job: whether its pods can run, and its deadline.
//!
//! A Job that runs is no silence, however long it takes: its own `activeDeadlineSeconds` says how long it may. Without one, a plain Job
//! has the progress deadline of the policy, because a promotion has to end, and the Job of a hook is written with it. What its pods
//! end with is counted by its back-off limit, so only what keeps them from running is judged as for any workload.

use super::{Health, Mode, Rules, failing, pod, progress_deadline, progressing, within};
use crate::api::Reason;
use crate::content::ObjectKey;
use crate::decide::moments::{later, span};
use crate::decide::world::{Pod, Workload};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long after its own deadline the controller of a Job may take to end it.
const SLACK: SignedDuration = SignedDuration::from_secs(10);

/// The health of a plain Job in a rollout.
pub(super) fn of_job(key: &ObjectKey, workload: &Workload, since: Timestamp, rules: &Rules<'_>) -> Health {
    if workload.complete {
        return Health::Healthy;
    }
    let creation = of_creation(key, workload, rules);
    if creation != Health::Healthy {
        return creation;
    }
    let since = workload.progressed.map_or(since, |at| at.max(since)).min(rules.now.max(since));
    let own =
        workload.deadline_seconds.map(|seconds| SignedDuration::from_secs(seconds).saturating_add(SLACK));
    let limit = own.map_or(progress_deadline(rules), |own| own.max(progress_deadline(rules)));
    let text = if workload.suspended { "is suspended and has not finished" } else { "has not finished" };
    within(key, text, since, limit, rules.now)
}

/// The health of the Job of a hook, which its controller ends at its deadline.
pub fn of_hook(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    if let Some(message) = &workload.failed {
        return failing(Reason::JobFailed, format!("{key}: {message}"));
    }
    if workload.complete {
        return Health::Healthy;
    }
    match pod::of_pods_of_a_job(key, workload, rules) {
        Health::Healthy => of_creation(key, workload, rules),
        other @ (Health::Progressing { .. } | Health::Failing { .. }) => other,
    }
}

/// Whether the containers that its content names ended with 0, and only others run on, such as the proxy that a mesh adds: a Job is not
/// complete before they end, too.
pub fn has_ended_its_own(content: &Value, job: &Workload) -> bool {
    let count = |field: &str| content.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    let is_single =
        ["completions", "parallelism"].into_iter().all(|field| count(field).is_none_or(|it| it == 1));
    let containers = content.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let names = || containers.into_iter().flatten().filter_map(|container| container.get("name")?.as_str());
    let has_ended = |pod: &Pod, name: &str| {
        let ended = pod.containers.iter().find(|it| it.name == name).and_then(|it| it.ended.as_ref());
        ended.is_some_and(|ended| ended.current && ended.code == 0)
    };
    let has_done_it =
        |pod: &Pod| !pod.leaving && pod.failed.is_none() && names().all(|name| has_ended(pod, name));
    is_single && job.failed.is_none() && names().next().is_some() && job.pods.iter().any(has_done_it)
}

/// Whether its controller can create a pod. No condition of a Job says why it cannot, so the time decides.
fn of_creation(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    let Some(since) = workload.without_pods_since else { return Health::Healthy };
    let patience = match rules.mode {
        Mode::Rollout(_) => span(rules.limits.create_errors),
        Mode::Rollback(_) | Mode::Observe | Mode::Settle(_) => progress_deadline(rules),
    };
    let deadline = later(since, patience);
    if rules.now >= deadline {
        let message = format!(
            "{key}: its controller started it and has not created a pod for {} s, as with a quota, an admission webhook or a missing \
             ServiceAccount; kubectl describe job/{} shows why",
            patience.as_secs(),
            key.name()
        );
        return failing("FailedCreate", message);
    }
    progressing(format!("{key} has no pod yet"), Some(deadline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::world::{Container, Ended};
    use serde_json::json;

    #[test]
    fn a_proxy_that_was_added_does_not_keep_a_hook_from_its_end() {
        let content = |names: &[&str], more: Value| {
            let containers: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            let mut spec = json!({ "template": { "spec": { "containers": containers } } });
            spec.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
            json!({ "spec": spec })
        };
        let container = |(name, code): &(&str, Option<i32>)| Container {
            name: (*name).to_owned(),
            ended: code.map(|code| Ended { code, current: true, ..Ended::default() }),
            ..Container::default()
        };
        let pod = |all: &[(&str, Option<i32>)]| Pod {
            containers: all.iter().map(container).collect(),
            ..Pod::default()
        };
        let meshed = || pod(&[("main", Some(0)), ("proxy", None)]);
        let evicted = Pod { leaving: true, ..meshed() };
        let mut restarted = meshed();
        restarted.containers.iter_mut().filter_map(|it| it.ended.as_mut()).for_each(|it| it.current = false);
        let one = || content(&["main"], json!({}));
        for (what, content, pods, expected) in [
            ("a proxy runs on", one(), vec![meshed()], true),
            ("it has no pod", one(), vec![], false),
            ("it runs", one(), vec![pod(&[("main", None), ("proxy", None)])], false),
            ("it ended with an error", one(), vec![pod(&[("main", Some(1)), ("proxy", None)])], false),
            ("it was restarted", one(), vec![restarted], false),
            ("its pod is evicted", one(), vec![evicted], false),
            ("the content names the proxy", content(&["main", "proxy"], json!({})), vec![meshed()], false),
            ("it has to run twice", content(&["main"], json!({ "completions": 2 })), vec![meshed()], false),
            ("its containers are unknown", json!({}), vec![meshed()], false),
        ] {
            let job = Workload { pods, ..Workload::default() };
            assert_eq!(has_ended_its_own(&content, &job), expected, "{what}");
            let failed = Workload { failed: Some("too late".into()), ..job };
            assert!(!has_ended_its_own(&content, &failed), "{what}");
        }
    }
}
