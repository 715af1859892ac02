//! Who may recall and lift a recall, and recalls in another user's name or changed afterwards: each is refused, and says why.

use super::people::{Attempts, Cast};
use super::support::*;
use anyhow::{Result, ensure};
use control_plane::ControlPlane;
use serde_json::{Value, json};

support::stories![no_forged_recall_is_taken, lifting_a_recall_needs_override_everywhere,];

const NOT_YOU: &str = "spec.author must be the user who makes the request";
const NO_RIGHT: &str = "cannot recall in project";
const NOT_LIFTED: &str = "cannot lift a recall in project";
const FIXED: &str = "a Recall is immutable";
const RECORD: &str = "only Towpath (system:serviceaccount:towpath-system:towpath) can write it";

/// A person with verbs on environments: all of them, or those that are named.
async fn with_verbs(
    cluster: &ControlPlane,
    project: &str,
    name: &str,
    on: &[&str],
    verbs: &[&str],
) -> Result<Person> {
    let writes = rule(&["recalls"], &[], &["create", "delete", "get", "patch"]);
    grant(cluster, project, name, json!([writes, rule(&["environments"], on, verbs)])).await?;
    let place = on.first().copied().unwrap_or_default();
    until_may(cluster, name, verbs[0], "environments", (project, place)).await?;
    Person::new(cluster, name, &["developers"]).await
}

async fn no_forged_recall_is_taken() -> Result<()> {
    in_namespace(async |cluster, project| {
        let cast = Cast::of(cluster, project).await?;
        let (mallory, robot) = (&cast.mallory, &cast.robot);
        let carol = with_verbs(cluster, project, "carol", &[], &["rollback"]).await?;
        let dave = with_verbs(cluster, project, "dave", &["prod", "staging"], &["rollback"]).await?;
        bind(cluster, project, "towpath-oncall", &json!({ "kind": "User", "name": robot.name })).await?;
        until_may(cluster, &robot.name, "rollback", "environments", (project, "")).await?;
        let given =
            carol.post(&ours(project, "recalls", ""), named("given", recall(None))).await?.allowed()?;
        ensure!(given["spec"]["author"] == carol.user(), "{given}");

        let more = user("carol", &["developers", "release-managers", "system:authenticated"]);
        let mut replayed = given.clone();
        replayed["metadata"] = json!({ "name": "replayed" });
        let mut tries = Attempts::on(project, "recalls");
        tries.create("another's name", &carol, recall(Some(mallory.user())), NOT_YOU).await?;
        tries.create("a group added", &carol, recall(Some(more)), NOT_YOU).await?;
        tries.create("no groups", &carol, recall(Some(user("carol", &[]))), NOT_YOU).await?;
        tries.create("no right at all", mallory, recall(None), NO_RIGHT).await?;
        tries.create("the right on two environments", &dave, recall(None), NO_RIGHT).await?;
        tries.create("another's as it was", mallory, replayed.clone(), NO_RIGHT).await?;
        tries
            .create("a ServiceAccount", robot, recall(None), "is a ServiceAccount: only people can recall")
            .await?;
        tries.create("a ServiceAccount as a person", robot, replayed, "is a ServiceAccount").await?;
        let spec = |spec: Value| json!({ "spec": spec });
        let digests = spec(json!({ "digests": ["b".repeat(64)] }));
        tries.edit("the author edited", mallory, spec(json!({ "author": mallory.user() })), FIXED).await?;
        tries.edit("the digests edited", &carol, digests, FIXED).await?;
        tries.edit("the application edited", &carol, spec(json!({ "application": "other" })), FIXED).await?;
        tries.report("its status patched", mallory, json!({ "observedGeneration": 1 }), RECORD).await?;
        tries.delete("lifted without override", &carol, "given", NOT_LIFTED).await?;
        tries.delete("all lifted at once", mallory, "", NOT_LIFTED).await?;
        ensure!(tries.end()? == 14);
        let left = mallory.get(&ours(project, "recalls", "")).await?.allowed()?;
        ensure!(left["items"].as_array().is_some_and(|left| left.len() == 1), "{left}");
        Ok(())
    })
    .await
}

async fn lifting_a_recall_needs_override_everywhere() -> Result<()> {
    in_namespace(async |cluster, project| {
        let carol = with_verbs(cluster, project, "carol", &[], &["rollback"]).await?;
        carol.post(&ours(project, "recalls", ""), named("given", recall(None))).await?.allowed()?;
        let some = with_verbs(cluster, project, "dave", &["prod"], &["override"]).await?;
        let one = ours(project, "recalls", "given");
        some.delete(&one).await?.refused(NOT_LIFTED)?;
        let all = with_verbs(cluster, project, "erin", &[], &["override"]).await?;
        all.post(&ours(project, "recalls", ""), recall(None)).await?.refused(NO_RIGHT)?;
        all.delete(&one).await?.allowed().map(drop)
    })
    .await
}
