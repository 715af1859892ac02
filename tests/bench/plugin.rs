//! What an answer of the plugin costs: its time from start to exit, and how many requests it makes, which does not grow with the releases.

use super::figures::milliseconds;
use anyhow::{Context, Result, ensure};
use control_plane::ControlPlane;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use support::figures::median;

const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-towpath");
const TIMES: usize = 10;

/// The requests of each verb.
pub type Requests = BTreeMap<&'static str, usize>;

/// Measures the verbs in this project, which has so many releases. `release` is one that waits.
pub async fn measure(
    cluster: &ControlPlane,
    project: &str,
    releases: usize,
    release: &str,
    environment: &str,
) -> Result<Requests> {
    let verbs: [(&str, &[&str]); 5] = [
        ("get", &["get"]),
        ("status", &["status", release]),
        ("waiting", &["waiting"]),
        ("explain", &["explain", release, "--environment", environment]),
        ("plan", &["plan", release]),
    ];
    let title = format!("kubectl towpath, {releases} releases");
    println!("{title:<36} median      requests");
    let mut counted = Requests::new();
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
        let requests = own.count() / TIMES;
        println!("{name:<36} {:>6.0} ms {requests:>13}", median(took));
        counted.insert(name, requests);
    }
    println!();
    Ok(counted)
}

/// Fails if a verb makes more requests, or fewer, because there are more releases.
pub fn same(few: usize, with_few: &Requests, many: usize, with_many: &Requests) -> Result<()> {
    for (verb, requests) in with_many {
        let before = with_few.get(verb).copied().unwrap_or_default();
        ensure!(
            before == *requests,
            "kubectl towpath {verb} makes {before} requests with {few} releases and {requests} with {many}"
        );
    }
    Ok(())
}
