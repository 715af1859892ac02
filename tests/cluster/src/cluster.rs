//! The control plane as one value: started, or a given cluster, and what one does with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ObjectMeta, PostParams};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::access::{Access, Server, by_certificate, credentials};
use crate::audit::AuditLog;
use crate::binaries;
use crate::components::{self, Layout, Ports};
use crate::guard::Guard;
use crate::node::RealNode;
use crate::pki::Authority;
use crate::report::{tail, tails};
use crate::tools::Tool;
use crate::wait::eventually;

const KUBECONFIG: &str = "TOWPATH_KUBECONFIG";
const AUDIT_LOG: &str = "TOWPATH_AUDIT_LOG";
const NODE: &str = "played";
const START_LIMIT: Duration = Duration::from_secs(60);

/// A control plane and a node that plays every pod. Dropping it ends it; a panic while it is dropped shows its logs.
pub struct ControlPlane {
    admin: Access,
    server: Server,
    /// Signs for users; a given cluster's own authority is not ours to use.
    authority: Option<Authority>,
    audit: Option<PathBuf>,
    logs: Option<PathBuf>,
    bin: Option<PathBuf>,
    /// Where kubeconfigs are written.
    scratch: PathBuf,
    /// Ends with the guard: the node is among its components.
    node: OnceCell<RealNode>,
    guard: Option<Guard>,
    /// Of a given cluster: guards what is included, as the cluster itself is not ours to end.
    followers: Option<Guard>,
}

/// A control plane that was left running.
#[derive(Debug)]
pub struct Kept {
    pub kubeconfig: PathBuf,
    pub audit_log: PathBuf,
    /// `kill` of this process ends it all and removes its directory.
    pub pid: u32,
}

impl ControlPlane {
    /// Starts one, or takes the one that `TOWPATH_KUBECONFIG` names. The first start on a machine builds the
    /// programs, which takes minutes and says so.
    pub async fn start() -> Result<Self> {
        match std::env::var_os(KUBECONFIG) {
            Some(given) => {
                Self::given(Path::new(&given), std::env::var_os(AUDIT_LOG).map(PathBuf::from)).await
            }
            None => Self::start_own().await,
        }
    }

