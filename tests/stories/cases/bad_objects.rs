//! One object that cannot be read or written: everything else is judged, rolled back and finished as usual.

use anyhow::{Context, Result};
use control_plane::{AuditEvent, eventually};
use http::Method;
use serde_json::{Value, json};
use support::objects::{deployment, service, with};
use support::{Project, SOON, in_project, same, with_own_controller};

support::stories![
    a_conversion_webhook_that_is_down_stops_neither_verdict_nor_rollback,
    a_kind_that_is_deleted_stops_neither_verdict_nor_rollback,
    a_kind_that_comes_back_under_another_plural_is_found,
    a_rollback_waits_for_an_admission_webhook_that_is_down_and_says_which_object_it_cannot_write,
    a_promotion_whose_object_cannot_be_read_says_so_and_goes_on_when_it_can,
];

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A closed port: whatever is called there is down.
const NOWHERE: &str = "https://127.0.0.1:1/x";

/// A kind of one story, in its own group, served in two versions.
struct Kind {
    group: String,
}

impl Kind {
    /// Registers the kind, and lets the environments write it.
    async fn register(project: &Project, plural: &str) -> Result<Self> {
        let kind = Self { group: format!("{}.example.com", project.name) };
        kind.define(project, plural).await?;
        let namespace = project.target("prod");
        let resource = format!("widgets.{0},gadgets.{0}", kind.group);
        let rules =
            json!([{ "apiGroups": [kind.group], "resources": ["widgets", "gadgets"], "verbs": ["*"] }]);
        let roles = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        project
            .post(&format!("{roles}/roles"), json!({ "metadata": { "name": "widgets" }, "rules": rules }))
            .await
            .with_context(|| resource)?;
        let binding = json!({
            "metadata": { "name": "widgets" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "widgets" },
            "subjects": [{
                "kind": "ServiceAccount", "namespace": "towpath-deployers", "name": format!("{}.prod", project.name),
            }],
        });
        project.post(&format!("{roles}/rolebindings"), binding).await?;
        Ok(kind)
    }

    async fn define(&self, project: &Project, plural: &str) -> Result<()> {
        let schema =
            json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        let version =
            |name: &str| json!({ "name": name, "served": true, "storage": name == "v1", "schema": schema });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{}", self.group) },
            "spec": {
                "group": self.group, "scope": "Namespaced", "versions": [version("v1"), version("v2")],
                "names": { "kind": "Widget", "plural": plural, "singular": plural.trim_end_matches('s') },
            },
        });
        project.post(DEFINITIONS, definition).await?;
        let list = format!("/apis/{}/v2/namespaces/{}/{plural}", self.group, project.target("prod"));
        eventually("the kind to be served", SOON, async || project.get(&list).await).await.map(drop)
    }

    async fn delete(&self, project: &Project, plural: &str) -> Result<()> {
        let path = format!("{DEFINITIONS}/{plural}.{}", self.group);
        project.send(Method::DELETE, &path, "application/json", json!({})).await?;
        eventually("the kind to be gone", SOON, async || {
            Ok(project.get(&path).await?.is_none().then_some(()))
        })
        .await
    }

    async fn convert_by(&self, project: &Project, conversion: Value) -> Result<()> {
        let path = format!("{DEFINITIONS}/widgets.{}", self.group);
        let patch = json!({ "spec": { "conversion": conversion } });
        project.send(Method::PATCH, &path, "application/merge-patch+json", patch).await?;
        let is_down = conversion["strategy"] == "Webhook";
        let widget = self.path(project, "widgets");
        eventually("the conversion to change", SOON, async || {
            Ok((project.get(&widget).await.is_err() == is_down).then_some(()))
        })
        .await
    }

    fn widget(&self, size: i64) -> Value {
        json!({
            "apiVersion": format!("{}/v2", self.group), "kind": "Widget", "metadata": { "name": "w" },
            "spec": { "size": size },
        })
    }

    fn path(&self, project: &Project, plural: &str) -> String {
        format!("/apis/{}/v2/namespaces/{}/{plural}/w", self.group, project.target("prod"))
    }
}

fn down() -> Value {
    json!({ "strategy": "Webhook", "webhook": { "clientConfig": { "url": NOWHERE }, "conversionReviewVersions": ["v1"] } })
}

/// Environments of a story with the kind Widget.
fn prod(project: &str) -> Value {
    json!({ "name": "prod", "rollbackPolicyRef": "patient", "kinds": [{ "apiVersion": format!("{project}.example.com/v2"), "kind": "Widget" }] })
}

