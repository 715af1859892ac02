//! The application of the stories: its objects on the real node, its images, and what it answers.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use control_plane::{Image, RealNode, eventually, placed};
use serde_json::{Value, json};

use support::installation::real_node;
use support::objects::{Object, with};
use support::{Project, in_project, merge, same};

/// Long enough for a few restarts with their back-off.
pub const LONG: Duration = Duration::from_secs(150);

/// A project and the node on which it runs.
pub struct Shop<'a> {
    pub project: &'a Project,
    pub node: &'a RealNode,
}

/// A story with an environment `prod`, whose policy has the default limits and this observe window.
pub async fn in_shop(window: &str, body: impl AsyncFnOnce(&Shop<'_>) -> Result<()>) -> Result<()> {
    story(&[prod()], window, body).await
}

/// The same with other environments.
pub async fn in_shops(
    environments: &[Value],
    window: &str,
    body: impl AsyncFnOnce(&Shop<'_>) -> Result<()>,
) -> Result<()> {
    story(environments, window, body).await
}

/// The same on a control plane and a node of the story's own, for one that disturbs the node.
pub async fn alone_in_shop(window: &str, body: impl AsyncFnOnce(&Shop<'_>) -> Result<()>) -> Result<()> {
    let project = Project::alone(&[prod()]).await?;
    let node = project.cluster.real_node().await?;
    project.policy("usual", limits(window)).await?;
    project.start().await?;
    body(&Shop { project: &project, node }).await
}

async fn story(
    environments: &[Value],
    window: &str,
    body: impl AsyncFnOnce(&Shop<'_>) -> Result<()>,
) -> Result<()> {
    let node = real_node().await?;
    let mut environments = environments.to_vec();
    for environment in &mut environments {
        environment["rollbackPolicyRef"] = json!("usual");
    }
    in_project(&environments, async |project| {
        project.policy("usual", limits(window)).await?;
        body(&Shop { project, node }).await
    })
    .await
}

fn prod() -> Value {
    json!({ "name": "prod", "rollbackPolicyRef": "usual" })
}

fn limits(window: &str) -> Value {
    json!({ "observeWindow": window, "failing": { "restarts": 1, "progressDeadlineSeconds": 120 } })
}

impl Shop<'_> {
    /// An edition of the application. Each project has a repository of its own: a tag means one image.
    pub fn edition(&self, tag: &str) -> Image {
        Image::of(&self.project.name, tag)
    }

    /// Pushes an edition that fares as its environment says; returns its name for a manifest.
    pub async fn image(&self, tag: &str, fate: &[(&str, &str)]) -> Result<String> {
        let image = fate.iter().fold(self.edition(tag), |image, (name, value)| image.with(name, value));
        self.node.push(&image).await?;
        Ok(image.name())
    }

    /// A release that ends verified in prod.
    pub async fn verified(&self, version: &str, objects: &[Object]) -> Result<String> {
        let release = self.project.release(version, objects).await?;
        self.ended(&format!("prod-{release}"), "Verified").await?;
        Ok(release)
    }

    /// Waits until a promotion has ended, and demands how.
    pub async fn ended(&self, name: &str, phase: &str) -> Result<Value> {
        self.project.ended_within(LONG, name, phase).await
    }

    /// The first edition is verified, the second fails; then everything is as before and the first edition answers.
    /// Returns the failed promotion's status.
    pub async fn comes_back(&self, app: &str, good: &[Object], bad: &[Object]) -> Result<Value> {
        self.verified("1.0.0", good).await?;
        self.answers("prod", app, &json!({ "version": "v1" })).await?;
        let before = self.project.snapshot("prod").await?;
        let second = self.project.release("2.0.0", bad).await?;
        let failed = self.ended(&format!("prod-{second}"), "Failed").await?;
        self.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        same("everything of prod", self.project.snapshot("prod").await?, before)?;
        self.project.condition("environments", "prod", "Ready", "True", "").await?;
        self.project.condition("releases", &second, "Stalled", "True", "RolledBack").await?;
        self.answers("prod", app, &json!({ "version": "v1" })).await?;
        Ok(failed["status"].clone())
    }

    /// Waits until every pod of an app that is not being deleted answers so, leaving out what is not asked for.
    pub async fn answers(&self, environment: &str, app: &str, wanted: &Value) -> Result<()> {
        eventually(&format!("{app} in {environment} to answer {wanted}"), LONG, async || {
            let pods = self.project.pods(environment, app).await?;
            ensure!(!pods.is_empty(), "no pods of {app}");
            for pod in &pods {
                let said = self.ask(pod).await?;
                let mut expected = said.clone();
                merge(&mut expected, wanted);
                ensure!(said == expected, "{} answers {said}", pod["metadata"]["name"]);
            }
            Ok(Some(()))
        })
        .await
    }

    async fn ask(&self, pod: &Value) -> Result<Value> {
        let address: IpAddr = pod["status"]["podIP"].as_str().context("no address yet")?.parse()?;
        let reply = self.node.get(address, 8080, "/").await?;
        Ok(serde_json::from_str(&reply.body)?)
    }
}

/// What every workload's pods are made of.
pub fn template(app: &str, image: &str) -> Value {
    let mut spec = placed();
    spec["terminationGracePeriodSeconds"] = json!(1);
    spec["containers"] = json!([{
        "name": "app", "image": image,
        "readinessProbe": { "httpGet": { "path": "/ready", "port": 8080 }, "periodSeconds": 1, "timeoutSeconds": 10 },
        "resources": { "limits": { "memory": "32Mi" } },
    }]);
    json!({ "metadata": { "labels": { "app": app } }, "spec": spec })
}

/// A Deployment of two replicas, which start at the same time: one that becomes bad is to be there when the other is.
pub fn web(image: &str) -> Object {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": {
            "strategy": { "rollingUpdate": { "maxSurge": 2, "maxUnavailable": 0 } },
            "replicas": 2, "selector": { "matchLabels": { "app": "web" } }, "template": template("web", image),
        },
    })
}

/// The Deployment with fields merged over its container.
pub fn web_with(image: &str, over: Value) -> Object {
    let mut web = web(image);
    let container = web["spec"]["template"]["spec"]["containers"][0].take();
    web["spec"]["template"]["spec"]["containers"] = json!([with(container, over)]);
    web
}
