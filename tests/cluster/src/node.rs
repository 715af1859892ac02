//! A real node beside the played one: kubelet, containerd, runc, CNI, and a registry whose images it runs.
//!
//! All of it lives in namespaces and cgroups of its own (`node/node.sh`), under the control plane's directory, and ends
//! with the control plane (see `guard`). Its network has no way out: the relay leads its kubelet to the API server,
//! and `get` leads a test to a pod. A pod runs here when it asks for it: see [`placed`].

mod http;
mod image;
mod lacking;
mod network;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::access::Access;
use crate::binaries;
use crate::components::Layout;
use crate::guard::Guard;
use crate::wait::eventually;

pub use http::Reply;
use image::Binary;
pub use image::Image;
pub use lacking::lacking;
use network::{Network, Relay};

/// The node's name.
const NAME: &str = "real";
/// Where the node's own network has the registry; part of every image's name.
pub const REGISTRY: &str = "127.0.0.1:5000";
const START_LIMIT: Duration = Duration::from_secs(120);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

const FILES: [(&str, &str); 5] = [
    ("node.sh", include_str!("../node/node.sh")),
    ("kubelet.yaml", include_str!("../node/kubelet.yaml")),
    ("containerd.toml", include_str!("../node/containerd.toml")),
    ("registry.yaml", include_str!("../node/registry.yaml")),
    ("network/pods.conflist", include_str!("../node/network/pods.conflist")),
];

/// What a pod's spec says to run on the real node.
pub fn placed() -> Value {
    json!({
        "nodeSelector": { "towpath.dev/node": NAME },
        "tolerations": [{ "key": "towpath.dev/node", "value": NAME, "effect": "NoSchedule" }],
    })
}

/// A running node.
pub struct RealNode {
    network: Arc<Network>,
    binary: Arc<Binary>,
    programs: PathBuf,
    /// Process 1 of the node, as this machine numbers it.
    init: u32,
    /// What its cgroups are named after.
    dir: PathBuf,
    _relay: Relay,
}

impl RealNode {
    /// Starts one and waits until it takes pods.
    pub(crate) async fn start(guard: &Guard, dir: &Path, admin: &Access) -> Result<Self> {
        let programs = tokio::task::spawn_blocking(binaries::ensure_node).await??;
        let home = dir.join("node");
        for (name, content) in FILES {
            let path = home.join(name);
            fs::create_dir_all(path.parent().context("a file without a folder")?)?;
            fs::write(path, content)?;
        }
        let layout = Layout { bin: "/bin".into(), dir: dir.into() };
        let mut command = layout.command("sh", "node")?;
        command.arg(home.join("node.sh")).arg("enter").arg(dir).arg(&programs);
        let outer = guard.spawn("node", &mut command)?;
        let init = ending_early(guard, "its namespaces", async || Ok(process_1(outer))).await?;
        let network = Arc::new(Network::of(init)?);
        let port = admin.config.cluster_url.port_u16().context("the API server's address has no port")?;
        // Until its loopback interface is up it has no address to listen on.
        let relay =
            ending_early(guard, "its network", async || Relay::start(&network, port).map(Some)).await?;
        let binary = Arc::new(Binary::read(&programs.join("app"))?);
        let node = Self { network, binary, programs, init, dir: dir.into(), _relay: relay };
        let pause = Image::of("pause", "1").running(&["pause"]);
        ending_early(guard, "its registry", async || node.push(&pause).await.map(Some)).await?;
        permit(admin).await?;
        ending_early(guard, "the node to be Ready", async || ready(admin).await).await?;
        Ok(node)
    }

    /// Builds an image of the tests' application and pushes it to the registry. Returns the `imageID` that its pods
    /// report.
    pub async fn push(&self, image: &Image) -> Result<String> {
        let (network, binary, image) = (self.network.clone(), self.binary.clone(), image.clone());
        tokio::task::spawn_blocking(move || image.push(&network, &binary)).await?
    }