/// A project whose environment lists the kind, which has the name of the project.
async fn with_widgets(body: impl AsyncFnOnce(&Project, Kind) -> Result<()>) -> Result<()> {
    in_project(&[], async |project| {
        project.policy("patient", json!({ "observeWindow": "40s" })).await?;
        project.environment(&prod(&project.name)).await?;
        let kind = Kind::register(project, "widgets").await?;
        let result = body(project, Kind { group: kind.group.clone() }).await;
        for plural in ["widgets", "gadgets"] {
            let path = format!("{DEFINITIONS}/{plural}.{}", kind.group);
            if project.get(&path).await?.is_some() {
                // What is left of it must not keep the namespace of the story from being deleted.
                let patch = json!({ "spec": { "conversion": { "strategy": "None", "webhook": null } } });
                project.send(Method::PATCH, &path, "application/merge-patch+json", patch).await?;
                project.send(Method::DELETE, &path, "application/json", json!({})).await?;
            }
        }
        result
    })
    .await
}

/// Two releases, the second in its observe window.
async fn observed(project: &Project, kind: &Kind) -> Result<String> {
    let objects = |tag: &str, size| vec![deployment("web", tag, None), kind.widget(size)];
    let quick = json!({ "spec": { "observeWindow": "1s" } });
    project.change("rollbackpolicies", "patient", quick).await?;
    let first = project.release("1.0.0", &objects("v1", 1)).await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    project.change("rollbackpolicies", "patient", json!({ "spec": { "observeWindow": "40s" } })).await?;
    let second = project.release("2.0.0", &objects("v2", 2)).await?;
    let name = format!("prod-{second}");
    project.until("promotions", &name, "writes", |it| it["status"]["phase"] == "Promoting").await?;
    eventually("web to run the second release", SOON, async || {
        let widget = project.get(&kind.path(project, "widgets")).await?.unwrap_or_default();
        let done = project.settled("prod", "deployments", "web").await.is_ok()
            && project.image_of("prod", "deployments", "web").await?.ends_with("v2");
        Ok((done && widget["spec"]["size"] == 2).then_some(()))
    })
    .await?;
    Ok(name)
}

/// A ready pod of web crashes some seconds later.
async fn crash(project: &Project) -> Result<()> {
    for pod in project.pods("prod", "web").await? {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{}/{name}", project.live_path("prod", "pods"));
        let fate = json!({ "metadata": { "annotations": { "fate.towpath.dev/pod": "crash-after-ready" } } });
        project.send(Method::PATCH, &path, "application/merge-patch+json", fate).await?;
    }
    Ok(())
}

fn message(object: &Value) -> &str {
    object["status"]["message"].as_str().unwrap_or_default()
}

