//! What runs is captured, goes elsewhere, and is the same there.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use support::helm::helm_install;
use support::objects::{Object, config, daemon_set, deployment, service, stateful_set, with};
use support::{Project, in_project, merge, same};

support::stories![
    what_is_captured_promoted_and_captured_again_is_the_same_content,
    an_application_of_a_dozen_deployments_is_captured_without_a_selector,
    an_application_that_helm_deployed_is_captured_without_the_marks_of_helm,
    a_workload_that_crashes_in_the_source_is_named_and_the_capture_is_given_up,
];

fn account(name: &str) -> Object {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } })
}

/// An object of each kind that a capture lists, where nothing but its spec matters.
fn everything() -> Vec<Object> {
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" },
        "spec": { "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": { "spec": {
            "restartPolicy": "Never",
            "containers": [{ "name": "app", "image": "registry.example/shop:v1" }],
        } } } } },
    });
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
        "spec": {
            "minReplicas": 1, "maxReplicas": 5,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        },
    });
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "web" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    });
    let network = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "web" },
        "spec": { "podSelector": { "matchLabels": { "app": "web" } }, "ingress": [{}] },
    });
    // Of no host, which would have to be another one elsewhere.
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web" },
        "spec": { "defaultBackend": { "service": { "name": "web", "port": { "number": 80 } } } },
    });
    let in_account = json!({ "spec": { "template": { "spec": { "serviceAccountName": "web" } } } });
    vec![
        account("web"),
        config("web-config", "hello"),
        config("unnamed", "nothing refers to it"),
        service("web"),
        with(service("nodes"), json!({ "spec": { "type": "NodePort" } })),
        service("cache"),
        with(deployment("web", "v1", Some("web-config")), in_account),
        stateful_set("cache", "v1", None),
        daemon_set("agent", "v1"),
        cron,
        scaler,
        budget,
        network,
        ingress,
    ]
}

/// Waits until everything that was applied manually runs.
async fn runs(project: &Project, environment: &str) -> Result<()> {
    project.settled(environment, "deployments", "web").await?;
    project.settled(environment, "statefulsets", "cache").await
}

/// Captures an environment; gives the digest.
async fn digest_of(project: &Project, version: &str, environment: &str, until: &str) -> Result<String> {
    let spec = json!({ "source": { "environment": { "name": environment } }, "until": until });
    let release = project.release_of("shop", version, spec).await?;
    let found =
        project.until("releases", &release, "captured", |it| it["status"]["digest"].is_string()).await?;
    Ok(found["status"]["digest"].as_str().context("no digest")?.to_owned())
}

async fn what_is_captured_promoted_and_captured_again_is_the_same_content() -> Result<()> {
    let environments =
        [json!({ "name": "dev", "delivery": "Observed" }), json!({ "name": "staging", "after": ["dev"] })];
    in_project(&environments, async |project| {
        project.apply("dev", &everything())?;
        runs(project, "dev").await?;
        let first = digest_of(project, "1.0.0", "dev", "staging").await?;
        project.condition("releases", "shop-1.0.0", "Verified", "True", "").await?;
        runs(project, "staging").await?;
        let again = digest_of(project, "1.0.1", "staging", "dev").await?;
        same("digest", again, first)
    })
    .await
}

/// A dozen Deployments, each with its Service and its ServiceAccount.
fn dozen(tag: &str) -> Vec<Object> {
    (0..12)
        .flat_map(|number| {
            let name = format!("part-{number}");
            let mut part = deployment(&name, tag, None);
            merge(
                &mut part,
                &json!({ "spec": {
                "replicas": 1, "template": { "spec": { "serviceAccountName": name } },
            } }),
            );
            [account(&name), service(&name), part]
        })
        .collect()
}

