//! One control plane with the chart installed, people with rights, and requests whose refusal is an answer.

use anyhow::{Context, Result, anyhow, bail, ensure};
use control_plane::{Access, ControlPlane, eventually};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use std::sync::Arc;
use support::installation::namespace;
pub use support::{SOON, SYSTEM};
use tokio::sync::OnceCell;

/// The operator's ServiceAccount.
pub const OPERATOR: &str = "system:serviceaccount:towpath-system:towpath";
/// The namespace of the environments' identities.
pub const DEPLOYERS: &str = "towpath-deployers";

const RBAC: &str = "rbac.authorization.k8s.io";

/// The control plane with the chart installed and every policy enforced.
pub async fn installed() -> Result<Arc<ControlPlane>> {
    static DONE: OnceCell<Result<(), String>> = OnceCell::const_new();
    let cluster = support::installed().await?;
    let done =
        DONE.get_or_init(async || enforced(&cluster).await.map_err(|error| format!("{error:#}"))).await;
    done.as_ref().map_err(|error| anyhow!("the policies are not enforced: {error}"))?;
    Ok(cluster)
}

/// Runs the body of a story with a new namespace.
pub async fn in_namespace(body: impl AsyncFnOnce(&ControlPlane, &str) -> Result<()>) -> Result<()> {
    let cluster = installed().await?;
    let namespace = namespace(&cluster, "p").await?;
    body(&cluster, &namespace).await
}

async fn enforced(cluster: &ControlPlane) -> Result<()> {
    let admin = Person::admin(cluster)?;
    let deployer = Person::deployer(cluster, "p.env", &["system:masters"])?;
    let ours = |plural: &str| path("towpath.dev/v1alpha1", "default", plural, "") + "?dryRun=All";
    let labelled = merged(&promotion("dev"), &json!({ "metadata": { "labels": automatic() } }));
    let everyone =
        binding("ClusterRoleBinding", "a", "view", &json!({ "kind": "Group", "name": deployers_group() }));
    let secret = json!({ "metadata": { "generateName": "probe-" } });
    // A policy is enforced a moment after it is there. Each is asked what only it refuses.
    let refused: [(&Person, String, Value, &str); 8] = [
        (&admin, ours("promotions"), labelled, "towpath-requests"),
        (&admin, ours("approvals"), approval("dev", Some(user("a-user", &[]))), "towpath-approvals"),
        (&admin, ours("recalls"), recall(Some(user("a-user", &[]))), "towpath-recalls"),
        (&admin, ours("reviews"), review(Some(user("a-user", &[]))), "towpath-reviews"),
        (&admin, ours("contents"), content(), "towpath-record"),
        (
            &deployer,
            "/api/v1/namespaces?dryRun=All".into(),
            json!({ "metadata": { "name": "x" } }),
            "towpath-deployers",
        ),
        (&admin, format!("/apis/{RBAC}/v1/clusterrolebindings?dryRun=All"), everyone, "towpath-bindings"),
        (&deployer, path("v1", SYSTEM, "secrets", ""), secret, "towpath-"),
    ];
    for (who, path, object, policy) in &refused {
        eventually(policy, SOON, async || {
            let answer = who.post(path, object.clone()).await?;
            Ok(answer.said.contains(policy).then_some(()))
        })
        .await?;
    }
    eventually("requesters to be filled in", SOON, async || {
        let made = admin.post(&ours("releases"), release()).await?.object;
        Ok(made["spec"]["requestedBy"].is_object().then_some(()))
    })
    .await?;
    eventually("authors to be filled in", SOON, async || {
        let made = admin.post(&ours("recalls"), recall(None)).await?.object;
        Ok(made["spec"]["author"].is_object().then_some(()))
    })
    .await?;
    eventually("authors of reviews to be filled in", SOON, async || {
        let made = admin.post(&ours("reviews"), review(None)).await?.object;
        Ok(made["spec"]["author"].is_object().then_some(()))
    })
    .await?;
    eventually("approvers to be filled in", SOON, async || {
        let made = admin.post(&ours("approvals"), approval("dev", None)).await?.object;
        Ok(made["spec"]["approver"].is_object().then_some(()))
    })
    .await
}

/// A user who makes requests.
pub struct Person {
    pub name: String,
    pub groups: Vec<String>,
    pub access: Access,
    client: Client,
}

impl Person {
    /// A user with a certificate of their own.
    pub async fn new(cluster: &ControlPlane, name: &str, groups: &[&str]) -> Result<Self> {
        let access = cluster.user(name, groups).await?;
        let groups = groups.iter().copied().chain(["system:authenticated"]).map(str::to_owned).collect();
        Ok(Self { name: name.into(), groups, client: access.client()?, access })
    }

