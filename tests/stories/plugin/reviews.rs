//! The review of a release: its facts, who closes it, and what waits for it.

use super::{PLUGIN, has, printed, towpath, viewer};
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::process::Command;
use support::objects::{deployment, image};
use support::people::Person;
use support::{Project, in_project, same};

support::stories![
    a_failure_that_was_not_reviewed_keeps_the_next_release_waiting,
    every_number_of_a_review_is_that_of_the_objects_and_of_the_audit_log,
];

async fn a_failure_that_was_not_reviewed_keeps_the_next_release_waiting() -> Result<()> {
    in_project(&[json!({ "name": "prod", "review": "Required" })], async |project| {
        let vera = viewer(project).await?;
        let rita = project.person("rita", &[], &["towpath-reviewer"]).await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let bad = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
        project.ended(&format!("prod-{bad}-rollback"), "Verified").await?;
        let next = project.release("3.0.0", &[deployment("web", "v3", None)]).await?;
        let waits = |it: &Value| it["status"]["environments"][0]["state"] == "Review";
        project.until("releases", &next, "waits for the review", waits).await?;

        let why = printed(project, &vera, &["explain", &next, "-e", "prod"]).await?;
        has(&why, &["shop-2.0.0 failed here", "was not reviewed", "the verb review on releases"])?;
        let hers = printed(project, &rita, &["waiting", "--me"]).await?;
        has(&hers, &["Review", &next])?;
        let others = printed(project, &vera, &["waiting", "--me"]).await?;
        ensure!(!others.contains("Review"), "she may not review:\n{others}");
        has(
            &printed(project, &vera, &["report", &bad]).await?,
            &["open; close it with: kubectl towpath review"],
        )?;

        let words =
            ["--outcome", "Failed", "--notes", "the heap is too small", "--action", "raise the limit"];
        let review = [&["review", &bad][..], &words[..]].concat();
        let said = String::from_utf8(towpath(project, &vera, &review).await?.stderr)?;
        has(
            &said,
            &["vera lacks the verb create on reviews.towpath.dev, and review on releases.towpath.dev"],
        )?;
        has(&said, &["kubectl create rolebinding towpath-reviewer-vera", "--user vera"])?;
        let unknown = towpath(project, &rita, &["review", "shop-2.0.1", "--outcome", "Failed"]).await?;
        has(&String::from_utf8(unknown.stderr)?, &["has no release shop-2.0.1", "did you mean shop-2.0.0?"])?;
        has(&printed(project, &rita, &review).await?, &["review.towpath.dev/shop-2.0.0-", "created"])?;

        project.ended(&format!("prod-{next}"), "Verified").await?;
        let closed = |it: &Value| it["status"]["review"]["closed"]["by"] == "rita";
        let found = project.until("releases", &bad, "has a closed review", closed).await?;
        same("ending", found["status"]["review"]["ending"].as_str(), Some("RolledBack"))?;
        same("outcome", found["status"]["review"]["closed"]["outcome"].as_str(), Some("Failed"))?;
        let report = printed(project, &vera, &["report", &bad]).await?;
        has(&report, &["Failed by rita", "the heap is too small", "raise the limit", "Reviewed"])?;
        has(&printed(project, &vera, &["record", "export"]).await?, &["\"event\":\"Reviewed\""])?;

        // Withdrawn, it does not count any more.
        let name = found["status"]["review"]["closed"]["review"].as_str().context("no name")?;
        rita.delete(project, "reviews", name).await?;
        let open = |it: &Value| it["status"]["review"]["closed"].is_null();
        project.until("releases", &bad, "has an open review", open).await.map(drop)
    })
    .await
}

/// The environment with one test whose pods fare as the tag says.
fn tested(tag: &str) -> Value {
    let template = json!({
        "metadata": { "annotations": { "fate.towpath.dev/seconds": "1" } },
        "spec": { "containers": [{ "name": "main", "image": image(tag) }] },
    });
    json!([{ "name": "smoke", "template": template }])
}

/// Waits until a promotion waits for approvals of something else than before, and gives them.
async fn approved(
    project: &Project,
    promotion: &str,
    before: Option<&Value>,
    people: [&Person; 2],
) -> Result<()> {
    let waits = |it: &Value| {
        let of = &it["status"]["approvals"]["of"]["digest"];
        let is_new = before.is_none_or(|before| before["status"]["approvals"]["of"]["digest"] != *of);
        it["status"]["reason"] == "Approval" && of.is_string() && is_new
    };
    project.until("promotions", promotion, "waits for approvals", waits).await?;
    for person in people {
        person.decides(project, promotion, "Approve").await?;
    }
    Ok(())
}

fn time(value: &Value) -> Result<Timestamp> {
    value.as_str().context("no time")?.parse().with_context(|| value.to_string())
}

/// Seconds between two times of objects.
fn between(from: &Value, to: &Value) -> Result<i64> {
    Ok(time(to)?.duration_since(time(from)?).as_secs())
}

