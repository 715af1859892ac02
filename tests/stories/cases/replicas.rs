//! Replicas of what exists are never changed, at no moment.

use anyhow::{Context, Result};
use control_plane::eventually;
use futures::{StreamExt, TryStreamExt};
use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use support::objects::{deployment, service};
use support::{Project, SOON, in_project, same};
use tokio::task::JoinHandle;

support::stories![
    a_deployment_that_a_person_scaled_keeps_its_number,
    a_deployment_scaled_manually_before_its_adoption_keeps_its_number,
    a_deployment_that_towpath_alone_owns_keeps_the_number_of_its_first_edition,
    a_deployment_that_an_autoscaler_scales_keeps_the_autoscalers_number,
    a_deployment_under_a_horizontal_pod_autoscaler_keeps_the_autoscalers_number,
];

/// Every number of replicas that a Deployment has had since it was begun to be watched.
pub struct Watched {
    seen: Arc<Mutex<Vec<i32>>>,
    task: JoinHandle<()>,
}

impl Watched {
    /// From now on.
    pub async fn start(project: &Project, name: &str) -> Result<Self> {
        let api: Api<Deployment> = Api::namespaced(project.client(), &project.target("prod"));
        let version = api.get(name).await?.metadata.resource_version.context("no version")?;
        let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
        let stream = api.watch(&parameters, &version).await?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut stream = stream.boxed();
            while let Ok(Some(event)) = stream.try_next().await {
                if let WatchEvent::Modified(found) | WatchEvent::Added(found) = event
                    && let (Some(replicas), Ok(mut seen)) = (found.spec.replicas, into.lock())
                {
                    seen.push(replicas);
                }
            }
        });
        Ok(Self { seen, task })
    }

    /// Every number so far, each once.
    pub fn stop(self) -> Vec<i32> {
        self.task.abort();
        let mut seen = self.seen.lock().map(|seen| seen.clone()).unwrap_or_default();
        seen.sort_unstable();
        seen.dedup();
        seen
    }
}

/// Promoted twice, the second time to its harm.
pub async fn promoted_twice_and_rolled_back(project: &Project) -> Result<()> {
    let second = project.release("2.0.0", &[service("web"), deployment("web", "v2", None)]).await?;
    project.ended(&format!("prod-{second}"), "Verified").await?;
    let third = project.release("3.0.0", &[service("web"), deployment("web", "v3-crash-loop", None)]).await?;
    project.ended(&format!("prod-{third}"), "Failed").await?;
    project.ended(&format!("prod-{third}-rollback"), "Verified").await?;
    project.settled("prod", "deployments", "web").await
}

async fn a_deployment_that_a_person_scaled_keeps_its_number() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[service("web"), deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        project.kubectl().run(&[
            "scale",
            "deployment",
            "web",
            "--replicas=5",
            "-n",
            &project.target("prod"),
        ])?;
        project.settled("prod", "deployments", "web").await?;
        let watched = Watched::start(project, "web").await?;
        promoted_twice_and_rolled_back(project).await?;
        same("numbers of replicas", watched.stop(), vec![5])
    })
    .await
}

async fn a_deployment_scaled_manually_before_its_adoption_keeps_its_number() -> Result<()> {
    let prod = json!({ "name": "prod", "adoptFrom": ["kubectl-client-side-apply"] });
    in_project(&[prod], async |project| {
        let mut manual = deployment("web", "v0", None);
        manual["spec"]["replicas"] = json!(5);
        project.apply("prod", &[manual])?;
        project.settled("prod", "deployments", "web").await?;
        let watched = Watched::start(project, "web").await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        promoted_twice_and_rolled_back(project).await?;
        same("numbers of replicas", watched.stop(), vec![5])
    })
    .await
}

async fn a_deployment_that_towpath_alone_owns_keeps_the_number_of_its_first_edition() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let watched = Watched::start(project, "web").await?;
        let mut more = deployment("web", "v2", None);
        more["spec"]["replicas"] = json!(7);
        let second = project.release("2.0.0", &[more]).await?;
        project.ended(&format!("prod-{second}"), "Verified").await?;
        same("numbers of replicas", watched.stop(), vec![2])
    })
    .await
}

async fn a_deployment_that_an_autoscaler_scales_keeps_the_autoscalers_number() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[service("web"), deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        // As the autoscaler does: through the subresource, under its own name.
        let scale = format!(
            "{}/web/scale?fieldManager=horizontal-pod-autoscaler",
            project.live_path("prod", "deployments")
        );
        let body: Value = json!({ "spec": { "replicas": 4 } });
        project.send(Method::PATCH, &scale, "application/merge-patch+json", body).await?;
        project.settled("prod", "deployments", "web").await?;
        let watched = Watched::start(project, "web").await?;
        promoted_twice_and_rolled_back(project).await?;
        same("numbers of replicas", watched.stop(), vec![4])
    })
    .await
}

async fn a_deployment_under_a_horizontal_pod_autoscaler_keeps_the_autoscalers_number() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[service("web"), deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        // It has no metrics here, and scales up to its lower limit without.
        let scaler = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
            "spec": {
                "minReplicas": 4, "maxReplicas": 6,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            },
        });
        project.post(&project.live_path("prod", "horizontalpodautoscalers"), scaler).await?;
        eventually("the autoscaler to scale", SOON, async || {
            let web = project.here("prod", "deployments", "web").await?;
            Ok((web["spec"]["replicas"] == 4).then_some(()))
        })
        .await?;
        project.settled("prod", "deployments", "web").await?;
        let watched = Watched::start(project, "web").await?;
        promoted_twice_and_rolled_back(project).await?;
        same("numbers of replicas", watched.stop(), vec![4])?;
        let web = project.here("prod", "deployments", "web").await?;
        let entries = web["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let owners = entries.iter().filter(|entry| !entry["fieldsV1"]["f:spec"]["f:replicas"].is_null());
        let by: Vec<_> = owners.map(|entry| entry["subresource"].clone()).collect();
        same("who owns the number", by, vec![json!("scale")])
    })
    .await
}
