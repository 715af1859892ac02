//! Ways to fail, each seen for what it is, and what comes back.

use anyhow::Result;
use control_plane::eventually;
use serde_json::{Value, json};
use support::objects::{config, daemon_set, deployment, hook, image, service, stateful_set};
use support::{Project, SOON, in_project, same};

support::stories![
    an_image_that_cannot_be_pulled_fails_at_once,
    a_secret_that_is_missing_fails_at_once,
    a_stateful_set_in_order_whose_first_pod_crashes_comes_back_with_its_pods,
    a_stateful_set_that_is_bad_from_its_first_edition_on_is_removed,
    a_daemon_set_that_crashes_comes_back,
    a_failed_hook_before_the_rollout_stops_it,
    hooks_run_in_their_order_and_a_failed_one_behind_the_rollout_takes_it_back,
    a_pod_that_is_never_scheduled_fails_after_the_time_that_the_policy_gives,
    pods_that_a_quota_refuses_fail_the_release,
    a_quota_that_only_the_real_writes_meet_fails_the_release_and_everything_is_restored,
    silence_fails_after_the_progress_deadline,
    a_restart_that_the_policy_tolerates_is_no_failure,
    the_second_wave_is_not_written_while_the_first_is_not_healthy,
    a_promotion_whose_name_has_no_room_for_more_is_rolled_back,
    a_rollback_of_somewhere_else_that_has_its_name_does_not_stand_in_the_way,
];

fn prod() -> Value {
    json!({ "name": "prod" })
}

/// The first edition is verified, the second fails for the reason named and everything is as before.
async fn fails_and_comes_back(
    project: &Project,
    good: &[Value],
    bad: &[Value],
    reason: &str,
) -> Result<Value> {
    let first = project.release("1.0.0", good).await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    let before = project.snapshot("prod").await?;
    let second = project.release("2.0.0", bad).await?;
    let failed = project.ended(&format!("prod-{second}"), "Failed").await?;
    same("reason", failed["status"]["reason"].as_str(), Some(reason))?;
    project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
    same("everything of prod", project.snapshot("prod").await?, before)?;
    project.condition("environments", "prod", "Ready", "True", "").await?;
    project.condition("releases", &second, "Stalled", "True", "RolledBack").await?;
    Ok(failed)
}

async fn an_image_that_cannot_be_pulled_fails_at_once() -> Result<()> {
    in_project(&[prod()], async |project| {
        let (good, bad) = ([deployment("web", "v1", None)], [deployment("web", "v2-image-error", None)]);
        fails_and_comes_back(project, &good, &bad, "ImagePullBackOff").await.map(drop)
    })
    .await
}

async fn a_secret_that_is_missing_fails_at_once() -> Result<()> {
    in_project(&[prod()], async |project| {
        let (good, bad) = ([deployment("web", "v1", None)], [deployment("web", "v2-config-error", None)]);
        fails_and_comes_back(project, &good, &bad, "CreateContainerConfigError").await.map(drop)
    })
    .await
}

async fn a_stateful_set_in_order_whose_first_pod_crashes_comes_back_with_its_pods() -> Result<()> {
    in_project(&[prod()], async |project| {
        let good = [config("cache-config", "hello"), stateful_set("cache", "v1", Some("cache-config"))];
        let bad =
            [config("cache-config", "bye"), stateful_set("cache", "v2-crash-loop", Some("cache-config"))];
        fails_and_comes_back(project, &good, &bad, "CrashLoopBackOff").await?;
        project.settled("prod", "statefulsets", "cache").await?;
        for pod in project.pods("prod", "cache").await? {
            same(
                "image of a pod",
                pod["spec"]["containers"][0]["image"].as_str(),
                Some(image("v1").as_str()),
            )?;
        }
        Ok(())
    })
    .await
}

async fn a_stateful_set_that_is_bad_from_its_first_edition_on_is_removed() -> Result<()> {
    in_project(&[prod()], async |project| {
        let release = project.release("1.0.0", &[stateful_set("cache", "v1-crash-loop", None)]).await?;
        project.ended(&format!("prod-{release}"), "Failed").await?;
        project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
        same("nothing is left", project.snapshot("prod").await?.len(), 0)
    })
    .await
}

