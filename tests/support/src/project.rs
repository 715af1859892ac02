//! A project of a story: its namespaces, consent, policy and environments, and the controller that serves it.

use crate::failed;
use crate::installation::{self, LEASES, installed, shared_project};
use crate::objects::{Object, env_namespace};
use crate::operator::{Flags, Operator};
use anyhow::{Context, Result, bail};
use control_plane::{ControlPlane, Tool};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A project with target namespaces, consent, a quick policy and environments.
pub struct Project {
    pub cluster: Arc<ControlPlane>,
    pub name: String,
    client: Client,
    /// None where the shared controller serves the project, or nothing does.
    operator: Mutex<Option<Operator>>,
    flags: Flags,
}

/// Runs the body of a story with a project that the shared controller serves.
pub async fn in_project(
    environments: &[Value],
    body: impl AsyncFnOnce(&Project) -> Result<()>,
) -> Result<()> {
    let cluster = installed().await?;
    let name = shared_project(&cluster).await?;
    let path = "/api/v1/namespaces";
    let project = Project::named(cluster, name)?;
    project.post(path, json!({ "metadata": { "name": project.name } })).await?;
    project.furnish(environments).await?;
    body(&project).await
}

/// The same with a controller that serves this project alone: for stories that stop it, or count what it asks for.
pub async fn with_own_controller(
    environments: &[Value],
    body: impl AsyncFnOnce(&Project) -> Result<()>,
) -> Result<()> {
    let project = Project::without_controller(environments).await?;
    project.start().await?;
    body(&project).await
}

impl Project {
    /// Nothing running.
    pub async fn without_controller(environments: &[Value]) -> Result<Self> {
        Self::on(installed().await?, environments).await
    }

    /// On a control plane of its own, which ends with the story.
    pub async fn alone(environments: &[Value]) -> Result<Self> {
        let cluster = installation::own_control_plane().await?;
        installation::install(&cluster).await?;
        Self::on(cluster, environments).await
    }

    async fn on(cluster: Arc<ControlPlane>, environments: &[Value]) -> Result<Self> {
        let name = cluster.namespace("p").await?;
        let project = Self::named(cluster, name)?;
        project.furnish(environments).await?;
        Ok(project)
    }

    fn named(cluster: Arc<ControlPlane>, name: String) -> Result<Self> {
        failed::uses_namespace(&cluster, &name);
        let (flags, client) = (Flags::own_lease(&name), cluster.admin().client()?);
        Ok(Self { cluster, name, client, operator: Mutex::new(None), flags })
    }

    async fn furnish(&self, environments: &[Value]) -> Result<()> {
        self.policy("quick", json!({})).await?;
        for environment in environments {
            self.environment(environment).await?;
        }
        Ok(())
    }

    /// Starts a controller for this project alone.
    pub async fn start(&self) -> Result<()> {
        self.start_as(&self.flags).await
    }

    /// How the controller is started.
    pub fn flags(&self) -> &Flags {
        &self.flags
    }

    /// The same with other flags.
    pub async fn start_as(&self, flags: &Flags) -> Result<()> {
        let operator = Operator::start(&self.cluster, &[&self.name], flags).await?;
        *self.operator.lock().map_err(|_| anyhow::anyhow!("poisoned"))? = Some(operator);
        Ok(())
    }

