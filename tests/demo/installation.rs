//! The control plane, the chart, the controller and the example: everything that is there before the first release.

use crate::board::PROJECT;
use crate::containers;
use crate::running::{self, Running};
use crate::screen::Screen;
use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, Tool, eventually};
use std::path::PathBuf;
use std::time::Duration;
use support::installed_controller::{self, Operator, path};
use tokio::process::Child;

const LIMIT: Duration = Duration::from_secs(30);
/// Shorter than the examples, but prod is watched for as long as it takes to break it on a busy machine.
const TIMES: [(&str, &str); 2] = [
    ("observeWindow: 10s", "observeWindow: 3s"),
    ("soak: 30s\n  rollbackPolicyRef: quick", "soak: 2s\n  rollbackPolicyRef: careful"),
];
const CAREFUL: &str = "apiVersion: towpath.dev/v1alpha1
kind: RollbackPolicy
metadata: { name: careful, namespace: shop }
spec: { observeWindow: 8s }
";

pub struct Installation {
    pub cluster: ControlPlane,
    pub kubectl: Tool,
    /// The folder of the plugin of kubectl.
    pub plugins: PathBuf,
    operator: Operator,
    /// Whether pods are real containers, or played.
    pub real: bool,
}

impl Installation {
    pub async fn start(screen: &Screen, keep: bool, real: bool) -> Result<(Self, Child)> {
        let cluster = screen
            .step(
                "starting a control plane (the first time on a machine, Go builds it in ten minutes)",
                async {
                    let cluster = ControlPlane::start().await?;
                    let version = cluster.admin().client()?.apiserver_version().await?.git_version;
                    let node = if real { "" } else { ", and a node that plays its pods" };
                    Ok((format!("Kubernetes {version}: API server, controllers, scheduler{node}"), cluster))
                },
            )
            .await?;
        let kubectl = cluster.kubectl(cluster.admin());
        if real {
            screen
                .step(
                    "starting a real node (the first time on a machine, Go builds it in four minutes)",
                    containers::start(&cluster),
                )
                .await?;
        }
        let account = screen
            .step("installing the chart", async {
                let account = installed_controller::install(&cluster).await?;
                Ok(("the chart towpath, installed by helm".to_owned(), account))
            })
            .await?;
        let (operator, child) = screen
            .step("starting the controller", async {
                let started = Operator::start(&cluster, &account, &std::env::current_exe()?, keep).await?;
                Ok((
                    "the controller, with the rights of its ServiceAccount and no others".to_owned(),
                    started,
                ))
            })
            .await?;
        let plugins = cluster.scratch().to_owned();
        std::os::unix::fs::symlink(std::env::current_exe()?, plugins.join("kubectl-towpath"))
            .context("cannot link the plugin")?;
        let installation = Self { cluster, kubectl, plugins, operator, real };
        screen.step("applying deploy/examples", installation.examples()).await?;
        Ok((installation, child))
    }

    /// Everything of the examples but the release, with shorter times.
    async fn examples(&self) -> Result<(String, ())> {
        let mut all = String::new();
        for file in ["00-namespaces", "10-consent", "20-rollback-policy", "30-environments", "40-application"]
        {
            all.push_str(&example(&format!("deploy/examples/{file}.yaml"))?);
            all.push_str("\n---\n");
        }
        let all = replaced(all, &TIMES)? + CAREFUL;
        // A kind is served a moment after it is established.
        eventually("the examples to be taken", LIMIT, async || self.apply(&all).map(Some)).await?;
        Ok(("deploy/examples: a shop in dev, and the way from there to prod".to_owned(), ()))
    }

    /// kubectl as the administrator.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        tokio::task::block_in_place(|| self.kubectl.run(arguments))
    }

    /// What `kubectl towpath` prints for the administrator in the project.
    pub fn towpath(&self, arguments: &[&str]) -> Result<String> {
        let mut command =
            self.kubectl.command(&[&["towpath"], arguments, &["--namespace", PROJECT]].concat());
        command.env("PATH", &self.plugins);
        let output = tokio::task::block_in_place(|| command.output())?;
        ensure!(
            output.status.success(),
            "kubectl towpath {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    pub fn apply(&self, manifest: &str) -> Result<String> {
        let manifest = self.named(manifest);
        tokio::task::block_in_place(|| {
            self.kubectl.run_with(&["apply", "--server-side", "-f", "-"], &manifest)
        })
    }

    /// With the images that the node has.
    pub fn named(&self, manifest: &str) -> String {
        if self.real { containers::named(manifest) } else { manifest.to_owned() }
    }

    /// What a namespace runs, and what its containers answer to that path where they are real.
    pub async fn look(&self, namespace: &str, path: &str) -> Result<Running> {
        let client = self.cluster.admin().client()?;
        let mut running = running::look(&client, namespace).await?;
        if self.real {
            running.extend(containers::answers(&self.cluster, namespace, path).await?);
        }
        Ok(running)
    }

    /// What may explain a failure.
    pub fn logs(&self) -> String {
        let objects = self.run(&["get", "releases,environments,promotions", "-n", "shop"]);
        let objects = objects.unwrap_or_else(|error| format!("{error:#}"));
        format!("{objects}\nThe end of the controller's log:\n{}", self.operator.log_end())
    }

    /// Leaves all of it running and says how to go on.
    pub fn keep(self, screen: &Screen, controller: &Child) -> Result<Kept> {
        let controller = controller.id().map_or_else(String::new, |pid| pid.to_string());
        let kept = self.cluster.keep()?;
        screen.say("");
        screen.say("All of it keeps running. To look around:");
        screen.say("");
        screen.say(&format!("    export KUBECONFIG={}", kept.kubeconfig.display()));
        screen.say(&format!("    export PATH=$PATH:{}", self.plugins.display()));
        screen.say(&format!("    alias kubectl={}", self.kubectl.path().display()));
        screen.say("    kubectl towpath get shop");
        screen.say("    kubectl get releases,environments,promotions -n shop");
        screen.say(&format!("    tail -f {}", self.operator.log.display()));
        screen.say("");
        screen.say(&format!("To end it: kill {controller} {}", kept.pid));
        let mut page = self.kubectl.command(&["towpath", "ui", "--namespace", PROJECT]);
        let path = std::env::var("PATH").unwrap_or_default();
        page.env("PATH", format!("{}:{path}", self.plugins.display())).env("KUBECONFIG", kept.kubeconfig);
        Ok(Kept { page })
    }
}

/// An installation that keeps running.
pub struct Kept {
    page: std::process::Command,
}

impl Kept {
    /// Serves the page of the project for the administrator until it is interrupted.
    pub async fn page(self) -> Result<()> {
        let mut page = tokio::process::Command::from(self.page).kill_on_drop(true).spawn()?;
        tokio::select! {
            ended = page.wait() => { ended?; }
            _ = tokio::signal::ctrl_c() => {}
        }
        Ok(())
    }
}

/// A file of the repository.
pub fn example(name: &str) -> Result<String> {
    std::fs::read_to_string(path(name)).with_context(|| format!("cannot read {name}"))
}

/// The text with each first word replaced by its second; all of them must be there.
pub fn replaced(text: String, words: &[(&str, &str)]) -> Result<String> {
    words.iter().try_fold(text, |text, (old, new)| {
        ensure!(text.contains(old), "deploy/examples no longer says {old}");
        Ok(text.replace(old, new))
    })
}
