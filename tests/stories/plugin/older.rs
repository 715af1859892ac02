//! A dry run is never created where something older would promote it: a controller that does not know `spec.dryRun`, or an API server
//! whose kinds do not have the field.

use super::{has, printed, towpath};
use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use http::Method;
use serde_json::{Value, json};
use support::installation::SOON;
use support::objects::service;
use support::people::Person;
use support::{Project, same};

support::stories![a_controller_that_may_promote_a_dry_run_is_not_asked, kinds_without_dry_runs_refuse_one,];

const DIFF: [&str; 4] = ["diff", "shop-1.0.0", "-e", "prod"];
const CRD: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/promotions.towpath.dev";

async fn requester(project: &Project) -> Result<Person> {
    project.release("1.0.0", &[service("web")]).await?;
    project.person("rita", &[], &["towpath-requester"]).await
}

/// What it says, in one line, and that no promotion was created.
async fn refused(project: &Project, person: &Person) -> Result<String> {
    let output = towpath(project, person, &DIFF).await?;
    same("exit code", output.status.code(), Some(1))?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(said.lines().count() == 1, "more than one line:\n{said}");
    same("promotions", project.all("promotions").await?.len(), 0)?;
    Ok(said)
}

async fn a_controller_that_may_promote_a_dry_run_is_not_asked() -> Result<()> {
    let project = &Project::without_controller(&[json!({ "name": "prod", "promotion": "Manual" })]).await?;
    let rita = requester(project).await?;
    has(
        &refused(project, &rita).await?,
        &["does not tell the version of the controller", "kubectl towpath check"],
    )?;
    project.start().await?;
    let is_told = |it: &Value| it["status"]["controllerVersion"] == env!("CARGO_PKG_VERSION");
    project.until("environments", "prod", "tells the version of the controller", is_told).await?;
    has(&printed(project, &rita, &DIFF).await?, &["Create  Service web"])
}

/// Alone on its control plane, as the kinds are of the whole cluster.
async fn kinds_without_dry_runs_refuse_one() -> Result<()> {
    let project = &Project::alone(&[json!({ "name": "prod", "promotion": "Manual" })]).await?;
    let rita = requester(project).await?;
    project.start().await?;
    let is_told = |it: &Value| it["status"]["controllerVersion"].is_string();
    project.until("environments", "prod", "tells the version of the controller", is_told).await?;

    let mut kind = project.get(CRD).await?.context("no definition of Promotions")?;
    let schema = &mut kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    without_dry_runs(schema);
    without_dry_runs(&mut schema["properties"]["spec"]);
    let spec = schema["properties"]["spec"]["properties"].as_object_mut().context("no spec")?;
    spec.remove("dryRun").context("no spec.dryRun")?;
    project.send(Method::PUT, CRD, "application/json", kind).await?;
    let said = eventually("the older kinds to be served", SOON, async || {
        let output = towpath(project, &rita, &DIFF).await?;
        Ok((!output.status.success()).then_some(String::from_utf8(output.stderr)?))
    })
    .await?;
    has(&said, &["is older than this program", "unknown field \"spec.dryRun\""])?;
    has(&refused(project, &rita).await?, &["is older than this program"])
}

/// Leaves out the rules about the field.
fn without_dry_runs(schema: &mut Value) {
    if let Some(rules) = schema["x-kubernetes-validations"].as_array_mut() {
        rules.retain(|rule| !rule["rule"].to_string().contains("dryRun"));
    }
}