    /// Gives the image to the node alone, as a file: no registry knows it.
    pub async fn import(&self, image: &Image) -> Result<()> {
        let archive = image.archive(&self.binary)?;
        // The socket's folder is of the node's own; it is reached through process 1.
        let socket = format!("/proc/{}/root/run/containerd/containerd.sock", self.init);
        let mut ctr = tokio::process::Command::new(self.programs.join("ctr"));
        ctr.args(["--address", &socket, "--namespace", "k8s.io", "images", "import", "-"]);
        ctr.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = ctr.spawn().context("ctr cannot be started")?;
        child.stdin.take().context("ctr has no input")?.write_all(&archive).await?;
        let ended = child.wait_with_output().await?;
        let said = String::from_utf8_lossy(&ended.stderr);
        anyhow::ensure!(ended.status.success(), "ctr ended with {}: {said}", ended.status);
        Ok(())
    }

    /// One HTTP request to a pod.
    pub async fn get(&self, pod: IpAddr, port: u16, path: &str) -> Result<Reply> {
        let (network, request) = (self.network.clone(), http::Request::get(path));
        let address = SocketAddr::new(pod, port);
        tokio::task::spawn_blocking(move || request.send(&network, address, ANSWER_LIMIT)).await?
    }

    /// Sends a signal (`STOP`, `CONT`) to the kubelet.
    pub fn signal_kubelet(&self, signal: &str) -> Result<()> {
        let kubelet = children(self.init).into_iter().find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "kubelet")
        });
        let kubelet = kubelet.context("the kubelet does not run")?;
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(kubelet.to_string()).status()?;
        anyhow::ensure!(sent.success(), "kill -{signal} of the kubelet failed");
        Ok(())
    }

    /// Allows a container so many processes and threads, as `podPidsLimit` of a kubelet does. `container` is the id that its pod reports.
    pub fn limit_processes(&self, container: &str, most: u32) -> Result<()> {
        let cgroup = self.cgroup(container).with_context(|| format!("{container} has no cgroup"))?;
        fs::write(cgroup.join("pids.max"), most.to_string()).context("the limit cannot be set")
    }

    /// The processes and threads of a container; none if it has ended.
    pub fn processes(&self, container: &str) -> Option<u32> {
        let count = fs::read_to_string(self.cgroup(container)?.join("pids.current")).ok()?;
        count.trim().parse().ok()
    }

    /// The cgroup of a container that counts its processes.
    fn cgroup(&self, container: &str) -> Option<PathBuf> {
        let (_, id) = container.split_once("://")?;
        let hierarchies = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
        let of = |root: &str| Some(Path::new(root).join(self.dir.file_name()?).join("k8s.io").join(id));
        hierarchies.into_iter().filter_map(of).find(|cgroup| cgroup.join("pids.max").is_file())
    }
}

/// Waits, and gives up at once when the node has ended. Its logs are shown by the test that fails.
async fn ending_early<T, F>(guard: &Guard, what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let what = format!("the real node: {what}");
    let found = eventually(&what, START_LIMIT, || {
        let (ended, asked) = (guard.ended(), ask());
        async move {
            match ended {
                Some((name, status)) => Ok(Some(Err(anyhow::anyhow!("{name} ended with {status}")))),
                None => Ok(asked.await?.map(Ok)),
            }
        }
    });
    found.await?
}

/// The kubelet's rights, which RBAC grants to no user by default.
async fn permit(admin: &Access) -> Result<()> {
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": { "name": "real-node" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes" }],
    }))?;
    Api::all(admin.client()?).create(&PostParams::default(), &binding).await?;
    Ok(())
}

async fn ready(admin: &Access) -> Result<Option<()>> {
    let Some(node) = Api::<Node>::all(admin.client()?).get_opt(NAME).await? else { return Ok(None) };
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    Ok((ready && taints.len() == 1).then_some(()))
}

/// The child that is process 1 of its own namespace, once it has become that.
fn process_1(outer: u32) -> Option<u32> {
    children(outer).into_iter().find(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"))
    })
}

fn children(of: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
