//! `kubectl towpath ui` in a headless Chromium, for people with just the role that should suffice.

pub mod acting;
pub mod guarded;
pub mod in_cluster;
pub mod reading;

use crate::plugin::command;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use support::browser::{Browser, Tab};
use support::manifests::root;
use support::people::Person;
use support::project::Project;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A page that is served for a person until it is dropped.
pub(crate) struct Ui {
    /// `http://127.0.0.1:PORT`
    pub(crate) address: String,
    /// The file that opens it.
    pub(crate) file: PathBuf,
    _child: Child,
}

impl Ui {
    /// Starts the page of a project.
    pub(crate) async fn start(project: &Project, person: &Person) -> Result<Self> {
        Self::start_with(project, person, &[]).await
    }

    /// The same with further flags.
    pub(crate) async fn start_with(project: &Project, person: &Person, flags: &[&str]) -> Result<Self> {
        let command = command(project, person, &[&["ui", "--no-browser"], flags].concat())?;
        let mut command = Command::from(command);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut line = async || {
            let line =
                timeout(Duration::from_secs(60), lines.next_line()).await.context("ui says nothing")??;
            line.context("ui has ended")
        };
        let (first, file) = (line().await?, line().await?);
        // It says how to end it, too, and must find its output open.
        line().await?;
        let address = first.split_whitespace().find(|word| word.starts_with("http://"));
        let address =
            address.with_context(|| format!("no address in {first:?}"))?.trim_end_matches('.').to_owned();
        Ok(Self { address, file: file.into(), _child: child })
    }

    /// The address that the file leads to, with the secret.
    pub(crate) fn secret_address(&self) -> Result<String> {
        let text = std::fs::read_to_string(&self.file)?;
        let (_, rest) = text.split_once("url=").context("no address in the file")?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }

    /// Opens the page in a browser, as the file does.
    pub(crate) async fn open(&self, browser: &Browser) -> Result<Tab> {
        let tab = browser.tab(&format!("file://{}", self.file.display())).await?;
        tab.until("Boolean(document.querySelector('header nav'))").await?;
        Ok(tab)
    }
}

/// Shows another page of the same tab.
pub(crate) async fn show(tab: &Tab, path: &str, title: &str) -> Result<()> {
    tab.value(&format!("location.hash = {}", serde_json::json!(format!("#{path}")))).await?;
    tab.until(&format!("document.querySelector('h1')?.textContent.includes({})", serde_json::json!(title)))
        .await
}

/// Makes a picture of the documentation, if TOWPATH_PICTURES is set. The project of a story has a random name, that of the documentation is `shop`.
pub(crate) async fn pictured(tab: &Tab, project: &Project, name: &str) -> Result<()> {
    if std::env::var_os("TOWPATH_PICTURES").is_none() {
        return Ok(());
    }
    tab.colours("light").await?;
    let script = "(() => { const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); \
        while (texts.nextNode()) texts.currentNode.nodeValue = texts.currentNode.nodeValue.replaceAll(NAME, 'shop'); \
        for (const field of document.querySelectorAll('input')) field.value = field.value.replaceAll(NAME, 'shop'); })()";
    tab.value(&script.replace("NAME", &serde_json::json!(project.name).to_string())).await?;
    tab.picture(&root(&format!("docs/pictures/{name}.png"))).await
}