async fn a_daemon_set_that_crashes_comes_back() -> Result<()> {
    in_project(&[prod()], async |project| {
        let (good, bad) = ([daemon_set("agent", "v1")], [daemon_set("agent", "v2-crash-loop")]);
        fails_and_comes_back(project, &good, &bad, "CrashLoopBackOff").await.map(drop)
    })
    .await
}

async fn a_failed_hook_before_the_rollout_stops_it() -> Result<()> {
    in_project(&[prod()], async |project| {
        let good = [deployment("web", "v1", None), hook("migrate", "pre-promote", "m1")];
        let bad = [deployment("web", "v2", None), hook("migrate", "pre-promote", "m2-job-failure")];
        let first = project.release("1.0.0", &good).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let before = project.snapshot("prod").await?;
        let second = project.release("2.0.0", &bad).await?;
        let failed = project.ended(&format!("prod-{second}"), "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some("JobFailed"))?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        same("everything of prod", project.snapshot("prod").await?, before)?;
        same("ReplicaSets", project.list("prod", "replicasets").await?.len(), 1)
    })
    .await
}

async fn hooks_run_in_their_order_and_a_failed_one_behind_the_rollout_takes_it_back() -> Result<()> {
    in_project(&[prod()], async |project| {
        let good = [deployment("web", "v1", None), hook("smoke", "post-promote", "s1")];
        let bad = [deployment("web", "v2", None), hook("smoke", "post-promote", "s2-job-failure")];
        let first = project.release("1.0.0", &good).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        same("the hook ran", project.list("prod", "jobs").await?.len(), 1)?;
        let before = project.snapshot("prod").await?;
        let second = project.release("2.0.0", &bad).await?;
        project.ended(&format!("prod-{second}"), "Failed").await?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        same("everything of prod", project.snapshot("prod").await?, before)
    })
    .await
}

async fn a_pod_that_is_never_scheduled_fails_after_the_time_that_the_policy_gives() -> Result<()> {
    let mut environment = prod();
    environment["rollbackPolicyRef"] = json!("impatient");
    in_project(&[environment], async |project| {
        project.policy("impatient", json!({ "failing": { "unschedulable": "1s" } })).await?;
        let mut bad = deployment("web", "v2", None);
        bad["spec"]["template"]["spec"]["nodeSelector"] = json!({ "fate.towpath.dev/nowhere": "true" });
        fails_and_comes_back(project, &[deployment("web", "v1", None)], &[bad], "Unschedulable")
            .await
            .map(drop)
    })
    .await
}

async fn pods_that_a_quota_refuses_fail_the_release() -> Result<()> {
    in_project(&[prod()], async |project| {
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "pods" },
            "spec": { "hard": { "requests.cpu": "1" } },
        });
        let small = |mut web: Value, cpu: &str| {
            web["spec"]["template"]["spec"]["containers"][0]["resources"] =
                json!({ "requests": { "cpu": cpu } });
            web
        };
        let path = format!("{}/pods", project.live_path("prod", "resourcequotas"));
        project.post(&project.live_path("prod", "resourcequotas"), quota).await?;
        // Until the quota is counted, nothing is admitted or everything is.
        eventually("the quota to be counted", SOON, async || {
            Ok(project.get(&path).await?.filter(|it| it["status"]["used"].is_object()))
        })
        .await?;
        let (good, bad) =
            (small(deployment("web", "v1", None), "100m"), small(deployment("web", "v2", None), "2"));
        let failed = fails_and_comes_back(project, &[good], &[bad], "FailedCreate").await?;
        let message = failed["status"]["message"].as_str().unwrap_or_default();
        same(message, message.contains("quota"), true)
    })
    .await
}

