//! What people write with the plugin: each verb by a user with just the role that should suffice, and refused for one without it.

use super::{has, printed, towpath, viewer};
use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use serde_json::{Value, json};
use support::installation::SOON;
use support::objects::deployment;
use support::people::Person;
use support::project::Project;
use support::{in_project, same};

support::stories![
    a_requester_promotes_holds_resumes_and_withdraws_what_is_theirs,
    an_approver_sees_what_they_approve_and_a_rejection_closes_the_gate,
    on_call_rolls_back_aborts_and_retries,
    on_call_overrides_gates_and_recalls_releases,
    an_environment_admin_freezes_a_project,
    a_cluster_administrator_freezes_projects,
    an_intent_that_names_what_is_not_there_is_answered_with_a_sentence,
];

/// What it says, in one line, when it ends with that code.
async fn refused(project: &Project, person: &Person, arguments: &[&str], code: i32) -> Result<String> {
    let output = towpath(project, person, arguments).await?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(code), "{arguments:?} ended with {}: {said}", output.status);
    ensure!(said.lines().count() == 1, "more than one line:\n{said}");
    Ok(said)
}

/// The name of the object that it wrote.
async fn written(project: &Project, person: &Person, arguments: &[&str]) -> Result<String> {
    let printed = printed(project, person, &[arguments, &["-o", "name"]].concat()).await?;
    Ok(printed.trim().split_once('/').context(printed.clone())?.1.to_owned())
}

fn web(tag: &str) -> Value {
    json!({ "application": "shop", "version": tag, "source": { "manifests": [deployment("web", tag, None)] } })
}

async fn a_requester_promotes_holds_resumes_and_withdraws_what_is_theirs() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"], "promotion": "Manual" });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let ann = project.person("ann", &[], &["towpath-requester"]).await?;
        let ben = project.person("ben", &[], &["towpath-requester"]).await?;
        let vera = viewer(project).await?;
        ann.create(project, "releases", "shop-v1", web("v1")).await?;
        project.ended("dev-shop-v1", "Verified").await?;
        let promote = ["promote", "shop-v1", "-e", "prod"];

        let said = refused(project, &vera, &promote, 1).await?;
        has(&said, &["vera lacks the verb create on promotions.towpath.dev, and promote on environments.towpath.dev \"prod\"", &project.name])?;
        has(&said, &["kubectl create rolebinding towpath-requester-vera", "--user vera"])?;
        let shown =
            printed(project, &ann, &[&promote[..], &["--dry-run=client", "-o", "yaml"]].concat()).await?;
        has(&shown, &["kind: Promotion", "generateName: prod-shop-v1-", "environment: prod"])?;
        ensure!(!shown.contains("requestedBy"), "another user may apply it:\n{shown}");
        let judged = printed(project, &ann, &[&promote[..], &["--dry-run=server"]].concat()).await?;
        has(&judged, &["promotion.towpath.dev/prod-shop-v1-", "created (server dry run)"])?;
        same("promotions", project.all("promotions").await?.len(), 1)?;

        let said = refused(project, &ben, &["hold", "shop-v1", "--reason", "a doubt"], 1).await?;
        has(&said, &["ben lacks the verb rollback on all environments.towpath.dev", "--clusterrole towpath-oncall --user ben"])?;
        let held = printed(project, &ann, &["hold", "shop-v1", "--reason", "a doubt"]).await?;
        has(&held, &["release.towpath.dev/shop-v1 held"])?;
        let found = project.ours("releases", "shop-v1").await?;
        same("by", found["metadata"]["annotations"]["towpath.dev/held-by"].as_str(), Some("ann"))?;
        let said = refused(project, &ben, &["resume", "shop-v1"], 1).await?;
        has(&said, &["ben lacks the verb override on all environments.towpath.dev", "--clusterrole towpath-oncall --user ben"])?;

        let waits = written(project, &ann, &[&promote[..], &["--reason", "for the sale"]].concat()).await?;
        let is_held = |it: &Value| it["status"]["reason"] == "Hold";
        project.until("promotions", &waits, "waits at Hold", is_held).await?;
        let said = refused(project, &ben, &["abort", "prod"], 1).await?;
        has(&said, &["ben lacks the verb rollback on environments.towpath.dev \"prod\""])?;
        let said = printed(project, &ann, &["abort", "prod"]).await?;
        has(&said, &[&format!("promotion.towpath.dev/{waits} withdrawn")])?;
        same("promotions", project.all("promotions").await?.len(), 1)?;
        has(&refused(project, &ann, &["abort", "prod"], 1).await?, &["nothing is in progress in prod"])?;

        printed(project, &ann, &["resume", "shop-v1"]).await?;
        let goes = written(project, &ann, &promote).await?;
        project.ended(&goes, "Verified").await?;
        let made = project.ours("promotions", &goes).await?;
        same("requester", made["spec"]["requestedBy"]["username"].as_str(), Some("ann"))
    })
    .await
}

