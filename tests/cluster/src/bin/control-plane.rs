//! A control plane in the foreground, until Ctrl-C; with `--keep`, in the background; with `--node`, with a real node.

use anyhow::{Result, bail};
use control_plane::{ControlPlane, Image};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (keep, node) = match std::env::args().nth(1).as_deref() {
        None => (false, false),
        Some("--keep") => (true, false),
        Some("--node") => (false, true),
        Some(other) => bail!("unknown argument {other}; usage: control-plane [--keep | --node]"),
    };
    if let Some(lacking) = control_plane::lacking().filter(|_| node) {
        bail!(lacking);
    }
    let cluster = ControlPlane::start().await?;
    if keep {
        let kept = cluster.keep()?;
        println!("export TOWPATH_KUBECONFIG={}", kept.kubeconfig.display());
        println!("export TOWPATH_AUDIT_LOG={}", kept.audit_log.display());
        println!("# to end it: kill {}", kept.pid);
        return Ok(());
    }
    if node {
        println!("# images: {}", cluster.real_node().await?.push(&Image::of("app", "v1")).await?);
    }
    println!("export KUBECONFIG={}", cluster.admin().kubeconfig.display());
    for (name, pid) in cluster.pids() {
        println!("# {name} {pid}");
    }
    println!("# ready; Ctrl-C ends it");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
