//! `kubectl towpath`, called through the real kubectl by people with just the role that should suffice.

pub mod bad_input;
pub mod changes;
pub mod checkup;
pub mod explaining;
pub mod intents;
pub mod older;
pub mod questions;
pub mod reading;
pub mod record;
pub mod reviews;
pub mod shells;
pub mod watching;

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Output};
use support::people::Person;
use support::project::Project;

pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-towpath");

/// `kubectl towpath` in the namespace of the project.
pub(crate) fn command(project: &Project, person: &Person, arguments: &[&str]) -> Result<Command> {
    let folder = Path::new(PLUGIN).parent().context("the plugin has no folder")?;
    let kubectl = project.cluster.kubectl(&person.access);
    let all = [&["towpath"], arguments, &["--namespace", &project.name]].concat();
    let mut command = kubectl.command(&all);
    command.env("PATH", folder);
    Ok(command)
}

/// Runs `kubectl towpath` in the namespace of the project.
pub(crate) async fn towpath(project: &Project, person: &Person, arguments: &[&str]) -> Result<Output> {
    let mut command = command(project, person, arguments)?;
    tokio::task::spawn_blocking(move || command.output()).await?.context("kubectl towpath")
}

/// What it prints, if it succeeds.
pub(crate) async fn printed(project: &Project, person: &Person, arguments: &[&str]) -> Result<String> {
    let output = towpath(project, person, arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?} ended with {}: {said}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Fails unless the text contains all of these words.
pub(crate) fn has(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(text.contains(word), "{word:?} is not in\n{text}");
    }
    Ok(())
}

/// A person who may read the project, and nothing else.
pub(crate) async fn viewer(project: &Project) -> Result<Person> {
    project.person("vera", &[], &["towpath-viewer"]).await
}
