//! `explain`, `plan` and `calendar`: the controller's own rules, run by a user who may only read.

use super::{has, printed, towpath, viewer};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::objects::deployment;
use support::people::Person;
use support::project::Project;
use support::{in_project, same};

support::stories![
    explain_names_every_gate_and_agrees_with_the_controller,
    explain_agrees_at_every_step_of_a_promotion,
    explain_shows_approvals_and_a_freeze_of_the_cluster_that_its_user_may_not_read,
    a_plan_names_the_earliest_times_and_who_has_to_act,
    a_calendar_shows_windows_freezes_and_promotions,
    a_user_without_rights_cannot_look_ahead,
];

/// What `explain` says, as data. It agrees with what the controller reports in the release.
async fn explained(project: &Project, person: &Person, release: &str, environment: &str) -> Result<Value> {
    let arguments = ["explain", release, "--environment", environment, "--output", "json"];
    for _ in 0..20 {
        let told: Value = serde_json::from_str(&printed(project, person, &arguments).await?)?;
        let found = project.ours("releases", release).await?;
        let stages = found["status"]["environments"].as_array().cloned().unwrap_or_default();
        let stage = stages.into_iter().find(|stage| stage["name"] == environment).unwrap_or_default();
        if told["state"] == stage["state"] && told["until"] == stage["until"] {
            return Ok(told);
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    anyhow::bail!("explain and the controller do not agree about {release} in {environment}")
}

fn gate<'a>(told: &'a Value, name: &str) -> Result<&'a Value> {
    let mut gates = told["gates"].as_array().into_iter().flatten();
    gates.find(|gate| gate["gate"] == name).with_context(|| format!("no gate {name} in {told:#}"))
}

async fn explain_names_every_gate_and_agrees_with_the_controller() -> Result<()> {
    let staging = json!({ "name": "staging", "after": ["dev"], "soak": "1h" });
    let prod = json!({ "name": "prod", "after": ["staging"], "promotion": "Manual" });
    in_project(&[json!({ "name": "dev" }), staging, prod], async |project| {
        let vera = viewer(project).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("dev-{release}"), "Verified").await?;

        let told = explained(project, &vera, &release, "dev").await?;
        same("verified", told["state"].as_str(), Some("Verified"))?;
        same("no gates", told["gates"].as_array().map(Vec::len), Some(0))?;
        let told = explained(project, &vera, &release, "staging").await?;
        same("soaks", told["state"].as_str(), Some("Soak"))?;
        same("closed", gate(&told, "Soak")?["state"].as_str(), Some("Closed"))?;
        same("open", gate(&told, "Hold")?["state"].as_str(), Some("Open"))?;
        ensure!(told["next"].as_str().unwrap_or_default().contains("opens by itself"), "{told:#}");
        let told = explained(project, &vera, &release, "prod").await?;
        same("order", told["state"].as_str(), Some("Order"))?;
        // The gate after the first closed one is listed as well.
        same("manual", gate(&told, "Manual")?["state"].as_str(), Some("Closed"))?;

        let text = printed(project, &vera, &["explain", &release, "-e", "prod"]).await?;
        has(&text, &["in prod", "Next", "GATE", "Order", "it is not verified in staging yet", "Manual"])
    })
    .await
}

async fn explain_agrees_at_every_step_of_a_promotion() -> Result<()> {
    let approvals = json!({ "required": 1 });
    let prod = json!({ "name": "prod", "after": ["dev"], "soak": "20s", "approvals": approvals });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let vera = viewer(project).await?;
        let anna = project.person("anna", &[], &["towpath-approver"]).await?;
        let content = [deployment("web", "v1", None)];
        let spec = json!({ "source": { "manifests": content }, "hold": true });
        let release = project.release_of("shop", "1.0.0", spec).await?;
        let promotion = format!("prod-{release}");
        let reaches = async |environment: &str, state: &str| -> Result<()> {
            let is_there = |it: &Value| {
                let stages = it["status"]["environments"].as_array().cloned().unwrap_or_default();
                stages.iter().any(|stage| stage["name"] == environment && stage["state"] == state)
            };
            project.until("releases", &release, &format!("{state} in {environment}"), is_there).await?;
            explained(project, &vera, &release, environment).await.map(drop)
        };
        reaches("dev", "Hold").await?;
        reaches("prod", "Hold").await?;
        project.change("releases", &release, json!({ "spec": { "hold": null } })).await?;
        reaches("prod", "Soak").await?;
        reaches("dev", "Verified").await?;
        reaches("prod", "Approval").await?;
        anna.decides(project, &promotion, "Approve").await?;
        reaches("prod", "Verified").await
    })
    .await
}

