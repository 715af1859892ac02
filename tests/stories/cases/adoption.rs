//! What another manager wrote is taken over only from those that the environment names, and no more of it.

use super::replicas::{Watched, promoted_twice_and_rolled_back};
use anyhow::Result;
use http::Method;
use serde_json::{Value, json};
use support::helm::helm_install;
use support::objects::{deployment, image, with};
use support::{Project, in_project, same};

support::stories![
    what_kubectl_applied_is_taken_over_but_for_replicas_and_a_third_managers_fields,
    what_helm_installed_is_taken_over_but_for_replicas_and_a_third_managers_fields,
    a_helm_release_that_is_not_handed_over_is_left_alone_and_named,
    a_field_that_a_third_manager_shares_with_the_release_is_reported_and_nothing_is_taken_over,
];

/// A field of a third manager's. Not by kubectl, which would take over what it applied in its older way.
async fn by_a_third_manager(project: &Project, object: Value) -> Result<()> {
    let path = format!("{}/web?fieldManager=mesh", project.live_path("prod", "deployments"));
    project.send(Method::PATCH, &path, "application/apply-patch+yaml", object).await.map(drop)
}

/// The objects of `web` with a variable that no release has, and five replicas.
fn before_towpath() -> Value {
    let mut web = deployment("web", "v0", None);
    web["spec"]["replicas"] = json!(5);
    web["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{ "name": "OLD", "value": "1" }]);
    web
}

/// An annotation, which no release has.
fn of_the_mesh() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "annotations": { "mesh.example/zone": "a" } },
    })
}

/// Adopted and promoted three times, rolled back once: five replicas at every moment, what the old manager set is gone, and
/// what the third one set is not.
async fn is_taken_over(project: &Project) -> Result<()> {
    by_a_third_manager(project, of_the_mesh()).await?;
    project.settled("prod", "deployments", "web").await?;
    let watched = Watched::start(project, "web").await?;
    let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    let web = project.here("prod", "deployments", "web").await?;
    same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))?;
    let variables = &web["spec"]["template"]["spec"]["containers"][0]["env"];
    same("what the release lacks", variables.is_null(), true)?;
    promoted_twice_and_rolled_back(project).await?;
    let web = project.here("prod", "deployments", "web").await?;
    let zone = web["metadata"]["annotations"]["mesh.example/zone"].as_str();
    same("what a third manager set", zone, Some("a"))?;
    same("numbers of replicas", watched.stop(), vec![5])
}

async fn what_kubectl_applied_is_taken_over_but_for_replicas_and_a_third_managers_fields() -> Result<()> {
    in_project(&[json!({ "name": "prod", "adoptFrom": ["kubectl-client-side-apply"] })], async |project| {
        project.apply("prod", &[before_towpath()])?;
        is_taken_over(project).await
    })
    .await
}

async fn what_helm_installed_is_taken_over_but_for_replicas_and_a_third_managers_fields() -> Result<()> {
    in_project(&[json!({ "name": "prod", "adoptFrom": ["helm"] })], async |project| {
        helm_install(project, &project.target("prod"), "shop", &[before_towpath()], &[]).await?;
        is_taken_over(project).await?;
        let web = project.here("prod", "deployments", "web").await?;
        let label = &web["metadata"]["labels"]["app.kubernetes.io/managed-by"];
        same("Helm's label", label.is_null(), true)
    })
    .await
}

async fn a_helm_release_that_is_not_handed_over_is_left_alone_and_named() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        helm_install(project, &project.target("prod"), "shop", &[deployment("web", "v0", None)], &[]).await?;
        is_left_alone(project, &["Helm release", "shop", "spec.adoptFrom"]).await
    })
    .await
}

async fn a_field_that_a_third_manager_shares_with_the_release_is_reported_and_nothing_is_taken_over()
-> Result<()> {
    in_project(&[json!({ "name": "prod", "adoptFrom": ["kubectl-client-side-apply"] })], async |project| {
        project.apply("prod", &[deployment("web", "v0", None)])?;
        let image = json!({ "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [
                { "name": "app", "image": image("v0") },
            ] } },
        } });
        by_a_third_manager(project, with(of_the_mesh(), image)).await?;
        is_left_alone(project, &["Deployment web", "mesh", "image"]).await
    })
    .await
}

/// The release is refused in these words, and not even the managers of the fields change.
async fn is_left_alone(project: &Project, words: &[&str]) -> Result<()> {
    project.settled("prod", "deployments", "web").await?;
    let owned = async || {
        let meta = project.here("prod", "deployments", "web").await?["metadata"].clone();
        let managers = meta["managedFields"].as_array().cloned().unwrap_or_default();
        let plain = managers.into_iter().filter(|entry| entry["subresource"].is_null());
        let named = plain.map(|entry| json!([entry["manager"], entry["fieldsV1"]]));
        anyhow::Ok((meta["generation"].clone(), named.collect::<Vec<Value>>()))
    };
    let before = owned().await?;
    let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
    let has = |it: &Value| {
        let message = it["status"]["message"].as_str().unwrap_or_default();
        words.iter().all(|word| message.contains(word))
    };
    let name = format!("prod-{release}");
    let found = project.until("promotions", &name, &format!("says {words:?}"), has).await?;
    same("reason", found["status"]["reason"].as_str(), Some("Preflight"))?;
    same("generation and managers", owned().await?, before)
}
