//! The health of an object of a custom kind: by its pods, like those of any workload, and by what its controller says about it.
//!
//! Invariant: what the API conventions do not define is not guessed. The conditions are those of kstatus (`Ready`, `Reconciling`,
//! `Stalled`, `observedGeneration`). A kind that says none of it and has no pods has no known health.

use super::workload::{held_by_gates, readiness};
use super::{Health, Mode, Rules, failing, pod, within_deadline};
use crate::api::{FIELD_MANAGER, Reason};
use crate::content::ObjectKey;
use crate::content::object::templates::pod_template;
use crate::content::ownership::fields::applied_at;
use crate::decide::world::{Custom, Pod, Workload};
use jiff::Timestamp;
use serde_json::Value;

/// The health of an object of a custom kind that the promotion wrote. None if it is unknown.
pub(super) fn of_custom(key: &ObjectKey, custom: &Custom, rules: &Rules<'_>) -> Option<Health> {
    if custom.unread.is_some() {
        return None;
    }
    let Some(live) = &custom.live else {
        return Some(match rules.mode {
            Mode::Rollout(since) | Mode::Rollback(since) => {
                within_deadline(key, "does not exist yet", since, rules)
            }
            Mode::Observe | Mode::Settle(_) => failing(Reason::Missing, format!("{key} was deleted")),
        });
    };
    let written = written_at(live, rules.started);
    let object = LiveObject::of(custom, live, written);
    if let Some(failing) = object.failing(key, rules) {
        return Some(failing);
    }
    match rules.mode {
        Mode::Observe => Some(Health::Healthy),
        Mode::Rollout(since) | Mode::Rollback(since) | Mode::Settle(since) => {
            object.rolled_out(key, since, rules)
        }
    }
}

/// A live object of a custom kind, with its pods of the newest revision.
struct LiveObject<'a> {
    custom: &'a Custom,
    live: &'a Value,
    /// `spec.replicas`.
    desired: Option<i64>,
    /// Its new pods, as those of any workload.
    workload: Workload,
    said: Said,
}

impl<'a> LiveObject<'a> {
    fn of(custom: &'a Custom, live: &'a Value, written: Timestamp) -> Self {
        let pods: Vec<Pod> = custom.pods.iter().filter(|pod| is_new(pod, written)).cloned().collect();
        let desired = live.pointer("/spec/replicas").and_then(Value::as_i64);
        let workload = Workload {
            desired: i32::try_from(desired.unwrap_or(0)).unwrap_or(i32::MAX).max(count(&pods)),
            pods,
            ..Workload::default()
        };
        Self { custom, live, desired, workload, said: said(live, written) }
    }

    /// What has failed: a pod, or the object as its controller says. A failing pod is the cause.
    fn failing(&self, key: &ObjectKey, rules: &Rules<'_>) -> Option<Health> {
        if let failing @ Health::Failing { .. } = pod::of_pods(key, &self.workload, rules) {
            return Some(failing);
        }
        if let (Mode::Observe | Mode::Settle(_), failing @ Health::Failing { .. }) =
            (rules.mode, readiness(key, &self.workload, rules))
        {
            return Some(failing);
        }
        match &self.said {
            Said::Stalled(reason, message) => Some(failing(reason.as_str(), format!("{key}: {message}"))),
            Said::Nothing | Said::NotObserved | Said::Observed | Said::Ready | Said::InProgress(_) => None,
        }
    }

    /// What is in the way of its rollout; if nothing is, how far the rollout is.
    fn rolled_out(&self, key: &ObjectKey, since: Timestamp, rules: &Rules<'_>) -> Option<Health> {
        if is_paused(self.live) {
            let message = format!("{key} is paused; resume it to continue");
            return Some(Health::Progressing { obstacle: Some(Reason::Paused), message, recheck_at: None });
        }
        let pods = &self.workload.pods;
        let is_settled = matches!(rules.mode, Mode::Settle(_)) && pods.iter().any(|pod| pod.ready);
        if let Some(held) = held_by_gates(key, pods).filter(|_| !is_settled) {
            return Some(held);
        }
        if let Some(pod) = pod::not_replaced(pods).filter(|_| self.said != Said::Ready) {
            let text = format!("has a pod that ended with an error and was not replaced, {}", pod.name);
            return Some(within_deadline(key, &text, since, rules));
        }
        self.progress(key, since, rules)
    }

