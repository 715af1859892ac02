//! What is deleted while it is in use: releases, target namespaces, projects.

use anyhow::Result;
use control_plane::eventually;
use http::Method;
use serde_json::{Value, json};
use support::objects::{deployment, image, service};
use support::{Project, SOON, in_project, same, with_own_controller};

support::stories![
    a_release_that_is_deleted_on_its_way_is_finished_there_and_promoted_nowhere_else,
    a_verified_release_that_a_person_takes_back_is_verified_no_more,
    a_rollback_that_is_refused_says_nothing_about_the_release,
    a_rollback_restores_what_a_revision_changed_that_history_has_forgotten,
    a_verified_release_that_is_deleted_stays_where_it_is_and_can_be_gone_back_to,
    a_target_namespace_that_was_recreated_gets_the_release_again,
    a_project_namespace_that_is_deleted_goes_and_what_runs_stays,
    an_object_that_a_release_lacks_goes_and_comes_back_with_the_rollback,
];

fn web(tag: &str) -> [Value; 2] {
    [service("web"), deployment("web", tag, None)]
}

async fn verified(project: &Project, version: &str, tag: &str) -> Result<String> {
    let release = project.release(version, &web(tag)).await?;
    project.ended(&format!("prod-{release}"), "Verified").await?;
    Ok(release)
}

async fn delete_namespace(project: &Project, name: &str) -> Result<()> {
    let path = format!("/api/v1/namespaces/{name}");
    project.send(Method::DELETE, &path, "application/json", json!({})).await?;
    eventually("the namespace to go", SOON, async || Ok(project.get(&path).await?.is_none().then_some(())))
        .await
}

async fn a_release_that_is_deleted_on_its_way_is_finished_there_and_promoted_nowhere_else() -> Result<()> {
    let environments = [json!({ "name": "staging" }), json!({ "name": "prod", "after": ["staging"] })];
    in_project(&environments, async |project| {
        let first = project.release("1.0.0", &web("v1")).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let before = project.snapshot("prod").await?;
        let mut slow = web("v2-ready-after");
        slow[1]["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": "25" });
        let second = project.release("2.0.0", &slow).await?;
        project.in_phase(&format!("staging-{second}"), "Promoting").await?;
        // The built-in role edit may delete a Release. It does not include the verb rollback.
        let eve = project.person("eve", &[], &[]).await?;
        let binding = json!({
            "metadata": { "name": "eve-edits" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit" },
            "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve" }],
        });
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", project.name);
        project.post(&path, binding).await?;
        eventually("eve to delete it", SOON, async || {
            Ok(eve.delete(project, "releases", &second).await.ok())
        })
        .await?;
        project.ended(&format!("staging-{second}"), "Verified").await?;
        same("staging", project.image_of("staging", "deployments", "web").await?, image("v2-ready-after"))?;
        let started = project.get(&project.path("promotions", &format!("prod-{second}"))).await?;
        same("a promotion to prod", started, None)?;
        same("everything of prod", project.snapshot("prod").await?, before)?;
        project.condition("environments", "staging", "Ready", "True", "").await.map(drop)
    })
    .await
}

async fn a_verified_release_that_a_person_takes_back_is_verified_no_more() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        verified(project, "1.0.0", "v1").await?;
        let second = verified(project, "2.0.0", "v2").await?;
        project.condition("releases", &second, "Verified", "True", "").await?;
        let back = json!({
            "release": second, "environment": "prod", "kind": "Rollback", "reason": "prices are wrong",
        });
        project.promotion("back", back).await?;
        project.ended("back", "Verified").await?;
        let found = project.condition("releases", &second, "Verified", "False", "RolledBack").await?;
        same(
            "why",
            found["status"]["message"].as_str(),
            Some("prod: rolled back by back: prices are wrong"),
        )?;
        project.condition("releases", &second, "Stalled", "True", "RolledBack").await?;
        // What a person puts back is verified again.
        project.promotion("again", json!({ "release": second, "environment": "prod" })).await?;
        project.ended("again", "Verified").await?;
        project.condition("releases", &second, "Verified", "True", "").await.map(drop)
    })
    .await
}