async fn a_conversion_webhook_that_is_down_stops_neither_verdict_nor_rollback() -> Result<()> {
    with_widgets(async |project, kind| {
        let promotion = observed(project, &kind).await?;
        kind.convert_by(project, down()).await?;
        crash(project).await?;
        let failed = project.ended(&promotion, "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some("CrashLoopBackOff"))?;
        let rollback = format!("{promotion}-rollback");
        let names =
            |it: &Value| message(it).contains("Widget w: ") && message(it).contains("conversion webhook");
        let told = project.until("promotions", &rollback, "names the widget", names).await?;
        same("reason", told["status"]["reason"].as_str(), Some("Refused"))?;
        project.settled("prod", "deployments", "web").await?;
        let image = project.image_of("prod", "deployments", "web").await?;
        same("the rest is restored", image.ends_with("v1"), true)?;
        kind.convert_by(project, json!({ "strategy": "None", "webhook": null })).await?;
        project.ended(&rollback, "Verified").await?;
        let widget = project.get(&kind.path(project, "widgets")).await?.unwrap_or_default();
        same("size", widget["spec"]["size"].as_i64(), Some(1))
    })
    .await
}

async fn a_kind_that_is_deleted_stops_neither_verdict_nor_rollback() -> Result<()> {
    with_widgets(async |project, kind| {
        let promotion = observed(project, &kind).await?;
        kind.delete(project, "widgets").await?;
        crash(project).await?;
        project.ended(&promotion, "Failed").await?;
        let rollback = format!("{promotion}-rollback");
        let names = |it: &Value| message(it).contains("Widget") && message(it).contains("not served");
        project.until("promotions", &rollback, "names the widget", names).await?;
        project.settled("prod", "deployments", "web").await?;
        let image = project.image_of("prod", "deployments", "web").await?;
        same("the rest is restored", image.ends_with("v1"), true)?;
        kind.define(project, "widgets").await?;
        project.ended(&rollback, "Verified").await?;
        let widget = project.get(&kind.path(project, "widgets")).await?.unwrap_or_default();
        same("size", widget["spec"]["size"].as_i64(), Some(1))
    })
    .await
}

async fn a_kind_that_comes_back_under_another_plural_is_found() -> Result<()> {
    with_widgets(async |project, kind| {
        let quick = json!({ "spec": { "observeWindow": "1s" } });
        project.change("rollbackpolicies", "patient", quick).await?;
        let first = project.release("1.0.0", &[service("web"), kind.widget(1)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        kind.delete(project, "widgets").await?;
        let second = project.release("2.0.0", &[service("web"), kind.widget(2)]).await?;
        let name = format!("prod-{second}");
        let waits = |it: &Value| message(it).contains("not served");
        project.until("promotions", &name, "names the kind", waits).await?;
        kind.define(project, "gadgets").await?;
        project.ended(&name, "Verified").await?;
        let widget = project.get(&kind.path(project, "gadgets")).await?.unwrap_or_default();
        same("size", widget["spec"]["size"].as_i64(), Some(2))
    })
    .await
}

/// A webhook that validates writes of Deployments in the target namespace, and is down.
async fn admission_webhook(project: &Project) -> Result<String> {
    let name = format!("{}-down", project.name);
    let hook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": name },
        "webhooks": [{
            "name": "down.example.com", "clientConfig": { "url": NOWHERE }, "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "failurePolicy": "Fail", "timeoutSeconds": 1,
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": project.target("prod") } },
            "rules": [{
                "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                "resources": ["deployments"], "scope": "Namespaced",
            }],
        }],
    });
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    project.post(path, hook).await?;
    let one = format!("{}/web?dryRun=All", project.live_path("prod", "deployments"));
    eventually("the webhook to be called", SOON, async || {
        let patch = json!({ "metadata": { "annotations": { "probe": "1" } } });
        let answer = project.send(Method::PATCH, &one, "application/merge-patch+json", patch).await;
        Ok(answer.is_err().then_some(()))
    })
    .await?;
    Ok(format!("{path}/{name}"))
}

async fn a_rollback_waits_for_an_admission_webhook_that_is_down_and_says_which_object_it_cannot_write()
-> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let port = |port: i64| with(service("web"), json!({ "spec": { "ports": [{ "port": port }] } }));
        let first = project.release("1.0.0", &[deployment("web", "v1", None), port(80)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        project.change("rollbackpolicies", "quick", json!({ "spec": { "observeWindow": "60s" } })).await?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None), port(81)]).await?;
        let promotion = format!("prod-{second}");
        eventually("web to have the second release", SOON, async || {
            Ok(project.image_of("prod", "deployments", "web").await?.ends_with("v2").then_some(()))
        })
        .await?;
        project.settled("prod", "deployments", "web").await?;
        let webhook = admission_webhook(project).await?;
        crash(project).await?;
        let rollback = format!("{promotion}-rollback");
        let names = |it: &Value| {
            let words = ["Deployment web: ", "down.example.com", "connection refused", "retried", "until"];
            words.iter().all(|word| message(it).contains(word))
        };
        let told = project.until("promotions", &rollback, "says what it cannot write", names).await?;
        let condition = &told["status"]["conditions"].to_string();
        same(condition, condition.contains("down.example.com"), true)?;
        let web = project.here("prod", "services", "web").await?;
        same("the Service did not wait", web["spec"]["ports"][0]["port"].as_i64(), Some(80))?;
        // Equal failures are no news: the retries write no status.
        let mark = project.cluster.audit()?.mark().await?;
        let target = project.target("prod");
        let calls = eventually("three more tries", SOON, async || {
            let calls = project.cluster.audit()?.since(mark).await?;
            let is_try = |it: &&AuditEvent| it.namespace == target && it.verb == "patch" && !it.dry_run;
            Ok((calls.iter().filter(is_try).count() >= 3).then_some(calls))
        })
        .await?;
        let is_status = |it: &&AuditEvent| {
            it.namespace == project.name && it.verb == "patch" && it.resource == "promotions"
        };
        same("writes of a status", calls.iter().filter(is_status).count(), 0)?;
        project.send(Method::DELETE, &webhook, "application/json", json!({})).await?;
        project.ended(&rollback, "Verified").await?;
        let image = project.image_of("prod", "deployments", "web").await?;
        same("image", image.ends_with("v1"), true)
    })
    .await
}

async fn a_promotion_whose_object_cannot_be_read_says_so_and_goes_on_when_it_can() -> Result<()> {
    with_widgets(async |project, kind| {
        let quick = json!({ "spec": { "observeWindow": "1s" } });
        project.change("rollbackpolicies", "patient", quick).await?;
        let objects = |size| [service("web"), kind.widget(size)];
        let first = project.release("1.0.0", &objects(1)).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        kind.convert_by(project, down()).await?;
        let second = project.release("2.0.0", &objects(2)).await?;
        let name = format!("prod-{second}");
        let names = |it: &Value| {
            let words = ["nothing was written", "Widget w", "conversion webhook"];
            words.iter().all(|word| message(it).contains(word))
        };
        project.until("promotions", &name, "names the widget", names).await?;
        kind.convert_by(project, json!({ "strategy": "None", "webhook": null })).await?;
        project.ended(&name, "Verified").await.map(drop)
    })
    .await
}
