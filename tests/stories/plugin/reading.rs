//! What the plugin shows: boards, trees, histories, and how a wait ends.

use super::watching::watches;
use super::{has, printed, towpath, viewer};
use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::objects::deployment;
use support::{in_project, same};

support::stories![
    a_viewer_sees_what_runs_what_waits_and_how_it_ended,
    what_waits_for_me_is_what_i_may_decide_about,
    a_hold_waits_for_who_set_it_and_for_who_may_override_everywhere,
    a_wait_ends_with_an_exit_code_for_each_end,
    a_wait_for_what_is_replaced_or_cannot_be_judged_has_codes_of_its_own,
    a_wait_for_a_release_that_fails_shows_the_pod_that_crashes,
    a_user_without_rights_is_told_which_right_is_missing_and_who_grants_it,
    an_unknown_name_is_answered_with_the_nearest_one,
];

async fn a_viewer_sees_what_runs_what_waits_and_how_it_ended() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"], "promotion": "Manual" });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let vera = viewer(project).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("dev-{release}"), "Verified").await?;
        let waits = |it: &Value| it["status"]["applications"][0]["waiting"]["gate"] == "Manual";
        project.until("environments", "prod", "waits", waits).await?;

        let board = printed(project, &vera, &["get"]).await?;
        has(&board, &["APPLICATION", "dev", "1.0.0", "Verified", "prod", "shop-1.0.0", "Manual: "])?;
        let data: Value = serde_json::from_str(&printed(project, &vera, &["get", "-o", "json"]).await?)?;
        same("version", data["apiVersion"].as_str(), Some("view.towpath.dev/v1alpha1"))?;
        same("waits", data["rows"][1]["waits"]["gate"].as_str(), Some("Manual"))?;

        let waiting = printed(project, &vera, &["waiting"]).await?;
        has(&waiting, &["prod", "shop-1.0.0", "Manual"])?;
        let history = printed(project, &vera, &["history", "dev"]).await?;
        has(&history, &["REVISION", "1.0.0", "Verified", "towpath"])?;
        let status = printed(project, &vera, &["status", "shop-1.0.0"]).await?;
        has(&status, &["Release  shop-1.0.0  Waiting", "|-- dev  Verified  revision 1", "`-- prod  Manual"])?;
        let status = printed(project, &vera, &["status", "env/dev"]).await?;
        has(&status, &["Environment  dev  Ready", "shop  1.0.0  revision 1  Verified"])
    })
    .await
}

async fn what_waits_for_me_is_what_i_may_decide_about() -> Result<()> {
    let prod = json!({ "name": "prod", "approvals": { "required": 2 } });
    in_project(&[prod], async |project| {
        let vera = viewer(project).await?;
        let anna = project.person("anna", &[], &["towpath-approver"]).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let promotion = format!("prod-{release}");
        let waits = |it: &Value| it["status"]["reason"] == "Approval";
        project.until("promotions", &promotion, "waits for approvals", waits).await?;

        has(&printed(project, &vera, &["waiting"]).await?, &["prod", &release, "Approval"])?;
        has(&printed(project, &vera, &["waiting", "--me"]).await?, &["Nothing waits for you"])?;
        has(&printed(project, &anna, &["waiting", "--me"]).await?, &["prod", &release, "0 of 2 approvals"])?;
        let text = printed(project, &anna, &["approve", &release, "-e", "prod", "--yes"]).await?;
        has(&text, &["1.0.0", "nothing of it runs there", "created"])?;
        let counted = |it: &Value| it["status"]["approvals"]["approved"][0]["by"] == "anna";
        project.until("promotions", &promotion, "counts the approval", counted).await?;
        has(&printed(project, &anna, &["waiting", "--me"]).await?, &["Nothing waits for you"])?;

        let data = printed(project, &vera, &["status", &release, "-o", "json"]).await?;
        let data: Value = serde_json::from_str(&data)?;
        same("kind", data["kind"].as_str(), Some("Status"))?;
        same("outlook", data["outlook"].as_str(), Some("AwaitsPerson"))?;
        same("release", data["tree"]["words"][1].as_str(), Some(release.as_str()))
    })
    .await
}