async fn a_rollback_that_is_refused_says_nothing_about_the_release() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let first = verified(project, "1.0.0", "v1").await?;
        let wrong = json!({ "release": first, "environment": "prod", "kind": "Rollback", "toRevision": 9 });
        project.promotion("wrong", wrong).await?;
        project.ended("wrong", "Failed").await?;
        project.quiet().await?;
        let found = project.ours("releases", &first).await?;
        same("the release", found["status"]["phase"].as_str(), Some("Verified"))
    })
    .await
}

async fn a_rollback_restores_what_a_revision_changed_that_history_has_forgotten() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod", "historyLimit": 2 })], async |project| {
        let mut newest = String::new();
        // Only the second touches the worker.
        for (version, web, worker) in [
            ("1.0.0", "v1", "v1"),
            ("2.0.0", "v1", "v2"),
            ("3.0.0", "v2", "v2"),
            ("4.0.0", "v3", "v2"),
            ("5.0.0", "v4", "v2"),
        ] {
            let content = [deployment("web", web, None), deployment("worker", worker, None)];
            newest = project.release(version, &content).await?;
            project.condition("releases", &newest, "Verified", "True", "").await?;
        }
        project.quiet().await?;
        same(
            "the second revision",
            project.get(&project.path("promotions", "prod-shop-2.0.0")).await?,
            None,
        )?;
        let back = json!({ "release": newest, "environment": "prod", "kind": "Rollback", "toRevision": 1 });
        project.promotion("back", back).await?;
        project.ended("back", "Verified").await?;
        same("web", project.image_of("prod", "deployments", "web").await?, image("v1"))?;
        same("worker", project.image_of("prod", "deployments", "worker").await?, image("v1"))
    })
    .await
}

async fn a_verified_release_that_is_deleted_stays_where_it_is_and_can_be_gone_back_to() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = verified(project, "1.0.0", "v1").await?;
        let before = project.snapshot("prod").await?;
        project.delete("releases", &first).await?;
        let second = project.release("2.0.0", &web("v2-crash-loop")).await?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        same("everything of prod", project.snapshot("prod").await?, before)
    })
    .await
}

async fn a_target_namespace_that_was_recreated_gets_the_release_again() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        verified(project, "1.0.0", "v1").await?;
        let target = project.target("prod");
        delete_namespace(project, &target).await?;
        project.condition("environments", "prod", "Ready", "False", "NamespaceMissing").await?;
        project.post("/api/v1/namespaces", json!({ "metadata": { "name": target } })).await?;
        project.condition("environments", "prod", "Ready", "False", "NotGranted").await?;
        project.consent("prod", "towpath-deploy").await?;
        eventually("the workload", SOON, async || project.live("prod", "deployments", "web").await).await?;
        project.settled("prod", "deployments", "web").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))?;
        project.condition("environments", "prod", "Ready", "True", "").await.map(drop)
    })
    .await
}

async fn a_project_namespace_that_is_deleted_goes_and_what_runs_stays() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        verified(project, "1.0.0", "v1").await?;
        delete_namespace(project, &project.name).await?;
        project.settled("prod", "deployments", "web").await?;
        same("alive", project.operator(|operator| operator.is_alive())?, true)
    })
    .await
}

async fn an_object_that_a_release_lacks_goes_and_comes_back_with_the_rollback() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let both =
            [service("web"), service("old"), deployment("web", "v1", None), deployment("old", "v1", None)];
        let first = project.release("1.0.0", &both).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let before = project.snapshot("prod").await?;
        let second = verified(project, "2.0.0", "v2").await?;
        eventually("the Deployment to go", SOON, async || {
            Ok(project.live("prod", "deployments", "old").await?.is_none().then_some(()))
        })
        .await?;
        same("Service", project.live("prod", "services", "old").await?.is_none(), true)?;
        project
            .promotion("back", json!({ "release": second, "environment": "prod", "kind": "Rollback" }))
            .await?;
        project.ended("back", "Verified").await?;
        let mut after = project.snapshot("prod").await?;
        let mut before = before;
        // A Service that was made again has another address.
        for found in [&mut before, &mut after] {
            for service in found.values_mut().filter_map(|object| object["spec"].as_object_mut()) {
                service.retain(|field, _| !field.starts_with("clusterIP"));
            }
        }
        same("everything of prod", after, before)
    })
    .await
}
