//! Does everything end with its owner, and only then?

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, eventually};

use super::identities::who;
use support::SOON;

support::stories![
    a_killed_owner_leaves_no_process_and_no_directory,
    a_kept_one_outlives_its_owner_is_used_by_its_kubeconfig_and_ends_when_told,
    the_environment_names_a_cluster_to_use,
];

/// This program in the role of the one that owns a control plane: see `main`.
pub fn owner(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("control-plane")
        .args(arguments)
        .stdout(Stdio::piped())
        .env_remove("TOWPATH_KUBECONFIG")
        .env_remove("TOWPATH_AUDIT_LOG");
    Ok(command)
}

/// The processes that name a directory among their arguments.
fn naming(dir: &Path) -> Vec<String> {
    let dir = dir.display().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let commands = commands.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    commands.filter(|command| command.contains(&dir)).collect()
}

async fn is_gone(dir: &Path) -> Result<()> {
    eventually("no process and no directory to be left", SOON, async || {
        let left = naming(dir);
        ensure!(left.is_empty() && !dir.exists(), "left: {left:#?}, directory there: {}", dir.exists());
        Ok(Some(()))
    })
    .await
}

/// The directory of the control plane whose kubeconfig a line exports.
fn exported(lines: &[String], variable: &str) -> Result<(PathBuf, PathBuf)> {
    let prefix = format!("export {variable}=");
    let found = lines.iter().find_map(|line| line.strip_prefix(&prefix)).context("no kubeconfig printed")?;
    let dir = Path::new(found).ancestors().nth(2).context("a kubeconfig without a directory")?;
    Ok((found.into(), dir.into()))
}

/// Blocks until the program says it is ready.
fn started(child: &mut Child) -> Result<Vec<String>> {
    let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines().map_while(Result::ok);
    let mut seen = Vec::new();
    for line in lines {
        seen.push(line);
        if seen.last().is_some_and(|line| line.starts_with("# ready")) {
            return Ok(seen);
        }
    }
    anyhow::bail!("the program ended: {seen:?}")
}

async fn a_killed_owner_leaves_no_process_and_no_directory() -> Result<()> {
    let (mut child, lines) = tokio::task::spawn_blocking(|| -> Result<_> {
        let mut child = owner(&[])?.spawn()?;
        let lines = started(&mut child)?;
        Ok((child, lines))
    })
    .await??;
    let (_, dir) = exported(&lines, "KUBECONFIG")?;
    ensure!(naming(&dir).len() >= 6, "too few components: {:#?}", naming(&dir));
    child.kill()?;
    child.wait()?;
    is_gone(&dir).await
}

async fn a_kept_one_outlives_its_owner_is_used_by_its_kubeconfig_and_ends_when_told() -> Result<()> {
    let said = tokio::task::spawn_blocking(|| anyhow::Ok(owner(&["--keep"])?.output()?)).await??;
    let lines: Vec<_> = String::from_utf8_lossy(&said.stdout).lines().map(str::to_owned).collect();
    let (kubeconfig, dir) = exported(&lines, "TOWPATH_KUBECONFIG")?;
    let stop =
        lines.iter().find_map(|line| line.strip_prefix("# to end it: kill ")).context("no way to end it")?;
    let used = use_given(&kubeconfig).await;
    ensure!(Command::new("kill").arg(stop).status()?.success(), "kill failed");
    is_gone(&dir).await?;
    used
}

async fn use_given(kubeconfig: &Path) -> Result<()> {
    let cluster = ControlPlane::given(kubeconfig, None).await?;
    ensure!(cluster.pids().is_empty(), "it was started again");
    let mark = cluster.audit()?.mark().await?;
    let dave = who(&cluster.user("dave", &["testers"]).await?).await?;
    ensure!(dave.username.as_deref() == Some("dave"), "{dave:?}");
    let events = cluster.audit()?.since(mark).await?;
    ensure!(
        events.iter().any(|event| event.user == "dave" && event.resource == "selfsubjectreviews"),
        "{events:#?}"
    );
    cluster.kubectl(cluster.admin()).run(&["get", "nodes"])?;
    // The variable leads there too, and what was not started here cannot be kept here.
    let said = owner(&["--keep"])?.env("TOWPATH_KUBECONFIG", kubeconfig).stderr(Stdio::piped()).output()?;
    let stderr = String::from_utf8_lossy(&said.stderr);
    ensure!(stderr.contains("was not started here"), "{stderr}");
    Ok(())
}

async fn the_environment_names_a_cluster_to_use() -> Result<()> {
    let mut command = owner(&[])?;
    let said =
        command.env("TOWPATH_KUBECONFIG", "/nonexistent/kubeconfig").stderr(Stdio::piped()).output()?;
    let stderr = String::from_utf8_lossy(&said.stderr);
    ensure!(stderr.contains("cannot read the kubeconfig /nonexistent/kubeconfig"), "{stderr}");
    Ok(())
}