/// Each Service alone fits into the quota, so every dry-run passes.
async fn a_quota_that_only_the_real_writes_meet_fails_the_release_and_everything_is_restored() -> Result<()> {
    in_project(&[prod()], async |project| {
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "services" },
            "spec": { "hard": { "count/services": "2" } },
        });
        project.post(&project.live_path("prod", "resourcequotas"), quota).await?;
        let path = format!("{}/services", project.live_path("prod", "resourcequotas"));
        eventually("the quota to be counted", SOON, async || {
            Ok(project.get(&path).await?.filter(|it| it["status"]["used"].is_object()))
        })
        .await?;
        let good = [config("c", "hello"), service("web"), deployment("web", "v1", Some("c"))];
        let bad = [
            config("c", "goodbye"),
            service("web"),
            service("more"),
            service("most"),
            deployment("web", "v2", Some("c")),
            deployment("new", "v2", None),
        ];
        let failed = fails_and_comes_back(project, &good, &bad, "WriteRefused").await?;
        let message = failed["status"]["message"].as_str().unwrap_or_default();
        same(message, message.contains("exceeded quota") && message.contains("Service mo"), true)?;
        let tried = &failed["status"]["steps"][0];
        same(
            "preflight",
            (tried["name"].as_str(), tried["result"].as_str()),
            (Some("Preflight"), Some("Passed")),
        )?;
        let read = project.config_of("prod", "deployments", "web").await?;
        same("config", read, vec![json!({ "GREETING": "hello" })])
    })
    .await
}

async fn silence_fails_after_the_progress_deadline() -> Result<()> {
    let mut environment = prod();
    environment["rollbackPolicyRef"] = json!("deadline");
    in_project(&[environment], async |project| {
        project.policy("deadline", json!({ "failing": { "progressDeadlineSeconds": 30 } })).await?;
        let mut bad = deployment("web", "v2-ready-after", None);
        bad["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": "600" });
        let good = [service("web"), deployment("web", "v1", None)];
        fails_and_comes_back(project, &good, &[service("web"), bad], "ProgressDeadlineExceeded")
            .await
            .map(drop)
    })
    .await
}

async fn a_restart_that_the_policy_tolerates_is_no_failure() -> Result<()> {
    let mut environment = prod();
    environment["rollbackPolicyRef"] = json!("tolerant");
    in_project(&[environment], async |project| {
        project.policy("tolerant", json!({ "failing": { "restarts": 1 } })).await?;
        let release =
            project.release("1.0.0", &[deployment("web", "v1-restart-once-then-ready", None)]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

async fn the_second_wave_is_not_written_while_the_first_is_not_healthy() -> Result<()> {
    in_project(&[prod()], async |project| {
        let mut late = deployment("late", "v1", None);
        late["metadata"]["annotations"] = json!({ "towpath.dev/wave": "1" });
        let mut early = deployment("early", "v1-ready-after", None);
        early["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": "20" });
        let release = project.release("1.0.0", &[late, early]).await?;
        let name = format!("prod-{release}");
        project.in_phase(&name, "Promoting").await?;
        eventually("the first wave", SOON, async || project.live("prod", "deployments", "early").await)
            .await?;
        same("second wave", project.live("prod", "deployments", "late").await?.is_none(), true)?;
        project.ended(&name, "Verified").await?;
        project.here("prod", "deployments", "late").await.map(drop)
    })
    .await
}

async fn a_promotion_whose_name_has_no_room_for_more_is_rolled_back() -> Result<()> {
    in_project(&[json!({ "name": "prod", "promotion": "Manual" })], async |project| {
        let good = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.promotion("first", json!({ "release": good, "environment": "prod" })).await?;
        project.ended("first", "Verified").await?;
        let bad = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
        let name = "n".repeat(253);
        project.promotion(&name, json!({ "release": bad, "environment": "prod" })).await?;
        project.ended(&name, "Failed").await?;
        project.condition("releases", &bad, "Stalled", "True", "RolledBack").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))
    })
    .await
}

async fn a_rollback_of_somewhere_else_that_has_its_name_does_not_stand_in_the_way() -> Result<()> {
    in_project(
        &[json!({ "name": "dev" }), json!({ "name": "prod", "promotion": "Manual" })],
        async |project| {
            let good = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
            project.ended(&format!("dev-{good}"), "Verified").await?;
            project.promotion("first", json!({ "release": good, "environment": "prod" })).await?;
            project.ended("first", "Verified").await?;
            let back = json!({ "release": good, "environment": "dev", "kind": "Rollback" });
            project.promotion("second-rollback", back).await?;
            project.ended("second-rollback", "Verified").await?;
            let bad = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
            project.promotion("second", json!({ "release": bad, "environment": "prod" })).await?;
            project.ended("second", "Failed").await?;
            project.ended("second-rollback-2", "Verified").await?;
            same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))
        },
    )
    .await
}
