//! A real Prometheus beside a control plane: it scrapes given addresses and evaluates given alerting rules, both five times a second.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{ControlPlane, binaries, eventually};

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A running Prometheus; it ends when dropped, or with its control plane.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one; `rules` are alerting rules, as in a rule file.
    pub async fn start(cluster: &ControlPlane, targets: &[SocketAddr], rules: &Value) -> Result<Self> {
        let bin = tokio::task::block_in_place(binaries::ensure_prometheus)?;
        let dir = tempfile::Builder::new().prefix("prometheus-").tempdir_in(cluster.scratch())?;
        let file = |name: &str| dir.path().join(name);
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let config = json!({
            "global": { "scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms" },
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{ "job_name": "tests", "static_configs": [{ "targets": targets }] }],
        });
        let rules = json!({ "groups": [{ "name": "tests", "rules": rules }] });
        fs::write(file("prometheus.yaml"), serde_yaml::to_string(&config)?)?;
        fs::write(file("rules.yaml"), serde_yaml::to_string(&rules)?)?;
        let log = file("log");
        let mut command = Command::new(bin.join("prometheus"));
        cluster.include(&mut command)?;
        let child = command
            .arg(format!("--config.file={}", file("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", file("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(dir.path())
            .env("GOGC", "200")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("prometheus cannot be started")?;
        let address = eventually("prometheus to listen", SOON, async || Ok(listening(&log))).await?;
        Ok(Self { child, address, _dir: dir })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line of the log that names it.
fn listening(log: &PathBuf) -> Option<SocketAddr> {
    let text = fs::read_to_string(log).ok()?;
    let line = text.lines().find(|line| line.contains("Listening on"))?;
    line.split("address=").nth(1)?.split_whitespace().next()?.parse().ok()
}
