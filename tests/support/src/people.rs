//! People of a project: each with a certificate of their own and the rights that a role gives them.

use crate::installation::SOON;
use crate::project::Project;
use anyhow::{Context, Result};
use control_plane::{Access, eventually};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// A user with a name, groups, and a way into the cluster.
pub struct Person {
    pub name: String,
    pub access: Access,
    client: Client,
}

impl Person {
    /// What a request of theirs is answered.
    pub async fn send(&self, method: Method, path: &str, content: &str, body: Value) -> Result<Value> {
        let request = Request::builder().method(method).uri(path).header("Content-Type", content);
        let request = request.body(serde_json::to_vec(&body)?)?;
        self.client.request::<Value>(request).await.with_context(|| format!("{} {path}", self.name))
    }

    /// Creates one of our objects.
    pub async fn create(&self, project: &Project, plural: &str, name: &str, spec: Value) -> Result<Value> {
        let object = crate::project::object(plural, name, &spec);
        self.send(Method::POST, &project.path(plural, ""), "application/json", object).await
    }

    /// Deletes one of our objects.
    pub async fn delete(&self, project: &Project, plural: &str, name: &str) -> Result<Value> {
        self.send(Method::DELETE, &project.path(plural, name), "application/json", json!({})).await
    }

    /// Decides about the promotion that waits.
    pub async fn decides(&self, project: &Project, promotion: &str, decision: &str) -> Result<String> {
        let of = project.ours("promotions", promotion).await?["status"]["approvals"]["of"].clone();
        self.decides_of(project, &of, decision).await
    }

    /// Decides about `{release, environment, digest}`.
    pub async fn decides_of(&self, project: &Project, of: &Value, decision: &str) -> Result<String> {
        let mut spec = of.clone();
        spec["decision"] = json!(decision);
        self.approval(project, spec).await
    }

    /// Creates an Approval with this spec.
    pub async fn approval(&self, project: &Project, spec: Value) -> Result<String> {
        let mut object = crate::project::object("approvals", "", &spec);
        object["metadata"] = json!({ "generateName": format!("{}-", self.name) });
        let made =
            self.send(Method::POST, &project.path("approvals", ""), "application/json", object).await?;
        Ok(made["metadata"]["name"].as_str().context("no name")?.to_owned())
    }
}

impl Project {
    /// A person with these ClusterRoles of the chart in this project.
    pub async fn person(&self, name: &str, groups: &[&str], roles: &[&str]) -> Result<Person> {
        for role in roles {
            self.bind(name, role).await?;
        }
        // People of one name share a file.
        static WRITING: Mutex<()> = Mutex::const_new(());
        let held = WRITING.lock().await;
        let access = self.cluster.user(name, groups).await?;
        drop(held);
        Ok(Person { name: name.to_owned(), client: access.client()?, access })
    }

    /// Binds a ClusterRole of the chart to a user, and waits until the authorizer has seen it.
    pub async fn bind(&self, person: &str, role: &str) -> Result<()> {
        let binding = json!({
            "metadata": { "name": format!("{person}-{role}") },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": person }],
        });
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", self.name);
        self.post(&path, binding).await?;
        let verb = match role {
            "towpath-approver" => "approve",
            "towpath-oncall" => "rollback",
            "towpath-declarer" => "declare",
            "towpath-viewer" | "towpath-reviewer" => "get",
            "towpath-environment-admin" => "patch",
            _ => "promote",
        };
        self.until_may(person, verb, "prod", true).await
    }

    /// Takes it away again.
    pub async fn unbind(&self, person: &str, role: &str) -> Result<()> {
        let path = format!(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings/{person}-{role}",
            self.name
        );
        self.send(Method::DELETE, &path, "application/json", json!({})).await.map(drop)
    }

    /// Waits until the authorizer answers so.
    pub async fn until_may(&self, person: &str, verb: &str, environment: &str, wanted: bool) -> Result<()> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": { "user": person, "resourceAttributes": {
                "group": "towpath.dev", "resource": "environments", "verb": verb,
                "namespace": self.name, "name": environment,
            } },
        });
        eventually(&format!("{person} to {verb} {environment}: {wanted}"), SOON, async || {
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            let answer = self.post(path, review.clone()).await?;
            Ok((answer["status"]["allowed"] == wanted).then_some(()))
        })
        .await
    }
}
