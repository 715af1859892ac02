//! What stays of a promotion after the history limit has deleted it, and the export of the record.

use super::{PLUGIN, has, printed, towpath, viewer};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::process::{Command, Output};
use support::objects::deployment;
use support::{Project, in_project, same};

support::stories![
    a_promotion_that_the_history_limit_deletes_stays_in_the_record_of_its_release,
    a_promotion_whose_release_was_deleted_stays_in_the_record_of_its_environment,
    an_export_shows_that_a_line_was_changed_or_is_missing,
    a_report_says_what_was_waited_for_what_failed_and_what_restored_it,
    a_plan_that_cannot_be_met_is_said_as_soon_as_the_release_exists,
];

/// Releases, one after the other, each verified in prod.
async fn verified(project: &Project, versions: std::ops::RangeInclusive<u32>) -> Result<()> {
    for number in versions {
        let web = [deployment("web", &format!("v{number}"), None)];
        let release = project.release(&format!("{number}.0.0"), &web).await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;
    }
    Ok(())
}

/// Waits until a promotion is deleted, and returns its entry in the record of an object.
async fn entry(project: &Project, plural: &str, name: &str, promotion: &str) -> Result<Value> {
    let find = |object: &Value| {
        let record = object["status"]["record"].as_object();
        record.and_then(|record| record.values().find(|entry| entry["promotion"] == promotion).cloned())
    };
    let found = project.until(plural, name, "records it", |it| find(it).is_some()).await?;
    project.until_gone("promotions", promotion).await?;
    find(&found).context("it was there")
}

async fn a_promotion_that_the_history_limit_deletes_stays_in_the_record_of_its_release() -> Result<()> {
    let approvals = json!({ "required": 1 });
    in_project(&[json!({ "name": "prod", "historyLimit": 1 })], async |project| {
        let vera = viewer(project).await?;
        let anna = project.person("anna", &[], &["towpath-approver"]).await?;
        verified(project, 1..=1).await?;
        project.change("environments", "prod", json!({ "spec": { "approvals": approvals } })).await?;
        project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        let waits = |it: &Value| it["status"]["reason"] == "Approval";
        project.until("promotions", "prod-shop-2.0.0", "waits for approvals", waits).await?;
        anna.decides(project, "prod-shop-2.0.0", "Approve").await?;
        let ended = project.ended("prod-shop-2.0.0", "Verified").await?;
        project.change("environments", "prod", json!({ "spec": { "approvals": null } })).await?;
        let before = printed(project, &vera, &["record", "export"]).await?;
        verified(project, 3..=5).await?;

        let entry = entry(project, "releases", "shop-2.0.0", "prod-shop-2.0.0").await?;
        same("phase", entry["phase"].as_str(), Some("Verified"))?;
        same("revision", entry["revision"].as_i64(), Some(2))?;
        same("approver", entry["approved"][0]["by"].as_str(), Some("anna"))?;
        same("start", &entry["startedAt"], &ended["status"]["startedAt"])?;
        let release = project.ours("releases", "shop-2.0.0").await?;
        same("digest", release["status"]["digest"].is_string(), true)?;

        let log = printed(project, &vera, &["log", "prod-shop-2.0.0"]).await?;
        has(&log, &["Promotion  prod-shop-2.0.0  Verified  revision 2", "anna", "Approved", "ended"])?;
        let history = printed(project, &vera, &["history", "prod"]).await?;
        has(&history, &["1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"])?;
        let history = printed(project, &vera, &["history", "shop-2.0.0"]).await?;
        has(&history, &["prod", "2.0.0", "Verified"])?;
        // What was said about it before it was deleted is said after it.
        let after = printed(project, &vera, &["record", "export"]).await?;
        let of_it = |export: &str| -> Vec<Value> {
            let lines = export.lines().filter(|line| line.contains("prod-shop-2.0.0"));
            let mut events: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
            // Its place in the chain is another one.
            for event in events.iter_mut().filter_map(Value::as_object_mut) {
                event.retain(|field, _| field != "sequence" && field != "previous");
            }
            events
        };
        ensure!(of_it(&before).len() >= 5, "{before}");
        same("events", of_it(&after), of_it(&before))
    })
    .await
}

