//! Every command in the README and in `docs/` works, in the order of the pages, on a new cluster. So do the commands that read in the notes
//! of the chart and in the examples.
//!
//! A reader with the rights of a cluster admin runs them in a shell, in a folder with the chart and the examples, and saves the files of
//! the pages there. Pods are played, so the pods that the chart installs do nothing; the controller runs beside the cluster, with
//! the rights of the ServiceAccount of the chart.

use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, eventually};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use support::failed::uses_namespace;
use support::installation::own_control_plane;
use support::manifests::{read, root};
use support::operator::{Flags, Operator};
use support::pages::{Block, PAGES, blocks, hints};
use tempfile::TempDir;
use tokio::process::Command;

support::stories![every_command_in_the_documentation_works];

/// The start of each block that is not run, and why it is not.
const NOT_RUN: [(&str, &str); 4] = [
    ("cargo demo", "the demo starts a control plane of its own, and `cargo test` is what runs this story"),
    ("docker build", "there is no Docker and no registry"),
    ("cargo install", "the test has built the plugin, and puts it on the PATH"),
    (
        "kubectl apply --server-side --filename deploy/towpath.yaml",
        "it is the chart, which Helm has installed before",
    ),
];

/// Shorter times than in the documentation, because this story only waits.
const TIMES: [(&str, &str); 2] = [("observeWindow: 10s", "observeWindow: 1s"), ("soak: 30s", "soak: 1s")];

/// Longer than any `--timeout` in the documentation.
const LIMIT: Duration = Duration::from_secs(600);

async fn every_command_in_the_documentation_works() -> Result<()> {
    let cluster = own_control_plane().await?;
    uses_namespace(&cluster, "shop");
    let reader = Reader::new(&cluster)?;
    let (mut controller, mut not_run) = (None, Vec::new());
    for page in PAGES {
        for block in blocks(page)? {
            match block {
                Block::File { name, text } => reader.save(&name, &text)?,
                Block::Commands(text) => match NOT_RUN.iter().find(|(start, _)| text.starts_with(start)) {
                    Some((start, _)) => not_run.push(*start),
                    None => reader.run(&text).await.with_context(|| format!("{page}:\n{text}"))?,
                },
            }
            if controller.is_none() && reader.has_installed() {
                controller = Some(Operator::start(&cluster, &["shop"], &Flags::as_installed()).await?);
            }
        }
        if page == "README.md" {
            for (file, command) in hints()? {
                reader.run(&command).await.with_context(|| format!("{file}: {command}"))?;
            }
        }
    }
    let expected = NOT_RUN.map(|(start, _)| start);
    ensure!(not_run == expected, "not run: {not_run:?}, expected: {expected:?}");
    ensure!(controller.is_some(), "the documentation does not install the chart");
    Ok(())
}

/// A user who follows the documentation.
struct Reader<'a> {
    cluster: &'a ControlPlane,
    folder: TempDir,
    path: OsString,
}

impl<'a> Reader<'a> {
    fn new(cluster: &'a ControlPlane) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("documentation-").tempdir_in(cluster.scratch())?;
        symlink(root("charts"), folder.path().join("charts"))?;
        let examples = folder.path().join("deploy/examples");
        fs::create_dir_all(&examples)?;
        for entry in fs::read_dir(root("deploy/examples"))? {
            let entry = entry?;
            fs::write(examples.join(entry.file_name()), shortened(&read(&entry.path())))?;
        }
        let tools = [cluster.kubectl(cluster.admin()), cluster.helm(cluster.admin())];
        let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-towpath")).parent().map(Path::to_owned);
        let folders = tools.iter().filter_map(|tool| tool.path().parent()).map(Path::to_owned).chain(plugin);
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&inherited)))?;
        Ok(Self { cluster, folder, path })
    }

    fn save(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.folder.path().join(name), shortened(text))?)
    }

    /// Whether Helm has installed the chart.
    fn has_installed(&self) -> bool {
        let kubectl = self.cluster.kubectl(self.cluster.admin());
        kubectl.run(&["get", "serviceaccount", "towpath", "--namespace", "towpath-system"]).is_ok()
    }

    /// Runs commands to their end. Commands that watch are ended after some seconds.
    async fn run(&self, commands: &str) -> Result<()> {
        let output = eventually("the commands to end", LIMIT, async || {
            let output = self.shell(commands).output().await?;
            // After an installation, admission policies do not know the new kinds for some seconds. The README says so.
            let is_early = text(&output.stderr).contains("There can be a delay");
            // A busy machine may not have started kubectl in time.
            let is_late = has_timed_out(&output) && output.stdout.is_empty();
            Ok((!is_early && !is_late).then_some(output))
        })
        .await?;
        ensure!(succeeded(commands, &output), "{}\n{}", text(&output.stdout), text(&output.stderr));
        Ok(())
    }

    fn shell(&self, commands: &str) -> Command {
        let mut command = Command::new("timeout");
        let seconds = if watches(commands) { 5 } else { LIMIT.as_secs() };
        command.arg(seconds.to_string()).args(["bash", "-euo", "pipefail", "-c", commands]);
        for variable in ["HELM_NAMESPACE", "HELM_KUBECONTEXT", "HELM_KUBETOKEN", "HELM_KUBEAPISERVER"] {
            command.env_remove(variable);
        }
        command.env("KUBECONFIG", &self.cluster.admin().kubeconfig).env("PATH", &self.path);
        command.env("HOME", self.folder.path()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.kill_on_drop(true);
        command
    }
}

fn shortened(text: &str) -> String {
    TIMES.iter().fold(text.to_owned(), |text, (long, short)| text.replace(long, short))
}

fn watches(commands: &str) -> bool {
    commands.contains(" --watch\n") || commands.contains("kubectl towpath ui ")
}

fn succeeded(commands: &str, output: &Output) -> bool {
    output.status.success() || (watches(commands) && has_timed_out(output) && output.stderr.is_empty())
}

/// Whether `timeout` has ended the commands.
fn has_timed_out(output: &Output) -> bool {
    output.status.code() == Some(124)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
