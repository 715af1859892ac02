//! Does the application run as its image says, and does the kubelet report it?

use anyhow::{Result, ensure};
use control_plane::{Image, eventually};
use serde_json::{Value, json};

use super::real_node::{Place, SOON, pod_spec};

support::node_stories![
    a_deployment_runs_the_image_of_the_registry_and_answers_what_it_sees,
    a_crash_is_a_crash_loop_with_the_last_words_of_the_process,
    a_single_crash_at_the_start_is_one_restart,
    a_slow_start_is_not_ready_and_no_restart,
    readiness_that_is_lost_is_no_restart,
    memory_beyond_the_limit_is_oom_killed,
    an_image_that_the_registry_lacks_cannot_be_pulled,
    a_configuration_that_is_not_there_keeps_the_container_from_being_made,
    a_command_that_is_not_there_cannot_be_started,
    a_job_fails_with_the_code_and_the_message_of_its_process,
];

fn waits_for(reason: &str) -> impl Fn(&Value) -> bool {
    move |container| container["state"]["waiting"]["reason"] == reason
}

async fn a_deployment_runs_the_image_of_the_registry_and_answers_what_it_sees() -> Result<()> {
    let place = Place::new("serve").await?;
    let image = Image::of("app", "v1");
    let pushed = place.node.push(&image).await?;
    let mut spec = pod_spec(&image.name());
    spec["volumes"] = json!([{ "name": "config", "configMap": { "name": "config" } }]);
    let container = &mut spec["containers"][0];
    container["volumeMounts"] = json!([{ "name": "config", "mountPath": "/config" }]);
    container["envFrom"] = json!([{ "configMapRef": { "name": "config" } }]);
    container["env"] = json!([{ "name": "CONFIG_FILE", "value": "/config/GREETING" }]);
    place.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "config" }, "data": { "GREETING": "hello" },
    }))?;
    place.apply(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": spec },
        },
    }))?;
    eventually("two ready pods", SOON, async || {
        Ok((place.list("deployments")?[0]["status"]["readyReplicas"] == 2).then_some(()))
    })
    .await?;
    for pod in place.list("pods")? {
        ensure!(pod["spec"]["nodeName"] == "real", "{pod:#}");
        ensure!(
            pod["status"]["containerStatuses"][0]["imageID"] == *pushed,
            "{pushed} is not run by {pod:#}"
        );
        let said = place.asks(&pod).await?;
        ensure!(said == json!({ "version": "v1", "greeting": "hello", "file": "hello" }), "{said:#}");
    }
    Ok(())
}

async fn a_crash_is_a_crash_loop_with_the_last_words_of_the_process() -> Result<()> {
    let place = Place::new("crash").await?;
    let image = Image::of("app", "crash").with("CRASH_AFTER", "0");
    let seen = place.fares(&image, json!({}), "a crash loop", waits_for("CrashLoopBackOff")).await?;
    let last = &seen["lastState"]["terminated"];
    ensure!(last["exitCode"] == 1 && last["reason"] == "Error", "{seen:#}");
    ensure!(last["message"] == "crashed as told", "{seen:#}");
    Ok(())
}

async fn a_single_crash_at_the_start_is_one_restart() -> Result<()> {
    let place = Place::new("once").await?;
    let image = Image::of("app", "once").with("CRASH_ONCE", "/dev/shm/crashed");
    // The container's own files are gone with it; the sandbox keeps its shared memory.
    let seen = place.fares(&image, json!({}), "ready", |container| container["ready"] == true).await?;
    ensure!(seen["restartCount"] == 1, "{seen:#}");
    Ok(())
}

async fn a_slow_start_is_not_ready_and_no_restart() -> Result<()> {
    let place = Place::new("slow").await?;
    let image = Image::of("app", "slow").with("START_AFTER", "15");
    let running = |container: &Value| container["state"]["running"].is_object();
    let seen = place.fares(&image, json!({}), "running", running).await?;
    ensure!(seen["ready"] == false, "{seen:#}");
    let seen = place.container("ready", |container| container["ready"] == true).await?;
    ensure!(seen["restartCount"] == 0, "{seen:#}");
    Ok(())
}

