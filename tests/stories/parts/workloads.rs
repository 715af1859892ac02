//! Do the controllers bring workloads up?

use anyhow::{Result, ensure};
use control_plane::ControlPlane;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use crate::objects::{condition, create, deployment, pods, until};

#[tokio::test]
async fn a_deployment_of_two_pods_becomes_ready() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("rollout").await.expect("a namespace");
    let body = async {
        let api = create::<Deployment>(cluster, &namespace, deployment("web", 2, "nginx:1.27")).await?;
        until(&api, "web", "two ready", |web| web["status"]["readyReplicas"] == 2).await?;
        ensure!(pods(cluster, &namespace, "web").await?.iter().all(|pod| condition(pod, "Ready") == "True"));
        Ok(())
    };
    cluster.reporting(&[&namespace], body).await;
}

#[tokio::test]
async fn a_stateful_set_gets_its_volumes() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("stateful").await.expect("a namespace");
    let body = async {
        let mut object = deployment("store", 2, "acme/store:1");
        object["spec"]["serviceName"] = json!("store");
        object["spec"]["volumeClaimTemplates"] = json!([{
            "metadata": { "name": "data" },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
        }]);
        let api = create::<StatefulSet>(cluster, &namespace, object).await?;
        until(&api, "store", "two ready", |store| store["status"]["readyReplicas"] == 2).await
    };
    cluster.reporting(&[&namespace], body).await;
}

#[tokio::test]
async fn a_job_completes_or_fails_as_it_says() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("jobs").await.expect("a namespace");
    let body = async {
        for (name, image, outcome) in
            [("good", "acme/test:1", "Complete"), ("bad", "acme/test:1-job-failure", "Failed")]
        {
            let object = json!({
                "metadata": { "name": name },
                "spec": { "backoffLimit": 0, "template": { "spec": {
                    "restartPolicy": "Never",
                    "containers": [{ "name": "test", "image": image }],
                } } },
            });
            let api = create::<Job>(cluster, &namespace, object).await?;
            until(&api, name, outcome, |job| condition(job, outcome) == "True").await?;
        }
        Ok(())
    };
    cluster.reporting(&[&namespace], body).await;
}

#[tokio::test]
async fn helm_speaks_to_the_cluster() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let said = cluster.helm(cluster.admin()).run(&["list", "-A", "-o", "json"])?;
    ensure!(said.trim() == "[]", "{said}");
    Ok(())
}