async fn an_approver_sees_what_they_approve_and_a_rejection_closes_the_gate() -> Result<()> {
    let prod = json!({ "name": "prod", "approvals": { "required": 1 } });
    in_project(&[prod], async |project| {
        let ann = project.person("ann", &[], &["towpath-requester", "towpath-approver"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        let vera = viewer(project).await?;
        let mut spec = web("v1");
        spec["change"] = json!({ "summary": "A new color", "tickets": ["SHOP-12"], "risk": "Low" });
        ann.create(project, "releases", "shop-v1", spec).await?;
        let waits = |it: &Value| it["status"]["approvals"]["required"] == 1;
        let promotion = project.until("promotions", "prod-shop-v1", "waits for approvals", waits).await?;
        let digest =
            promotion["status"]["approvals"]["of"]["digest"].as_str().context("no digest")?.to_owned();

        let approve = ["approve", "shop-v1", "-e", "prod"];
        let said = refused(project, &vera, &approve, 1).await?;
        has(&said, &["vera lacks the verb create on approvals.towpath.dev, and approve on environments.towpath.dev \"prod\""])?;
        has(&said, &["--clusterrole towpath-approver --user vera"])?;
        let asked = towpath(project, &bob, &approve).await?;
        same("exit code without a terminal", asked.status.code(), Some(2))?;
        has(&String::from_utf8(asked.stderr)?, &["there is no terminal to ask on"])?;
        same("approvals", project.all("approvals").await?.len(), 0)?;

        let shown = String::from_utf8(asked.stdout)?;
        has(&shown, &["Approval  shop-v1  for  prod", "shop v1, requested by ann", &digest])?;
        has(&shown, &["Normal, risk Low: A new color", "SHOP-12", "0 of 1"])?;
        let said = printed(project, &ann, &[&approve[..], &["--yes"]].concat()).await?;
        has(&said, &["You requested it, so your approval does not count in prod.", "created"])?;

        let reject = ["reject", "shop-v1", "-e", "prod", "--reason", "not today"];
        let said = refused(project, &vera, &reject, 1).await?;
        has(&said, &["vera lacks the verb create on approvals.towpath.dev, and approve on environments.towpath.dev \"prod\""])?;
        has(&said, &["--clusterrole towpath-approver --user vera"])?;
        let rejection = written(project, &bob, &reject).await?;
        let is_rejected = |it: &Value| it["status"]["approvals"]["rejected"][0]["comment"] == "not today";
        project.until("promotions", "prod-shop-v1", "is rejected", is_rejected).await?;
        bob.delete(project, "approvals", &rejection).await?;
        written(project, &bob, &[&approve[..], &["--yes", "--reason", "seen"]].concat()).await?;
        project.ended("prod-shop-v1", "Verified").await?;
        let said = refused(project, &bob, &[&approve[..], &["--yes"]].concat(), 1).await?;
        has(&said, &["prod-shop-v1 does not wait for an approval: it is Verified"])
    })
    .await
}

async fn on_call_rolls_back_aborts_and_retries() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let olga = project.person("olga", &[], &["towpath-oncall"]).await?;
        let ann = project.person("ann", &[], &["towpath-requester"]).await?;
        has(
            &refused(project, &olga, &["rollback", "prod"], 1).await?,
            &["nothing was promoted to prod yet"],
        )?;
        for version in ["v1", "v2"] {
            let release = project.release(version, &[deployment("web", version, None)]).await?;
            project.ended(&format!("prod-{release}"), "Verified").await?;
        }
        let settled = |it: &Value| it["status"]["applications"][0]["current"]["revision"] == 2;
        project.until("environments", "prod", "shows revision 2", settled).await?;
        let said = refused(project, &ann, &["rollback", "prod"], 1).await?;
        has(
            &said,
            &[
                "ann lacks the verb rollback on environments.towpath.dev \"prod\"",
                "--clusterrole towpath-oncall --user ann",
            ],
        )?;
        let said = refused(project, &olga, &["rollback", "prod", "--to", "7"], 1).await?;
        has(&said, &["prod has no verified revision 7 of shop: the verified ones are 2, 1"])?;
        let back = written(project, &olga, &["rollback", "prod", "--reason", "checkout is slow"]).await?;
        ensure!(back.starts_with("prod-shop-v2-rollback-"), "{back}");
        project.ended(&back, "Verified").await?;
        same("v1", project.image_of("prod", "deployments", "web").await?, support::objects::image("v1"))?;

        let retry = ["retry", "shop-v2", "-e", "prod"];
        let said = refused(project, &viewer(project).await?, &retry, 1).await?;
        has(&said, &["vera lacks the verb create on promotions.towpath.dev, and promote on environments.towpath.dev \"prod\""])?;
        has(&said, &["--clusterrole towpath-requester --user vera"])?;
        let again = written(project, &ann, &retry).await?;
        project.ended(&again, "Verified").await?;
        let made = project.ours("promotions", &again).await?;
        same("requester", made["spec"]["requestedBy"]["username"].as_str(), Some("ann"))?;
        let said = refused(project, &olga, &["retry", "shop-v2", "-e", "prod"], 1).await?;
        has(&said, &["shop-v2 is verified in prod", "there is nothing to retry"])?;
        let first = written(project, &olga, &["rollback", "prod", "--app", "shop", "--to", "1"]).await?;
        project.ended(&first, "Verified").await?;

        project.release("v3", &[deployment("web", "v3-never-ready", None)]).await?;
        project.in_phase("prod-shop-v3", "Promoting").await?;
        let said = refused(project, &ann, &["abort", "prod"], 1).await?;
        has(&said, &["ann lacks the verb rollback on environments.towpath.dev \"prod\""])?;
        let ends = written(project, &olga, &["abort", "prod", "--reason", "wrong version"]).await?;
        project.ended(&ends, "Verified").await?;
        project.ended("prod-shop-v3", "Failed").await?;
        same("v1", project.image_of("prod", "deployments", "web").await?, support::objects::image("v1"))
    })
    .await
}