async fn readiness_that_is_lost_is_no_restart() -> Result<()> {
    let place = Place::new("unready").await?;
    let image = Image::of("app", "unready").with("UNREADY_AFTER", "20");
    place.fares(&image, json!({}), "ready", |container| container["ready"] == true).await?;
    let seen = place.container("unready", |container| container["ready"] == false).await?;
    ensure!(seen["restartCount"] == 0 && seen["state"]["running"].is_object(), "{seen:#}");
    Ok(())
}

async fn memory_beyond_the_limit_is_oom_killed() -> Result<()> {
    let place = Place::new("oom").await?;
    let image = Image::of("app", "oom").with("EAT_MEMORY_AFTER", "0");
    let limit = json!({ "resources": { "limits": { "memory": "32Mi" } } });
    let seen = place.fares(&image, limit, "a crash loop", waits_for("CrashLoopBackOff")).await?;
    let last = &seen["lastState"]["terminated"];
    ensure!(last["exitCode"] == 137 && last["reason"] == "OOMKilled", "{seen:#}");
    Ok(())
}

async fn an_image_that_the_registry_lacks_cannot_be_pulled() -> Result<()> {
    let place = Place::new("pull").await?;
    place.node.push(&Image::of("app", "v1")).await?;
    let missing = json!({ "image": Image::of("app", "missing").name() });
    let image = Image::of("app", "v1");
    let seen = place.fares(&image, missing, "a failed pull", waits_for("ImagePullBackOff")).await?;
    ensure!(seen["imageID"] == "" && seen["state"]["waiting"]["message"].is_string(), "{seen:#}");
    Ok(())
}

async fn a_configuration_that_is_not_there_keeps_the_container_from_being_made() -> Result<()> {
    let place = Place::new("config").await?;
    let reference = json!({ "env": [{
        "name": "GREETING", "valueFrom": { "configMapKeyRef": { "name": "kube-root-ca.crt", "key": "missing" } },
    }] });
    let wanted = waits_for("CreateContainerConfigError");
    let seen = place.fares(&Image::of("app", "v1"), reference, "no container", wanted).await?;
    let message = seen["state"]["waiting"]["message"].as_str().unwrap_or_default();
    ensure!(message.contains("couldn't find key missing"), "{seen:#}");
    Ok(())
}

async fn a_command_that_is_not_there_cannot_be_started() -> Result<()> {
    let place = Place::new("command").await?;
    let wrong = json!({ "command": ["/nonexistent"] });
    let seen =
        place.fares(&Image::of("app", "v1"), wrong, "a crash loop", waits_for("CrashLoopBackOff")).await?;
    let last = &seen["lastState"]["terminated"];
    ensure!(last["reason"] == "StartError" && last["exitCode"] == 128, "{seen:#}");
    Ok(())
}

async fn a_job_fails_with_the_code_and_the_message_of_its_process() -> Result<()> {
    let place = Place::new("job").await?;
    let image = Image::of("app", "job")
        .running(&["job"])
        .with("EXIT_CODE", "3")
        .with("EXIT_MESSAGE", "no such table");
    place.node.push(&image).await?;
    let mut spec = pod_spec(&image.name());
    spec["restartPolicy"] = json!("Never");
    spec["containers"][0]["readinessProbe"].take();
    place.apply(&json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "migrate" },
        "spec": { "backoffLimit": 0, "template": { "spec": spec } },
    }))?;
    eventually("the Job to fail", SOON, async || {
        let conditions = place.list("jobs")?[0]["status"]["conditions"].clone();
        let failed = |condition: &Value| condition["type"] == "Failed" && condition["status"] == "True";
        Ok(conditions.as_array().into_iter().flatten().any(failed).then_some(()))
    })
    .await?;
    let seen = place.container("ended", |container| container["state"]["terminated"].is_object()).await?;
    let end = &seen["state"]["terminated"];
    ensure!(
        end["exitCode"] == 3 && end["reason"] == "Error" && end["message"] == "no such table",
        "{seen:#}"
    );
    Ok(())
}