async fn a_promotion_whose_release_was_deleted_stays_in_the_record_of_its_environment() -> Result<()> {
    in_project(&[json!({ "name": "prod", "historyLimit": 1 })], async |project| {
        let vera = viewer(project).await?;
        verified(project, 1..=2).await?;
        // As a GitOps tool prunes it when the next release takes its place in the repository.
        project.delete("releases", "shop-2.0.0").await?;
        verified(project, 3..=5).await?;
        let entry = entry(project, "environments", "prod", "prod-shop-2.0.0").await?;
        same("version", entry["version"].as_str(), Some("2.0.0"))?;
        let environment = project.condition("environments", "prod", "Ready", "True", "").await?;
        ensure!(environment["status"]["summary"].is_string(), "{environment}");
        let history = printed(project, &vera, &["history", "prod"]).await?;
        has(&history, &["2.0.0", "5.0.0"])?;
        let export = printed(project, &vera, &["record", "export"]).await?;
        has(&export, &["\"name\":\"prod-shop-2.0.0\""])
    })
    .await
}

/// `record verify` needs no cluster.
fn verify(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(PLUGIN).args(["record", "verify"]).args(arguments).output()?)
}

/// What it prints, if it succeeds.
fn verified_by(arguments: &[&str]) -> Result<String> {
    let output = verify(arguments)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

async fn an_export_shows_that_a_line_was_changed_or_is_missing() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let vera = viewer(project).await?;
        verified(project, 1..=1).await?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("record.jsonl");
        let path = file.to_string_lossy().into_owned();
        let first = printed(project, &vera, &["record", "export"]).await?;
        std::fs::write(&file, &first)?;
        let said = verified_by(&[&path])?;
        has(&said, &["each line follows the one before it", "Hash of the last line: "])?;
        let last = said.rsplit(' ').next().unwrap_or_default().trim().to_owned();

        verified(project, 2..=2).await?;
        let more = printed(project, &vera, &["record", "export", "--continue", &path]).await?;
        has(&more, &["shop-2.0.0"])?;
        ensure!(!more.contains("\"name\":\"prod-shop-1.0.0\""), "only what is new: {more}");
        let whole = format!("{first}{more}");
        std::fs::write(&file, &whole)?;
        verified_by(&[&path])?;
        let nothing = printed(project, &vera, &["record", "export", "--continue", &path]).await?;
        same("nothing is new", nothing.as_str(), "")?;

        let lines: Vec<&str> = whole.lines().collect();
        let changed = whole.replacen("\"by\":\"towpath\"", "\"by\":\"mallory\"", 1);
        ensure!(changed != whole, "{whole}");
        let without: Vec<&str> =
            lines.iter().enumerate().filter(|(nth, _)| *nth != 2).map(|(_, line)| *line).collect();
        for broken in [changed, without.join("\n")] {
            std::fs::write(&file, broken)?;
            let output = verify(&[&path])?;
            same("exit code", output.status.code(), Some(1))?;
            has(
                &String::from_utf8_lossy(&output.stderr),
                &["record.jsonl", "line ", "was changed, or lines between"],
            )?;
        }
        // The end alone tells nothing, unless its hash was kept.
        std::fs::write(&file, &whole)?;
        let said = verified_by(&[&path, "--holds", &last])?;
        has(&said, &["has the hash that was given: no line up to it was changed"])?;
        let kept = said.rsplit(' ').next().unwrap_or_default().trim().to_owned();
        std::fs::write(&file, lines[..lines.len() - 1].join("\n"))?;
        verified_by(&[&path])?;
        let output = verify(&[&path, "--holds", &kept])?;
        has(&String::from_utf8_lossy(&output.stderr), &["lines are missing at the end"])
    })
    .await
}

