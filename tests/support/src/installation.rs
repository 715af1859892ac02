//! The control plane of a run: one for all stories, with the chart installed, and one controller for the stories that are not
//! about the controller itself.
//!
//! The shared controller serves a fixed pool of projects, whose names it is given when it starts. Everything else on the
//! control plane is invisible to it, so a story may start a controller of its own for a project that is not of the pool.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use control_plane::{ControlPlane, RealNode, eventually};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::failed;
use crate::operator::{Flags, Operator};

/// Where the chart is installed.
pub const SYSTEM: &str = "towpath-system";
/// Where the tests' own leases are.
pub const LEASES: &str = "towpath-test-leases";
/// Long enough for anything that happens by itself, on a machine that is busy with as many stories as run at a time.
pub const SOON: Duration = Duration::from_secs(120);

/// How many projects the shared controller can serve in one run of the stories.
const POOL: usize = 800;

static SIZE: OnceLock<usize> = OnceLock::new();
static SHARED: OnceCell<Result<Arc<ControlPlane>, String>> = OnceCell::const_new();
static INSTALLED: OnceCell<Result<(), String>> = OnceCell::const_new();
static CONTROLLER: OnceCell<Result<SharedController, String>> = OnceCell::const_new();

struct SharedController {
    names: Vec<String>,
    next: AtomicUsize,
    operator: Mutex<Operator>,
}

/// Says how many projects this run needs, before the first of them.
pub fn use_projects(size: usize) {
    SIZE.get_or_init(|| size);
}

/// The control plane of this process, started at the first call.
pub async fn control_plane() -> Result<Arc<ControlPlane>> {
    let start = async || ControlPlane::start().await.map(Arc::new).map_err(|error| format!("{error:#}"));
    let started = SHARED.get_or_init(start).await.as_ref();
    started.map(Arc::clone).map_err(|error| anyhow!("no control plane: {error}"))
}

/// The same with the chart installed.
pub async fn installed() -> Result<Arc<ControlPlane>> {
    let cluster = control_plane().await?;
    let done =
        INSTALLED.get_or_init(async || install(&cluster).await.map_err(|error| format!("{error:#}"))).await;
    done.as_ref().map_err(|error| anyhow!("the chart cannot be installed: {error}"))?;
    Ok(cluster)
}

/// The real node of the shared control plane, started at the first call.
pub async fn real_node() -> Result<&'static RealNode> {
    control_plane().await?;
    let started = SHARED.get().and_then(|started| started.as_ref().ok());
    started.context("no control plane")?.real_node().await
}

/// A control plane of the running story's own, which ends with the story.
pub async fn own_control_plane() -> Result<Arc<ControlPlane>> {
    let cluster = Arc::new(ControlPlane::start().await?);
    failed::uses_namespace(&cluster, SYSTEM);
    Ok(cluster)
}

/// A new namespace on the shared control plane, whose name begins so.
pub async fn namespace(cluster: &Arc<ControlPlane>, prefix: &str) -> Result<String> {
    let name = cluster.namespace(prefix).await?;
    failed::uses_namespace(cluster, &name);
    Ok(name)
}

/// The chart, the controller left out.
pub fn install_chart(cluster: &ControlPlane) -> Result<()> {
    let chart = crate::manifests::root("charts/towpath").display().to_string();
    let flags = ["--namespace", SYSTEM, "--create-namespace", "--set=replicas=0"];
    let helm = cluster.helm(cluster.admin());
    helm.run(&[&["upgrade", "--install", "towpath", &chart], &flags[..]].concat()).map(drop)
}

/// The chart, and a namespace for the leases of as many controllers as the stories like.
pub async fn install(cluster: &ControlPlane) -> Result<()> {
    install_chart(cluster)?;
    let leases = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": LEASES } },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": { "name": "leases", "namespace": LEASES },
            "rules": [{
                "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
                "verbs": ["create", "get", "list", "patch", "update", "watch"],
            }],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": "leases", "namespace": LEASES },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leases" },
            "subjects": [{ "kind": "ServiceAccount", "name": "towpath", "namespace": SYSTEM }],
        },
    ]});
    let kubectl = cluster.kubectl(cluster.admin());
    kubectl.run_with(&["apply", "-f", "-"], &leases.to_string())?;
    let kinds = [
        "releases",
        "environments",
        "promotions",
        "rollbackpolicies",
        "channels",
        "checkproviders",
        "contents",
    ];
    eventually("the kinds to be served", SOON, async || {
        for kind in kinds {
            kubectl.run(&["get", kind, "--all-namespaces"])?;
        }
        Ok(Some(()))
    })
    .await
}

/// The name of a project that the shared controller serves and no other story has.
pub async fn shared_project(cluster: &ControlPlane) -> Result<String> {
    let shared = CONTROLLER
        .get_or_init(async || start_shared(cluster).await.map_err(|error| format!("{error:#}")))
        .await
        .as_ref()
        .map_err(|error| anyhow!("the shared controller cannot be started: {error}"))?;
    let mut operator = shared.operator.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(operator.is_alive(), "the shared controller has ended:\n{}", operator.log_tail());
    operator.note();
    let next = shared.next.fetch_add(1, Ordering::Relaxed);
    shared.names.get(next).cloned().context("the pool of shared projects is used up")
}

async fn start_shared(cluster: &ControlPlane) -> Result<SharedController> {
    // A control plane that was kept may have the projects of an earlier run.
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() % 0x0100_0000;
    let size = SIZE.get().copied().unwrap_or(POOL);
    let names: Vec<String> = (0..size).map(|number| format!("s{run:06x}-{number:03}")).collect();
    let projects: Vec<&str> = names.iter().map(String::as_str).collect();
    let operator =
        Operator::start(cluster, &projects, &Flags::own_lease(&format!("shared-{run:06x}"))).await?;
    Ok(SharedController { names, next: AtomicUsize::new(0), operator: Mutex::new(operator) })
}

/// Ends the control plane of this process, if one was started, and every controller with it.
pub fn end() {
    if let Some(Ok(cluster)) = SHARED.get() {
        cluster.end();
    }
}
