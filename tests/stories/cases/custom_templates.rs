//! Pod templates in objects of custom kinds: config travels with them, and their images are pinned, as in a Deployment.

use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use http::Method;
use serde_json::{Value, json};
use support::objects::config;
use support::{Project, SOON, in_project, same};

support::stories![
    a_release_of_config_alone_changes_the_template_of_a_custom_kind,
    a_namespace_that_pins_images_takes_no_tag_in_a_custom_kind,
    a_template_at_a_place_of_its_own_is_found_where_the_environment_says,
    a_secret_that_a_custom_object_of_the_release_creates_is_not_missed,
];

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const BY_DIGEST: &str =
    "registry.example/shop@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A project with a kind of its own, `Rollout`, that its environment lists and may write.
async fn with_a_kind(body: impl AsyncFnOnce(&Project) -> Result<()>) -> Result<()> {
    in_project(&[], async |project| {
        let group = group(project);
        let kinds = json!([kind(project)]);
        project.environment(&json!({ "name": "prod", "kinds": kinds })).await?;
        let schema =
            json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("rollouts.{group}") },
            "spec": {
                "group": group, "scope": "Namespaced",
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": schema }],
                "names": { "kind": "Rollout", "plural": "rollouts", "singular": "rollout" },
            },
        });
        project.post(DEFINITIONS, definition).await?;
        let namespace = project.target("prod");
        let list = format!("/apis/{group}/v1/namespaces/{namespace}/rollouts");
        eventually("the kind to be served", SOON, async || project.get(&list).await).await?;
        let roles = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        let rules = json!([{ "apiGroups": [group], "resources": ["rollouts"], "verbs": ["*"] }]);
        let role = json!({ "metadata": { "name": "rollouts" }, "rules": rules });
        project.post(&format!("{roles}/roles"), role).await?;
        let binding = json!({
            "metadata": { "name": "rollouts" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "rollouts" },
            "subjects": [{
                "kind": "ServiceAccount", "namespace": "towpath-deployers", "name": format!("{}.prod", project.name),
            }],
        });
        project.post(&format!("{roles}/rolebindings"), binding).await?;
        let result = body(project).await;
        let path = format!("{DEFINITIONS}/rollouts.{group}");
        project.send(Method::DELETE, &path, "application/json", json!({})).await?;
        result
    })
    .await
}

/// The kind, as an environment lists it.
fn kind(project: &Project) -> Value {
    json!({ "apiVersion": format!("{}/v1", group(project)), "kind": "Rollout" })
}

fn group(project: &Project) -> String {
    format!("{}.example.com", project.name)
}

/// An object without replicas, because no controller acts on it.
fn rollout(project: &Project, image: &str) -> Value {
    let container =
        json!({ "name": "app", "image": image, "envFrom": [{ "configMapRef": { "name": "web-config" } }] });
    json!({
        "apiVersion": format!("{}/v1", group(project)), "kind": "Rollout", "metadata": { "name": "web" },
        "spec": {
            "replicas": 0, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [container] } },
        },
    })
}

async fn template(project: &Project) -> Result<Value> {
    let namespace = project.target("prod");
    let path = format!("/apis/{}/v1/namespaces/{namespace}/rollouts/web", group(project));
    Ok(project.get(&path).await?.context("no Rollout")?["spec"]["template"].clone())
}

/// What the pods of a template would read.
async fn read(project: &Project, template: &Value) -> Result<Value> {
    let name = template["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"].as_str();
    let config = project.here("prod", "configmaps", name.context("no reference")?).await?;
    Ok(config["data"]["GREETING"].clone())
}

async fn a_release_of_config_alone_changes_the_template_of_a_custom_kind() -> Result<()> {
    with_a_kind(async |project| {
        let objects = |greeting: &str| [config("web-config", greeting), rollout(project, BY_DIGEST)];
        let first = project.release("1.0.0", &objects("hello")).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let before = template(project).await?;
        same("config", read(project, &before).await?, json!("hello"))?;
        let captured = project.ours("releases", &first).await?;
        same("images", captured["status"]["images"].as_array().map(Vec::len), Some(1))?;

        let second = project.release("2.0.0", &objects("goodbye")).await?;
        project.ended(&format!("prod-{second}"), "Verified").await?;
        let after = template(project).await?;
        same("the template is another", after == before, false)?;
        same("config", read(project, &after).await?, json!("goodbye"))?;

        let back = json!({ "release": second, "environment": "prod", "kind": "Rollback" });
        project.promotion("back", back).await?;
        project.ended("back", "Verified").await?;
        same("template", template(project).await?, before.clone())?;
        same("config", read(project, &before).await?, json!("hello"))
    })
    .await
}

