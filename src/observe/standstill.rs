//! Why the controller of a StatefulSet or DaemonSet creates or deletes no pods: a quota, a webhook that is down, a rule of the namespace.
//! No condition says it; its Events do.
//!
//! Invariant: they are read only while a promotion is running and a workload that it changes stands still.

use super::events::events;
use crate::api::{ChangeAction, Location};
use crate::content::ObjectKey;
use crate::decide::needs::stands_still;
use crate::decide::world::PromotionWorld;
use crate::process::{Handles, Standstill};
use kube::api::ListParams;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a workload stands still before its Events are read: between two pods, every rollout does so for an instant.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an answer is used, so that a pass per pod event costs no read.
const FRESH: Duration = Duration::from_secs(5);

/// Adds to the workloads that the promotion changes why their controllers do nothing.
pub async fn explain(handles: &Handles, client: &kube::Client, target: &Location, seen: &mut PromotionWorld) {
    let now = handles.clock.now();
    let status = seen.promotion.status.iter();
    let changes = status.flat_map(|status| &status.changes).filter(|it| it.action != ChangeAction::Delete);
    for change in changes {
        let Some(key) = ObjectKey::of_change(change) else { continue };
        let Some(workload) = seen.workloads.get_mut(&key) else { continue };
        let place = (target.clone(), key.clone());
        if !stands_still(&key, workload, now) {
            handles.caches.standstills.remove(&place);
            continue;
        }
        let begun = || Standstill { since: Instant::now(), read: None, words: None };
        let mut known = handles.caches.standstills.get(&place).unwrap_or_else(begun);
        let is_due = known.read.is_none_or(|at| at.elapsed() >= FRESH);
        if known.since.elapsed() >= PATIENCE && is_due {
            known.words = words(client, target, &workload.uid, key.name()).await;
            known.read = Some(Instant::now());
        }
        workload.blocked.clone_from(&known.words);
        handles.caches.standstills.insert(place, known);
    }
}

/// Reason and message of the newest Event of a workload, if it is about a pod that could not be created or deleted. None if the identity
/// may not read Events.
async fn words(client: &kube::Client, target: &Location, uid: &str, name: &str) -> Option<(String, String)> {
    let selected = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let events: Vec<(String, Value)> = events(client, target, &selected)
        .await?
        .into_iter()
        .map(|event| (event.metadata.resource_version.unwrap_or_default(), event.data))
        .collect();
    newest_failure(&events, name)
}

fn newest_failure(events: &[(String, Value)], name: &str) -> Option<(String, String)> {
    let time = |event: &Value| {
        let of = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
        times.iter().find_map(|pointer| of(pointer)?.parse::<jiff::Timestamp>().ok())
    };
    let reason = |event: &Value| event.get("reason").and_then(Value::as_str).map(str::to_owned);
    let is_about_a_pod = |event: &Value| {
        matches!(
            reason(event).as_deref(),
            Some("FailedCreate" | "FailedDelete" | "SuccessfulCreate" | "SuccessfulDelete")
        )
    };
    // Times have whole seconds; versions of one object store grow.
    let order = |(version, event): &&(String, Value)| (time(event), version.parse::<u64>().unwrap_or(0));
    let (_, newest) = events.iter().filter(|(_, event)| is_about_a_pod(event)).max_by_key(order)?;
    let reason = reason(newest).filter(|reason| reason.starts_with("Failed"))?;
    let message = newest.get("message").and_then(Value::as_str).unwrap_or_default();
    Some((reason, without_random_names(message, name)))
}

/// The message without the random ends of the names of pods: equal refusals have equal words.
fn without_random_names(message: &str, name: &str) -> String {
    let begin = format!("\"{name}-");
    let mut parts = message.split(begin.as_str());
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(&begin);
        let end = part.find('"').filter(|end| part[..*end].len() == 5);
        text.push_str(end.map_or(part, |end| &part[end..]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(reason: &str, at: &str, message: &str) -> Value {
        json!({ "reason": reason, "lastTimestamp": format!("2026-11-02T10:00:{at}Z"), "message": message })
    }

    #[test]
    fn the_newest_event_says_why_no_pod_is_created_or_deleted() {
        let quota = "create Pod db-1 in StatefulSet db failed error: exceeded quota";
        let failed = |at: &str| event("FailedCreate", at, quota);
        for (what, events, expected) in [
            ("there is none", vec![], None),
            ("it failed", vec![failed("07")], Some(("FailedCreate", quota))),
            ("it failed before it succeeded", vec![failed("07"), event("SuccessfulCreate", "08", "")], None),
            (
                "it succeeded in the same second",
                vec![failed("07"), event("SuccessfulCreate", "07", "")],
                None,
            ),
            (
                "it failed after it succeeded",
                vec![event("SuccessfulDelete", "06", ""), failed("07")],
                Some(("FailedCreate", quota)),
            ),
            (
                "others are about other things",
                vec![failed("07"), event("Scaled", "09", "")],
                Some(("FailedCreate", quota)),
            ),
            (
                "a pod is not deleted",
                vec![event("FailedDelete", "07", "webhook")],
                Some(("FailedDelete", "webhook")),
            ),
        ] {
            let events: Vec<_> =
                events.into_iter().enumerate().map(|(i, event)| (i.to_string(), event)).collect();
            let found = newest_failure(&events, "db");
            let expected = expected.map(|(reason, words)| (reason.to_owned(), words.to_owned()));
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn equal_refusals_of_pods_with_random_names_have_equal_words() {
        let said = |pod: &str| {
            without_random_names(
                &format!("Error creating: pods \"{pod}\" is forbidden: exceeded quota"),
                "agent",
            )
        };
        assert_eq!(said("agent-x7k2p"), said("agent-zz9qd"));
        assert_eq!(said("agent-x7k2p"), "Error creating: pods \"agent-\" is forbidden: exceeded quota");
        assert!(said("other-x7k2p").contains("other-x7k2p"));
    }
}
