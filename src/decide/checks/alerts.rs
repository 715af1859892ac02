//! Which alerts are the same one: what was active before a promotion says nothing about it.

use crate::decide::world::{Alerts, Labels};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Labels that differ for each instance of a workload, and so for each revision.
const OF_AN_INSTANCE: [&str; 4] = ["instance", "uid", "pod_ip", "container_id"];
/// Labels that hold the name of a pod.
const OF_A_POD: [&str; 3] = ["pod", "pod_name", "exported_pod"];
/// The characters of the random parts of the names of pods.
const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";

/// The names of those of `all` that became active since the promotion started, and were not active before for the same object.
pub(super) fn new_names(alerts: &Alerts, all: &[Labels]) -> Vec<String> {
    let is_new = |labels: &&Labels| {
        alerts.active.contains(*labels) && !alerts.old.iter().any(|old| is_same(old, labels))
    };
    let names: BTreeSet<&str> =
        all.iter().filter(is_new).filter_map(|labels| Some(labels.get("alertname")?.as_str())).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Whether two alerts are about the same object: all labels are equal, but those that differ for each pod of a workload. An alert of a
/// pod of the revision before goes on for a pod of the new one.
fn is_same(old: &Labels, new: &Labels) -> bool {
    comparable(old) == comparable(new)
}

fn comparable(labels: &Labels) -> BTreeMap<&str, Cow<'_, str>> {
    let of_the_object = labels.iter().filter(|(name, _)| !OF_AN_INSTANCE.contains(&name.as_str()));
    of_the_object
        .map(|(name, value)| match OF_A_POD.contains(&name.as_str()) {
            true => (name.as_str(), Cow::Borrowed(workload(value))),
            false => (name.as_str(), Cow::Borrowed(value.as_str())),
        })
        .collect()
}

/// The name of a pod without what its controller generated: `web` of `web-6d4b75cb6d-hxk2p`. Names of pods of StatefulSets stay.
fn workload(pod: &str) -> &str {
    let is_random = |part: &str| part.chars().all(|char| RANDOM.contains(char));
    let Some((rest, _)) = pod.rsplit_once('-').filter(|(_, end)| end.len() == 5 && is_random(end)) else {
        return pod;
    };
    match rest.rsplit_once('-') {
        Some((name, hash)) if (6..=10).contains(&hash.len()) && is_random(hash) => name,
        Some(_) | None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_the_same_for_another_pod_of_the_same_workload() {
        let labels = |text: &str| -> Labels {
            let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        for (old, new, expected) in [
            ("alertname=Slow,deployment=web", "alertname=Slow,deployment=web", true),
            ("alertname=Slow,deployment=api", "alertname=Slow,deployment=web", false),
            ("alertname=Slow", "alertname=Slow,deployment=web", false),
            ("alertname=Slow", "alertname=Errors", false),
            ("alertname=Slow,instance=10.0.0.1:80", "alertname=Slow,instance=10.0.0.2:80", true),
            ("alertname=Slow,pod=web-6d4b75cb6d-hxk2p", "alertname=Slow,pod=web-5c9f7b8d44-2zvqt", true),
            ("alertname=Slow,pod=api-6d4b75cb6d-hxk2p", "alertname=Slow,pod=web-5c9f7b8d44-2zvqt", false),
            ("alertname=Slow,pod=agent-hxk2p", "alertname=Slow,pod=agent-2zvqt", true),
            ("alertname=Slow,pod=node-exporter-hxk2p", "alertname=Slow,pod=node-agent-2zvqt", false),
            ("alertname=Slow,pod=cache-0", "alertname=Slow,pod=cache-0", true),
            ("alertname=Slow,pod=cache-0", "alertname=Slow,pod=cache-1", false),
        ] {
            assert_eq!(is_same(&labels(old), &labels(new)), expected, "{old} {new}");
        }
    }
}
