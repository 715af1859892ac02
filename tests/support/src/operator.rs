//! The real controller process, with the rights of the chart's own ServiceAccount and no others.

use crate::failed;
use crate::installation::{LEASES, SYSTEM};
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control_plane::{Access, ControlPlane};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// How a controller is started.
#[derive(Clone, Debug)]
pub struct Flags {
    /// Namespace of the lease.
    pub lease_namespace: String,
    /// Name of the lease.
    pub lease: String,
    /// `--lease-duration`.
    pub lease_duration: String,
    /// Another way to the API server than the kubeconfig's own.
    pub server: Option<String>,
    /// `--admission`.
    pub admission: &'static str,
    /// `--credentials`.
    pub credentials: Option<PathBuf>,
    /// `--listen`.
    pub listen: String,
}

impl Flags {
    /// A lease of this controller's own, where the tests may have as many as they like.
    pub fn own_lease(name: &str) -> Self {
        Self { lease_namespace: LEASES.into(), lease: name.into(), ..Self::as_installed() }
    }

    /// The lease that the chart grants, and nothing that it does not grant.
    pub fn as_installed() -> Self {
        Self {
            lease_namespace: SYSTEM.into(),
            lease: "towpath".into(),
            // Long enough for a machine that is busy.
            lease_duration: "15s".into(),
            server: None,
            admission: "enforced",
            credentials: None,
            listen: "127.0.0.1:0".into(),
        }
    }
}

/// The product.
static PROGRAM: OnceLock<&'static str> = OnceLock::new();

/// Says where the product is, before anything starts it.
pub fn use_program(program: &'static str) {
    PROGRAM.get_or_init(|| program);
}

/// A running controller; killed when dropped.
pub struct Operator {
    child: Child,
    log: PathBuf,
    credential: String,
    dir: Arc<TempDir>,
}

impl Operator {
    /// The ServiceAccount of the chart.
    pub async fn access(cluster: &ControlPlane) -> Result<Access> {
        Ok(Self::account(cluster).await?.0)
    }

    /// One file for all: each request for the account's access writes it again under the others' eyes.
    async fn account(cluster: &ControlPlane) -> Result<(Access, MutexGuard<'static, ()>)> {
        static WRITING: Mutex<()> = Mutex::const_new(());
        let held = WRITING.lock().await;
        Ok((cluster.service_account(SYSTEM, "towpath").await?, held))
    }

    /// Starts one for these projects only.
    pub async fn start(cluster: &ControlPlane, projects: &[&str], flags: &Flags) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (access, held) = Self::account(cluster).await?;
        let dir = tempfile::Builder::new().prefix("controller-").tempdir_in(cluster.scratch())?;
        let kubeconfig = dir.path().join("kubeconfig");
        let mut written: Value = serde_yaml::from_str(&fs::read_to_string(&access.kubeconfig)?)?;
        drop(held);
        // A token of its own, by which the audit log tells its requests from those of the others.
        let token = cluster.service_account_token(SYSTEM, "towpath").await?;
        written["users"][0]["user"] = json!({ "token": token });
        if let Some(server) = &flags.server {
            written["clusters"][0]["cluster"] = json!({ "server": server });
        }
        fs::write(&kubeconfig, serde_yaml::to_string(&written)?)?;
        let log = dir.path().join("stderr");
        let replica = format!("replica-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(program()?);
        cluster.include(&mut command)?;
        let child = command
            .arg("controller")
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--projects={}", projects.join(",")))
            .arg(format!("--lease-namespace={}", flags.lease_namespace))
            .arg(format!("--lease-name={}", flags.lease))
            .arg(format!("--lease-duration={}", flags.lease_duration))
            .arg(format!("--replica={replica}"))
            .arg(format!("--admission={}", flags.admission))
            .arg(format!("--listen={}", flags.listen))
            .args(flags.credentials.iter().map(|folder| format!("--credentials={}", folder.display())))
            .arg("--log=info")
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("the controller cannot be started")?;
        let operator = Self { child, log, credential: credential(&token)?, dir: Arc::new(dir) };
        operator.note();
        Ok(operator)
    }

    /// Its log is of interest if the running story fails.
    pub(crate) fn note(&self) {
        failed::uses_log(&self.log, &self.dir);
    }

    /// What the audit log knows its requests by.
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(60)..).unwrap_or_default().join("\n")
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        ensure!(sent.success(), "kill -TERM failed");
        while begun.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the controller ended with {status}");
                return Ok(begun.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("the controller did not end within 20 s of SIGTERM")
    }
}

/// The product as a program.
pub fn program() -> Result<&'static str> {
    PROGRAM.get().copied().context("the path of the product is not set")
}

/// The id of a token, as the API server records it.
fn credential(token: &str) -> Result<String> {
    let payload = token.split('.').nth(1).context("a token of another make")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    Ok(format!("JTI={}", claims["jti"].as_str().context("a token without an id")?))
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}
