//! How a verb reaches a cluster: the flags that kubectl has too.

use super::verbose::Verbose;
use crate::api::ProjectName;
use crate::api::names::{LABEL_RULE, is_label};
use crate::user::reader::Reader;
use anyhow::{Context, bail};
use http::HeaderValue;
use http::header::USER_AGENT;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::PathBuf;
use std::time::Duration;
use tower::buffer::BufferLayer;

/// How long an answer may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How many requests wait at the same time, if they are written.
const REQUESTS: usize = 1024;

/// What the audit log of the API server shows.
const AGENT: &str = concat!("kubectl-towpath/", env!("CARGO_PKG_VERSION"));

/// The flags of every verb.
#[derive(Debug, clap::Args)]
pub struct Connection {
    /// Namespace of the project. Default: the namespace of the context.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Context of the kubeconfig. Default: its current context.
    #[arg(long)]
    context: Option<String>,
    /// Path to a kubeconfig. Default: $KUBECONFIG, or ~/.kube/config.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// User to impersonate.
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// Group to impersonate. Can be repeated.
    #[arg(long = "as-group", value_name = "GROUP", requires = "user")]
    groups: Vec<String>,
    /// Writes requests to stderr. 6: method, URL, code and time; 8: bodies, too.
    #[arg(short, long = "v", value_name = "LEVEL", default_value_t = 0)]
    verbosity: u8,
}

impl Connection {
    /// The namespace that the user named.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// A reader of the project. `project` is the namespace that the verb was given.
    pub async fn open(&self, project: Option<&str>) -> anyhow::Result<Reader> {
        self.reader(project, self.config().await?)
    }

    /// The same with a client that sends each request once, for a verb that writes.
    pub async fn open_to_write(&self) -> anyhow::Result<Reader> {
        let mut config = self.config().await?;
        config.default_retry = false;
        self.reader(None, config)
    }

    fn reader(&self, project: Option<&str>, mut config: kube::Config) -> anyhow::Result<Reader> {
        if self.user.is_some() {
            config.auth_info.impersonate = self.user.clone();
            config.auth_info.impersonate_groups =
                Some(self.groups.clone()).filter(|groups| !groups.is_empty());
        }
        prepare(&mut config);
        let namespace = project.or(self.namespace.as_deref()).unwrap_or(&config.default_namespace).to_owned();
        if !is_label(&namespace) {
            bail!("{namespace:?} is not the name of a namespace: {LABEL_RULE}");
        }
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = ClientBuilder::try_from(config).context("cannot use the kubeconfig")?;
        let verbose = Verbose { level: self.verbosity, server };
        let client = match self.verbosity {
            0 => client.build(),
            _ => client.with_layer(&BufferLayer::new(REQUESTS)).with_layer(&verbose).build(),
        };
        Ok(Reader::new(client, namespace.into()))
    }

    async fn config(&self) -> anyhow::Result<kube::Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let file = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path)
                .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?,
            None => match Kubeconfig::read() {
                Ok(file) => file,
                // Without a kubeconfig, in a pod.
                Err(_) if self.context.is_none() => {
                    return kube::Config::infer()
                        .await
                        .context("there is no kubeconfig: set KUBECONFIG or --kubeconfig");
                }
                Err(error) => return Err(error).context("cannot read the kubeconfig"),
            },
        };
        kube::Config::from_custom_kubeconfig(file, &options).await.context("cannot use the kubeconfig")
    }
}

/// A reader of a project, with the credentials of the configuration.
pub fn reader(mut config: kube::Config, project: ProjectName) -> anyhow::Result<Reader> {
    prepare(&mut config);
    let client = ClientBuilder::try_from(config).context("cannot use the credentials")?.build();
    Ok(Reader::new(client, project))
}

fn prepare(config: &mut kube::Config) {
    config.read_timeout = Some(READ_TIMEOUT);
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
}
