//! When a release may go: windows, freezes, moments; and the way past them, which needs a right and stays in the record.

use anyhow::{Result, ensure};
use control_plane::eventually;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::objects::{deployment, image, service};
use support::people::Person;
use support::{Project, SOON, in_project, same};

support::stories![
    a_closed_window_keeps_a_release_out_and_users_granted_override_let_it_in_for_the_record,
    windows_that_can_never_open_are_told_by_field,
    a_release_comes_not_before_its_moment_and_not_after_its_deadline,
    a_moment_for_an_environment_that_does_not_exist_keeps_a_release_out_and_is_named,
    a_freeze_stops_promotions_and_admins_and_lets_a_rollback_through,
    a_freeze_of_the_cluster_holds_the_projects_that_it_names,
];

fn web(tag: &str) -> [Value; 2] {
    [service("web"), deployment("web", tag, None)]
}

fn in_seconds(seconds: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    Timestamp::from_second(at.as_second()).map(|at| at.to_string()).unwrap_or_default()
}

async fn waits(project: &Project, release: &str, gate: &str, words: &str) -> Result<Value> {
    let found = project.condition("releases", release, "Ready", "True", gate).await?;
    let message = found["status"]["message"].as_str().unwrap_or_default();
    ensure!(message.contains(words), "{release} waits at {gate}, and says: {message}");
    Ok(found)
}

async fn a_closed_window_keeps_a_release_out_and_users_granted_override_let_it_in_for_the_record()
-> Result<()> {
    let later = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour().wrapping_add(6).rem_euclid(24);
    let window = json!({ "schedule": format!("0 {later} * * *"), "duration": "1h" });
    in_project(&[json!({ "name": "prod", "windows": [window] })], async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let olga = project.person("olga", &[], &["towpath-oncall"]).await?;
        let release = project.release("1.0.0", &web("v1")).await?;
        waits(project, &release, "Window", "outside every Allow window").await?;
        let is_told = |it: &Value| it["status"]["applications"][0]["waiting"]["gate"] == "Window";
        project.until("environments", "prod", "waits at Window", is_told).await?;
        let spec = json!({
            "release": release, "environment": "prod",
            "override": { "gates": ["Window"], "reason": "the site is down" },
        });
        let refused = alice.create(project, "promotions", "mine", spec.clone()).await;
        ensure!(refused.is_err_and(|error| format!("{error:#}").contains("override")), "alice may override");
        olga.create(project, "promotions", "now", spec).await?;
        let ended = project.ended("now", "Verified").await?;
        let step = &ended["status"]["steps"][0];
        same("the step", step["name"].as_str(), Some("Override"))?;
        same("who and why", step["message"].as_str(), Some("olga: Window: the site is down"))
    })
    .await
}

async fn windows_that_can_never_open_are_told_by_field() -> Result<()> {
    let never = json!({ "schedule": "0 0 30 2 *", "duration": "1h" });
    in_project(&[json!({ "name": "prod", "windows": [never] })], async |project| {
        let says = |it: &Value| {
            it["status"]["message"].as_str().is_some_and(|text| text.contains("spec.windows[0].schedule"))
        };
        let found = project.until("environments", "prod", "names the field", says).await?;
        same("applications", found["status"]["applications"].as_array().map(Vec::len).unwrap_or_default(), 0)
    })
    .await
}

async fn a_release_comes_not_before_its_moment_and_not_after_its_deadline() -> Result<()> {
    in_project(
        &[json!({ "name": "staging" }), json!({ "name": "prod", "after": ["staging"] })],
        async |project| {
            let at = in_seconds(60);
            let change = json!({ "notBefore": [{ "environment": "prod", "at": at }] });
            let source = json!({ "manifests": web("v1") });
            let first =
                project.release_of("shop", "1.0.0", json!({ "source": source, "change": change })).await?;
            waits(project, &first, "NotBefore", &at).await?;
            project.ended(&format!("prod-{first}"), "Verified").await?;
            ensure!(Timestamp::now() >= at.parse::<Timestamp>()?, "it went before {at}");
            project.change("environments", "prod", json!({ "spec": { "promotion": "Manual" } })).await?;
            let change = json!({ "deadline": in_seconds(25) });
            let source = json!({ "manifests": web("v2") });
            let second =
                project.release_of("shop", "2.0.0", json!({ "source": source, "change": change })).await?;
            project.ended(&format!("staging-{second}"), "Verified").await?;
            let is_abandoned = |it: &Value| it["status"]["environments"].to_string().contains("abandoned");
            project.until("releases", &second, "abandoned", is_abandoned).await?;
            project.promotion("late", json!({ "release": second, "environment": "prod" })).await?;
            project.ended("late", "Cancelled").await.map(drop)
        },
    )
    .await
}

