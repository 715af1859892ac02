//! Do the controllers bring workloads up?

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};
use support::installation::{control_plane, namespace};
use support::installed;

use super::objects::{condition, create, deployment, pods, until};

support::stories![
    a_deployment_of_two_pods_becomes_ready,
    a_stateful_set_gets_its_volumes,
    a_job_completes_or_fails_as_it_says,
    helm_speaks_to_the_cluster,
];

async fn a_deployment_of_two_pods_becomes_ready() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "rollout").await?;
    let api = create::<Deployment>(cluster, &namespace, deployment("web", 2, "nginx:1.27")).await?;
    until(&api, "web", "two ready", |web| web["status"]["readyReplicas"] == 2).await?;
    ensure!(pods(cluster, &namespace, "web").await?.iter().all(|pod| condition(pod, "Ready") == "True"));
    Ok(())
}

async fn a_stateful_set_gets_its_volumes() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "stateful").await?;
    let mut object = deployment("store", 2, "acme/store:1");
    object["spec"]["serviceName"] = json!("store");
    object["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }]);
    let api = create::<StatefulSet>(cluster, &namespace, object).await?;
    until(&api, "store", "two ready", |store| store["status"]["readyReplicas"] == 2).await.map(drop)
}

async fn a_job_completes_or_fails_as_it_says() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "jobs").await?;
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
}

async fn helm_speaks_to_the_cluster() -> Result<()> {
    let cluster = installed().await?;
    let said = cluster.helm(cluster.admin()).run(&["list", "-A", "-o", "json"])?;
    let installed: Value = serde_json::from_str(&said)?;
    let names = installed.as_array().into_iter().flatten().map(|release| &release["name"]);
    ensure!(names.into_iter().any(|name| name == "towpath"), "{said}");
    Ok(())
}
