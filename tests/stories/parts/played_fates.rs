//! Does a pod fare as its manifest says, and look like a kubelet's report?

use std::time::Duration;

use anyhow::{Result, ensure};
use control_plane::{eventually, image_id};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::installation::{control_plane, namespace};

use super::objects::{SOON, condition, create, until};

support::stories![
    every_fate_is_played_whether_annotated_or_named_by_the_image,
    a_new_image_changes_the_fate_of_a_deployment,
    a_living_pod_can_be_broken_healed_and_deleted,
    only_the_container_with_the_bad_image_fails_and_init_containers_are_done,
    a_pod_that_fits_no_node_stays_unscheduled,
    the_image_id_follows_from_the_image,
];

/// What each fate looks like, in order: phase, state of the container, restarts, how it ended last.
const FATES: [(&str, &[&str]); 14] = [
    ("ready", &["Running ready 0 -"]),
    ("ready-after", &["Pending ContainerCreating 0 -", "Running ready 0 -"]),
    ("never-ready", &["Pending ContainerCreating 0 -"]),
    ("crash-loop", &["Running CrashLoopBackOff 1 Error/1", "Running CrashLoopBackOff 2 Error/1"]),
    ("oom-kill", &["Running CrashLoopBackOff 1 OOMKilled/137"]),
    ("image-error", &["Pending ErrImagePull 0 -", "Pending ImagePullBackOff 0 -"]),
    ("config-error", &["Pending CreateContainerConfigError 0 -"]),
    ("crash-after-ready", &["Running ready 0 -", "Running CrashLoopBackOff 1 Error/1"]),
    ("exit-zero", &["Running ready 0 -", "Running CrashLoopBackOff 1 Completed/0"]),
    ("unready-after-ready", &["Running ready 0 -", "Running unready 0 -"]),
    ("flapping", &["Running ready 0 -", "Running unready 0 -", "Running ready 0 -"]),
    ("restart-once-then-ready", &["Running unready 1 Error/1", "Running ready 1 Error/1"]),
    ("job-success", &["Running ready 0 -", "Succeeded Completed 0 -"]),
    ("job-failure", &["Running ready 0 -", "Failed Error 0 -"]),
];

fn glance(pod: &Value) -> String {
    let container = &pod["status"]["containerStatuses"][0];
    let state = &container["state"];
    let shown = match (&state["waiting"]["reason"], &state["terminated"]["reason"]) {
        (Value::String(reason), _) | (_, Value::String(reason)) => reason,
        _ if container["ready"] == true => "ready",
        _ => "unready",
    };
    let last = &container["lastState"]["terminated"];
    let last = match last["reason"].as_str() {
        None => "-".into(),
        Some(reason) => format!("{reason}/{}", last["exitCode"]),
    };
    format!("{} {shown} {} {last}", pod["status"]["phase"].as_str().unwrap_or("?"), container["restartCount"])
}

async fn fares(pods: &Api<Pod>, name: &str, expected: &[&str]) -> Result<()> {
    for wanted in expected {
        let pod = until(pods, name, wanted, |pod| glance(pod) == *wanted).await?;
        let container = &pod["status"]["containerStatuses"][0];
        ensure!(
            (condition(&pod, "Ready") == "True") == (container["ready"] == true),
            "{name}: Ready differs: {pod:#}"
        );
        ensure!(condition(&pod, "ContainersReady") == condition(&pod, "Ready"), "{name}: {pod:#}");
        ensure!(
            pod["status"]["startTime"].is_string()
                && (pod["status"]["podIP"].is_string() || wanted.contains("ContainerCreating")),
            "{name}: {pod:#}"
        );
        ensure!(
            condition(&pod, "PodScheduled") == "True" && condition(&pod, "Initialized") == "True",
            "{name}: {pod:#}"
        );
    }
    Ok(())
}

fn pod(name: &str, annotations: Value, image: &str) -> Value {
    json!({
        "metadata": { "name": name, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": image }], "restartPolicy": "Always" },
    })
}

async fn every_fate_is_played_whether_annotated_or_named_by_the_image() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "fates").await?;
    let mut running = Vec::new();
    for (fate, expected) in FATES {
        for named_by_image in [false, true] {
            let (name, mut notes, image) = match named_by_image {
                false => (fate.to_owned(), json!({ "fate.towpath.dev/pod": fate }), "acme/app:1".to_owned()),
                true => (format!("{fate}-image"), json!({}), format!("acme/app:v1-{fate}")),
            };
            notes["fate.towpath.dev/seconds"] = json!("10");
            let pods = create::<Pod>(cluster, &namespace, pod(&name, notes, &image)).await?;
            running.push(tokio::spawn(async move { fares(&pods, &name, expected).await }));
        }
    }
    for fate in running {
        fate.await??;
    }
    Ok(())
}