async fn a_moment_for_an_environment_that_does_not_exist_keeps_a_release_out_and_is_named() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let change = json!({ "notBefore": [{ "environment": "production", "at": in_seconds(1) }] });
        let source = json!({ "manifests": web("v1") });
        let release =
            project.release_of("shop", "1.0.0", json!({ "source": source, "change": change })).await?;
        let found = project.condition("releases", &release, "Reconciling", "True", "Environment").await?;
        let message = found["status"]["message"].as_str().unwrap_or_default();
        ensure!(message.contains("spec.change.notBefore names production"), "{message}");
        same("prod", project.snapshot("prod").await?.len(), 0)?;
        project.environment(&json!({ "name": "production" })).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

/// `kubectl set image` by an admin of the target namespace.
fn set_image(project: &Project, person: &Person, tag: &str) -> Result<String> {
    let kubectl = project.cluster.kubectl(&person.access);
    kubectl.run(&[
        "set",
        "image",
        "deployment/web",
        &format!("app={}", image(tag)),
        "-n",
        &project.target("prod"),
    ])
}

async fn a_freeze_stops_promotions_and_admins_and_lets_a_rollback_through() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &web("v1")).await?;
        project.condition("releases", &first, "Verified", "True", "").await?;
        let second = project.release("2.0.0", &web("v2")).await?;
        project.condition("releases", &second, "Verified", "True", "").await?;
        let target = project.target("prod");
        let admin = project.person(&format!("admin-of-{target}"), &[], &[]).await?;
        let binding = json!({
            "metadata": { "name": "admin" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin" },
            "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": admin.name }],
        });
        project.post(&format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{target}/rolebindings"), binding).await?;
        let label = json!({ "metadata": { "labels": { "towpath.dev/freeze": "enforced" } } });
        let path = format!("/api/v1/namespaces/{target}");
        project.send(Method::PATCH, &path, "application/merge-patch+json", label).await?;
        let kubectl = project.cluster.kubectl(&admin.access);
        let ask = ["auth", "can-i", "patch", "deployments", "-n", &target];
        eventually("an admin who may", SOON, async || Ok(kubectl.run(&ask).ok())).await?;
        let freeze = json!({ "from": in_seconds(-60), "to": in_seconds(3600), "reason": "year-end", "passes": ["Emergency"] });
        project.create("changefreezes", "year-end", freeze).await?;
        let third = project.release("3.0.0", &web("v3")).await?;
        waits(project, &third, "Freeze", "year-end").await?;
        let refusal = eventually("the API server to refuse", SOON, async || {
            Ok(set_image(project, &admin, "v2-manual").err().map(|error| format!("{error:#}")))
        })
        .await?;
        ensure!(refusal.contains("year-end") && refusal.contains("towpath.dev/freeze"), "{refusal}");
        project.promotion("back", json!({ "release": second, "environment": "prod", "kind": "Rollback" })).await?;
        project.ended("back", "Verified").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))?;
        let emergency = json!({ "source": { "manifests": web("v4") }, "change": { "type": "Emergency" } });
        let fourth = project.release_of("shop", "4.0.0", emergency).await?;
        project.ended(&format!("prod-{fourth}"), "Verified").await?;
        project.delete("changefreezes", "year-end").await?;
        eventually("an admin to be let in again", SOON, async || Ok(set_image(project, &admin, "v4-manual").ok()))
            .await
            .map(drop)
    })
    .await
}

async fn a_freeze_of_the_cluster_holds_the_projects_that_it_names() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let freeze = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "ClusterChangeFreeze", "metadata": { "name": project.name },
            "spec": { "from": in_seconds(-60), "to": in_seconds(3600), "reason": "migration", "projects": [project.name] },
        });
        let path = "/apis/towpath.dev/v1alpha1/clusterchangefreezes";
        project.post(path, freeze).await?;
        let release = project.release("1.0.0", &web("v1")).await?;
        waits(project, &release, "Freeze", "migration").await?;
        let path = format!("{path}/{}", project.name);
        project.send(Method::DELETE, &path, "application/json", json!({})).await?;
        project.condition("releases", &release, "Verified", "True", "").await.map(drop)
    })
    .await
}