async fn a_hold_waits_for_who_set_it_and_for_who_may_override_everywhere() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let ann = project.person("ann", &[], &["towpath-requester"]).await?;
        let ben = project.person("ben", &[], &["towpath-requester"]).await?;
        let olga = project.person("olga", &[], &["towpath-oncall"]).await?;
        let otto = viewer(project).await?;
        let rule = json!({ "apiGroups": ["towpath.dev"], "resources": ["environments"], "resourceNames": ["prod"], "verbs": ["override"] });
        let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", project.name);
        let role = json!({ "metadata": { "name": "override-prod" }, "rules": [rule] });
        project.post(&format!("{rbac}/roles"), role).await?;
        let binding = json!({
            "metadata": { "name": "override-prod" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "override-prod" },
            "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": otto.name }],
        });
        project.post(&format!("{rbac}/rolebindings"), binding).await?;
        project.until_may(&otto.name, "override", "prod", true).await?;

        let source = json!({ "manifests": [deployment("web", "v1", None)] });
        let held = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Release",
            "metadata": { "name": "shop-v1", "annotations": { "towpath.dev/held-by": "ann" } },
            "spec": { "application": "shop", "version": "v1", "source": source, "hold": true },
        });
        ann.send(Method::POST, &project.path("releases", ""), "application/json", held).await?;
        let waits = |it: &Value| it["status"]["applications"][0]["waiting"]["gate"] == "Hold";
        project.until("environments", "prod", "waits at Hold", waits).await?;
        for person in [&ann, &olga] {
            has(&printed(project, person, &["waiting", "--me"]).await?, &["prod", "shop-v1", "Hold"])?;
        }
        // The right to override gates of one environment does not lift a hold.
        for person in [&ben, &otto] {
            has(&printed(project, person, &["waiting", "--me"]).await?, &["Nothing waits for you"])?;
        }
        printed(project, &ann, &["resume", "shop-v1"]).await?;
        project.ended("prod-shop-v1", "Verified").await.map(drop)
    })
    .await
}

async fn a_wait_ends_with_an_exit_code_for_each_end() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"], "promotion": "Manual" });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let vera = viewer(project).await?;
        let held =
            json!({ "source": { "manifests": [deployment("web", "v1-never-ready", None)] }, "until": "dev" });
        project.release_of("slow", "1.0.0", held).await?;
        let output = towpath(project, &vera, &["status", "slow-1.0.0", "--wait", "--timeout", "2s"]).await?;
        same("timed out", output.status.code(), Some(12))?;

        let good = json!({ "source": { "manifests": [deployment("web2", "v1", None)] }, "until": "dev" });
        project.release_of("good", "1.0.0", good).await?;
        let output =
            towpath(project, &vera, &["status", "good-1.0.0", "--wait", "--timeout", "120s"]).await?;
        same("verified", output.status.code(), Some(0))?;

        let further = json!({ "source": { "manifests": [deployment("web3", "v1", None)] } });
        project.release_of("further", "1.0.0", further).await?;
        let output =
            towpath(project, &vera, &["status", "further-1.0.0", "--wait", "--timeout", "120s"]).await?;
        same("a person is needed", output.status.code(), Some(11))?;
        has(&String::from_utf8_lossy(&output.stdout), &["prod  Manual"])
    })
    .await
}