async fn every_number_of_a_review_is_that_of_the_objects_and_of_the_audit_log() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let mark = project.cluster.audit()?.mark().await?;
        let vera = viewer(project).await?;
        let rita = project.person("rita", &[], &["towpath-reviewer"]).await?;
        let oscar = project.person("oscar", &[], &["towpath-oncall"]).await?;
        let people = [
            &project.person("anna", &[], &["towpath-approver"]).await?,
            &project.person("ben", &[], &["towpath-approver"]).await?,
        ];
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;

        // Two approvals, an override, a failed test, a rollback.
        let rules = json!({ "approvals": { "required": 2 }, "promotion": "Manual", "tests": tested("t-job-failure") });
        project.change("environments", "prod", json!({ "spec": rules })).await?;
        let freeze = json!({ "from": "2026-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z", "reason": "sale" });
        project.create("changefreezes", "sale", freeze).await?;
        let release = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        let overrides = json!({
            "release": release, "environment": "prod",
            "override": { "gates": ["Freeze"], "reason": "checkout is down" },
        });
        oscar.create(project, "promotions", "try-1", overrides).await?;
        approved(project, "try-1", None, people).await?;
        let failed = project.ended("try-1", "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some("TestFailed"))?;
        let back = project.ended("try-1-rollback", "Verified").await?;

        // A second try, of the same release with a test that passes. Tests are part of what people approve.
        project.change("environments", "prod", json!({ "spec": { "tests": tested("t1") } })).await?;
        project.delete("changefreezes", "sale").await?;
        // An approval in the second of the rollback counts as given before it.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        oscar.create(project, "promotions", "try-2", json!({ "release": release, "environment": "prod" })).await?;
        approved(project, "try-2", Some(&failed), people).await?;
        let verified = project.ended("try-2", "Verified").await?;
        let ended = |it: &Value| it["status"]["review"]["ending"] == "Verified";
        let found = project.until("releases", &release, "has the facts of its review", ended).await?;

        let review = &found["status"]["review"];
        let incidents = review["incidents"].as_array().context("no incidents")?;
        same("incidents", incidents.len(), 1)?;
        let incident = &incidents[0];
        same("promotion", incident["promotion"].as_str(), Some("try-1"))?;
        same("began", &incident["beganAt"], &failed["status"]["startedAt"])?;
        same("restored", &incident["restoredAt"], &back["status"]["finishedAt"])?;
        same("version", incident["restored"].as_str(), Some("1.0.0"))?;
        same("overrides", &review["overrides"], &json!(["prod: Freeze: checkout is down"]))?;
        let audit = project.cluster.audit()?.since(mark).await?;
        let created = |plural: &str, user: &str| {
            let is_it = |event: &&control_plane::AuditEvent| {
                let is_of = event.user == user && event.namespace == project.name;
                is_of && event.resource == plural && event.verb == "create" && event.code == 201
            };
            audit.iter().filter(is_it).count()
        };
        let approvals = created("approvals", "anna") + created("approvals", "ben");
        same("approvals", review["approvals"].as_i64(), i64::try_from(approvals).ok())?;
        same("approvals", approvals, 4)?;
        let row = &review["environments"][0];
        same("tries", row["tries"].as_i64(), Some(2))?;
        same("requested", created("promotions", "oscar"), 2)?;
        let birth = &found["metadata"]["creationTimestamp"];
        let lead = between(birth, &verified["status"]["finishedAt"])?;
        same("lead time", row["leadTime"].as_i64(), Some(lead))?;
        let mut worked = 0;
        for promotion in [&failed, &back, &verified] {
            worked += between(&promotion["status"]["startedAt"], &promotion["status"]["finishedAt"])?;
        }
        same("worked", row["worked"].as_i64(), Some(worked))?;
        let waits = found["status"]["environments"][0]["waits"].as_array().context("no waits")?;
        let by_people = ["Approval", "Manual"];
        let of_people = waits.iter().filter(|wait| by_people.contains(&wait["gate"].as_str().unwrap_or_default()));
        same("for people", row["waitedForPeople"].as_i64(), Some(of_people.filter_map(|wait| wait["seconds"].as_i64()).sum()))?;

        let words = ["--outcome", "SuccessfulWithIssues", "--notes", "<b>the test</b> was \u{202e}wrong"];
        printed(project, &rita, &[&["review", &release][..], &words[..]].concat()).await?;
        let closed = |it: &Value| it["status"]["review"]["closed"]["by"] == "rita";
        project.until("releases", &release, "has a closed review", closed).await?;
        let page = printed(project, &vera, &["report", &release, "-o", "html"]).await?;
        has(&page, &["<svg", "try-1-rollback", "SuccessfulWithIssues by rita", "&lt;b&gt;the test&lt;/b&gt;"])?;
        ensure!(!page.contains('\u{202e}') && !page.contains("<script"), "{page}");
        keep(&page)?;

        let folder = tempfile::tempdir()?;
        let (file, changed) = (folder.path().join("record.jsonl"), folder.path().join("changed.jsonl"));
        let export = printed(project, &vera, &["record", "export"]).await?;
        std::fs::write(&file, &export)?;
        std::fs::write(&changed, export.replacen("\"by\":\"oscar\"", "\"by\":\"mallory\"", 1))?;
        // It needs no cluster.
        let verify = |path: &std::path::Path| Command::new(PLUGIN).args(["record", "verify"]).arg(path).output();
        ensure!(verify(&file)?.status.success(), "the export does not verify");
        let output = verify(&changed)?;
        ensure!(!output.status.success(), "a changed line was not found");
        has(&String::from_utf8(output.stderr)?, &["was changed"])
    })
    .await
}

/// Keeps the page, so that a person can look at it.
fn keep(page: &str) -> Result<()> {
    match std::env::var_os("TOWPATH_KEEP_PAGE") {
        Some(path) => std::fs::write(path, page).context("the page"),
        None => Ok(()),
    }
}
