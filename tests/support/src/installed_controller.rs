//! The chart, and the controller as a process of its own, started as `controller ...`.
//!
//! It has the token of the chart's ServiceAccount, so exactly the rights that a cluster would give it.

use anyhow::{Context, Result, bail};
use control_plane::{Access, ControlPlane, eventually};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

const SYSTEM: &str = "towpath-system";
const LIMIT: Duration = Duration::from_secs(120);
const TAIL: usize = 25;

/// A file of the repository.
pub fn path(name: &str) -> PathBuf {
    crate::manifests::root(name)
}

/// Installs the chart without a Deployment, and speaks as its ServiceAccount.
pub async fn install(cluster: &ControlPlane) -> Result<Access> {
    let chart = path("charts/towpath").display().to_string();
    let flags = ["--namespace", SYSTEM, "--create-namespace", "--set=replicas=0"];
    let install = [&["install", "towpath", &chart][..], &flags].concat();
    tokio::task::block_in_place(|| cluster.helm(cluster.admin()).run(&install))?;
    cluster.service_account(SYSTEM, "towpath").await
}

/// A controller that leads.
pub struct Operator {
    pub log: PathBuf,
}

impl Operator {
    /// Starts one; with `keep` it outlives this process, else it ends with the control plane.
    pub async fn start(
        cluster: &ControlPlane,
        account: &Access,
        program: &Path,
        keep: bool,
    ) -> Result<(Self, Child)> {
        let log = account.kubeconfig.with_file_name("controller.log");
        let mut command = std::process::Command::new(program);
        command.process_group(0);
        if !keep {
            cluster.include(&mut command)?;
        }
        let mut child = spawn(command.into(), account, &log)?;
        let operator = Self { log };
        tokio::select! {
            leads = leads(cluster) => leads?,
            ended = child.wait() => bail!("the controller ended at once: {}\n{}", ended?, operator.log_end()),
        }
        Ok((operator, child))
    }

    /// The last lines of its log.
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

fn spawn(mut command: Command, account: &Access, log: &Path) -> Result<Child> {
    let log = File::create(log).context("cannot write the controller's log")?;
    command
        .args(["controller", "--lease-namespace", SYSTEM, "--lease-name=towpath", "--listen=127.0.0.1:0"])
        .args(["--log-format=json", "--kubeconfig"])
        .arg(&account.kubeconfig)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command.spawn().context("cannot start the controller")
}

async fn leads(cluster: &ControlPlane) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(cluster.admin().client()?, SYSTEM);
    eventually("the controller to lead", LIMIT, async || {
        let lease = leases.get_opt("towpath").await?;
        Ok(lease.and_then(|lease| lease.spec?.holder_identity).map(drop))
    })
    .await
}
