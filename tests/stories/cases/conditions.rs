//! What people and tools that wait for conditions see.

use anyhow::{Result, ensure};
use control_plane::eventually;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::helm::helm_install;
use support::objects::deployment;
use support::waits::condition;
use support::{Project, SOON, in_project, same};

support::stories![
    a_fresh_release_and_a_fresh_environment_are_not_ready,
    kubectl_wait_for_verified_ends_with_the_last_environment_and_not_before,
    a_release_is_never_ready_between_two_environments_whose_gates_are_open,
    helm_install_with_wait_ends_when_the_release_is_verified,
    helm_install_with_wait_fails_as_soon_as_the_release_is_stalled,
    a_release_without_anywhere_to_go_says_so,
    an_environment_that_names_an_unknown_one_says_which_and_works_once_it_exists,
    each_transition_is_one_event,
];

async fn a_fresh_release_and_a_fresh_environment_are_not_ready() -> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
    for (plural, name) in [("releases", release.as_str()), ("environments", "prod")] {
        let found = project.ours(plural, name).await?;
        same("observed generation", found["status"]["observedGeneration"].as_i64(), Some(-1))?;
        same("Ready", condition(&found, "Ready").is_none_or(|ready| ready["status"] != "True"), true)?;
    }
    Ok(())
}

async fn kubectl_wait_for_verified_ends_with_the_last_environment_and_not_before() -> Result<()> {
    let environments = [json!({ "name": "staging" }), json!({ "name": "prod", "after": ["staging"] })];
    in_project(&environments, async |project| {
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let (kubectl, name) = (project.kubectl(), project.name.clone());
        let object = format!("release/{release}");
        let waited = tokio::task::spawn_blocking(move || {
            kubectl.run(&["wait", "--for=condition=Verified", &object, "-n", &name, "--timeout=120s"])
        });
        waited.await??;
        let prod = project.ours("promotions", &format!("prod-{release}")).await?;
        same("prod", prod["status"]["phase"].as_str(), Some("Verified"))
    })
    .await
}

async fn a_release_is_never_ready_between_two_environments_whose_gates_are_open() -> Result<()> {
    let environments = [json!({ "name": "staging" }), json!({ "name": "prod", "after": ["staging"] })];
    in_project(&environments, async |project| {
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let path = format!("/apis/towpath.dev/v1alpha1/namespaces/{}/releases?watch=true", project.name);
        let seen = watched(project, &path, &release).await?;
        let early = seen.iter().any(|it| is(it, "Ready") && !is(it, "Verified"));
        let words: Vec<_> = seen.iter().map(|it| it["status"]["summary"].clone()).collect();
        ensure!(!early, "ready before verified: {words:?}");
        Ok(())
    })
    .await
}

fn is(object: &Value, wanted: &str) -> bool {
    condition(object, wanted).is_some_and(|found| found["status"] == "True")
}

/// Every state of a release until it is verified.
async fn watched(project: &Project, path: &str, release: &str) -> Result<Vec<Value>> {
    use futures::{AsyncBufReadExt, StreamExt};
    let request = http::Request::get(path).body(Vec::new())?;
    let mut lines = project.client().request_stream(request).await?.lines();
    let mut seen = Vec::new();
    let all = async {
        while let Some(line) = lines.next().await {
            let event: Value = serde_json::from_str(&line?)?;
            let object = event["object"].clone();
            if object["metadata"]["name"] != release {
                continue;
            }
            let over = is(&object, "Verified");
            seen.push(object);
            if over {
                break;
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(SOON, all).await??;
    Ok(seen)
}

/// `helm install --wait` of an Environment and a Release into the project; gives how it ended, and when.
async fn delivered_by_helm(project: &Project, tag: &str) -> Result<(Result<()>, Instant)> {
    let target = project.target("prod");
    project.post("/api/v1/namespaces", json!({ "metadata": { "name": target } })).await?;
    project.consent("prod", "towpath-deploy").await?;
    let objects = [
        json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Environment", "metadata": { "name": "prod" },
            "spec": { "namespace": target, "rollbackPolicyRef": "quick" },
        }),
        json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Release", "metadata": { "name": "shop-1.0.0" },
            "spec": {
                "application": "shop", "version": "1.0.0", "source": { "manifests": [deployment("web", tag, None)] },
            },
        }),
    ];
    let waiting = ["--wait", "--timeout", "120s"];
    let ended = helm_install(project, &project.name, "delivery", &objects, &waiting).await;
    Ok((ended, Instant::now()))
}

async fn helm_install_with_wait_ends_when_the_release_is_verified() -> Result<()> {
    in_project(&[], async |project| {
        delivered_by_helm(project, "v1").await?.0?;
        let found = project.ours("releases", "shop-1.0.0").await?;
        same("Verified", is(&found, "Verified"), true)
    })
    .await
}

async fn helm_install_with_wait_fails_as_soon_as_the_release_is_stalled() -> Result<()> {
    in_project(&[], async |project| {
        let stalled = async {
            eventually("the release", SOON, async || {
                project.get(&project.path("releases", "shop-1.0.0")).await
            })
            .await?;
            project.condition("releases", "shop-1.0.0", "Stalled", "True", "RolledBack").await?;
            anyhow::Ok(Instant::now())
        };
        let (told, delivered) = tokio::join!(stalled, delivered_by_helm(project, "v1-crash-loop"));
        let (told, (ended, at)) = (told?, delivered?);
        let message = ended.err().map(|error| format!("{error:#}")).unwrap_or_default();
        same(&message, message.contains("shop-1.0.0"), true)?;
        let later = at.saturating_duration_since(told);
        ensure!(later < Duration::from_secs(30), "helm waited {later:?} for a release that had failed");
        Ok(())
    })
    .await
}

async fn a_release_without_anywhere_to_go_says_so() -> Result<()> {
    in_project(&[], async |project| {
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.condition("releases", &release, "Reconciling", "True", "NoEnvironment").await?;
        project.environment(&json!({ "name": "prod" })).await?;
        project.condition("releases", &release, "Verified", "True", "").await.map(drop)
    })
    .await
}

async fn an_environment_that_names_an_unknown_one_says_which_and_works_once_it_exists() -> Result<()> {
    in_project(&[json!({ "name": "prod", "after": ["staging"] })], async |project| {
        let found = project.condition("environments", "prod", "Ready", "False", "UnknownEnvironment").await?;
        let message = found["status"]["message"].as_str().unwrap_or_default();
        same(message, message.contains("staging"), true)?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.environment(&json!({ "name": "staging" })).await?;
        project.condition("releases", &release, "Verified", "True", "").await.map(drop)
    })
    .await
}

async fn each_transition_is_one_event() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let second = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", project.name);
        let wanted = ["PromotionFailed", "RolledBack", "RolledOut", "Verified"];
        let events = eventually("the events", SOON, async || {
            let found = project.get(&path).await?.unwrap_or_default();
            let events = found["items"].as_array().cloned().unwrap_or_default();
            let has = |reason: &str| events.iter().any(|event| event["reason"] == reason);
            Ok(wanted.iter().all(|reason| has(reason)).then_some(events.clone()))
        })
        .await?;
        for reason in ["PromotionFailed", "RolledBack"] {
            same(reason, events.iter().filter(|event| event["reason"] == reason).count(), 1)?;
        }
        Ok(())
    })
    .await
}
