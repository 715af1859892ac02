//! Which alerts are the same one: what was active before a promotion says nothing about it.

use crate::decide::world::{Alerts, Labels};
use core::net::{IpAddr, SocketAddr};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Labels that differ for each instance of a workload, or for each revision: the rules of many teams keep the labels of the series that
/// they read, such as those of cAdvisor and kube-state-metrics.
const OF_AN_INSTANCE: [&str; 22] = [
    "uid",
    "pod_uid",
    "pod_ip",
    "host_ip",
    "container_id",
    "image",
    "image_id",
    "image_spec",
    "node",
    "exported_node",
    "kubernetes_node",
    "nodename",
    "version",
    "app_version",
    "app_kubernetes_io_version",
    "label_app_kubernetes_io_version",
    "label_version",
    "helm_sh_chart",
    "revision",
    "controller_revision_hash",
    "pod_template_hash",
    "label_pod_template_hash",
];
/// Labels that hold the name of a pod, or of the ReplicaSet that owns it.
const OF_A_POD: [&str; 9] = [
    "pod",
    "pod_name",
    "exported_pod",
    "replicaset",
    "owner_name",
    "created_by_name",
    "kubernetes_pod_name",
    "job_name",
    "exported_job",
];
/// Labels that hold an address of an instance, or the name of what is probed.
const OF_AN_ADDRESS: [&str; 5] = ["instance", "exported_instance", "host", "hostname", "ip"];
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

/// Whether two alerts are about the same object: all labels are equal, but those that differ for each pod or revision of a workload. An
/// alert of a pod of the revision before goes on for a pod of the new one.
fn is_same(old: &Labels, new: &Labels) -> bool {
    comparable(old) == comparable(new)
}

fn comparable(labels: &Labels) -> BTreeMap<&str, Cow<'_, str>> {
    let is_of_an_instance = |name: &str, value: &str| {
        OF_AN_INSTANCE.contains(&name)
            || (OF_AN_ADDRESS.contains(&name) && is_address(value))
            // A cgroup.
            || (name == "id" && value.starts_with('/'))
            || (name == "name" && is_made_by_a_runtime(value))
    };
    labels
        .iter()
        .filter(|(name, value)| !is_of_an_instance(name, value))
        .map(|(name, value)| match OF_A_POD.contains(&name.as_str()) {
            true => (name.as_str(), Cow::Borrowed(workload(value))),
            false => (name.as_str(), Cow::Borrowed(value.as_str())),
        })
        .collect()
}

/// Whether a runtime made the name of a container: its identifier, or that of dockershim (`k8s_app_web-..._shop_...`).
fn is_made_by_a_runtime(name: &str) -> bool {
    name.starts_with("k8s_") || (name.len() == 64 && name.chars().all(|char| char.is_ascii_hexdigit()))
}

fn is_address(value: &str) -> bool {
    value.parse::<IpAddr>().is_ok() || value.parse::<SocketAddr>().is_ok()
}

/// The name of a pod, ReplicaSet or Job without what its controller generated: `web` of `web-6d4b75cb6d-hxk2p`, of `web-6d4b75cb6d` and, for
/// a run of a CronJob, of `web-29169240`. Names of pods of StatefulSets stay.
fn workload(name: &str) -> &str {
    let owner = without_random_parts(name);
    let is_minute = |part: &str| part.len() == 8 && part.chars().all(|char| char.is_ascii_digit());
    let run = |text: &'_ str| text.rsplit_once('-').is_some_and(|(_, end)| is_minute(end));
    // The random end of a pod of a run may look like the hash of a ReplicaSet.
    let owner = match name.rsplit_once('-') {
        Some((job, end)) if end.len() == 5 && run(job) => job,
        Some(_) | None => owner,
    };
    match owner.rsplit_once('-') {
        Some((schedule, end)) if is_minute(end) => schedule,
        Some(_) | None => owner,
    }
}

fn without_random_parts(pod: &str) -> &str {
    let is_random = |part: &str| part.chars().all(|char| RANDOM.contains(char));
    let is_hash = |part: &str| (6..=10).contains(&part.len()) && is_random(part);
    if let Some((name, _)) = pod.rsplit_once('-').filter(|(_, end)| is_hash(end)) {
        return name;
    }
    let Some((rest, _)) = pod.rsplit_once('-').filter(|(_, end)| end.len() == 5 && is_random(end)) else {
        return pod;
    };
    match rest.rsplit_once('-') {
        Some((name, hash)) if is_hash(hash) => name,
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
            // The series of cAdvisor and of kube-state-metrics.
            (
                "alertname=OOM,pod=web-6d4b75cb6d-hxk2p,container=app,id=/kubepods/a,image=web:1,node=n1,name=0a1b",
                "alertname=OOM,pod=web-5c9f7b8d44-2zvqt,container=app,id=/kubepods/b,image=web:2,node=n2,name=0a1b",
                true,
            ),
            (
                "alertname=OOM,container=app,image=web:1,name=5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
                "alertname=OOM,container=app,image=web:2,name=ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
                true,
            ),
            ("alertname=OOM,name=k8s_app_web-1_shop_1_0", "alertname=OOM,name=k8s_app_web-2_shop_2_0", true),
            ("alertname=Slow,name=orders", "alertname=Slow,name=payments", false),
            ("alertname=OOM,container=app,image=web:1", "alertname=OOM,container=proxy,image=web:2", false),
            ("alertname=Few,replicaset=web-6d4b75cb6d", "alertname=Few,replicaset=web-5c9f7b8d44", true),
            ("alertname=Few,replicaset=web-6d4b75cb6d", "alertname=Few,replicaset=api-5c9f7b8d44", false),
            (
                "alertname=Slow,job=web,version=1.0.0,pod_template_hash=6d4b75cb6d",
                "alertname=Slow,job=web,version=2.0.0,pod_template_hash=5c9f7b8d44",
                true,
            ),
            // What is probed is no instance.
            ("alertname=Errors,host=old.example.com", "alertname=Errors,host=shop.example.com", false),
            ("alertname=ProbeFailed,instance=https://a", "alertname=ProbeFailed,instance=https://b", false),
            ("alertname=Slow,host=10.0.0.1", "alertname=Slow,host=10.0.0.2", true),
            // Runs of a CronJob.
            (
                "alertname=JobFailed,job_name=report-29169240",
                "alertname=JobFailed,job_name=report-29169300",
                true,
            ),
            (
                "alertname=JobFailed,job_name=report-29169240",
                "alertname=JobFailed,job_name=backup-29169240",
                false,
            ),
            (
                "alertname=JobFailed,pod=report-29169240-hxk2p",
                "alertname=JobFailed,pod=report-29169300-2zvqt",
                true,
            ),
            ("alertname=Slow,pod=cache-0", "alertname=Slow,pod=cache-0", true),
            ("alertname=Slow,pod=cache-0", "alertname=Slow,pod=cache-1", false),
        ] {
            assert_eq!(is_same(&labels(old), &labels(new)), expected, "{old} {new}");
        }
    }
}