async fn explain_shows_approvals_and_a_freeze_of_the_cluster_that_its_user_may_not_read() -> Result<()> {
    let approvals = json!({ "required": 2, "from": [{ "group": "qa", "atLeast": 1 }] });
    let environments =
        [json!({ "name": "dev" }), json!({ "name": "prod", "after": ["dev"], "approvals": approvals })];
    in_project(&environments, async |project| {
        let vera = viewer(project).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let promotion = format!("prod-{release}");
        let waits = |it: &Value| it["status"]["reason"] == "Approval";
        project.until("promotions", &promotion, "waits for approvals", waits).await?;
        let told = explained(project, &vera, &release, "prod").await?;
        let approval = gate(&told, "Approval")?;
        same("closed", approval["state"].as_str(), Some("Closed"))?;
        has(approval["message"].as_str().unwrap_or_default(), &["0 of 2 approvals", "0 of 1 from qa"])?;
        has(told["next"].as_str().unwrap_or_default(), &["verb approve on environments/prod"])?;

        let freeze = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "ClusterChangeFreeze", "metadata": { "name": project.name },
            "spec": {
                "from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z", "reason": "audit",
                "projects": [project.name],
            },
        });
        project.post("/apis/towpath.dev/v1alpha1/clusterchangefreezes", freeze).await?;
        let frozen = |it: &Value| it["status"]["reason"] == "Freeze";
        project.until("promotions", &promotion, "is frozen", frozen).await?;
        let told = explained(project, &vera, &release, "prod").await?;
        same("frozen", told["state"].as_str(), Some("Freeze"))?;
        has(gate(&told, "Freeze")?["message"].as_str().unwrap_or_default(), &["ClusterChangeFreeze", "audit"])
    })
    .await
}

async fn a_plan_names_the_earliest_times_and_who_has_to_act() -> Result<()> {
    let staging = json!({ "name": "staging", "after": ["dev"], "soak": "2h" });
    let approvals = json!({ "required": 2 });
    let prod = json!({ "name": "prod", "after": ["staging"], "approvals": approvals });
    in_project(&[json!({ "name": "dev" }), staging, prod], async |project| {
        let vera = viewer(project).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("dev-{release}"), "Verified").await?;
        explained(project, &vera, &release, "staging").await?;
        let plan: Value =
            serde_json::from_str(&printed(project, &vera, &["plan", &release, "-o", "json"]).await?)?;
        let step = |index: usize| &plan["steps"][index];
        same("dev", step(0)["state"].as_str(), Some("Verified"))?;
        let time = |value: &Value| -> Result<jiff::Timestamp> {
            Ok(value.as_str().with_context(|| format!("no time in {plan:#}"))?.parse()?)
        };
        let soaks = time(&step(1)["starts"])?.duration_since(time(&step(0)["verified"])?);
        same("soak", soaks.as_secs(), 7200)?;
        ensure!(time(&step(2)["starts"])? >= time(&step(1)["verified"])?, "{plan:#}");
        has(&step(2)["people"].to_string(), &["2 approvals are required"])?;
        let text = printed(project, &vera, &["plan", &release]).await?;
        has(&text, &["ENVIRONMENT", "STARTS", "dev", "staging", "soaked", "prod", "2 approvals"])
    })
    .await
}

async fn a_calendar_shows_windows_freezes_and_promotions() -> Result<()> {
    let windows = json!([{ "schedule": "0 9 * * *", "duration": "1h" }]);
    let prod = json!({ "name": "prod", "windows": windows, "after": ["dev"] });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let vera = viewer(project).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("dev-{release}"), "Verified").await?;
        let freeze = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "ChangeFreeze", "metadata": { "name": "year-end" },
            "spec": { "from": "2030-12-20T00:00:00Z", "to": "2031-01-02T00:00:00Z", "reason": "year-end" },
        });
        let path = format!("/apis/towpath.dev/v1alpha1/namespaces/{}/changefreezes", project.name);
        project.post(&path, freeze).await?;

        let text = printed(project, &vera, &["calendar"]).await?;
        has(&text, &["Mon Tue", "window", "09:00-10:00", "prod", "Verified", &format!("dev-{release}")])?;
        let text = printed(project, &vera, &["calendar", "--month", "2030-12"]).await?;
        has(&text, &["December 2030", "freeze", "ChangeFreeze year-end", "24F"])?;
        let file = printed(project, &vera, &["calendar", "--month", "2030-12", "--ical"]).await?;
        has(
            &file,
            &["BEGIN:VCALENDAR", "DTSTART:20301220T000000Z", "SUMMARY:frozen: ChangeFreeze year-end"],
        )?;
        ensure!(file.lines().all(|line| line.len() <= 75), "a line is longer than RFC 5545 allows:\n{file}");
        let output = towpath(project, &vera, &["calendar", "--month", "soon"]).await?;
        same("exit code", output.status.code(), Some(1))?;
        has(&String::from_utf8(output.stderr)?, &["--month \"soon\" is not a month"])
    })
    .await
}

async fn a_user_without_rights_cannot_look_ahead() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let nora = project.person("nora", &[], &[]).await?;
        let verbs: [&[&str]; 3] =
            [&["explain", "shop-1.0.0", "-e", "prod"], &["plan", "shop-1.0.0"], &["calendar"]];
        for arguments in verbs {
            let output = towpath(project, &nora, arguments).await?;
            same("exit code", output.status.code(), Some(1))?;
            let said = String::from_utf8(output.stderr)?;
            has(&said, &["you may not read", &project.name, "--clusterrole towpath-viewer"])?;
        }
        let vera = viewer(project).await?;
        for arguments in [&["explain", "shop-1", "-e", "prod"][..], &["plan", "shop-1"]] {
            let output = towpath(project, &vera, arguments).await?;
            has(&String::from_utf8(output.stderr)?, &["has no release shop-1"])?;
        }
        Ok(())
    })
    .await
}
