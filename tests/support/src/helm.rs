//! Objects that a user installs with Helm.

use crate::project::Project;
use anyhow::Result;
use serde_json::Value;
use std::fs;

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
