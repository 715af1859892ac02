//! Does everything of a real node end with its owner?

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Child;

use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, Image, eventually};
use serde_json::json;

use super::control_plane_lifetime::owner;
use super::real_node::{SOON, pod_spec};

support::node_stories![
    a_killed_owner_leaves_no_process_mount_interface_cgroup_or_directory,
    a_dropped_one_leaves_nothing_either,
];

/// What of a node can be seen from outside of it.
struct Traces {
    dir: PathBuf,
    interfaces: BTreeSet<String>,
}

impl Traces {
    fn name(&self) -> &str {
        self.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The processes of its cgroups; a pod's are in namespaces of their own, but in these too.
    fn members(&self) -> usize {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let cgroups = entries.filter_map(|entry| fs::read_to_string(entry.path().join("cgroup")).ok());
        cgroups.filter(|cgroups| cgroups.contains(self.name())).count()
    }

    fn cgroups(&self) -> usize {
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let places = hierarchies.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
        places.filter(|place| place.join(self.name()).exists()).count()
    }

    fn mounts(&self) -> Result<usize> {
        Ok(fs::read_to_string("/proc/self/mountinfo")?
            .lines()
            .filter(|line| line.contains(self.name()))
            .count())
    }

    async fn are_gone(&self) -> Result<()> {
        eventually("nothing of the node to be left", SOON, async || {
            let left = [
                ("processes", self.members()),
                ("cgroups", self.cgroups()),
                ("mounts", self.mounts()?),
                ("interfaces", interfaces()?.difference(&self.interfaces).count()),
                ("directories", usize::from(self.dir.exists())),
            ];
            ensure!(left.iter().all(|(_, count)| *count == 0), "left: {left:?}");
            Ok(Some(()))
        })
        .await
    }
}

fn interfaces() -> Result<BTreeSet<String>> {
    let entries = fs::read_dir("/sys/class/net")?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// A program that owns a control plane and a node. Killed when dropped, as it is by the test.
struct Owner {
    child: Child,
    said: Vec<String>,
}

impl Owner {
    /// Blocks until the program says it is ready.
    fn start() -> Result<Self> {
        let child = owner(&["--node"])?.spawn()?;
        let mut owner = Self { child, said: Vec::new() };
        let stdout = owner.child.stdout.take().context("no stdout")?;
        for line in BufReader::new(stdout).lines() {
            owner.said.push(line?);
            if owner.said.last().is_some_and(|line| line.starts_with("# ready")) {
                return Ok(owner);
            }
        }
        anyhow::bail!("the program ended: {:?}", owner.said)
    }

    fn said(&self, prefix: &str) -> Result<&str> {
        let found = self.said.iter().find_map(|line| line.strip_prefix(prefix));
        found.with_context(|| format!("no line begins with {prefix}"))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node with a running pod shows in everything that is read, or reading it would prove nothing.
async fn is_seen(cluster: &ControlPlane, traces: &Traces) -> Result<()> {
    let kubectl = cluster.kubectl(cluster.admin());
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" },
        "spec": pod_spec(&Image::of("app", "v1").name()),
    });
    kubectl.run_with(&["apply", "-f", "-"], &pod.to_string())?;
    let timeout = format!("--timeout={}s", SOON.as_secs());
    kubectl.run(&["wait", "--for=condition=Ready", "pod/a", &timeout])?;
    // Process 1, containerd, registry, kubelet, a shim, the sandbox and the application.
    ensure!(traces.members() >= 7, "only {} processes", traces.members());
    ensure!(traces.cgroups() >= 1 && traces.dir.exists(), "the node's cgroups or directory are elsewhere");
    Ok(())
}

async fn a_killed_owner_leaves_no_process_mount_interface_cgroup_or_directory() -> Result<()> {
    let before = interfaces()?;
    let owner = tokio::task::spawn_blocking(Owner::start).await??;
    let kubeconfig = PathBuf::from(owner.said("export KUBECONFIG=")?);
    let dir = kubeconfig.ancestors().nth(2).context("a kubeconfig without a directory")?;
    let traces = Traces { dir: dir.into(), interfaces: before };
    is_seen(&ControlPlane::given(&kubeconfig, None).await?, &traces).await?;
    drop(owner);
    traces.are_gone().await
}

async fn a_dropped_one_leaves_nothing_either() -> Result<()> {
    let before = interfaces()?;
    let cluster = ControlPlane::start().await?;
    cluster.real_node().await?.push(&Image::of("app", "v1")).await?;
    let dir = cluster.admin().kubeconfig.ancestors().nth(2).context("no directory")?.to_owned();
    let traces = Traces { dir, interfaces: before };
    is_seen(&cluster, &traces).await?;
    drop(cluster);
    traces.are_gone().await
}
