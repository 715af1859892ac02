//! What pods will miss is named before anything is written, in the same words each time.

use anyhow::{Context, Result};
use control_plane::{AuditEvent, eventually};
use http::Method;
use serde_json::{Value, json};
use support::objects::{deployment, stateful_set};
use support::{Project, SOON, in_project, same, with_own_controller};

support::stories![
    a_claim_that_is_missing_is_named_before_anything_is_written,
    an_account_that_is_missing_is_named_before_anything_is_written,
    what_the_release_brings_and_what_exists_is_not_missed,
    with_the_preflight_role_claims_of_a_stateful_set_are_no_refusal,
    with_the_preflight_role_a_missing_priority_class_refuses_before_anything_is_written,
    with_the_preflight_role_a_missing_runtime_class_refuses_before_anything_is_written,
    a_storage_class_that_is_missing_is_named_where_the_identity_may_read_it,
    a_refusal_that_repeats_has_the_same_words_and_writes_nothing,
    a_paused_deployment_is_named_before_anything_is_written,
    a_paused_deployment_that_the_release_does_not_change_is_no_obstacle,
];

fn prod() -> Value {
    json!({ "name": "prod" })
}

fn message(object: &Value) -> &str {
    object["status"]["message"].as_str().unwrap_or_default()
}

/// Waits until a promotion says these words, having written nothing.
async fn says(project: &Project, promotion: &str, words: &[&str]) -> Result<Value> {
    let before = project.snapshot("prod").await?;
    let has = |it: &Value| words.iter().all(|word| message(it).contains(word));
    let found = project.until("promotions", promotion, &format!("says {words:?}"), has).await?;
    same("revision", found["status"]["revision"].is_null(), true)?;
    same("everything of prod", project.snapshot("prod").await?, before)?;
    Ok(found)
}

fn mounting(claim: &str) -> Value {
    let mut web = deployment("web", "v1", None);
    web["spec"]["template"]["spec"]["volumes"] =
        json!([{ "name": "uploads", "persistentVolumeClaim": { "claimName": claim } }]);
    web
}

fn claim(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    })
}

async fn a_claim_that_is_missing_is_named_before_anything_is_written() -> Result<()> {
    in_project(&[prod()], async |project| {
        let release = project.release("1.0.0", &[mounting("uploads")]).await?;
        let name = format!("prod-{release}");
        let sentence = format!(
            "web mounts PersistentVolumeClaim uploads, which does not exist in {}: create it, or name the kind in spec.kinds",
            project.target("prod")
        );
        says(project, &name, &["nothing was written", &sentence]).await?;
        project.post(&project.live_path("prod", "persistentvolumeclaims"), claim("uploads")).await?;
        project.ended(&name, "Verified").await.map(drop)
    })
    .await
}

async fn an_account_that_is_missing_is_named_before_anything_is_written() -> Result<()> {
    in_project(&[prod()], async |project| {
        let mut web = deployment("web", "v1", None);
        web["spec"]["template"]["spec"]["serviceAccountName"] = json!("runner");
        let release = project.release("1.0.0", &[web]).await?;
        let name = format!("prod-{release}");
        says(project, &name, &["Deployment web runs as ServiceAccount runner, which does not exist"]).await?;
        let account = json!({ "metadata": { "name": "runner" } });
        project.post(&project.live_path("prod", "serviceaccounts"), account).await?;
        project.ended(&name, "Verified").await.map(drop)
    })
    .await
}

async fn what_the_release_brings_and_what_exists_is_not_missed() -> Result<()> {
    in_project(&[prod()], async |project| {
        project.post(&project.live_path("prod", "persistentvolumeclaims"), claim("uploads")).await?;
        let mut web = mounting("uploads");
        web["spec"]["template"]["spec"]["serviceAccountName"] = json!("runner");
        let scratch = json!({
            "name": "scratch", "ephemeral": { "volumeClaimTemplate": { "spec": claim("any")["spec"] } },
        });
        web["spec"]["template"]["spec"]["volumes"].as_array_mut().context("no volumes")?.push(scratch);
        let mut api = deployment("api", "v1", None);
        api["spec"]["template"]["spec"]["serviceAccountName"] = json!("default");
        let account =
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "runner" } });
        let release = project.release("1.0.0", &[web, api, account]).await?;
        let name = format!("prod-{release}");
        let started = |it: &Value| !it["status"]["revision"].is_null();
        let found = project.until("promotions", &name, "has started", started).await?;
        same("warnings", found["status"]["warnings"].to_string().contains("not checked"), false)
    })
    .await
}

async fn with_the_preflight_role_claims_of_a_stateful_set_are_no_refusal() -> Result<()> {
    in_project(&[prod()], async |project| {
        project.consent("prod", "towpath-preflight").await?;
        let mut set = stateful_set("db", "v1", None);
        set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
            json!([{ "name": "data", "mountPath": "/data" }]);
        set["spec"]["volumeClaimTemplates"] =
            json!([{ "metadata": { "name": "data" }, "spec": claim("any")["spec"] }]);
        let release = project.release("1.0.0", &[set]).await?;
        let started = |it: &Value| !it["status"]["revision"].is_null();
        project.until("promotions", &format!("prod-{release}"), "has started", started).await.map(drop)
    })
    .await
}

async fn with_the_preflight_role_a_missing_priority_class_refuses_before_anything_is_written() -> Result<()> {
    in_project(&[prod()], async |project| {
        project.consent("prod", "towpath-preflight").await?;
        let mut web = deployment("web", "v1", None);
        web["spec"]["template"]["spec"]["priorityClassName"] = json!("higher");
        let release = project.release("1.0.0", &[web]).await?;
        says(project, &format!("prod-{release}"), &["a pod of Deployment web", "higher"]).await.map(drop)
    })
    .await
}

