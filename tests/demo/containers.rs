//! The shop as real containers. Under each image's name a real node runs the tests' application, which says its version
//! and its configuration; one edition of api ends when it is asked to check out.

use crate::running::Running;
use anyhow::{Context, Result};
use control_plane::{ControlPlane, Image, REGISTRY, RealNode};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What the third release does not survive, and which is not asked before it is in prod.
pub const CHECKOUT: &str = "/checkout";
/// The repositories of deploy/examples, and ours in the node's registry.
const REPOSITORIES: [(&str, &str); 3] = [
    ("docker.io/nginxinc/nginx-unprivileged", "shop/web"),
    ("docker.io/traefik/whoami", "shop/api"),
    ("docker.io/valkey/valkey", "shop/cache"),
];
/// What else is read differently by the tests' application.
const WORDS: [(&str, &str); 3] = [
    ("WHOAMI_NAME", "GREETING"),
    ("command: [valkey-server, /etc/valkey/valkey.conf]", "args: [serve]"),
    ("readinessProbe:\n", "readinessProbe:\n            periodSeconds: 1\n"),
];
/// A repository, a tag, and the environment that decides how it fares.
type Edition = (&'static str, &'static str, &'static [(&'static str, &'static str)]);
const EDITIONS: [Edition; 10] = [
    ("shop/web", "1.27-alpine", &WEB),
    ("shop/web", "1.29-alpine", &WEB),
    ("shop/web", "1.30-alpine", &WEB),
    ("shop/web", "1.31-alpine", &WEB),
    ("shop/api", "v1.10", &[]),
    ("shop/api", "v1.11", &[]),
    ("shop/api", "v1.11-crash-loop", &[("CRASH_AFTER", "0")]),
    ("shop/api", "v1.12", &[("CRASH_ON", CHECKOUT)]),
    ("shop/api", "v1.13", &[]),
    ("shop/cache", "8-alpine", &[("PORT", "6379")]),
];
const WEB: [(&str, &str); 1] = [("CONFIG_FILE", "/etc/nginx/conf.d/default.conf")];

/// Starts a real node that takes every pod, with the editions in its registry.
pub async fn start(cluster: &ControlPlane) -> Result<(String, ())> {
    let node = cluster.real_node().await?;
    for (repository, tag, fate) in EDITIONS {
        let edition = Image::of(repository, tag);
        node.push(&fate.iter().fold(edition, |image, (name, value)| image.with(name, value))).await?;
    }
    let kubectl = cluster.kubectl(cluster.admin());
    tokio::task::block_in_place(|| {
        kubectl.run(&["cordon", "played"])?;
        kubectl.run(&["taint", "nodes", "real", "towpath.dev/node-"])
    })?;
    let parts = "a real node: kubelet, containerd, runc, and a registry";
    Ok((format!("{parts} that holds {} images", EDITIONS.len()), ()))
}

/// A manifest with the names of the node's registry.
pub fn named(manifest: &str) -> String {
    let manifest = REPOSITORIES
        .iter()
        .fold(manifest.to_owned(), |text, (old, new)| text.replace(old, &format!("{REGISTRY}/{new}")));
    WORDS.iter().fold(manifest, |text, (old, new)| text.replace(old, new))
}

/// What every workload's pods answer to a GET of that path: each answer once.
pub async fn answers(cluster: &ControlPlane, namespace: &str, path: &str) -> Result<Running> {
    let node = cluster.real_node().await?;
    let pods: Api<Pod> = Api::namespaced(cluster.admin().client()?, namespace);
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pod in pods.list(&ListParams::default()).await? {
        if pod.metadata.deletion_timestamp.is_none() {
            let workload = pod.labels().get("app").cloned().context("a pod of no workload")?;
            let answer = ask(node, &pod, path).await.unwrap_or_else(|_| "no answer".into());
            said.entry(workload).or_default().insert(answer);
        }
    }
    let row = |(workload, answers): (String, BTreeSet<String>)| {
        let answers: Vec<String> = answers.into_iter().collect();
        ((workload, "says"), (answers.join("\n"), String::new()))
    };
    Ok(said.into_iter().map(row).collect())
}

#[derive(Deserialize)]
struct Answer {
    version: String,
    greeting: String,
    file: String,
}

async fn ask(node: &RealNode, pod: &Pod, path: &str) -> Result<String> {
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()).context("no address")?;
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let port = containers.first().and_then(|container| container.ports.as_ref()?.first());
    let port = u16::try_from(port.context("no port")?.container_port)?;
    let reply = node.get(address.parse::<IpAddr>()?, port, path).await?;
    let answer: Answer = serde_json::from_str(&reply.body)?;
    // The rest of the file is meant for nginx.
    let welcome = answer.file.split(['"', '\\']).find_map(|part| part.strip_prefix("welcome to the "));
    let words = welcome.unwrap_or(&answer.greeting);
    Ok(if words.is_empty() { answer.version } else { format!("{}, {words}", answer.version) })
}