async fn on_call_overrides_gates_and_recalls_releases() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"], "soak": "24h" });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let olga = project.person("olga", &[], &["towpath-oncall"]).await?;
        let ann = project.person("ann", &[], &["towpath-requester"]).await?;
        let release = project.release("v1", &[deployment("web", "v1", None)]).await?;
        project.ended("dev-shop-v1", "Verified").await?;
        let pass =
            ["override", "shop-v1", "-e", "prod", "--gate", "soak", "--reason", "the fix cannot wait"];
        let said = refused(project, &ann, &pass, 1).await?;
        has(&said, &["ann lacks the verb override on environments.towpath.dev \"prod\"", "--clusterrole towpath-oncall --user ann"])?;
        let made = written(project, &olga, &pass).await?;
        project.ended(&made, "Verified").await?;
        let spec = project.ours("promotions", &made).await?["spec"].clone();
        same(
            "override",
            spec["override"].clone(),
            json!({ "gates": ["Soak"], "reason": "the fix cannot wait" }),
        )?;

        let recall = ["recall", "shop-v1", "--reason", "it loses orders"];
        let said = refused(project, &ann, &recall, 1).await?;
        has(&said, &["ann lacks the verb create on recalls.towpath.dev, and rollback on all environments.towpath.dev"])?;
        let name = written(project, &olga, &recall).await?;
        let digest = project.ours("releases", &release).await?["status"]["digest"].clone();
        same("digest", project.ours("recalls", &name).await?["spec"]["digests"][0].clone(), digest)?;
        let said = refused(project, &ann, &["recall", "--lift", &name], 1).await?;
        has(&said, &["ann lacks the verb delete on recalls.towpath.dev, and override on all environments.towpath.dev"])?;
        let said = printed(project, &olga, &["recall", "--lift", &name]).await?;
        has(&said, &[&format!("recall.towpath.dev/{name} lifted")])?;
        same("recalls", project.all("recalls").await?.len(), 0)
    })
    .await
}

async fn an_environment_admin_freezes_a_project() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let olga = project.person("olga", &[], &["towpath-oncall"]).await?;
        let emma = project.person("emma", &[], &["towpath-environment-admin"]).await?;
        let freeze = ["freeze", "year-end", "--for", "48h", "--reason", "year-end", "-e", "prod"];
        let said = refused(project, &olga, &freeze, 1).await?;
        has(&said, &["olga lacks the verb create on changefreezes.towpath.dev"])?;
        has(&said, &["--clusterrole towpath-environment-admin --user olga"])?;
        has(&printed(project, &emma, &freeze).await?, &["changefreeze.towpath.dev/year-end created"])?;
        has(
            &refused(project, &emma, &freeze, 1).await?,
            &["changefreeze year-end already exists in namespace", "use another name"],
        )?;
        project.release("v1", &[deployment("web", "v1", None)]).await?;
        let frozen = |it: &Value| it["status"]["summary"] == "prod:Freeze";
        project.until("releases", "shop-v1", "waits at Freeze", frozen).await?;
        has(
            &refused(project, &olga, &["unfreeze"], 1).await?,
            &["olga lacks the verb delete on changefreezes.towpath.dev"],
        )?;
        has(&printed(project, &emma, &["unfreeze"]).await?, &["changefreeze.towpath.dev/year-end lifted"])?;
        project.ended("prod-shop-v1", "Verified").await.map(drop)
    })
    .await
}

