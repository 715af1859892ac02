//! Objects that a user installs with Helm, and what the chart renders.

use crate::installation::SYSTEM;
use crate::manifests::root;
use crate::project::Project;
use anyhow::{Context, Result, ensure};
use control_plane::binaries;
use serde_json::Value;
use std::fs;
use std::process::Command;

/// `helm install` of these objects into a namespace, as the administrator.
pub async fn helm_install(
    project: &Project,
    namespace: &str,
    name: &str,
    objects: &[Value],
    flags: &[&str],
) -> Result<()> {
    let chart = tempfile::tempdir()?;
    fs::create_dir(chart.path().join("templates"))?;
    fs::write(chart.path().join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"))?;
    for (index, object) in objects.iter().enumerate() {
        fs::write(chart.path().join("templates").join(format!("{index}.yaml")), object.to_string())?;
    }
    let path = chart.path().display().to_string();
    let arguments = [&["install", name, &path, "--namespace", namespace], flags].concat();
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let helm = project.cluster.helm(project.cluster.admin());
    tokio::task::spawn_blocking(move || helm.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()))
        .await?
        .map(drop)
}

/// The chart as it is rendered with these flags, for an API server that has every kind of admission policy.
pub fn template(flags: &[&str]) -> Result<String> {
    let stamps = "--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy";
    helm(&[&["template", "towpath", "charts/towpath", "--namespace", SYSTEM, stamps], flags].concat())
}

/// What Helm prints, run in the repository.
pub fn helm(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(binaries::ensure()?.join("helm"));
    let said = command.args(arguments).current_dir(root("")).output().context("cannot run helm")?;
    ensure!(said.status.success(), "helm {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    Ok(String::from_utf8(said.stdout)?)
}
