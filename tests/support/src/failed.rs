//! What a failed story leaves under `target/failed/<story>/`: the logs of its controllers and of the control plane, the API
//! server's record of requests to its namespaces, and the objects in them as YAML.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use control_plane::ControlPlane;
use tempfile::TempDir;

/// Ours, and what stories put into target namespaces. No Secrets.
const KINDS: [&str; 2] = [
    "releases,environments,promotions,rollbackpolicies,approvals,recalls,reviews,changefreezes,contents",
    "deployments,statefulsets,daemonsets,replicasets,jobs,pods,services,configmaps,resourcequotas,rolebindings,events",
];

tokio::task_local! {
    static TRACE: Trace;
}

/// What a story has used so far. It is held until the story has ended, and control planes of its own with it.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Used>>);

#[derive(Default)]
struct Used {
    clusters: Vec<(Arc<ControlPlane>, Vec<String>)>,
    logs: Vec<(PathBuf, Arc<TempDir>)>,
}

/// Says that the running story uses a namespace.
pub fn uses_namespace(cluster: &Arc<ControlPlane>, namespace: &str) {
    note(|used| {
        let known = used.clusters.iter().position(|(known, _)| Arc::ptr_eq(known, cluster));
        let at = known.unwrap_or_else(|| {
            used.clusters.push((Arc::clone(cluster), Vec::new()));
            used.clusters.len() - 1
        });
        used.clusters[at].1.push(namespace.to_owned());
    });
}

/// Says that the running story has a log, and the folder that has to stay for it.
pub fn uses_log(log: &Path, folder: &Arc<TempDir>) {
    note(|used| used.logs.push((log.to_owned(), Arc::clone(folder))));
}

/// Nothing to do where no story runs, as in the benchmarks.
fn note(what: impl FnOnce(&mut Used)) {
    let _ = TRACE.try_with(|trace| what(&mut trace.used()));
}

impl Trace {
    /// Runs the body of a story, and sees what it uses.
    pub async fn follow<T>(&self, body: impl Future<Output = T>) -> T {
        TRACE.scope(self.clone(), body).await
    }

    /// Writes everything down and returns the folder.
    pub fn leave(&self, story: &str) -> Result<PathBuf> {
        let folder = crate::manifests::root("target/failed").join(story.replace("::", "."));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let used = self.used();
        for (index, (log, _)) in used.logs.iter().enumerate() {
            fs::copy(log, folder.join(format!("controller-{index}.log")))?;
        }
        for (index, (cluster, namespaces)) in used.clusters.iter().enumerate() {
            fs::write(folder.join(format!("control-plane-{index}.log")), cluster.logs())?;
            if let Ok(audit) = cluster.audit() {
                requests(audit.path(), namespaces, &folder.join(format!("audit-{index}.log")))?;
            }
            for namespace in namespaces {
                fs::write(folder.join(format!("{namespace}.yaml")), objects(cluster, namespace))?;
            }
        }
        Ok(folder)
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of the audit log that name one of the namespaces.
fn requests(audit: &Path, namespaces: &[String], into: &Path) -> Result<()> {
    let mut into = BufWriter::new(File::create(into)?);
    let named: Vec<String> = namespaces.iter().map(|name| format!("\"namespace\":\"{name}\"")).collect();
    for line in BufReader::new(File::open(audit)?).lines() {
        let line = line?;
        if named.iter().any(|name| line.contains(name)) {
            writeln!(into, "{line}")?;
        }
    }
    Ok(())
}

/// What is there, or why that cannot be said.
fn objects(cluster: &ControlPlane, namespace: &str) -> String {
    let kubectl = cluster.kubectl(cluster.admin());
    let get = |kinds| {
        let arguments = ["get", kinds, "-n", namespace, "-o", "yaml", "--request-timeout=10s"];
        kubectl.run(&arguments).unwrap_or_else(|error| format!("# {error:#}\n"))
    };
    KINDS.map(get).join("---\n")
}