async fn a_cluster_administrator_freezes_projects() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let emma = project.person("emma", &[], &["towpath-environment-admin"]).await?;
        // Other stories run in this cluster: a freeze without --project would stop them.
        let name = format!("sale-{}", project.name);
        let freeze = [
            "freeze",
            &name,
            "--cluster",
            "--project",
            &project.name,
            "--for",
            "48h",
            "--reason",
            "the sale",
        ];
        let said = refused(project, &emma, &freeze, 1).await?;
        has(
            &said,
            &[
                "emma lacks the verb create on clusterchangefreezes.towpath.dev in the cluster",
                "a cluster administrator grants it",
            ],
        )?;

        // The command of the sentence, with names of this story.
        let clara = project.person("clara", &[], &["towpath-viewer"]).await?;
        let admin = project.kubectl();
        let verbs = ["--verb", "get,list,create,delete", "--resource", "clusterchangefreezes.towpath.dev"];
        admin.run(&[&["create", "clusterrole", &name], &verbs[..]].concat())?;
        admin.run(&["create", "clusterrolebinding", &name, "--clusterrole", &name, "--user", "clara"])?;
        eventually("clara to be allowed to freeze", SOON, async || {
            let output = towpath(project, &clara, &[&freeze[..], &["--dry-run=server"]].concat()).await?;
            Ok(output.status.success().then_some(()))
        })
        .await?;
        let shown =
            printed(project, &clara, &[&freeze[..], &["--dry-run=client", "-o", "yaml"]].concat()).await?;
        has(&shown, &["kind: ClusterChangeFreeze", &format!("- {}", project.name)])?;
        ensure!(!shown.contains("namespace:"), "{shown}");
        let said = printed(project, &clara, &freeze).await?;
        has(&said, &[&format!("clusterchangefreeze.towpath.dev/{name} created")])?;
        let said = refused(project, &clara, &freeze, 1).await?;
        has(&said, &["already exists in the cluster: use another name"])?;
        let said = refused(project, &clara, &["unfreeze", "--cluster", "nothing"], 1).await?;
        has(&said, &["the cluster has no clusterchangefreeze nothing"])?;
        project.release("v1", &[deployment("web", "v1", None)]).await?;
        let frozen = |it: &Value| it["status"]["summary"] == "prod:Freeze";
        project.until("releases", "shop-v1", "waits at Freeze", frozen).await?;
        let said = refused(project, &emma, &["unfreeze", "--cluster", &name], 1).await?;
        has(&said, &["emma lacks the verb delete on clusterchangefreezes.towpath.dev in the cluster"])?;
        let said = printed(project, &clara, &["unfreeze", "--cluster", &name]).await?;
        has(&said, &[&format!("clusterchangefreeze.towpath.dev/{name} lifted")])?;
        project.ended("prod-shop-v1", "Verified").await.map(drop)
    })
    .await
}

async fn an_intent_that_names_what_is_not_there_is_answered_with_a_sentence() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let olga = project.person("olga", &[], &["towpath-oncall"]).await?;
        project.release("v1", &[deployment("web", "v1", None)]).await?;
        project.ended("prod-shop-v1", "Verified").await?;
        for (arguments, words) in [
            (&["promote", "shop-v2", "-e", "prod"][..], "has no release shop-v2: did you mean shop-v1?"),
            (&["promote", "shop-v1", "-e", "prd"], "has no environment prd: did you mean prod?"),
            (&["promote", "../x", "-e", "prod"], "is not the name of an object"),
            (&["rollback", "prod", "--app", "shp"], "has no application shp: did you mean shop?"),
            (&["abort", "prd"], "no environment and no promotion prd: did you mean prod?"),
            (
                &["abort", "prod-shop-v1"],
                "has ended: roll back with: kubectl towpath rollback prod --app shop",
            ),
            (&["resume", "shop-v1"], "shop-v1 is not held"),
            (&["recall", "--lift", "x"], "has no recall x"),
            (&["unfreeze"], "has no freeze"),
        ] {
            has(&refused(project, &olga, arguments, 1).await?, &[words])?;
        }
        for arguments in [
            &["override", "shop-v1", "-e", "prod", "--gate", "Windows", "--reason", "x"][..],
            &["override", "shop-v1", "-e", "prod", "--gate", "Window"],
            &["freeze", "--reason", "x"],
            &["freeze", "--cluster", "-e", "prod", "--for", "1h", "--reason", "x"],
            &["freeze", "--project", "shop", "--for", "1h", "--reason", "x"],
            &["recall", "shop-v1"],
        ] {
            let output = towpath(project, &olga, arguments).await?;
            same(&format!("{arguments:?}"), output.status.code(), Some(2))?;
        }
        Ok(())
    })
    .await
}