    /// The cluster's administrator.
    pub fn admin(cluster: &ControlPlane) -> Result<Self> {
        let access = cluster.admin().clone();
        let groups = vec!["system:masters".into(), "system:authenticated".into()];
        Ok(Self { name: "admin".into(), groups, client: access.client()?, access })
    }

    /// A ServiceAccount with a token.
    pub async fn account(cluster: &ControlPlane, namespace: &str, name: &str) -> Result<Self> {
        let access = cluster.service_account(namespace, name).await?;
        let groups = vec![
            "system:serviceaccounts".into(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".into(),
        ];
        let name = format!("system:serviceaccount:{namespace}:{name}");
        Ok(Self { name, groups, client: access.client()?, access })
    }

    /// One in the name of another; no groups: those that the API server gives the name.
    pub fn impersonated(by: &Access, name: &str, groups: &[&str]) -> Result<Self> {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let access = by.impersonating(name, &groups);
        Ok(Self { name: name.into(), groups, client: access.client()?, access })
    }

    /// The identity of an environment, as the controller is it.
    pub fn deployer(cluster: &ControlPlane, identity: &str, groups: &[&str]) -> Result<Self> {
        Self::impersonated(cluster.admin(), &format!("system:serviceaccount:{DEPLOYERS}:{identity}"), groups)
    }

    /// As the API server stamps them.
    pub fn user(&self) -> Value {
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        user(&self.name, &groups)
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, "application/json", None).await
    }

    pub async fn post(&self, path: &str, object: Value) -> Result<Answer> {
        self.send(Method::POST, path, "application/json", Some(object)).await
    }

    pub async fn put(&self, path: &str, object: Value) -> Result<Answer> {
        self.send(Method::PUT, path, "application/json", Some(object)).await
    }

    /// A merge patch.
    pub async fn patch(&self, path: &str, patch: Value) -> Result<Answer> {
        self.send(Method::PATCH, path, "application/merge-patch+json", Some(patch)).await
    }

    /// A server-side apply.
    pub async fn apply(&self, path: &str, object: Value) -> Result<Answer> {
        let path = format!("{path}?fieldManager=test&force=true");
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", Some(object)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, "application/json", None).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<Value>,
    ) -> Result<Answer> {
        let shown = format!("{} as {}: {method} {path}", self.name, self.groups.join(","));
        let request = Request::builder().method(method).uri(path).header("Content-Type", content);
        let body = body.map(|body| serde_json::to_vec(&body)).transpose()?.unwrap_or_default();
        // A command in a pod that is let through never returns.
        let asked = tokio::time::timeout(SOON, self.client.request_text(request.body(body)?)).await;
        match asked.with_context(|| format!("{shown}: no answer"))? {
            Ok(text) => {
                let object = serde_json::from_str(&text).unwrap_or(Value::Null);
                Ok(Answer { shown, code: 200, said: String::new(), object })
            }
            Err(kube::Error::Api(status)) => {
                Ok(Answer { shown, code: status.code, said: status.message.clone(), object: Value::Null })
            }
            Err(error) => Err(error).context(shown),
        }
    }
}

/// What the API server answered.
#[derive(Debug)]
pub struct Answer {
    shown: String,
    pub code: u16,
    /// Why it refused; empty if it did not.
    pub said: String,
    pub object: Value,
}

impl Answer {
    /// The object; an error if it was refused.
    pub fn allowed(self) -> Result<Value> {
        ensure!(self.code < 300, "{}: {} {}", self.shown, self.code, self.said);
        Ok(self.object)
    }

    /// An error unless it was refused with these words.
    pub fn refused(&self, words: &str) -> Result<()> {
        ensure!(self.code >= 400, "{}: allowed, and not refused with {words:?}", self.shown);
        ensure!(self.said.contains(words), "{}: not {words:?} but {} {}", self.shown, self.code, self.said);
        Ok(())
    }
}

/// The path of a collection, or of one object, in a namespace.
pub fn path(version: &str, namespace: &str, plural: &str, name: &str) -> String {
    let root = if version.contains('/') { "apis" } else { "api" };
    let name = if name.is_empty() { String::new() } else { format!("/{name}") };
    format!("/{root}/{version}/namespaces/{namespace}/{plural}{name}")
}

/// The path of one of our kinds.
pub fn ours(namespace: &str, plural: &str, name: &str) -> String {
    path("towpath.dev/v1alpha1", namespace, plural, name)
}

pub fn user(name: &str, groups: &[&str]) -> Value {
    json!({ "username": name, "groups": groups })
}

