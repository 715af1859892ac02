//! Who may close a review, and reviews in another user's name or changed afterwards: each is refused, and says why.

use super::people::{Attempts, Cast};
use super::support::*;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

support::stories![no_forged_review_is_taken, a_reviewer_withdraws_their_own_review_only,];

const NOT_YOU: &str = "spec.author must be the user who makes the request";
const NO_RIGHT: &str = "cannot review releases of project";
const FIXED: &str = "a Review is immutable";

async fn no_forged_review_is_taken() -> Result<()> {
    in_namespace(async |cluster, project| {
        let cast = Cast::of(cluster, project).await?;
        let (mallory, robot) = (&cast.mallory, &cast.robot);
        for subject in ["carol", &robot.name] {
            bind(cluster, project, "towpath-reviewer", &json!({ "kind": "User", "name": subject })).await?;
            until_may(cluster, subject, "review", "releases", (project, "")).await?;
        }
        let carol = Person::new(cluster, "carol", &["developers"]).await?;
        let given =
            carol.post(&ours(project, "reviews", ""), named("given", review(None))).await?.allowed()?;
        ensure!(given["spec"]["author"] == carol.user(), "{given}");

        let mut replayed = given.clone();
        replayed["metadata"] = json!({ "name": "replayed" });
        let mut tries = Attempts::on(project, "reviews");
        tries.create("another's name", &carol, review(Some(mallory.user())), NOT_YOU).await?;
        tries.create("no groups", &carol, review(Some(user("carol", &[]))), NOT_YOU).await?;
        tries.create("no right at all", mallory, review(None), NO_RIGHT).await?;
        tries.create("another's as it was", mallory, replayed.clone(), NO_RIGHT).await?;
        tries
            .create("a ServiceAccount", robot, review(None), "is a ServiceAccount: only people can review")
            .await?;
        tries.create("a ServiceAccount as a person", robot, replayed, "is a ServiceAccount").await?;
        let spec = |spec: Value| json!({ "spec": spec });
        tries.edit("the author edited", mallory, spec(json!({ "author": mallory.user() })), FIXED).await?;
        tries.edit("the outcome edited", mallory, spec(json!({ "outcome": "Successful" })), FIXED).await?;
        tries.edit("the release edited", mallory, spec(json!({ "release": "other" })), FIXED).await?;
        tries.delete("another's withdrawn", mallory, "given", "only carol can withdraw this Review").await?;
        ensure!(tries.end()? == 10);
        Ok(())
    })
    .await
}

async fn a_reviewer_withdraws_their_own_review_only() -> Result<()> {
    in_namespace(async |cluster, project| {
        let mut people = Vec::new();
        for name in ["first", "second"] {
            bind(cluster, project, "towpath-reviewer", &json!({ "kind": "User", "name": name })).await?;
            until_may(cluster, name, "review", "releases", (project, "")).await?;
            people.push(Person::new(cluster, name, &[]).await?);
        }
        people[0].post(&ours(project, "reviews", ""), named("given", review(None))).await?.allowed()?;
        let one = ours(project, "reviews", "given");
        people[1].delete(&one).await?.refused("only first can withdraw this Review")?;
        people[0].delete(&one).await?.allowed().map(drop)
    })
    .await
}