    /// Hands the lease of a controller that was killed on at once: how it runs out is a question of its own.
    pub async fn free_lease(&self) -> Result<()> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{LEASES}/leases/{}", self.name);
        let free = json!({ "spec": { "holderIdentity": null } });
        self.send(Method::PATCH, &path, "application/merge-patch+json", free).await.map(drop)
    }

    /// Does something with the process of the project's own controller.
    pub fn operator<T>(&self, act: impl FnOnce(&mut Operator) -> T) -> Result<T> {
        let mut held = self.operator.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        Ok(act(held.as_mut().context("this project has no controller of its own")?))
    }

    /// A policy with short times; `spec` is merged over it.
    pub async fn policy(&self, name: &str, spec: Value) -> Result<()> {
        let mut quick = json!({
            "observeWindow": "2s",
            "failing": { "progressDeadlineSeconds": 60, "restarts": 0 },
        });
        merge(&mut quick, &spec);
        self.create("rollbackpolicies", name, quick).await.map(drop)
    }

    /// Makes the target namespace, its consent, and the environment. `{"name": .., further fields of the spec}`.
    pub async fn environment(&self, environment: &Value) -> Result<()> {
        let name = environment["name"].as_str().context("an environment needs a name")?;
        let namespace = env_namespace(&self.name, name);
        failed::uses_namespace(&self.cluster, &namespace);
        self.post("/api/v1/namespaces", json!({ "metadata": { "name": namespace } })).await?;
        let observed = environment["delivery"] == "Observed";
        self.consent(name, if observed { "towpath-observe" } else { "towpath-deploy" }).await?;
        let mut spec = json!({ "namespace": namespace, "rollbackPolicyRef": "quick" });
        merge(&mut spec, environment);
        if let Some(fields) = spec.as_object_mut() {
            fields.remove("name");
        }
        self.create("environments", name, spec).await.map(drop)
    }

    /// The consent of a target namespace's owner.
    pub async fn consent(&self, environment: &str, role: &str) -> Result<()> {
        let namespace = env_namespace(&self.name, environment);
        let binding = json!({
            "metadata": { "name": role },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{
                "kind": "ServiceAccount", "namespace": "towpath-deployers",
                "name": format!("{}.{environment}", self.name),
            }],
        });
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
        self.post(&path, binding).await.map(drop)
    }

    /// The owner of a target namespace takes the consent back.
    pub async fn withdraw(&self, environment: &str, role: &str) -> Result<()> {
        let namespace = env_namespace(&self.name, environment);
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/{role}");
        self.send(Method::DELETE, &path, "application/json", json!({})).await.map(drop)
    }

    /// The target namespace of an environment.
    pub fn target(&self, environment: &str) -> String {
        env_namespace(&self.name, environment)
    }

    /// A release of `shop` by inline manifests.
    pub async fn release(&self, version: &str, manifests: &[Object]) -> Result<String> {
        self.release_of("shop", version, json!({ "source": { "manifests": manifests } })).await
    }

    /// A release of what runs in an environment.
    pub async fn capture(&self, version: &str, environment: &str) -> Result<String> {
        self.release_of("shop", version, json!({ "source": { "environment": { "name": environment } } }))
            .await
    }

    /// A release of an application; `spec` has at least the source.
    pub async fn release_of(&self, application: &str, version: &str, spec: Value) -> Result<String> {
        let name = format!("{application}-{version}");
        let mut whole = json!({ "application": application, "version": version });
        merge(&mut whole, &spec);
        self.create("releases", &name, whole).await?;
        Ok(name)
    }

    /// A Promotion of a person.
    pub async fn promotion(&self, name: &str, spec: Value) -> Result<()> {
        self.create("promotions", name, spec).await.map(drop)
    }

    /// Creates one of our objects in the project.
    pub async fn create(&self, plural: &str, name: &str, spec: Value) -> Result<Value> {
        let object = object(plural, name, &spec);
        self.post(&self.path(plural, ""), object).await
    }

    /// The path of one of our kinds, or of one object.
    pub fn path(&self, plural: &str, name: &str) -> String {
        let slash = if name.is_empty() { "" } else { "/" };
        format!("/apis/towpath.dev/v1alpha1/namespaces/{}/{plural}{slash}{name}", self.name)
    }

    /// One of our objects.
    pub async fn ours(&self, plural: &str, name: &str) -> Result<Value> {
        let path = self.path(plural, name);
        self.get(&path).await?.with_context(|| format!("there is no {plural} {name}"))
    }

    /// All of our objects of a kind.
    pub async fn all(&self, plural: &str) -> Result<Vec<Value>> {
        let list = self.get(&self.path(plural, "")).await?.unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Patches one of our objects (merge patch).
    pub async fn change(&self, plural: &str, name: &str, patch: Value) -> Result<()> {
        let path = self.path(plural, name);
        self.send(Method::PATCH, &path, "application/merge-patch+json", patch).await.map(drop)
    }

    /// Deletes one of our objects.
    pub async fn delete(&self, plural: &str, name: &str) -> Result<()> {
        let path = self.path(plural, name);
        self.send(Method::DELETE, &path, "application/json", json!({})).await.map(drop)
    }

    /// An object of any kind by its path; none if it is not there.
    pub async fn get(&self, path: &str) -> Result<Option<Value>> {
        let request = Request::get(path).body(Vec::new())?;
        match self.client.request::<Value>(request).await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error).with_context(|| format!("GET {path}")),
        }
    }

    /// Creates an object.
    pub async fn post(&self, path: &str, object: Value) -> Result<Value> {
        self.send(Method::POST, path, "application/json", object).await
    }

    /// Any request with a body.
    pub async fn send(&self, method: Method, path: &str, content: &str, body: Value) -> Result<Value> {
        let shown = format!("{method} {path}");
        let request = Request::builder().method(method).uri(path).header("Content-Type", content);
        let request = request.body(serde_json::to_vec(&body)?)?;
        self.client.request::<Value>(request).await.with_context(|| shown)
    }

    /// kubectl as the administrator.
    pub fn kubectl(&self) -> Tool {
        self.cluster.kubectl(self.cluster.admin())
    }

    /// `kubectl apply` into an environment's target namespace.
    pub fn apply(&self, environment: &str, objects: &[Object]) -> Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let namespace = self.target(environment);
        self.kubectl().run_with(&["apply", "-n", &namespace, "-f", "-"], &list.to_string()).map(drop)
    }

    /// Deletes its namespaces, and does not wait until they are gone.
    pub async fn remove(&self) -> Result<()> {
        let names = self.all("environments").await?;
        let names = names.iter().filter_map(|it| it["spec"]["namespace"].as_str());
        for name in names.chain([self.name.as_str()]) {
            let path = format!("/api/v1/namespaces/{name}");
            self.send(Method::DELETE, &path, "application/json", json!({})).await?;
        }
        Ok(())
    }

    /// A client of the administrator.
    pub fn client(&self) -> Client {
        self.client.clone()
    }
}

/// One of our objects.
pub fn object(plural: &str, name: &str, spec: &Value) -> Value {
    let kind = match plural {
        "approvals" => "Approval",
        "recalls" => "Recall",
        "reviews" => "Review",
        "changefreezes" => "ChangeFreeze",
        "channels" => "Channel",
        "releases" => "Release",
        "environments" => "Environment",
        "promotions" => "Promotion",
        _ => "RollbackPolicy",
    };
    json!({ "apiVersion": "towpath.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// Merges `over` into `base`, member by member.
pub fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                merge(base.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// Something that must hold, with what was found.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<()> {
    if found != wanted {
        bail!("{what}\n found: {found:#?}\nwanted: {wanted:#?}");
    }
    Ok(())
}
