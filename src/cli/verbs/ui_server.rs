//! `towpath ui-server`: the page for people without a kubeconfig. It has no rights: every request carries the bearer token of its visitor.

use crate::api::ProjectName;
use crate::cli::connection::reader;
use crate::web::{Access, Names, Visitors, router};
use anyhow::{Context, bail};
use axum::routing::get;
use clap::ValueEnum;
use kube::config::{
    AuthInfo, Cluster, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serve the page to people without a kubeconfig, each with their own bearer token: from an authenticating proxy in front of it, or pasted into
/// the page. It has no rights of its own.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Address to serve the page on. /healthz is for probes.
    #[arg(long, env = "TOWPATH_UI_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Name by which browsers reach the page, with its port unless that is the standard one. Can be repeated, or a list with commas. Requests to
    /// other names are refused.
    #[arg(
        long = "host",
        env = "TOWPATH_UI_HOSTS",
        required = true,
        value_delimiter = ',',
        value_name = "NAME[:PORT]"
    )]
    hosts: Vec<String>,
    /// Scheme by which browsers reach the page.
    #[arg(long, env = "TOWPATH_UI_SCHEME", value_enum, default_value_t = Scheme::Https)]
    scheme: Scheme,
    /// Project that is shown first. Default: the page asks for one.
    #[arg(long, env = "TOWPATH_UI_PROJECT", default_value = "")]
    project: String,
    /// URL of the API server. Default: that of the cluster in which it runs.
    #[arg(long, env = "TOWPATH_UI_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Certificate authority of the API server.
    #[arg(long, env = "TOWPATH_UI_CA", default_value = "/etc/towpath/ca/ca.crt", value_name = "FILE")]
    ca: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scheme {
    /// TLS ends at the proxy in front of the page.
    Https,
    /// No TLS: tokens can be read on the way. For tests.
    Http,
}

/// How often visitors who are away are forgotten.
const SWEEP: Duration = Duration::from_secs(30);

/// Serves until SIGTERM or SIGINT.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let config = config(arguments).await?;
    let connect = move |token: &str| {
        let mut config = config.clone();
        config.auth_info.token = Some(token.to_owned().into());
        let reader = |config| reader(config, ProjectName::default()).map_err(|error| format!("{error:#}"));
        let reads = reader(config.clone())?;
        config.default_retry = false;
        Ok((reads, reader(config)?))
    };
    let project = ProjectName::from(arguments.project.as_str());
    let access = Arc::new(Access::Tokens { visitors: Visitors::new(Box::new(connect)), project });
    let scheme = match arguments.scheme {
        Scheme::Https => "https",
        Scheme::Http => "http",
    };
    let names = Names { hosts: arguments.hosts.iter().cloned().collect(), scheme };
    let sweeping = Arc::clone(&access);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            sweeping.sweep();
        }
    });
    // Probes come by the address of the pod.
    let router = router(access, names).route("/healthz", get(|| async { "ok\n" }));
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Pages ask again: connections that are open need not be waited for.
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served.context("the page ended")?,
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// The way to the API server, without credentials.
async fn config(arguments: &Arguments) -> anyhow::Result<kube::Config> {
    let server = match &arguments.server {
        Some(server) => server.clone(),
        None => in_cluster()?,
    };
    if !arguments.ca.exists() {
        bail!(
            "{} does not exist: name the certificate authority of the API server with --ca",
            arguments.ca.display()
        );
    }
    let cluster = Cluster {
        server: Some(server),
        certificate_authority: Some(arguments.ca.display().to_string()),
        ..Cluster::default()
    };
    let name = "cluster".to_owned();
    let context =
        kube::config::Context { cluster: name.clone(), user: Some(name.clone()), ..Default::default() };
    let file = Kubeconfig {
        clusters: vec![NamedCluster {
            name: name.clone(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: name.clone(),
            auth_info: Some(AuthInfo::default()),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: name.clone(),
            context: Some(context),
            ..NamedContext::default()
        }],
        current_context: Some(name),
        ..Kubeconfig::default()
    };
    let options = KubeConfigOptions::default();
    kube::Config::from_custom_kubeconfig(file, &options).await.context("cannot use --server and --ca")
}

/// The API server of the cluster in which it runs.
fn in_cluster() -> anyhow::Result<String> {
    let variable = |name: &str| {
        std::env::var(name).with_context(|| format!("{name} is not set: name the API server with --server"))
    };
    let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Ok(format!("https://{host}:{port}"))
}