/// A whole namespace goes from dev to staging, and back out of it after a bad edition.
async fn all_arrive(project: &Project) -> Result<()> {
    for number in 0..12 {
        project.settled("dev", "deployments", &format!("part-{number}")).await?;
    }
    let release = project.capture("1.0.0", "dev").await?;
    let found = project.condition("releases", &release, "Verified", "True", "").await?;
    same("pinned", found["status"]["images"][0]["pinned"].is_string(), true)?;
    for number in 0..12 {
        let name = format!("part-{number}");
        project.settled("staging", "deployments", &name).await?;
        let live = project.here("staging", "deployments", &name).await?;
        let account = live["spec"]["template"]["spec"]["serviceAccountName"].as_str();
        same("account", account, Some(name.as_str()))?;
        project.here("staging", "services", &name).await?;
        project.here("staging", "serviceaccounts", &name).await?;
    }
    Ok(())
}

fn dev_and_staging() -> [Value; 2] {
    [json!({ "name": "dev", "delivery": "Observed" }), json!({ "name": "staging", "after": ["dev"] })]
}

async fn an_application_of_a_dozen_deployments_is_captured_without_a_selector() -> Result<()> {
    in_project(&dev_and_staging(), async |project| {
        project.apply("dev", &dozen("v1"))?;
        all_arrive(project).await
    })
    .await
}

async fn an_application_that_helm_deployed_is_captured_without_the_marks_of_helm() -> Result<()> {
    in_project(&dev_and_staging(), async |project| {
        let labels = json!({ "metadata": { "labels": {
            "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "shop",
            "app.kubernetes.io/name": "shop",
        } } });
        let objects: Vec<Object> =
            dozen("v1").into_iter().map(|object| with(object, labels.clone())).collect();
        helm_install(project, &project.target("dev"), "shop", &objects, &[]).await?;
        all_arrive(project).await?;
        let live = project.here("staging", "deployments", "part-0").await?;
        let meta = &live["metadata"];
        same("Helm's label", meta["labels"]["app.kubernetes.io/managed-by"].is_null(), true)?;
        same("a label of the author's", meta["labels"]["app.kubernetes.io/name"].as_str(), Some("shop"))?;
        let marks = meta["annotations"].to_string();
        same("Helm's annotations", marks.contains("meta.helm.sh"), false)
    })
    .await
}

async fn a_workload_that_crashes_in_the_source_is_named_and_the_capture_is_given_up() -> Result<()> {
    let dev = json!({ "name": "dev", "rollbackPolicyRef": "hurried", "promotion": "Manual" });
    in_project(&[dev], async |project| {
        project.policy("hurried", json!({ "failing": { "progressDeadlineSeconds": 25 } })).await?;
        let labelled =
            with(deployment("web", "v1", None), json!({ "metadata": { "labels": { "part": "shop" } } }));
        project.apply("dev", &[labelled, deployment("api", "v1-crash-loop", None)])?;
        project.settled("dev", "deployments", "web").await?;
        let message = |it: &Value| it["status"]["message"].as_str().unwrap_or_default().to_owned();
        let release = project.capture("1.0.0", "dev").await?;
        let words =
            ["Deployment api in dev is failing since ", "CrashLoopBackOff", "selector", "given up at"];
        let says = |it: &Value| words.iter().all(|word| message(it).contains(word));
        project.until("releases", &release, "says what fails", says).await?;
        project.condition("releases", &release, "Stalled", "True", "CaptureDeadlineExceeded").await?;
        // What settles later is not what was released.
        project.apply("dev", &[deployment("api", "v1", None)])?;
        project.settled("dev", "deployments", "api").await?;
        let source =
            json!({ "source": { "environment": { "name": "dev", "selector": { "part": "shop" } } } });
        let part = project.release_of("shop", "1.0.1", source).await?;
        let captured = |it: &Value| it["status"]["content"].is_string();
        project.until("releases", &part, "is captured", captured).await?;
        let given_up = project.ours("releases", &release).await?;
        same("content", given_up["status"]["content"].is_null(), true)
    })
    .await
}