    /// How far the rollout is, by what its controller says and by its new pods.
    fn progress(&self, key: &ObjectKey, since: Timestamp, rules: &Rules<'_>) -> Option<Health> {
        let Self { custom, desired, workload, .. } = self;
        let has_template = pod_template(self.live).is_some();
        let has_no_pods = workload.pods.is_empty();
        match &self.said {
            Said::Nothing if has_template && *desired != Some(0) && has_no_pods => {
                Some(within_deadline(key, "has not been observed by its controller", since, rules))
            }
            Said::NotObserved => {
                Some(within_deadline(key, "has not been observed by its controller", since, rules))
            }
            Said::InProgress(message) => Some(within_deadline(key, message, since, rules)),
            // Its controller has seen it and made no new pods: the pod template did not change, or see `keeps_earlier_pods`.
            Said::Observed | Said::Ready if has_template && has_no_pods && has_ready(custom) => {
                Some(Health::Healthy)
            }
            // Its pods may belong to objects of another custom kind, or there are none while nothing asks for them.
            Said::Ready if !custom.pods.iter().any(Pod::is_staying) => Some(Health::Healthy),
            Said::Nothing | Said::Observed | Said::Ready if has_template => {
                Some(pods_ready(key, workload, *desired, since, rules))
            }
            Said::Nothing => None,
            Said::Observed | Said::Ready | Said::Stalled(..) => {
                Some(pods_ready(key, workload, Some(0), since, rules))
            }
        }
    }
}

/// What is unknown about the health of an object, for the record.
pub(super) fn note(key: &ObjectKey, custom: &Custom, rules: &Rules<'_>) -> Option<String> {
    if let Some(why) = &custom.unread {
        return Some(format!("the health of {key} is unknown: it cannot be read: {why}"));
    }
    if of_custom(key, custom, rules).is_none() {
        return Some(match custom.pods.is_empty() {
            true => format!("the health of {key} is unknown: it has no pods and no status conditions"),
            false => format!("{key} has no status conditions, so only its pods were judged"),
        });
    }
    let live = custom.live.as_ref()?;
    let hides_pods = pod_template(live).is_some()
        && live.pointer("/spec/replicas") != Some(&Value::from(0))
        && said(live, written_at(live, rules.started)) == Said::Ready
        && !custom.pods.iter().any(Pod::is_staying);
    hides_pods.then(|| format!("{key} is ready by its own status, and none of its pods is seen"))
}

/// Whether no pod was created since, or changed in place, although pods are there: the controller of the object keeps them, and does not
/// say that it is ready.
pub fn keeps_earlier_pods(custom: &Custom, started: Timestamp) -> bool {
    let Some(live) = &custom.live else { return false };
    let started = written_at(live, started);
    let is_earlier = |pod: &Pod| {
        let is_changed = pod.containers.iter().any(|container| container.excused > 0);
        pod.created.is_some_and(|created| created < started) && !is_changed
    };
    custom.pods.iter().any(Pod::is_staying)
        && custom.pods.iter().all(is_earlier)
        && said(live, started) != Said::Ready
}

/// Whether its controller waits for a person, as those of progressive rollouts do.
fn is_paused(live: &Value) -> bool {
    live.pointer("/spec/paused") == Some(&Value::Bool(true))
        || live.pointer("/status/phase").and_then(Value::as_str) == Some("Paused")
}

/// Whether pods of any age are there, and all are ready.
fn has_ready(custom: &Custom) -> bool {
    let staying = || custom.pods.iter().filter(|pod| pod.is_staying());
    staying().next().is_some() && staying().all(|pod| pod.ready)
}

/// Whether every new pod is ready, and as many as there should be.
fn pods_ready(
    key: &ObjectKey,
    workload: &Workload,
    desired: Option<i64>,
    since: Timestamp,
    rules: &Rules<'_>,
) -> Health {
    let staying = || workload.pods.iter().filter(|pod| pod.is_staying());
    let starting = staying().find(|pod| !pod.ready && pod.unschedulable.is_none() && pod.gated.is_none());
    if let Some(pod) = starting {
        return within_deadline(key, &format!("has a pod that is not ready yet, {}", pod.name), since, rules);
    }
    let number = |is: fn(&Pod) -> bool| i64::try_from(staying().filter(|pod| is(pod)).count());
    let ready = number(|pod| pod.ready).unwrap_or(i64::MAX);
    // Only after the window: before that, they are an obstacle.
    let held = number(|pod| pod.gated.is_some()).unwrap_or(0);
    let desired = desired.unwrap_or(1);
    if ready.saturating_add(held) < desired {
        let text = format!("has {ready} of {desired} ready pods of the new revision");
        return within_deadline(key, &text, since, rules);
    }
    Health::Healthy
}

