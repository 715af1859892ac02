//! What an answer of the plugin costs: its time from start to exit, and how many requests it makes.

use super::figures::milliseconds;
use anyhow::{Context, Result, ensure};
use control_plane::ControlPlane;
use jiff::Timestamp;
use std::process::{Command, Stdio};
use support::figures::median;

const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-towpath");
const TIMES: usize = 10;

/// Measures the verbs in this project. `release` is one that waits.
pub async fn measure(cluster: &ControlPlane, project: &str, release: &str, environment: &str) -> Result<()> {
    let verbs: [(&str, &[&str]); 5] = [
        ("get", &["get"]),
        ("status", &["status", release]),
        ("waiting", &["waiting"]),
        ("explain", &["explain", release, "--environment", environment]),
        ("plan", &["plan", release]),
    ];
    println!("kubectl towpath                      median      requests");
    for (name, arguments) in verbs {
        let audit = cluster.audit()?;
        let mark = audit.mark().await?;
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let begun = Timestamp::now();
            let mut command = Command::new(PLUGIN);
            command.args(arguments).args(["--namespace", project]).stdout(Stdio::null());
            command.env("KUBECONFIG", &cluster.admin().kubeconfig);
            let status = tokio::task::block_in_place(|| command.status()).context("the plugin")?;
            ensure!(status.success(), "{name} ended with {status}");
            took.push(milliseconds(begun, Timestamp::now()));
        }
        let requests = audit.since(mark).await?;
        let own = requests.iter().filter(|event| event.user_agent.starts_with("kubectl-towpath"));
        println!("{name:<36} {:>6.0} ms {:>13}", median(took), own.count() / TIMES);
    }
    Ok(())
}