async fn a_template_at_a_place_of_its_own_is_found_where_the_environment_says() -> Result<()> {
    with_a_kind(async |project| {
        let objects = |greeting: &str| {
            let mut object = rollout(project, BY_DIGEST);
            let template = object["spec"]["template"].take();
            object["spec"] = json!({ "replicas": 0, "worker": { "podTemplate": template } });
            [config("web-config", greeting), object]
        };
        let written = async || -> Result<Value> {
            let path =
                format!("/apis/{}/v1/namespaces/{}/rollouts/web", group(project), project.target("prod"));
            let live = project.get(&path).await?.context("no Rollout")?;
            Ok(live["spec"]["worker"]["podTemplate"].clone())
        };
        let first = project.release("1.0.0", &objects("hello")).await?;
        let ended = project.ended(&format!("prod-{first}"), "Verified").await?;
        let warnings = ended["status"]["warnings"].to_string();
        let words = "Rollout web: its pods are not rolled out when config changes";
        ensure!(warnings.contains(words) && warnings.contains("spec.kinds[].podTemplate"), "{warnings}");

        let mut kind = kind(project);
        kind["podTemplate"] = json!("/spec/worker/podTemplate");
        project.change("environments", "prod", json!({ "spec": { "kinds": [kind] } })).await?;
        let second = project.release("2.0.0", &objects("hello again")).await?;
        let ended = project.ended(&format!("prod-{second}"), "Verified").await?;
        let warnings = ended["status"]["warnings"].to_string();
        ensure!(!warnings.contains(words), "{warnings}");
        let before = written().await?;
        same("config", read(project, &before).await?, json!("hello again"))?;
        let third = project.release("3.0.0", &objects("goodbye")).await?;
        project.ended(&format!("prod-{third}"), "Verified").await?;
        same("config", read(project, &written().await?).await?, json!("goodbye"))?;
        same("the template is another", written().await? == before, false)
    })
    .await
}

async fn a_namespace_that_pins_images_takes_no_tag_in_a_custom_kind() -> Result<()> {
    with_a_kind(async |project| {
        let namespace = project.target("prod");
        project.kubectl().run(&["label", "namespace", &namespace, "towpath.dev/images=pinned"])?;
        let by_tag = || [config("web-config", "hello"), rollout(project, "registry.example/shop:v1")];
        let release = project.release("1.0.0", &by_tag()).await?;
        let words = ["requires images with a digest", "registry.example/shop:v1", "Rollout web"];
        let says = |it: &Value| {
            let message = it["status"]["message"].as_str().unwrap_or_default();
            words.iter().all(|word| message.contains(word))
        };
        project.until("promotions", &format!("prod-{release}"), "the tag is refused", says).await?;
        let by_digest = [config("web-config", "hello"), rollout(project, BY_DIGEST)];
        let release = project.release("2.0.0", &by_digest).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

/// With the preflight role, the names of Secrets are checked before anything is written.
async fn a_secret_that_a_custom_object_of_the_release_creates_is_not_missed() -> Result<()> {
    with_a_kind(async |project| {
        project.consent("prod", "towpath-preflight").await?;
        let mut web = support::objects::deployment("web", "v1", None);
        web["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{ "secretRef": { "name": "db" } }]);
        let release = project.release("1.0.0", std::slice::from_ref(&web)).await?;
        let says = |it: &Value| {
            it["status"]["message"].as_str().is_some_and(|text| text.contains("Secret db, which does not exist"))
        };
        project.until("promotions", &format!("prod-{release}"), "the Secret is missed", says).await?;
        let maker = json!({
            "apiVersion": format!("{}/v1", group(project)), "kind": "Rollout", "metadata": { "name": "vault" },
            "spec": { "target": { "name": "db" } },
        });
        let release = project.release("2.0.0", &[web, maker]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}
