//! Does what is ready stay ready? Named to come first: it takes two minutes, beside which the others run.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use support::installation::{control_plane, namespace};

use super::objects::{condition, create, deployment, pods, until};

support::stories![a_ready_deployment_and_its_node_stay_so_for_two_minutes,];

/// Without a node lease this fails after 50 s.
async fn a_ready_deployment_and_its_node_stay_so_for_two_minutes() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "held").await?;
    let api = create::<Deployment>(cluster, &namespace, deployment("web", 2, "nginx:1.27")).await?;
    until(&api, "web", "two ready", |web| web["status"]["readyReplicas"] == 2).await?;
    let kubectl = cluster.kubectl(cluster.admin());
    let lost =
        ["wait", "--for=condition=Available=False", "deployment/web", "--timeout=120s", "-n", &namespace];
    let said = tokio::task::spawn_blocking({
        let (kubectl, lost) = (kubectl.clone(), lost.map(str::to_owned));
        move || kubectl.run(&lost.each_ref().map(String::as_str))
    });
    let error = said.await?.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(error.contains("timed out"), "the Deployment was lost: {error}");
    let nodes: Api<Node> = Api::all(cluster.admin().client()?);
    until(&nodes, "played", "Ready", |node| condition(node, "Ready") == "True").await?;
    let restarted: i64 = pods(cluster, &namespace, "web")
        .await?
        .iter()
        .filter_map(|pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64())
        .sum();
    ensure!(restarted == 0, "{restarted} restarts");
    Ok(())
}
