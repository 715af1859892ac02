//! Projects that notify channels, and what has arrived there.

use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::time::Duration;
use support::objects::deployment;
use support::operator::Flags;
use support::receiver::{Received, Receiver};
use support::{Project, SOON, same};
use tempfile::TempDir;

pub const CHANNELS: &str = "/apis/towpath.dev/v1alpha1/channels";
const KEY: &str = "a key of the platform team";
/// A project with a controller of its own, whose credentials folder holds the files that channels name.
pub struct Told {
    pub project: Project,
    folder: TempDir,
    /// How the controller is started.
    pub flags: Flags,
}

impl Told {
    pub async fn begin(environments: &[Value]) -> Result<Self> {
        let project = Project::without_controller(environments).await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("key"), format!("{KEY}\n"))?;
        let flags = Flags { credentials: Some(folder.path().to_owned()), ..project.flags().clone() };
        Ok(Self { project, folder, flags })
    }

    pub fn file(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.path().join(name), text)?)
    }

    /// The name of a channel of this project.
    pub fn name(&self, channel: &str) -> String {
        format!("{}-{channel}", self.project.name)
    }

    pub async fn channel(&self, channel: &str, spec: Value) -> Result<()> {
        let mut whole = json!({ "projects": [self.project.name], "allowAddresses": ["127.0.0.0/8"] });
        support::merge(&mut whole, &spec);
        let object = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Channel",
            "metadata": { "name": self.name(channel) }, "spec": whole,
        });
        self.project.post(CHANNELS, object).await.map(drop)
    }

    pub async fn webhook(&self, channel: &str, url: &str) -> Result<()> {
        self.channel(channel, json!({ "webhook": { "url": format!("{url}/{channel}"), "key": "key" } })).await
    }

    pub async fn status(&self, channel: &str) -> Result<Value> {
        let path = format!("{CHANNELS}/{}", self.name(channel));
        Ok(self.project.get(&path).await?.context("there is no such channel")?["status"].clone())
    }

    pub async fn until(
        &self,
        channel: &str,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        eventually(&format!("{channel}: {what}"), limit, async || {
            Ok(Some(self.status(channel).await?).filter(|status| wanted(status)))
        })
        .await
    }

    /// Lets prod notify these channels.
    pub async fn notifies(&self, channels: &[&str]) -> Result<()> {
        let notify: Vec<Value> =
            channels.iter().map(|channel| json!({ "channel": self.name(channel) })).collect();
        self.project.change("environments", "prod", json!({ "spec": { "notify": notify } })).await
    }

    pub async fn release(&self, version: &str, tag: &str) -> Result<String> {
        let change = json!({ "owner": "team-shop", "stakeholders": ["sales"], "tickets": ["SHOP-1"] });
        let manifests = [deployment("web", tag, None)];
        let spec = json!({ "source": { "manifests": manifests }, "change": change });
        self.project.release_of("shop", version, spec).await
    }
}

/// The events of some requests, in order.
pub fn events(got: &[Received]) -> Vec<String> {
    got.iter().map(|it| it.json()["event"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The same by what they are about, without order.
pub fn counted(got: &[Received]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for one in got {
        let body = one.json();
        let about = body["promotion"].as_str().or(body["release"].as_str()).or(body["reason"].as_str());
        *all.entry(format!(
            "{} {}",
            about.unwrap_or_default(),
            body["event"].as_str().unwrap_or_default()
        ))
        .or_default() += 1;
    }
    all
}

pub fn once(names: &[&str]) -> BTreeMap<String, usize> {
    names.iter().map(|name| ((*name).to_owned(), 1)).collect()
}

pub async fn arrived(receiver: &Receiver, what: &str, wanted: &BTreeMap<String, usize>) -> Result<()> {
    let is_there = || wanted.keys().all(|name| counted(&receiver.got()).contains_key(name));
    let told = eventually(what, SOON, async || Ok(is_there().then_some(()))).await;
    told.with_context(|| format!("{:#?}", counted(&receiver.got())))
}

pub fn is_signed(got: &Received) -> Result<()> {
    let header = |name: &str| got.headers.get(name).with_context(|| format!("no header {name}"));
    let timestamp = header("towpath-timestamp")?;
    let sent = Timestamp::from_second(timestamp.parse()?)?;
    ensure!(Timestamp::now().duration_since(sent).abs() < SignedDuration::from_mins(5), "sent at {sent}");
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes())?;
    mac.update(format!("{timestamp}.{}", got.body).as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    same("signature", header("towpath-signature")?.clone(), format!("sha256={digest}"))?;
    same("id", Some(header("towpath-id")?.as_str()), got.json()["id"].as_str())
}
