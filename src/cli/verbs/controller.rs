//! `towpath controller`: runs the controller. Logs are written to stderr.

use crate::api::ProjectName;
use crate::cluster::{ClientOptions, Scope};
use crate::controller;
use crate::process::Settings;
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Run the controller: promotes releases through environments, observes their health, and rolls back failed releases.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Namespace of the leader-election Lease.
    #[arg(long, env = "TOWPATH_LEASE_NAMESPACE", default_value = "towpath-system")]
    lease_namespace: String,
    /// Name of the leader-election Lease.
    #[arg(long, env = "TOWPATH_LEASE_NAME", default_value = "towpath")]
    lease_name: String,
    /// Time after which a leader that has not renewed the Lease is replaced, in whole seconds. The leader renews the Lease after a
    /// third of this time.
    #[arg(long, env = "TOWPATH_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// Namespaces of the projects to reconcile, separated by commas. Default: all namespaces.
    #[arg(long, env = "TOWPATH_PROJECTS", value_delimiter = ',')]
    projects: Vec<String>,
    /// Address to serve /healthz, /readyz and /metrics on.
    #[arg(long, env = "TOWPATH_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Maximum number of concurrent reconciles.
    #[arg(long, env = "TOWPATH_CONCURRENCY", default_value_t = 16)]
    concurrency: usize,
    /// Identity of this replica in the Lease. In a pod, HOSTNAME is the name of the pod.
    #[arg(long, env = "HOSTNAME", default_value = "towpath")]
    replica: String,
    /// Whether the admission policies of the chart are installed. With `disabled`, approvals and overrides are unavailable, and the
    /// right of requesters to promote is not checked.
    #[arg(long, env = "TOWPATH_ADMISSION", value_enum, default_value_t = Admission::Enforced)]
    admission: Admission,
    /// Folder with the files that CheckProviders and Channels name: certificates, tokens, keys and passwords.
    #[arg(long, env = "TOWPATH_CREDENTIALS", default_value = "/etc/towpath/credentials", value_name = "DIR")]
    credentials: PathBuf,
    /// Format of the logs.
    #[arg(long, env = "TOWPATH_LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    log_format: Format,
    /// Log level (`error`, `warn`, `info`, `debug` or `trace`) or a filter directive of tracing-subscriber, such as
    /// `info,towpath=debug`.
    #[arg(long, env = "TOWPATH_LOG", default_value = "info")]
    log: String,
    /// Path to a kubeconfig. Default: $KUBECONFIG, or the ServiceAccount of the pod.
    #[arg(long, env = "TOWPATH_CONTROLLER_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Human-readable text.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Admission {
    /// They are installed. If one is missing or modified, only rollbacks start.
    Enforced,
    /// They are not installed.
    Disabled,
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<crate::api::Duration>().map(Duration::from).map_err(|error| error.to_string())
}

/// Runs until SIGTERM or SIGINT.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    // kube_client logs the bodies of responses that it cannot decode. They can contain the data of ConfigMaps.
    let filter = EnvFilter::try_new(format!("{},kube_client=error", arguments.log))
        .context("--log is not a valid log filter")?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match arguments.log_format {
        Format::Text => logs.init(),
        Format::Json => logs.json().init(),
    }
    let settings = settings(&arguments);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async move {
        let config = match &arguments.kubeconfig {
            Some(path) => {
                let file = kube::config::Kubeconfig::read_from(path)
                    .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
                kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
                    .await?
            }
            None => kube::Config::infer().await.context(
                "cannot find a kubeconfig or the ServiceAccount of a pod: set --kubeconfig or $KUBECONFIG",
            )?,
        };
        let shutdown = CancellationToken::new();
        tokio::spawn(on_signal(shutdown.clone()));
        controller::run(config, settings, shutdown).await?;
        Ok(())
    })
}

fn settings(arguments: &Arguments) -> Settings {
    let named = arguments.projects.iter().filter(|name| !name.is_empty());
    let projects: BTreeSet<ProjectName> = named.map(|name| name.as_str().into()).collect();
    Settings {
        lease_name: arguments.lease_name.clone(),
        lease_namespace: arguments.lease_namespace.clone(),
        lease_duration: arguments.lease_duration,
        lease_renewal: arguments.lease_duration / 3,
        replica: arguments.replica.clone(),
        scope: Scope {
            projects: (!projects.is_empty()).then_some(projects),
            admission: arguments.admission == Admission::Enforced,
        },
        listen: arguments.listen,
        concurrency: arguments.concurrency,
        credentials: arguments.credentials.clone(),
        client: ClientOptions::default(),
    }
}

async fn on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        Ok::<_, std::io::Error>(())
    };
    if let Err(error) = wait.await {
        tracing::error!(%error, "cannot receive signals");
    }
    shutdown.cancel();
}
