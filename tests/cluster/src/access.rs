//! One identity's way into the cluster: a kubeconfig on disk and the same thing as a client.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::pki::Identity;

/// A kubeconfig and the configuration read from it.
#[derive(Clone)]
pub struct Access {
    pub kubeconfig: PathBuf,
    pub config: kube::Config,
    client: OnceLock<kube::Client>,
}

impl Access {
    /// Reads the current context of a kubeconfig.
    pub async fn open(kubeconfig: &Path) -> Result<Self> {
        let shown = kubeconfig.display();
        let read = Kubeconfig::read_from(kubeconfig)
            .with_context(|| format!("cannot read the kubeconfig {shown}"))?;
        let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
            .await
            .with_context(|| format!("the kubeconfig {shown} leads nowhere"))?;
        Ok(Self { kubeconfig: kubeconfig.into(), config, client: OnceLock::new() })
    }

    /// The client, made at the first call: each has connections of its own, and opening one costs both sides more than most
    /// requests. It lives no longer than the runtime on which it was made.
    pub fn client(&self) -> Result<kube::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = kube::Client::try_from(self.config.clone())?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// The same identity, but every request is made in the name of another. No groups: those that the API server gives the
    /// name.
    pub fn impersonating(&self, name: &str, groups: &[String]) -> Self {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(name.into());
        config.auth_info.impersonate_groups = Some(groups.to_vec()).filter(|groups| !groups.is_empty());
        Self { kubeconfig: self.kubeconfig.clone(), config, client: OnceLock::new() }
    }
}

/// Where the API server is and which authority signs for it.
#[derive(Clone)]
pub(crate) struct Server {
    /// As in a kubeconfig's `cluster`: an authority's data, its file, or whatever a given cluster uses.
    pub cluster: Value,
}

impl Server {
    pub fn new(port: u16, authority: &str) -> Self {
        let server = format!("https://127.0.0.1:{port}");
        Self {
            cluster: json!({ "server": server, "certificate-authority-data": STANDARD.encode(authority) }),
        }
    }

    /// The server of a kubeconfig's current context.
    pub fn of(kubeconfig: &Path) -> Result<Self> {
        let read: Value = serde_yaml::from_str(&fs::read_to_string(kubeconfig)?)?;
        let wanted = current(&read, "contexts", &read["current-context"])?["context"]["cluster"].clone();
        let cluster = current(&read, "clusters", &wanted)?["cluster"].clone();
        Ok(Self { cluster })
    }

    /// Writes a kubeconfig for `user`, readable by its owner alone.
    pub fn write(&self, path: &Path, user: Value) -> Result<()> {
        let content = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "towpath",
            "clusters": [{ "name": "towpath", "cluster": self.cluster }],
            "users": [{ "name": "towpath", "user": user }],
            "contexts": [{ "name": "towpath", "context": { "cluster": "towpath", "user": "towpath" } }],
        });
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        // In one step, as others may be reading the file of an identity that is asked for again.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let fresh = path.with_extension(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(serde_yaml::to_string(&content)?.as_bytes())?;
        fs::rename(fresh, path)?;
        Ok(())
    }
}

/// The credentials of the current context, to build upon (impersonation in a cluster whose authority is not ours).
pub(crate) fn credentials(kubeconfig: &Path) -> Result<Value> {
    let read: Value = serde_yaml::from_str(&fs::read_to_string(kubeconfig)?)?;
    let wanted = current(&read, "contexts", &read["current-context"])?["context"]["user"].clone();
    Ok(current(&read, "users", &wanted)?["user"].clone())
}

fn current<'a>(kubeconfig: &'a Value, list: &str, name: &Value) -> Result<&'a Value> {
    let entries = kubeconfig[list].as_array();
    let found = entries.and_then(|entries| entries.iter().find(|entry| entry["name"] == *name));
    found.with_context(|| format!("the kubeconfig has no {name} among its {list}"))
}

pub(crate) fn by_certificate(identity: &Identity) -> Value {
    json!({
        "client-certificate-data": STANDARD.encode(&identity.certificate),
        "client-key-data": STANDARD.encode(&identity.key),
    })
}