    /// A cluster that is up already. One that `keep` left running brings its audit log and authority along.
    pub async fn given(kubeconfig: &Path, audit: Option<PathBuf>) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("towpath-access-").tempdir()?.keep();
        let followers = Some(Guard::start(&scratch)?);
        let home = kubeconfig.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let beside = |name: &str| Some(home.join(name)).filter(|path| path.exists());
        let cluster = Self {
            admin: Access::open(kubeconfig).await?,
            server: Server::of(kubeconfig)?,
            authority: Authority::open(&home.join("pki")).ok(),
            audit: audit.or_else(|| beside("audit.log")),
            logs: beside("logs"),
            bin: binaries::built(),
            scratch,
            node: OnceCell::new(),
            guard: None,
            followers,
        };
        let version = cluster.admin.client()?.apiserver_version().await;
        version.with_context(|| format!("the cluster of {} does not answer", kubeconfig.display()))?;
        Ok(cluster)
    }

    async fn start_own() -> Result<Self> {
        let bin = tokio::task::spawn_blocking(binaries::ensure).await??;
        // A port that was free may be taken before its server listens.
        loop {
            match Self::start_once(bin.clone()).await {
                Err(error) if format!("{error:#}").contains("address already in use") => {}
                started => return started,
            }
        }
    }

    async fn start_once(bin: PathBuf) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("towpath-control-plane-").tempdir()?.keep();
        let guard = Guard::start(&dir)?;
        let layout = Layout { bin, dir };
        let ports = Ports::choose()?;
        let (authority, server) = components::prepare(&layout, &ports)?;
        components::start_api(&guard, &layout, &ports)?;
        let admin = Access::open(&layout.kubeconfig("admin")).await?;
        alive(&guard, &layout, "the API server", async || {
            // Asked only once it listens: the client backs off after a refused connection.
            tokio::net::TcpStream::connect(("127.0.0.1", ports.api)).await?;
            let ready = http::Request::get("/readyz").body(Vec::new())?;
            Ok(Some(admin.client()?.request_text(ready).await?))
        })
        .await?;
        components::start_controllers(&guard, &layout)?;
        furnish(&admin).await?;
        alive(&guard, &layout, "the node and the default service account", async || settled(&admin).await)
            .await?;
        Ok(Self {
            admin,
            server,
            authority: Some(authority),
            audit: Some(layout.audit()),
            logs: Some(layout.logs()),
            bin: Some(layout.bin),
            scratch: layout.dir.join("access"),
            node: OnceCell::new(),
            guard: Some(guard),
            followers: None,
        })
    }

    /// The cluster's administrator.
    pub fn admin(&self) -> &Access {
        &self.admin
    }

    /// A person or a machine by name, with groups. Known at once; RBAC decides what they may do.
    pub async fn user(&self, name: &str, groups: &[&str]) -> Result<Access> {
        let user = match &self.authority {
            Some(authority) => by_certificate(&authority.user(name, groups)?),
            // Not our authority, so the administrator speaks in their name.
            None => {
                let mut user = credentials(&self.admin.kubeconfig)?;
                user["as"] = json!(name);
                user["as-groups"] = json!(groups);
                user
            }
        };
        self.access(&format!("user-{name}-{}", groups.join("-")), user).await
    }

    /// A service account, with a token that lives for a day. The account must exist.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<Access> {
        let token = self.service_account_token(namespace, name).await?;
        self.access(&format!("account-{namespace}-{name}"), json!({ "token": token })).await
    }

    /// The token alone.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.client()?, namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(86_400), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await?;
        answer.status.and_then(|status| status.token).context("the answer to the token request has no token")
    }

    async fn access(&self, name: &str, user: serde_json::Value) -> Result<Access> {
        let safe: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let path = self.scratch.join(format!("{safe}.kubeconfig"));
        self.server.write(&path, user)?;
        Access::open(&path).await
    }

    pub fn kubectl(&self, access: &Access) -> Tool {
        self.tool("kubectl", access)
    }

    pub fn helm(&self, access: &Access) -> Tool {
        self.tool("helm", access)
    }

    /// Of our build, or the one on the PATH where nothing was built.
    fn tool(&self, program: &str, access: &Access) -> Tool {
        Tool::new(self.bin.as_ref().map_or_else(|| program.into(), |bin| bin.join(program)), access)
    }

    /// The API server's record of requests.
    pub fn audit(&self) -> Result<AuditLog> {
        let path = self.audit.clone().with_context(|| {
            format!("this cluster's audit log is unknown: name its file in {AUDIT_LOG}, or let the tests start their own")
        })?;
        Ok(AuditLog::new(path, self.admin.clone()))
    }

    /// The end of every component's log.
    pub fn logs(&self) -> String {
        self.logs.as_deref().map_or_else(|| "the logs of a given cluster are not ours".into(), tails)
    }

    /// A new namespace whose name begins so.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let api: Api<Namespace> = Api::all(self.admin.client()?);
        let named = ObjectMeta { generate_name: Some(format!("{prefix}-")), ..ObjectMeta::default() };
        let made = api
            .create(&PostParams::default(), &Namespace { metadata: named, ..Namespace::default() })
            .await?;
        made.metadata.name.context("a namespace without a name")
    }

    /// A real node beside the played one, started at the first call; its programs are built then, which takes minutes.
    /// Ask [`crate::lacking`] first whether this machine can have one.
    pub async fn real_node(&self) -> Result<&RealNode> {
        let start = async || {
            let guard =
                self.guard.as_ref().context("only a control plane that was started here gets a node")?;
            let dir = self.scratch.parent().context("the control plane has no directory")?;
            RealNode::start(guard, dir, &self.admin).await.with_context(|| self.logs())
        };
        self.node.get_or_try_init(start).await
    }

    /// Makes what the command starts end with the control plane, and with this process however it ends.
    pub fn include(&self, command: &mut Command) -> Result<()> {
        self.guard.as_ref().or(self.followers.as_ref()).map_or(Ok(()), |guard| guard.include(command))
    }

    /// A directory that goes with the control plane.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Process ids by component; empty for a given cluster.
    pub fn pids(&self) -> Vec<(String, u32)> {
        self.guard.as_ref().map(Guard::pids).unwrap_or_default()
    }

    /// Ends it, as dropping it does, where something else still holds it. A given cluster goes on, without what was included.
    pub fn end(&self) {
        for guard in self.guard.iter().chain(&self.followers) {
            guard.end();
        }
    }

    /// Leaves it running after this process.
    pub fn keep(self) -> Result<Kept> {
        let guard = self.guard.as_ref().context("this cluster was not started here, so it stays anyway")?;
        let pid = guard.keep()?;
        let audit_log = self.audit.clone().context("no audit log")?;
        Ok(Kept { kubeconfig: self.admin.kubeconfig.clone(), audit_log, pid })
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() && self.guard.is_some() {
            eprintln!("{}", self.logs());
        }
    }
}

/// Waits, and gives up at once with the component's own words if one has ended.
async fn alive<T, F>(guard: &Guard, layout: &Layout, what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let answer = eventually(what, START_LIMIT, || {
        let (ended, asked) = (guard.ended(), ask());
        async move {
            match ended {
                Some(ended) => Ok(Some(Err(ended))),
                None => Ok(asked.await?.map(Ok)),
            }
        }
    });
    match answer.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err((component, status))) => {
            bail!("{component} ended with {status}:\n{}", tail(&components::log_of(layout, &component)))
        }
        Err(error) => Err(error.context(tails(&layout.logs()))),
    }
}

/// What a cluster has before anyone deploys to it: a node and a default storage class.
async fn furnish(admin: &Access) -> Result<()> {
    let client = admin.client()?;
    let node: Node = serde_json::from_value(json!({
        "metadata": {
            "name": NODE,
            "annotations": { "kwok.x-k8s.io/node": "fake" },
            "labels": { "kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" },
        },
    }))?;
    Api::<Node>::all(client.clone()).create(&PostParams::default(), &node).await?;
    let class: StorageClass = serde_json::from_value(json!({
        "metadata": { "name": NODE, "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
        "provisioner": "fate.towpath.dev/volume",
    }))?;
    Api::<StorageClass>::all(client).create(&PostParams::default(), &class).await?;
    Ok(())
}

/// Whether a pod created now would be scheduled and admitted.
async fn settled(admin: &Access) -> Result<Option<()>> {
    let client = admin.client()?;
    let node = Api::<Node>::all(client.clone()).get(NODE).await?;
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let free = node.spec.and_then(|spec| spec.taints).is_none_or(|taints| taints.is_empty());
    let account = Api::<ServiceAccount>::namespaced(client, "default").get_opt("default").await?;
    Ok((ready && free && account.is_some()).then_some(()))
}
