//! A control plane in the foreground, until Ctrl-C; with `--keep`, in the background.

use anyhow::{Result, bail};
use control_plane::ControlPlane;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(other) => bail!("unknown argument {other}; usage: control-plane [--keep]"),
    };
    let cluster = ControlPlane::start().await?;
    if keep {
        let kept = cluster.keep()?;
        println!("export TOWPATH_KUBECONFIG={}", kept.kubeconfig.display());
        println!("export TOWPATH_AUDIT_LOG={}", kept.audit_log.display());
        println!("# to end it: kill {}", kept.pid);
        return Ok(());
    }
    println!("export KUBECONFIG={}", cluster.admin().kubeconfig.display());
    for (name, pid) in cluster.pids() {
        println!("# {name} {pid}");
    }
    println!("# ready; Ctrl-C ends it");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