async fn a_new_image_changes_the_fate_of_a_deployment() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "set-image").await?;
    let kubectl = cluster.kubectl(cluster.admin());
    kubectl.run(&["create", "deployment", "web", "--image=acme/web:1", "-n", &namespace])?;
    kubectl.run(&["rollout", "status", "deployment/web", "-n", &namespace, "--timeout=120s"])?;
    kubectl.run(&["set", "image", "deployment/web", "*=acme/web:2-crash-loop", "-n", &namespace])?;
    eventually("a crashing pod beside the old one", SOON, async || {
        let pods = super::objects::pods(cluster, &namespace, "web").await?;
        let mut seen: Vec<_> = pods.iter().map(glance).collect();
        seen.sort();
        Ok((seen == ["Running CrashLoopBackOff 1 Error/1", "Running ready 0 -"]).then_some(()))
    })
    .await
}

async fn a_living_pod_can_be_broken_healed_and_deleted() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "heal").await?;
    let pods = create::<Pod>(cluster, &namespace, pod("a", json!({}), "acme/app:1")).await?;
    fares(&pods, "a", &["Running ready 0 -"]).await?;
    let annotate = async |fate: &str| {
        let notes = json!({ "fate.towpath.dev/pod": fate, "fate.towpath.dev/seconds": "0" });
        let patch = json!({ "metadata": { "annotations": notes } });
        pods.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await
    };
    annotate("crash-after-ready").await?;
    fares(&pods, "a", &["Running CrashLoopBackOff 1 Error/1"]).await?;
    annotate("ready").await?;
    fares(&pods, "a", &["Running ready 1 Error/1"]).await?;
    pods.delete("a", &DeleteParams::default()).await?;
    eventually("the pod to be gone", Duration::from_secs(60), async || {
        Ok(pods.get_opt("a").await?.is_none().then_some(()))
    })
    .await
}

async fn only_the_container_with_the_bad_image_fails_and_init_containers_are_done() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "sidecar").await?;
    let mut object = pod("a", json!({}), "acme/app:v2-image-error");
    let app = object["spec"]["containers"][0].take();
    object["spec"]["containers"] = json!([app, { "name": "sidecar", "image": "acme/proxy:1" }]);
    object["spec"]["initContainers"] = json!([{ "name": "migrate", "image": "acme/migrate:1" }]);
    let pods = create::<Pod>(cluster, &namespace, object).await?;
    let seen = until(&pods, "a", "a failing pull", |pod| glance(pod) == "Running ErrImagePull 0 -").await?;
    ensure!(seen["status"]["containerStatuses"][1]["ready"] == true, "{seen:#}");
    ensure!(condition(&seen, "Ready") == "False", "{seen:#}");
    let init = &seen["status"]["initContainerStatuses"][0];
    ensure!(init["state"]["terminated"]["reason"] == "Completed", "{seen:#}");
    Ok(())
}

async fn a_pod_that_fits_no_node_stays_unscheduled() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "nowhere").await?;
    let mut object = pod("a", json!({}), "acme/app:1");
    object["spec"]["nodeSelector"] = json!({ "fate.towpath.dev/nowhere": "true" });
    let pods = create::<Pod>(cluster, &namespace, object).await?;
    until(&pods, "a", "not scheduled", |pod| condition(pod, "PodScheduled") == "False").await.map(drop)
}

async fn the_image_id_follows_from_the_image() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "images").await?;
    let given = format!("ghcr.io/acme/app@sha256:{}", "ab".repeat(32));
    let images =
        ["nginx", "nginx:1.27", "acme/app:1", "localhost:5000/app", "ghcr.io/acme/app:1", given.as_str()];
    for (index, image) in images.iter().enumerate() {
        let name = format!("image-{index}");
        let pods = create::<Pod>(cluster, &namespace, pod(&name, json!({}), image)).await?;
        let seen = until(&pods, &name, "ready", |pod| condition(pod, "Ready") == "True").await?;
        let reported = seen["status"]["containerStatuses"][0]["imageID"].as_str().unwrap_or_default();
        ensure!(reported == image_id(image), "{image}: {reported} is not {}", image_id(image));
    }
    Ok(())
}
