//! The record is Towpath's: no status and no Content is written by anybody else, and deleting still works.

use super::support::*;
use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, eventually};
use serde_json::{Value, json};
use support::manifests::root;

support::stories![
    no_status_and_no_content_is_written_by_anybody_but_towpath,
    writing_an_object_as_it_is_passes_for_everybody,
    deleting_a_project_with_objects_of_every_kind_comes_to_its_end,
    what_an_environment_owns_goes_with_it_however_it_is_deleted,
    the_server_holds_the_policies_exactly_as_the_files_say,
];

const STATUS: &str = "status is the record of what Towpath observed and did: only Towpath";
const CONTENT: &str = "Contents are what Towpath restores in a rollback: only Towpath";

/// Plural, and a status that the schema takes.
fn statuses() -> [(&'static str, Value); 5] {
    [
        ("releases", json!({ "phase": "Verified" })),
        ("environments", json!({ "observedGeneration": 7 })),
        ("promotions", json!({ "phase": "Verified", "epoch": 9 })),
        ("approvals", json!({ "observedGeneration": 7 })),
        ("rollbackpolicies", json!({ "observedGeneration": 7 })),
    ]
}

/// One object of every kind, called `it`, in a project; the environment owns the promotion and the Content, as Towpath has it.
async fn one_of_each(cluster: &ControlPlane, project: &str) -> Result<()> {
    let (admin, operator) = (Person::admin(cluster)?, Person::account(cluster, SYSTEM, "towpath").await?);
    let freeze = json!({ "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "reason": "a" });
    let environment = object("Environment", json!({ "namespace": format!("{project}-dev") }));
    let made = admin.post(&ours(project, "environments", ""), named("it", environment)).await?.allowed()?;
    for (plural, object) in [
        ("rollbackpolicies", object("RollbackPolicy", json!({}))),
        ("changefreezes", object("ChangeFreeze", freeze)),
        ("releases", release()),
        ("approvals", approval("dev", None)),
    ] {
        admin.post(&ours(project, plural, ""), named("it", object)).await?.allowed()?;
    }
    let owner = json!({ "metadata": { "labels": automatic(), "ownerReferences": [{
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Environment", "name": "it", "uid": made["metadata"]["uid"],
    }] } });
    for (plural, object) in [("promotions", promotion("it")), ("contents", content())] {
        let object = named("it", merged(&object, &owner));
        operator.post(&ours(project, plural, ""), object).await?.allowed()?;
    }
    for (plural, status) in statuses() {
        let path = ours(project, plural, "it") + "/status";
        operator.patch(&path, json!({ "status": status })).await?.allowed()?;
    }
    Ok(())
}

async fn no_status_and_no_content_is_written_by_anybody_but_towpath() -> Result<()> {
    in_namespace(async |cluster, project| {
        one_of_each(cluster, project).await?;
        bind(cluster, project, "admin", &json!({ "kind": "User", "name": "owner" })).await?;
        let writes = ["create", "delete", "get", "patch", "update"];
        let kinds = [
            "*",
            "contents",
            "releases/status",
            "environments/status",
            "promotions/status",
            "approvals/status",
            "rollbackpolicies/status",
        ];
        grant(cluster, project, "writer", json!([rule(&kinds, &[], &writes)])).await?;
        until_may(cluster, "owner", "create", "environments", (project, "")).await?;
        until_may(cluster, "writer", "create", "contents", (project, "")).await?;
        let owner = Person::new(cluster, "owner", &[]).await?;
        let all = [Person::new(cluster, "writer", &[]).await?, Person::admin(cluster)?];
        let body = json!({ "spec": { "data": "y" } });
        for (plural, _) in statuses() {
            let path = ours(project, plural, "it") + "/status";
            let patch = json!({ "status": { "observedGeneration": 8 } });
            // An admin of the namespace has no right to it; who has one is no better off.
            owner.patch(&path, patch.clone()).await?.refused("forbidden")?;
            let kept = all[1].get(&path).await?.allowed()?;
            for who in &all {
                who.patch(&path, patch.clone()).await?.refused(STATUS)?;
                who.patch(&path, json!({ "status": null })).await?.refused("")?;
                who.put(&path, merged(&kept, &patch)).await?.refused(STATUS)?;
            }
            ensure!(all[1].get(&path).await?.allowed()? == kept, "{plural}");
            // In the object itself a status is not compared.
            let aside = ours(project, plural, "it");
            all[1].patch(&aside, patch).await?.allowed()?;
            ensure!(all[1].get(&path).await?.allowed()?["status"] == kept["status"], "{plural}");
        }
        let (contents, it) = (ours(project, "contents", ""), ours(project, "contents", "it"));
        owner.post(&contents, content()).await?.refused("forbidden")?;
        owner.patch(&it, body).await?.refused("forbidden")?;
        for who in &all {
            who.post(&contents, content()).await?.refused(CONTENT)?;
            who.apply(&ours(project, "contents", "applied"), named("applied", content()))
                .await?
                .refused(CONTENT)?;
        }
        let list = all[1].get(&contents).await?.allowed()?;
        ensure!(list["items"].as_array().map(Vec::len) == Some(1), "{list}");
        Ok(())
    })
    .await
}

/// Migrating what is stored writes every object as it is read.
async fn writing_an_object_as_it_is_passes_for_everybody() -> Result<()> {
    in_namespace(async |cluster, project| {
        one_of_each(cluster, project).await?;
        let admin = Person::admin(cluster)?;
        let kinds = [
            "releases",
            "environments",
            "promotions",
            "approvals",
            "contents",
            "changefreezes",
            "rollbackpolicies",
        ];
        for plural in kinds {
            let path = ours(project, plural, "it");
            let found = admin.get(&path).await?.allowed()?;
            let after = admin.put(&path, found.clone()).await?.allowed()?;
            ensure!(found == after, "{plural} was changed");
            if found["status"].is_object() {
                let path = path + "/status";
                admin.put(&path, found.clone()).await?.allowed()?;
                admin.patch(&path, json!({ "status": found["status"] })).await?.allowed()?;
            }
        }
        Ok(())
    })
    .await
}

async fn deleting_a_project_with_objects_of_every_kind_comes_to_its_end() -> Result<()> {
    in_namespace(async |cluster, project| {
        one_of_each(cluster, project).await?;
        let admin = Person::admin(cluster)?;
        let path = format!("/api/v1/namespaces/{project}");
        admin.delete(&path).await?.allowed()?;
        eventually("the end of the namespace", SOON, async || {
            Ok((admin.get(&path).await?.code == 404).then_some(()))
        })
        .await
    })
    .await
}

async fn what_an_environment_owns_goes_with_it_however_it_is_deleted() -> Result<()> {
    for propagation in ["Background", "Foreground", "Orphan"] {
        in_namespace(async |cluster, project| {
            one_of_each(cluster, project).await?;
            let admin = Person::admin(cluster)?;
            let path = ours(project, "environments", "it");
            admin.delete(&format!("{path}?propagationPolicy={propagation}")).await?.allowed()?;
            let orphan = propagation == "Orphan";
            eventually(&format!("the end of it all, {propagation}"), SOON, async || {
                let gone = admin.get(&path).await?.code == 404;
                let mut left = 0;
                for plural in ["promotions", "contents"] {
                    let found = admin.get(&ours(project, plural, "it")).await?;
                    let freed = found.object["metadata"]["ownerReferences"].is_null();
                    left += usize::from(if orphan { !freed } else { found.code != 404 });
                }
                Ok((gone && left == 0).then_some(()))
            })
            .await
        })
        .await?;
    }
    Ok(())
}

/// The files spell out every default, so that a comparison needs none.
async fn the_server_holds_the_policies_exactly_as_the_files_say() -> Result<()> {
    let cluster = &installed().await?;
    let admin = Person::admin(cluster)?;
    let folder = root("charts/towpath/files/policies").display().to_string();
    let mut compared = 0;
    for file in std::fs::read_dir(folder)? {
        let text = std::fs::read_to_string(file?.path())?;
        let text = text.replace("OPERATOR_USERNAME", OPERATOR).replace("OPERATOR_NAMESPACE", SYSTEM);
        for document in text.split("\n---\n") {
            let wanted: Value = serde_yaml::from_str(document)?;
            let kind = wanted["kind"].as_str().context("a kind")?.to_lowercase();
            let plural = kind.strip_suffix('y').map_or(format!("{kind}s"), |stem| format!("{stem}ies"));
            let name = wanted["metadata"]["name"].as_str().context("a name")?;
            let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}/{name}");
            let found = admin.get(&path).await?.allowed()?;
            ensure!(
                found["spec"] == wanted["spec"],
                "{path}\nfound: {}\nwanted: {}",
                found["spec"],
                wanted["spec"]
            );
            compared += 1;
        }
    }
    ensure!(compared == 28, "{compared} were compared");
    Ok(())
}
