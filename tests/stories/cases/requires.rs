//! A release that requires another application waits for it, and goes back before it.

use anyhow::Result;
use serde_json::{Value, json};
use support::objects::{deployment, image};
use support::{Project, in_project, same};

support::stories![
    a_release_waits_for_what_it_requires_and_goes_back_before_it,
    releases_that_require_each_other_are_stalled_until_one_is_gone,
];

/// A release of one Deployment with the name of its application.
async fn release(
    project: &Project,
    application: &str,
    version: &str,
    tag: &str,
    requires: Value,
) -> Result<String> {
    let manifests = [deployment(application, tag, None)];
    let spec = json!({ "source": { "manifests": manifests }, "requires": requires });
    project.release_of(application, version, spec).await
}

async fn runs(project: &Project, name: &str, tag: &str) -> Result<()> {
    same(name, project.image_of("prod", "deployments", name).await?, image(tag))
}

async fn a_release_waits_for_what_it_requires_and_goes_back_before_it() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        release(project, "api", "1.0.0", "v1", json!([])).await?;
        release(project, "web", "1.0.0", "v1", json!([])).await?;
        project.ended("prod-api-1.0.0", "Verified").await?;
        project.ended("prod-web-1.0.0", "Verified").await?;
        let requires = json!([{ "application": "api", "version": "2.0.0" }]);
        release(project, "web", "2.0.0", "v2", requires).await?;
        let waits = |it: &Value| it["status"]["environments"][0]["state"] == "Requires";
        project.until("releases", "web-2.0.0", "waits at Requires", waits).await?;
        release(project, "api", "2.1.0", "v2", json!([])).await?;
        project.ended("prod-web-2.0.0", "Verified").await?;

        let rollback = json!({ "release": "api-2.1.0", "environment": "prod", "kind": "Rollback" });
        project.promotion("back", rollback).await?;
        let api = project.ended("back", "Verified").await?;
        let web = project.ended("prod-web-2.0.0-requires", "Verified").await?;
        let started = |it: &Value| it["status"]["startedAt"].as_str().unwrap_or_default().to_owned();
        same("web goes back first", started(&web) <= started(&api), true)?;
        runs(project, "api", "v1").await?;
        runs(project, "web", "v1").await
    })
    .await
}

async fn releases_that_require_each_other_are_stalled_until_one_is_gone() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let on = |application: &str| json!([{ "application": application, "version": "2.0.0" }]);
        release(project, "web", "2.0.0", "v2", on("api")).await?;
        release(project, "api", "2.0.0", "v2", on("web")).await?;
        for name in ["web-2.0.0", "api-2.0.0"] {
            project.condition("releases", name, "Stalled", "True", "RequiresCycle").await?;
        }
        project.delete("releases", "api-2.0.0").await?;
        release(project, "api", "2.0.1", "v2", json!([])).await?;
        project.ended("prod-web-2.0.0", "Verified").await.map(drop)
    })
    .await
}
