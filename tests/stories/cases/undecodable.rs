//! Objects that the API server took and that cannot be read, as after an upgrade of the kinds: they are told so, and
//! no other object suffers.

use anyhow::{Context, Result};
use http::Request;
use serde_json::{Value, json};
use support::objects::{deployment, image};
use support::operator::Operator;
use support::waits::condition;
use support::{Project, in_project, same, with_own_controller};

support::stories![
    objects_that_cannot_be_read_at_the_start_are_reported_once_and_hinder_no_other,
    objects_that_become_unreadable_are_told_and_work_again_once_they_are_repaired,
    a_release_that_is_unreadable_while_it_fails_comes_back_all_the_same,
    a_release_that_becomes_unreadable_on_its_way_is_not_withdrawn,
    a_freeze_that_cannot_be_read_freezes,
];

/// The schema's `date-time` takes any offset; no calendar has this one.
const NO_MOMENT: &str = "2026-01-01T00:00:00+99:99";

/// A member of the status that makes an object of this kind unreadable.
fn unreadable(plural: &str) -> Value {
    match plural {
        "releases" => json!({ "environments": [{ "name": "prod", "state": "Hold", "until": NO_MOMENT }] }),
        "environments" => json!({ "applications": [{
            "name": "odd", "waiting": { "release": "odd-1.0.0", "gate": "Hold", "message": "", "until": NO_MOMENT },
        }] }),
        _ => json!({ "startedAt": NO_MOMENT }),
    }
}

/// The same, repaired.
fn readable(plural: &str) -> Value {
    match plural {
        "releases" => json!({ "environments": null }),
        "environments" => json!({ "applications": null }),
        _ => json!({ "startedAt": null }),
    }
}

/// Writes a part of a status as a newer controller might: no one else may.
async fn write_status(project: &Project, plural: &str, name: &str, status: Value) -> Result<()> {
    let path = format!("{}/status", project.path(plural, name));
    let body = json!({ "status": status });
    let request = Request::patch(&path).header("Content-Type", "application/merge-patch+json");
    let request = request.body(serde_json::to_vec(&body)?)?;
    let operator = Operator::access(&project.cluster).await?;
    operator.client()?.request::<Value>(request).await.with_context(|| path).map(drop)
}

/// One object of each kind that comes to rest by itself: a held release, a promotion of it, a Manual environment.
async fn odd_objects(project: &Project) -> Result<[(&'static str, &'static str); 3]> {
    let spec = json!({ "source": { "manifests": [deployment("odd", "v1", None)] }, "hold": true });
    project.release_of("odd", "1.0.0", spec).await?;
    project.environment(&json!({ "name": "odd", "promotion": "Manual" })).await?;
    project.promotion("odd", json!({ "release": "odd-1.0.0", "environment": "prod" })).await?;
    Ok([("releases", "odd-1.0.0"), ("environments", "odd"), ("promotions", "odd")])
}

/// The object says that it cannot be read, and why.
async fn is_told(project: &Project, plural: &str, name: &str) -> Result<()> {
    let found = project.condition(plural, name, "Accepted", "False", "Undecodable").await?;
    let message = condition(&found, "Accepted").context("no condition")?["message"].clone();
    let message = message.as_str().unwrap_or_default();
    same(message, message.contains("cannot be decoded") && message.contains("offset"), true)?;
    same("Ready", condition(&found, "Ready").map(|ready| ready["status"].clone()), Some(json!("False")))
}

/// A good release of another application goes all the way.
async fn others_go_their_way(project: &Project, version: &str, tag: &str) -> Result<()> {
    let release = project.release(version, &[deployment("web", tag, None)]).await?;
    project.ended(&format!("prod-{release}"), "Verified").await?;
    same("image", project.image_of("prod", "deployments", "web").await?, image(tag))
}