async fn with_the_preflight_role_a_missing_runtime_class_refuses_before_anything_is_written() -> Result<()> {
    in_project(&[prod()], async |project| {
        project.consent("prod", "towpath-preflight").await?;
        let mut web = deployment("web", "v1", None);
        web["spec"]["template"]["spec"]["runtimeClassName"] = json!("sandbox");
        let release = project.release("1.0.0", &[web]).await?;
        let words = ["a pod of Deployment web", "RuntimeClass", "sandbox"];
        says(project, &format!("prod-{release}"), &words).await.map(drop)
    })
    .await
}

/// Classes belong to the cluster, and no ClusterRoleBinding may name an identity: the platform team lets every ServiceAccount read them.
async fn a_storage_class_that_is_missing_is_named_where_the_identity_may_read_it() -> Result<()> {
    in_project(&[prod()], async |project| {
        let group = "/apis/rbac.authorization.k8s.io/v1";
        let (name, class) = (format!("{}-classes", project.name), format!("{}-fast", project.name));
        let rule = json!({
            "apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "resourceNames": [class], "verbs": ["get"],
        });
        let role = json!({ "metadata": { "name": name }, "rules": [rule] });
        project.post(&format!("{group}/clusterroles"), role).await?;
        let subject = json!({ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts" });
        let binding = json!({
            "metadata": { "name": name }, "subjects": [subject],
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        });
        project.post(&format!("{group}/clusterrolebindings"), binding).await?;
        let mut set = stateful_set("db", "v1", None);
        let mut data = claim("data");
        data["spec"]["storageClassName"] = json!(class);
        set["spec"]["volumeClaimTemplates"] =
            json!([{ "metadata": { "name": "data" }, "spec": data["spec"] }]);
        let release = project.release("1.0.0", &[set]).await?;
        let name = format!("prod-{release}");
        let sentence = format!("StatefulSet db names StorageClass {class}, which does not exist: create it");
        says(project, &name, &["nothing was written", &sentence]).await?;
        let made = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": class },
            "provisioner": "kubernetes.io/no-provisioner",
        });
        project.post("/apis/storage.k8s.io/v1/storageclasses", made).await?;
        project.until("promotions", &name, "has started", |it| !it["status"]["revision"].is_null()).await?;
        let path = format!("/apis/storage.k8s.io/v1/storageclasses/{class}");
        project.send(Method::DELETE, &path, "application/json", json!({})).await.map(drop)
    })
    .await
}

async fn a_refusal_that_repeats_has_the_same_words_and_writes_nothing() -> Result<()> {
    with_own_controller(&[prod()], async |project| {
        project.consent("prod", "towpath-preflight").await?;
        let mut web = deployment("web", "v1", None);
        web["spec"]["template"]["spec"]["priorityClassName"] = json!("higher");
        let release = project.release("1.0.0", &[web]).await?;
        says(project, &format!("prod-{release}"), &["higher"]).await?;
        project.until("environments", "prod", "shows it", |it| !it["status"].is_null()).await?;
        let is_pod = |it: &&AuditEvent| {
            it.resource == "pods" && it.verb == "create" && it.namespace == project.target("prod")
        };
        let mark = project.cluster.audit()?.mark().await?;
        let calls = eventually("two more dry-runs", SOON, async || {
            let calls = project.cluster.audit()?.since(mark).await?;
            Ok((calls.iter().filter(is_pod).count() >= 2).then_some(calls))
        })
        .await?;
        let statuses: Vec<&AuditEvent> =
            calls.iter().filter(|it| it.namespace == project.name && it.verb == "patch").collect();
        same(&format!("writes of a status: {statuses:?}"), statuses.len(), 0)
    })
    .await
}

async fn pause(project: &Project, name: &str, paused: bool) -> Result<()> {
    let path = format!("{}/{name}", project.live_path("prod", "deployments"));
    let patch = json!({ "spec": { "paused": paused } });
    project.send(Method::PATCH, &path, "application/merge-patch+json", patch).await.map(drop)
}

async fn a_paused_deployment_is_named_before_anything_is_written() -> Result<()> {
    in_project(&[prod()], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        pause(project, "web", true).await?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        let name = format!("prod-{second}");
        let target = project.target("prod");
        let sentence = format!(
            "Deployment web in {target} is paused; resume it with kubectl rollout resume deployment/web -n {target}"
        );
        let found = says(project, &name, &[&sentence]).await?;
        same("reason", found["status"]["reason"].as_str(), Some("Paused"))?;
        let command = sentence.split_once("resume it with kubectl ").map(|(_, rest)| rest).unwrap_or_default();
        project.kubectl().run(&command.split_whitespace().collect::<Vec<_>>())?;
        project.ended(&name, "Verified").await?;
        same("image", project.image_of("prod", "deployments", "web").await?.ends_with("v2"), true)
    })
    .await
}

async fn a_paused_deployment_that_the_release_does_not_change_is_no_obstacle() -> Result<()> {
    in_project(&[prod()], async |project| {
        let objects = |tag: &str| [deployment("web", tag, None), deployment("api", "v1", None)];
        let first = project.release("1.0.0", &objects("v1")).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        pause(project, "api", true).await?;
        let second = project.release("2.0.0", &objects("v2")).await?;
        let name = format!("prod-{second}");
        project.until("promotions", &name, "has started", |it| !it["status"]["revision"].is_null()).await?;
        pause(project, "api", false).await?;
        project.ended(&name, "Verified").await.map(drop)
    })
    .await
}