async fn a_wait_for_what_is_replaced_or_cannot_be_judged_has_codes_of_its_own() -> Result<()> {
    in_project(&[json!({ "name": "dev" })], async |project| {
        let vera = viewer(project).await?;
        let mut slow = deployment("web", "v1-ready-after", None);
        slow["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": "600" });
        project.release("1.0.0", &[slow]).await?;
        project.in_phase("dev-shop-1.0.0", "Promoting").await?;
        let wait = ["status", "shop-1.0.0", "--wait", "--timeout", "120s"];
        let mark = project.cluster.audit()?.mark().await?;
        let newer = async {
            // The wait is under way when the newer release appears.
            watches(project, &vera, mark).await?;
            project.release("2.0.0", &[deployment("web", "v2", None)]).await
        };
        let (output, newer) = tokio::join!(towpath(project, &vera, &wait), newer);
        let (output, newer) = (output?, newer?);
        same("superseded", output.status.code(), Some(14))?;
        has(&String::from_utf8_lossy(&output.stdout), &["Promoting", "Superseded"])?;
        project.ended(&format!("dev-{newer}"), "Verified").await?;

        let flag = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": "missing",
            "compare": { "path": "$.data.ready", "value": "yes" },
        });
        let checks = json!([{ "name": "flag", "interval": "5s", "object": flag }]);
        let asked = json!({ "spec": { "observeWindow": "20s", "checks": checks } });
        project.change("rollbackpolicies", "quick", asked).await?;
        let third = project.release("3.0.0", &[deployment("web", "v3", None)]).await?;
        let output = towpath(project, &vera, &["status", &third, "--wait", "--timeout", "120s"]).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.code() == Some(13), "inconclusive: {}\n{text}", output.status);
        has(&text, &["dev  Inconclusive", "check flag"])?;
        let data = printed(project, &vera, &["status", &third, "-o", "json"]).await?;
        let data: Value = serde_json::from_str(&data)?;
        same("phase", data["phase"].as_str(), Some("Inconclusive"))?;
        same("check", data["promotions"][0]["checks"][0]["name"].as_str(), Some("flag"))
    })
    .await
}

async fn a_wait_for_a_release_that_fails_shows_the_pod_that_crashes() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let vera = viewer(project).await?;
        let pods = json!({
            "metadata": { "name": "vera" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
            "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "vera" }],
        });
        let path =
            format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", project.target("prod"));
        project.post(&path, pods).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;
        project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
        let output =
            towpath(project, &vera, &["status", "shop-2.0.0", "--wait", "--timeout", "120s"]).await?;
        same("rolled back", output.status.code(), Some(10))?;
        let text = String::from_utf8(output.stdout)?;
        has(&text, &["Release  shop-2.0.0  RolledBack", "Promotion  prod-shop-2.0.0", "pod web-"])?;
        let data = printed(project, &vera, &["status", "shop-2.0.0", "-o", "json"]).await?;
        let data: Value = serde_json::from_str(&data)?;
        let of = (data["of"].as_str(), data["name"].as_str(), data["phase"].as_str());
        same("what it is", of, (Some("Release"), Some("shop-2.0.0"), Some("RolledBack")))?;
        same("promotion", data["promotions"][0]["phase"].as_str(), Some("Failed"))
    })
    .await
}

async fn a_user_without_rights_is_told_which_right_is_missing_and_who_grants_it() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let nora = project.person("nora", &[], &[]).await?;
        for arguments in [&["get"][..], &["waiting"], &["history", "prod"], &["status", "prod"]] {
            let begun = Instant::now();
            let output = towpath(project, &nora, arguments).await?;
            same("exit code", output.status.code(), Some(1))?;
            let said = String::from_utf8(output.stderr)?;
            has(&said, &["you may not read", &project.name, "--clusterrole towpath-viewer"])?;
            ensure!(said.lines().count() == 1, "more than one line:\n{said}");
            ensure!(begun.elapsed() < Duration::from_secs(60), "it took {:?}", begun.elapsed());
        }
        Ok(())
    })
    .await
}

async fn an_unknown_name_is_answered_with_the_nearest_one() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let vera = viewer(project).await?;
        let refused = async |arguments: &[&str]| -> Result<String> {
            let output = towpath(project, &vera, arguments).await?;
            same("exit code", output.status.code(), Some(1))?;
            Ok(String::from_utf8(output.stderr)?)
        };
        has(
            &refused(&["status", "prd"]).await?,
            &["no release, environment or promotion prd: did you mean prod?"],
        )?;
        has(&refused(&["status", "env/pord"]).await?, &["no environment pord: did you mean prod?"])?;
        has(&refused(&["history", "prodd"]).await?, &["did you mean prod?"])?;
        has(&refused(&["status", "../secrets/x"]).await?, &["has no status here"])?;
        has(&refused(&["status", "release/a?x=y"]).await?, &["is not the name of an object"])?;
        has(&refused(&["get", "a/b"]).await?, &["is not the name of a namespace"])
    })
    .await
}