async fn a_report_says_what_was_waited_for_what_failed_and_what_restored_it() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let vera = viewer(project).await?;
        let anna = project.person("anna", &[], &["towpath-approver"]).await?;
        verified(project, 1..=1).await?;
        let approvals = json!({ "spec": { "approvals": { "required": 1 } } });
        project.change("environments", "prod", approvals).await?;
        let release = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
        let waits = |it: &Value| it["status"]["reason"] == "Approval";
        project.until("promotions", "prod-shop-2.0.0", "waits for approvals", waits).await?;
        anna.decides(project, "prod-shop-2.0.0", "Approve").await?;
        let failed = project.ended("prod-shop-2.0.0", "Failed").await?;
        let back = project.ended("prod-shop-2.0.0-rollback", "Verified").await?;
        let rolled_back = |it: &Value| it["status"]["phase"] == "RolledBack";
        project.until("releases", &release, "is rolled back", rolled_back).await?;

        let report = printed(project, &vera, &["report", &release]).await?;
        has(&report, &["Release  shop-2.0.0  RolledBack", "Approval ", "INCIDENT", "1.0.0", "Approved"])?;
        let data = printed(project, &vera, &["report", &release, "-o", "json"]).await?;
        let data: Value = serde_json::from_str(&data)?;
        let incident = &data["incidents"][0];
        same("began", &incident["beganAt"], &failed["status"]["startedAt"])?;
        same("restored", &incident["restoredAt"], &back["status"]["finishedAt"])?;
        same("cause", incident["cause"].as_str(), failed["status"]["reason"].as_str())?;
        let row = &data["environments"][0];
        same("gate", row["waits"][0]["gate"].as_str(), Some("Approval"))?;
        same("for people", &row["waitedForPeople"], &row["waits"][0]["seconds"])?;
        let markdown = printed(project, &vera, &["report", &release, "-o", "markdown"]).await?;
        has(&markdown, &["# shop 2.0.0: RolledBack", "## Incidents"])?;

        let figures = printed(project, &vera, &["report", "-o", "json"]).await?;
        let row = &serde_json::from_str::<Value>(&figures)?["rows"][0];
        same("deployments", row["deployments"].as_i64(), Some(2))?;
        same("failed", row["failed"].as_i64(), Some(1))?;
        has(&printed(project, &vera, &["report"]).await?, &["APPLICATION", "shop", "prod", "50%"])?;
        let output = towpath(project, &vera, &["report", "--app", "shpo"]).await?;
        ensure!(!output.status.success(), "{output:?}");
        has(&String::from_utf8_lossy(&output.stderr), &["has no application shpo: did you mean shop?"])?;
        let output = towpath(project, &vera, &["report", "shop-2.0.1"]).await?;
        has(&String::from_utf8_lossy(&output.stderr), &["did you mean shop-2.0.0?"])
    })
    .await
}

async fn a_plan_that_cannot_be_met_is_said_as_soon_as_the_release_exists() -> Result<()> {
    in_project(&[json!({ "name": "prod", "promotion": "Manual" })], async |project| {
        let vera = viewer(project).await?;
        let freeze =
            json!({ "from": "2026-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z", "reason": "sale" });
        project.create("changefreezes", "sale", freeze).await?;
        let planned = json!([
            { "environment": "prod", "at": "2098-06-01T08:00:00Z" },
            { "environment": "moon", "at": "2098-06-01T08:00:00Z" },
        ]);
        let source = json!({ "manifests": [deployment("web", "v1", None)] });
        let release = project
            .release_of("shop", "1.0.0", json!({ "source": source, "change": { "plannedFor": planned } }))
            .await?;
        let said = |it: &Value| it["status"]["planning"].as_array().is_some_and(|all| all.len() == 2);
        let found = project.until("releases", &release, "says what is wrong", said).await?;
        let text = found["status"]["planning"].to_string();
        has(
            &text,
            &["ChangeFreeze sale is in force until 2099-01-01T00:00:00Z: sale", "moon is planned for"],
        )?;
        let calendar = printed(project, &vera, &["calendar", &project.name, "--month", "2098-06"]).await?;
        has(&calendar, &["plan", "prod", &release])
    })
    .await
}