/// When the object was written, by the clock of the API server, which also says when pods were created. The own clock may be ahead of it. An
/// object of which no write of Towpath is known has the start of the promotion.
fn written_at(live: &Value, started: Timestamp) -> Timestamp {
    applied_at(live, FIELD_MANAGER).unwrap_or(started)
}

/// Whether a pod was created after the object was written. The hash of a revision is not known for custom kinds.
fn is_new(pod: &Pod, written: Timestamp) -> bool {
    pod.created.is_none_or(|created| created >= written)
}

fn count(pods: &[Pod]) -> i32 {
    i32::try_from(pods.len()).unwrap_or(i32::MAX)
}

/// What the controller of an object says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// There is no status that the API conventions define.
    Nothing,
    /// The status is about an older generation.
    NotObserved,
    /// The status is about this generation, and has no condition that the conventions define.
    Observed,
    /// `Ready` is True.
    Ready,
    /// It works on it.
    InProgress(String),
    /// It has given up: reason and message.
    Stalled(String, String),
}

/// The status of an object, as kstatus computes it.
#[derive(Debug, PartialEq, Eq)]
pub enum Kstatus {
    /// It is as its spec says.
    Current,
    /// Its controller works on it, or has not observed it yet.
    InProgress(String),
    /// Its controller has given up.
    Failed(String),
    /// It says nothing that the API conventions define.
    Unknown,
}

/// The status of an object, by `observedGeneration` and the conditions `Ready`, `Reconciling` and `Stalled`.
pub fn kstatus(object: &Value) -> Kstatus {
    match said(object, Timestamp::MIN) {
        Said::Nothing => Kstatus::Unknown,
        Said::NotObserved => Kstatus::InProgress("its controller has not observed it yet".to_owned()),
        Said::Observed | Said::Ready => Kstatus::Current,
        Said::InProgress(message) => Kstatus::InProgress(message),
        Said::Stalled(reason, message) => Kstatus::Failed(format!("{reason}: {message}")),
    }
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// This generation, as far as it says.
    Current,
    /// It says that it is about an older generation.
    OlderGeneration,
    /// It says no generation, and has not changed since before the promotion.
    FromBefore,
}

fn said(live: &Value, started: Timestamp) -> Said {
    let Some(status) =
        live.get("status").filter(|status| status.as_object().is_some_and(|it| !it.is_empty()))
    else {
        return Said::Nothing;
    };
    let generation = live.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    // Some controllers write it as text.
    let observed = status.get("observedGeneration").and_then(|observed| match observed {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    });
    if observed.is_some_and(|observed: i64| observed < generation) {
        return Said::NotObserved;
    }
    let condition = |type_: &str| {
        let all = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let mut found = all.filter(|condition| condition["type"] == type_);
        found.next().map(|it| {
            let text = |field: &str| it.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let age = match it.get("observedGeneration").and_then(Value::as_i64) {
                Some(own) if own < generation => Age::OlderGeneration,
                None if observed.is_none()
                    && text("lastTransitionTime").parse::<Timestamp>().is_ok_and(|at| at < started) =>
                {
                    Age::FromBefore
                }
                Some(_) | None => Age::Current,
            };
            (text("status"), text("reason"), text("message"), age)
        })
    };
    match (condition("Stalled"), condition("Reconciling"), condition("Ready")) {
        (Some((status, reason, message, Age::Current)), _, _) if status == "True" => {
            Said::Stalled(reason, message)
        }
        (Some((status, ..)), _, _) if status == "True" => Said::NotObserved,
        (_, Some((status, _, message, _)), _) if status == "True" => {
            Said::InProgress(format!("is reconciling: {message}"))
        }
        (_, _, Some((status, reason, message, age))) => match (status.as_str(), age) {
            (_, Age::OlderGeneration) => Said::NotObserved,
            ("True", Age::Current) => Said::Ready,
            // Nothing tells whether its controller has seen the change.
            ("True", Age::FromBefore) => Said::Observed,
            (_, Age::Current | Age::FromBefore) => {
                Said::InProgress(format!("is not ready: {reason}: {message}"))
            }
        },
        (_, _, None) if observed.is_some() => Said::Observed,
        (_, _, None) => Said::Nothing,
    }
}