async fn objects_that_cannot_be_read_at_the_start_are_reported_once_and_hinder_no_other() -> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    let odd = odd_objects(&project).await?;
    for (plural, name) in odd {
        write_status(&project, plural, name, unreadable(plural)).await?;
    }
    let mark = project.cluster.audit()?.mark().await?;
    project.start().await?;
    for (plural, name) in odd {
        is_told(&project, plural, name).await?;
    }
    others_go_their_way(&project, "1.0.0", "v1").await?;
    project.quiet().await?;
    let writes = project.requests(mark).await?;
    for (plural, name) in odd {
        let told = writes.iter().filter(|event| event.resource == plural && event.name == name);
        same(&format!("requests about {plural} {name}"), told.count(), 1)?;
    }
    same("alive", project.operator(|operator| operator.is_alive())?, true)
}

async fn objects_that_become_unreadable_are_told_and_work_again_once_they_are_repaired() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let odd = odd_objects(project).await?;
        project.until("promotions", "odd", "held", |it| it["status"]["reason"] == "Hold").await?;
        for (plural, name) in odd {
            write_status(project, plural, name, unreadable(plural)).await?;
            is_told(project, plural, name).await?;
        }
        others_go_their_way(project, "1.0.0", "v1").await?;
        project.quiet().await?;
        same("alive", project.operator(|operator| operator.is_alive())?, true)?;
        for (plural, name) in odd {
            write_status(project, plural, name, readable(plural)).await?;
        }
        let accepted = |it: &Value| condition(it, "Accepted").is_none();
        for (plural, name) in odd {
            project.until(plural, name, "read again", accepted).await?;
        }
        project.change("releases", "odd-1.0.0", json!({ "spec": { "hold": null } })).await?;
        project.ended("odd", "Verified").await.map(drop)
    })
    .await
}

async fn a_release_that_is_unreadable_while_it_fails_comes_back_all_the_same() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        others_go_their_way(project, "1.0.0", "v1").await?;
        let mut fading = deployment("web", "v2-crash-after-ready", None);
        fading["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": "4" });
        project.policy("patient", json!({ "observeWindow": "20s" })).await?;
        project.change("environments", "prod", json!({ "spec": { "rollbackPolicyRef": "patient" } })).await?;
        let release = project.release("2.0.0", &[fading]).await?;
        let name = format!("prod-{release}");
        project.in_phase(&name, "Promoting").await?;
        write_status(project, "releases", &release, unreadable("releases")).await?;
        project.ended(&format!("{name}-rollback"), "Verified").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))
    })
    .await
}

async fn a_release_that_becomes_unreadable_on_its_way_is_not_withdrawn() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        others_go_their_way(project, "1.0.0", "v1").await?;
        let mut slow = deployment("web", "v2-ready-after", None);
        slow["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": "6" });
        let release = project.release("2.0.0", &[slow]).await?;
        let name = format!("prod-{release}");
        project.in_phase(&name, "Promoting").await?;
        write_status(project, "releases", &release, unreadable("releases")).await?;
        is_told(project, "releases", &release).await?;
        project.quiet().await?;
        write_status(project, "releases", &release, readable("releases")).await?;
        project.ended(&name, "Verified").await?;
        project.condition("releases", &release, "Verified", "True", "").await.map(drop)
    })
    .await
}

/// `9999-12-31T23:59:59Z`, which people write for "for ever", is later than the last moment that we can read.
async fn a_freeze_that_cannot_be_read_freezes() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let times =
            json!({ "from": "2026-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z", "reason": "for ever" });
        project.create("changefreezes", "ever", times).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let found = project.condition("releases", &release, "Ready", "True", "Freeze").await?;
        let message = found["status"]["message"].as_str().unwrap_or_default();
        same(message, message.contains("ChangeFreeze ever") && message.contains("cannot be decoded"), true)?;
        same("prod", project.snapshot("prod").await?.len(), 0)?;
        project.change("changefreezes", "ever", json!({ "spec": { "to": "2026-01-02T00:00:00Z" } })).await?;
        project.condition("releases", &release, "Verified", "True", "").await.map(drop)
    })
    .await
}
