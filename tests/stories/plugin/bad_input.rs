//! What a person gets wrong, and what is taken away under a verb: a sentence and an exit code, through the real kubectl.

use super::{PLUGIN, command, has, towpath, viewer};
use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, eventually};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use support::installation::{SOON, own_control_plane};
use support::objects::service;
use support::{Project, in_project, same};

support::stories![
    without_the_kinds_each_verb_says_that_towpath_is_not_installed,
    a_dry_run_that_is_deleted_ends_its_diff,
    a_user_is_the_one_that_the_flags_name,
];

/// How `kubectl towpath` ends for the administrator of a cluster.
async fn as_admin(cluster: &ControlPlane, arguments: &[&str]) -> Result<Output> {
    let folder = Path::new(PLUGIN).parent().context("the plugin has no folder")?;
    let mut command = cluster.kubectl(cluster.admin()).command(&[&["towpath"], arguments].concat());
    command.env("PATH", folder);
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

/// What it says, in one line.
fn sentence(output: Output) -> Result<String> {
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1), "it ended with {}: {said}", output.status);
    ensure!(said.lines().count() == 1, "not one line:\n{said}");
    Ok(said)
}

async fn without_the_kinds_each_verb_says_that_towpath_is_not_installed() -> Result<()> {
    let cluster = &own_control_plane().await?;
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("web.yaml");
    std::fs::write(&manifest, service("web").to_string())?;
    let manifest = manifest.to_str().context("not UTF-8")?;
    for arguments in [
        &["get", "default"][..],
        &["get", "default", "--watch"],
        &["status", "shop-1.0.0"],
        &["explain", "shop-1.0.0", "-e", "prod"],
        &["plan", "shop-1.0.0"],
        &["promote", "shop-1.0.0", "-e", "prod"],
        &["cut", "shop", "1.0.0", "-f", manifest, "--apply"],
    ] {
        let said = sentence(as_admin(cluster, arguments).await?).with_context(|| format!("{arguments:?}"))?;
        has(&said, &["this cluster has no ", " of towpath.dev/v1alpha1: install Towpath"])?;
    }
    let output = as_admin(cluster, &["check", "default"]).await?;
    same("check", output.status.code(), Some(1))?;
    let text = String::from_utf8(output.stdout)?;
    has(&text, &["is not served: Towpath is not installed", "helm install towpath"])?;
    let output = as_admin(cluster, &["version"]).await?;
    same("version", output.status.code(), Some(0))?;
    has(&String::from_utf8(output.stdout)?, &["Kinds:      not installed"])
}

async fn a_dry_run_that_is_deleted_ends_its_diff() -> Result<()> {
    let project = &Project::without_controller(&[json!({ "name": "prod", "promotion": "Manual" })]).await?;
    project.release("1.0.0", &[service("web")]).await?;
    let rita = project.person("rita", &[], &["towpath-requester"]).await?;
    project.start().await?;
    let is_told = |it: &Value| it["status"]["controllerVersion"].is_string();
    project.until("environments", "prod", "tells the version of the controller", is_told).await?;
    // Without a controller, a dry run never ends.
    project.operator(|operator| operator.kill())?;
    let mut diff = command(project, &rita, &["diff", "shop-1.0.0", "-e", "prod"])?;
    let ended = tokio::task::spawn_blocking(move || diff.output());
    let name = eventually("a dry run", SOON, async || {
        let found = project.all("promotions").await?;
        Ok(found.first().and_then(|it| it["metadata"]["name"].as_str().map(str::to_owned)))
    })
    .await?;
    project.delete("promotions", &name).await?;
    let said = sentence(tokio::time::timeout(SOON, ended).await.context("it does not end")???)?;
    has(&said, &[&format!("the dry run {name} was deleted before it ended")])?;

    // The release is deleted before it is compared.
    project.delete("releases", "shop-1.0.0").await?;
    let said = sentence(towpath(project, &rita, &["diff", "shop-1.0.0", "-e", "prod"]).await?)?;
    has(&said, &["has no release shop-1.0.0"])
}

async fn a_user_is_the_one_that_the_flags_name() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let vera = viewer(project).await?;
        let (cluster, name) = (&project.cluster, project.name.as_str());
        let ready = |it: &Value| it["status"]["observedGeneration"].is_number();
        project.until("environments", "prod", "is observed", ready).await?;
        let seen = as_admin(cluster, &["get", name, "--as", "vera"]).await?;
        same("as a viewer", seen.status.code(), Some(0))?;
        let said = sentence(as_admin(cluster, &["get", name, "--as", "a-stranger"]).await?)?;
        has(&said, &["you may not read ", name])?;
        let with_group = ["get", name, "--as", "a-stranger", "--as-group", "system:masters"];
        same("as a group", as_admin(cluster, &with_group).await?.status.code(), Some(0))?;
        // A user who may not act as another user is refused.
        has(
            &sentence(towpath(project, &vera, &["get", "--as", "olga"]).await?)?,
            &["--as", "may not act as", "impersonate"],
        )
    })
    .await
}