pub fn automatic() -> Value {
    json!({ "towpath.dev/automatic": "true" })
}

pub fn deployers_group() -> String {
    format!("system:serviceaccounts:{DEPLOYERS}")
}

pub fn object(kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": kind,
        "metadata": { "generateName": format!("{}-", kind.to_lowercase()) }, "spec": spec,
    })
}

/// As `object`, named.
pub fn named(name: &str, mut object: Value) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}

pub fn release() -> Value {
    object(
        "Release",
        json!({ "application": "shop", "version": "1.0.0", "source": { "environment": { "name": "dev" } } }),
    )
}

pub fn promotion(environment: &str) -> Value {
    object("Promotion", json!({ "release": "shop-1.0.0", "environment": environment }))
}

pub fn rollback(environment: &str) -> Value {
    merged(&promotion(environment), &json!({ "spec": { "kind": "Rollback" } }))
}

pub fn approval(environment: &str, approver: Option<Value>) -> Value {
    let spec = json!({
        "release": { "name": "shop-1.0.0", "uid": "1" }, "environment": { "name": environment, "uid": "2" },
        "digest": "a".repeat(64), "decision": "Approve", "approver": approver,
    });
    object("Approval", spec)
}

pub fn recall(author: Option<Value>) -> Value {
    let spec = json!({
        "application": "shop", "digests": ["a".repeat(64)], "reason": "it loses orders", "author": author,
    });
    object("Recall", spec)
}

pub fn review(author: Option<Value>) -> Value {
    object("Review", json!({ "release": "shop-1.0.0", "outcome": "Failed", "author": author }))
}

pub fn content() -> Value {
    let spec = json!({ "application": "shop", "digest": "a".repeat(64), "objects": 1, "data": "x" });
    object("Content", spec)
}

pub fn merged(base: &Value, over: &Value) -> Value {
    let mut merged = base.clone();
    merge(&mut merged, over);
    merged
}

fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                merge(base.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

pub fn binding(kind: &str, name: &str, role: &str, subject: &Value) -> Value {
    let mut subject = subject.clone();
    if subject["kind"] != "ServiceAccount" {
        subject["apiGroup"] = json!(RBAC);
    }
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": { "name": name },
        "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": role }, "subjects": [subject],
    })
}

/// Binds a ClusterRole in a namespace.
pub async fn bind(cluster: &ControlPlane, namespace: &str, role: &str, subject: &Value) -> Result<()> {
    let name = format!("{role}-{}", subject["name"].as_str().unwrap_or_default());
    let path = path(&format!("{RBAC}/v1"), namespace, "rolebindings", "");
    let made = Person::admin(cluster)?.post(&path, binding("RoleBinding", &name, role, subject)).await?;
    made.allowed().map(drop)
}

/// Grants rules to a user in a namespace.
pub async fn grant(cluster: &ControlPlane, namespace: &str, user: &str, rules: Value) -> Result<()> {
    let admin = Person::admin(cluster)?;
    let name = format!("role-{user}");
    let role = json!({ "metadata": { "name": name }, "rules": rules });
    admin.post(&path(&format!("{RBAC}/v1"), namespace, "roles", ""), role).await?.allowed()?;
    let mut bound = binding("RoleBinding", &name, &name, &json!({ "kind": "User", "name": user }));
    bound["roleRef"]["kind"] = json!("Role");
    admin.post(&path(&format!("{RBAC}/v1"), namespace, "rolebindings", ""), bound).await?.allowed().map(drop)
}

/// Verbs on one of our resources, by name or on all.
pub fn rule(resources: &[&str], names: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": ["towpath.dev"], "resources": resources, "resourceNames": names, "verbs": verbs })
}

/// Waits until the authorizer knows of a right.
pub async fn until_may(
    cluster: &ControlPlane,
    who: &str,
    verb: &str,
    resource: &str,
    place: (&str, &str),
) -> Result<()> {
    let admin = Person::admin(cluster)?;
    let (namespace, name) = place;
    let (group, resource) = resource.split_once('/').unwrap_or(("towpath.dev", resource));
    let asked = json!({ "spec": { "user": who, "resourceAttributes": {
        "namespace": namespace, "name": name, "verb": verb, "group": group, "resource": resource,
    } } });
    eventually(&format!("{who} to {verb} {resource} {name}"), SOON, async || {
        let answer = admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", asked.clone()).await?;
        Ok((answer.allowed()?["status"]["allowed"] == true).then_some(()))
    })
    .await
}

/// Every failure of a table at once.
pub fn all_hold(faults: Vec<String>, of: usize) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{} of {of} do not hold:\n{}", faults.len(), faults.join("\n"))
}
