//! The command line: a control plane in the foreground, until Ctrl-C; with `--keep`, in the background; with `--node`, with a
//! real node; with `--build`, none, but the programs of all of them.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{ControlPlane, Image, binaries, lacking};

/// Does what the arguments say.
pub fn command(arguments: &[String]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(serve(arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &[String]) -> Result<()> {
    let (keep, node) = match arguments.first().map(String::as_str) {
        None => (false, false),
        Some("--keep") => (true, false),
        Some("--node") => (false, true),
        Some("--build") => return build(),
        Some(other) => bail!("unknown argument {other}; usage: control-plane [--keep | --node | --build]"),
    };
    if let Some(lacking) = lacking().filter(|_| node) {
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

/// Builds what is not there yet, which takes minutes; a node's programs only where a node can be.
fn build() -> Result<()> {
    binaries::ensure()?;
    binaries::ensure_prometheus()?;
    if lacking().is_none() {
        binaries::ensure_node()?;
    }
    Ok(())
}
