//! The control plane, the chart, the controller and the example: everything that is there before the first release.

use crate::screen::Screen;
use anyhow::{Context, Result};
use control_plane::{Access, ControlPlane, Tool, eventually};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SYSTEM: &str = "towpath-system";
const LIMIT: Duration = Duration::from_secs(30);
/// Set for a controller that outlives the demo.
pub const KEPT: &str = "TOWPATH_DEMO_KEPT";
/// The examples watch for ten seconds and soak for thirty.
pub const QUICK: [(&str, &str, &str); 2] = [
    ("rollbackpolicy", "quick", r#"{"spec":{"observeWindow":"4s"}}"#),
    ("environment", "prod", r#"{"spec":{"soak":"2s"}}"#),
];

pub struct Installation {
    pub cluster: ControlPlane,
    pub kubectl: Tool,
    /// Closed when this process ends, and the controller with it.
    _pipe: Option<ChildStdin>,
    log: PathBuf,
}

impl Installation {
    pub async fn start(screen: &Screen, keep: bool) -> Result<(Self, Child)> {
        let cluster = screen
            .step("starting a control plane (the first time on a machine, Go builds it in ten minutes)", async {
                let cluster = ControlPlane::start().await?;
                let version = cluster.admin().client()?.apiserver_version().await?.git_version;
                Ok((format!("Kubernetes {version}: API server, controllers, scheduler, and a node that plays its pods"), cluster))
            })
            .await?;
        let kubectl = cluster.kubectl(cluster.admin());
        let account = screen
            .step("installing the chart", async {
                let chart = example("charts/towpath");
                let flags = ["--namespace", SYSTEM, "--create-namespace", "--set=replicas=0"];
                let helm = cluster.helm(cluster.admin());
                let install = [&["install", "towpath", &chart][..], &flags].concat();
                tokio::task::block_in_place(|| helm.run(&install))?;
                let account = cluster.service_account(SYSTEM, "towpath").await?;
                Ok(("the chart towpath, installed by helm".to_owned(), account))
            })
            .await?;
        let log = account.kubeconfig.with_file_name("controller.log");
        let (controller, pipe) = screen
            .step("starting the controller", async {
                let mut controller = spawn(&account, &log, keep)?;
                // Waiting for a child closes the pipe that it holds.
                let pipe = controller.stdin.take();
                let leads = leads(&cluster);
                tokio::select! {
                    leads = leads => leads?,
                    ended = controller.wait() => anyhow::bail!("the controller ended at once: {}\n{}", ended?, tail(&log)),
                }
                Ok(("the controller, with the rights of its ServiceAccount and no others".to_owned(), (controller, pipe)))
            })
            .await?;
        let installation = Self { cluster, kubectl, _pipe: pipe, log };
        screen.step("applying deploy/examples", installation.examples()).await?;
        Ok((installation, controller))
    }

    /// Everything of the examples but the release.
    async fn examples(&self) -> Result<(String, ())> {
        let mut files: Vec<String> = std::fs::read_dir(example("deploy/examples"))?
            .filter_map(|entry| Some(entry.ok()?.path().display().to_string()))
            .filter(|path| path.ends_with(".yaml") && !path.ends_with("-release.yaml"))
            .collect();
        files.sort();
        for file in files {
            // A kind is served a moment after it is established.
            eventually(&file, LIMIT, async || self.run(&["apply", "--server-side", "-f", &file]).map(Some))
                .await?;
        }
        for (kind, name, patch) in QUICK {
            self.run(&["patch", kind, name, "-n", "shop", "--type=merge", "-p", patch])?;
        }
        self.settle("shop-dev")?;
        Ok(("deploy/examples: a shop in dev, and what lies between it and prod".to_owned(), ()))
    }

    /// Waits until what CI put there is rolled out.
    pub fn settle(&self, namespace: &str) -> Result<()> {
        for workload in ["deployment/web", "deployment/api", "statefulset/cache"] {
            self.run(&["rollout", "status", workload, "-n", namespace, "--timeout=30s"])?;
        }
        Ok(())
    }

    /// kubectl as the administrator.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        tokio::task::block_in_place(|| self.kubectl.run(arguments))
    }

    pub fn apply(&self, manifest: &str) -> Result<String> {
        tokio::task::block_in_place(|| {
            self.kubectl.run_with(&["apply", "--server-side", "-f", "-"], manifest)
        })
    }

    /// What may explain a failure.
    pub fn logs(&self) -> String {
        let objects = self.run(&["get", "releases,environments,promotions", "-n", "shop"]);
        let objects = objects.unwrap_or_else(|error| format!("{error:#}"));
        format!("{objects}\nThe end of the controller's log:\n{}", tail(&self.log))
    }

    /// Leaves all of it running and says how to go on.
    pub fn keep(self, screen: &Screen, controller: &Child) -> Result<()> {
        let controller = controller.id().map_or_else(String::new, |pid| pid.to_string());
        let kept = self.cluster.keep()?;
        screen.say("");
        screen.say("All of it keeps running. To look around:");
        screen.say("");
        screen.say(&format!("    export KUBECONFIG={}", kept.kubeconfig.display()));
        screen.say(&format!("    alias kubectl={}", self.kubectl.path().display()));
        screen.say("    kubectl get releases,environments,promotions -n shop");
        screen.say(&format!("    tail -f {}", self.log.display()));
        screen.say("");
        screen.say(&format!("To end it: kill {controller} {}", kept.pid));
        Ok(())
    }
}

pub fn example(path: &str) -> String {
    Path::new(ROOT).join(path).display().to_string()
}

fn spawn(account: &Access, log: &Path, keep: bool) -> Result<Child> {
    let log = File::create(log).context("cannot write the controller's log")?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["controller", "--lease-namespace", SYSTEM, "--lease-name=towpath", "--listen=127.0.0.1:0"])
        .args(["--log-format=json", "--kubeconfig"])
        .arg(&account.kubeconfig)
        .stdin(if keep { Stdio::null() } else { Stdio::piped() })
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    if keep {
        command.env(KEPT, "1");
    }
    command.spawn().context("cannot start the controller")
}

async fn leads(cluster: &ControlPlane) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(cluster.admin().client()?, SYSTEM);
    eventually("the controller to lead", LIMIT, async || {
        let lease = leases.get_opt("towpath").await?;
        Ok(lease.and_then(|lease| lease.spec?.holder_identity).map(drop))
    })
    .await
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| error.to_string());
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
