//! Approvals in another user's name, without the right, or changed afterwards: each is refused, and says why.

use super::people::{Attempts, Cast};
use super::support::*;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

support::stories![no_forged_approval_is_taken, another_name_is_taken_only_from_who_may_impersonate,];

const NOT_YOU: &str = "spec.approver must be the user who makes the request";
const NO_RIGHT: &str = "cannot approve in environment prod";
const FIXED: &str = "an Approval is immutable";
const RECORD: &str = "only Towpath (system:serviceaccount:towpath-system:towpath) can write it";

async fn no_forged_approval_is_taken() -> Result<()> {
    in_namespace(async |cluster, project| {
        let cast = Cast::of(cluster, project).await?;
        let bob = &cast.bob;
        let given = approval("prod", None);
        let given = bob.post(&ours(project, "approvals", ""), named("given", given)).await?.allowed()?;
        ensure!(given["spec"]["approver"] == bob.user(), "{given}");

        let created = forged_from_the_start(&cast, project, &given).await?;
        let changed = changed_afterwards(&cast, project).await?;
        ensure!(created + changed == 22, "{created} and {changed} were tried");

        let left = cast.mallory.get(&ours(project, "approvals", "")).await?.allowed()?;
        let left = left["items"].as_array().cloned().unwrap_or_default();
        ensure!(left.len() == 1 && left[0]["spec"] == given["spec"], "{left:?}");
        bob.delete(&ours(project, "approvals", "given")).await?.allowed().map(drop)
    })
    .await
}

async fn forged_from_the_start(cast: &Cast, project: &str, given: &Value) -> Result<usize> {
    let Cast { ann, bob, mallory, robot } = cast;
    let groups = |groups: &[&str]| approval("prod", Some(user("bob", groups)));
    let whole = groups(&["developers", "release-managers", "system:authenticated"]);
    let more = groups(&["developers", "release-managers", "security", "system:authenticated"]);
    let uid = merged(&whole, &json!({ "spec": { "approver": { "uid": "1" } } }));
    let as_bob = approval("staging", Some(bob.user()));
    let renamed = approval("staging", Some(user("bob", &["developers", "system:authenticated"])));
    let mine = approval("prod", None);
    let mut replayed = given.clone();
    replayed["metadata"] = json!({ "name": "replayed" });
    let elsewhere = merged(&replayed, &json!({ "spec": { "environment": { "name": "staging" } } }));
    let mut robots = approval("prod", Some(robot.user()));
    robots["spec"]["decision"] = json!("Reject");

    let mut tries = Attempts::on(project, "approvals");
    tries.create("another's name", ann, as_bob.clone(), NOT_YOU).await?;
    tries.create("only the name", ann, renamed, NOT_YOU).await?;
    tries.create("no right at all", mallory, mine.clone(), NO_RIGHT).await?;
    tries.create("the right on another environment", ann, mine.clone(), NO_RIGHT).await?;
    tries.create("a ServiceAccount", robot, mine, "is a ServiceAccount: only people can approve").await?;
    tries.create("a ServiceAccount as a person", robot, whole, "is a ServiceAccount").await?;
    tries.create("a ServiceAccount that rejects", robot, robots, "is a ServiceAccount").await?;
    tries.create("a group added", bob, more, NOT_YOU).await?;
    tries.create("a group removed", bob, groups(&["developers", "system:authenticated"]), NOT_YOU).await?;
    tries.create("no groups", bob, groups(&[]), NOT_YOU).await?;
    tries.create("the uid of another", bob, uid, NOT_YOU).await?;
    tries.create("another's, for one's own environment", ann, elsewhere, NOT_YOU).await?;
    tries.create("another's as it was", mallory, replayed, NO_RIGHT).await?;
    let applied = ann.apply(&ours(project, "approvals", "applied"), named("applied", as_bob)).await?;
    tries.judge("another's name by server-side apply", applied, NOT_YOU);
    tries.end()
}

async fn changed_afterwards(cast: &Cast, project: &str) -> Result<usize> {
    let Cast { ann, mallory, .. } = cast;
    let spec = |spec: Value| json!({ "spec": spec });
    let mine = spec(json!({ "approver": mallory.user() }));
    let digest = spec(json!({ "digest": "b".repeat(64) }));
    let later = spec(json!({ "expiresAt": "2099-01-01T00:00:00Z" }));
    let staging = spec(json!({ "environment": { "name": "staging" } }));
    let ready = json!({ "observedGeneration": 1 });

    let mut tries = Attempts::on(project, "approvals");
    tries.edit("the approver edited", mallory, mine, FIXED).await?;
    tries.edit("the digest edited", mallory, digest, FIXED).await?;
    tries.edit("the decision edited", mallory, spec(json!({ "decision": "Reject" })), FIXED).await?;
    tries.edit("its end put off", mallory, later, FIXED).await?;
    tries.edit("its environment edited by who approves there", ann, staging, FIXED).await?;
    tries.report("its status patched", mallory, ready, RECORD).await?;
    tries.delete("withdrawn by another", mallory, "given", "only bob can withdraw this Approval").await?;
    tries
        .delete("withdrawn together with all others", mallory, "", "only bob can withdraw this Approval")
        .await?;
    tries.end()
}

async fn another_name_is_taken_only_from_who_may_impersonate() -> Result<()> {
    in_namespace(async |cluster, project| {
        let cast = Cast::of(cluster, project).await?;
        for name in ["bob", OPERATOR] {
            let pretended = Person::impersonated(&cast.mallory.access, name, &[])?;
            let answer = pretended.post(&ours(project, "approvals", ""), approval("prod", None)).await?;
            answer.refused("cannot impersonate")?;
        }
        Ok(())
    })
    .await
}
