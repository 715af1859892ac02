//! Releases and promotions in another user's name, without the right, or changed afterwards: each is refused, and says why.

use super::people::{Attempts, Cast};
use super::support::*;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

support::stories![no_forged_release_is_taken, no_forged_promotion_is_taken,];

const NOT_YOU: &str = "spec.requestedBy must be the user who makes the request";
const FIXED: &str = "a Release is immutable";
const FIXED_PROMOTION: &str = "the spec of a Promotion is immutable";
const NO_HOLD: &str = "cannot lift the hold of Release given: the verb override on all environments";
const AUTOMATIC: &str = "towpath.dev/automatic marks";
const RECORD: &str = "only Towpath (system:serviceaccount:towpath-system:towpath) can write it";

fn by(object: Value, who: &Value) -> Value {
    merged(&object, &json!({ "spec": { "requestedBy": who } }))
}

fn labelled() -> Value {
    json!({ "metadata": { "labels": automatic() } })
}

fn overriding() -> Value {
    json!({ "spec": { "override": { "gates": ["Soak"], "reason": "now" } } })
}

async fn no_forged_release_is_taken() -> Result<()> {
    in_namespace(async |cluster, project| {
        let cast = Cast::of(cluster, project).await?;
        let Cast { ann, bob, mallory, robot } = &cast;
        let held = merged(&release(), &json!({ "spec": { "hold": true } }));
        ann.post(&ours(project, "releases", ""), named("given", held)).await?.allowed()?;
        let renamed = user("bob", &["developers", "system:authenticated"]);
        let more = user("ann", &["developers", "system:masters", "system:authenticated"]);
        let stranger = merged(&robot.user(), &json!({ "uid": "00000000-0000-0000-0000-000000000000" }));
        let requester = |who: Value| json!({ "spec": { "requestedBy": who } });
        let hold = |hold: Value| json!({ "spec": { "hold": hold } });

        let mut tries = Attempts::on(project, "releases");
        tries.create("another's name", ann, by(release(), &bob.user()), NOT_YOU).await?;
        tries.create("only the name", ann, by(release(), &renamed), NOT_YOU).await?;
        tries.create("a group added", ann, by(release(), &more), NOT_YOU).await?;
        tries.create("no groups", ann, by(release(), &user("ann", &[])), NOT_YOU).await?;
        tries.create("the operator's name", mallory, by(release(), &user(OPERATOR, &[])), NOT_YOU).await?;
        tries.create("a robot without its uid", robot, by(release(), &robot.user()), NOT_YOU).await?;
        tries.create("a robot with another's uid", robot, by(release(), &stranger), NOT_YOU).await?;
        tries.edit("the requester edited", mallory, requester(mallory.user()), FIXED).await?;
        tries.edit("the requester removed", mallory, requester(Value::Null), FIXED).await?;
        tries.edit("a hold lifted by no right", mallory, hold(json!(false)), NO_HOLD).await?;
        tries.edit("a hold removed by no right", mallory, hold(Value::Null), NO_HOLD).await?;
        tries.edit("a hold lifted by a right on one environment", ann, hold(json!(false)), NO_HOLD).await?;
        tries.report("its status patched", mallory, json!({ "phase": "Verified" }), "forbidden").await?;
        ensure!(tries.end()? == 13);

        let left = mallory.get(&ours(project, "releases", "")).await?.allowed()?;
        let left = left["items"].as_array().cloned().unwrap_or_default();
        ensure!(left.len() == 1 && left[0]["spec"]["hold"] == true, "{left:?}");
        ensure!(left[0]["spec"]["requestedBy"] == ann.user(), "{left:?}");
        Ok(())
    })
    .await
}

async fn no_forged_promotion_is_taken() -> Result<()> {
    in_namespace(async |cluster, project| {
        let cast = Cast::of(cluster, project).await?;
        let Cast { ann, bob, mallory, robot } = &cast;
        let given = ann.post(&ours(project, "promotions", ""), named("given", promotion("staging"))).await?;
        let given = given.allowed()?;
        let staging = || promotion("staging");
        let renamed = user("bob", &["developers", "system:authenticated"]);
        let more = user("ann", &["developers", "system:masters", "system:authenticated"]);
        let forced = merged(&staging(), &overriding());
        let no = |verb: &str, place: &str| format!("cannot {verb} in environment {place}");
        let requester = json!({ "spec": { "requestedBy": mallory.user() } });
        let away = json!({ "spec": { "environment": "prod" } });

        let mut tries = Attempts::on(project, "promotions");
        tries.create("another's name", ann, by(staging(), &bob.user()), NOT_YOU).await?;
        tries.create("only the name", ann, by(staging(), &renamed), NOT_YOU).await?;
        tries.create("a group added", ann, by(staging(), &more), NOT_YOU).await?;
        tries.create("no right at all", mallory, staging(), &no("promote", "staging")).await?;
        tries.create("the right elsewhere", ann, promotion("prod"), &no("promote", "prod")).await?;
        tries.create("a rollback with promote", ann, rollback("staging"), &no("rollback", "staging")).await?;
        tries.create("a robot's rollback", robot, rollback("prod"), &no("rollback", "prod")).await?;
        tries.create("gates overridden", ann, forced, "cannot override gates of environment stag").await?;
        tries.create("said to be automatic", ann, merged(&staging(), &labelled()), AUTOMATIC).await?;
        tries.edit("said so afterwards", mallory, labelled(), AUTOMATIC).await?;
        tries.edit("the requester edited", mallory, requester, FIXED_PROMOTION).await?;
        tries.edit("an override added afterwards", ann, overriding(), FIXED_PROMOTION).await?;
        tries.edit("sent elsewhere afterwards", ann, away, FIXED_PROMOTION).await?;
        tries.report("its status patched", mallory, json!({ "phase": "Verified" }), RECORD).await?;
        let applied =
            mallory.apply(&ours(project, "promotions", "applied"), named("applied", staging())).await?;
        tries.judge("by server-side apply", applied, &no("promote", "staging"));
        let abroad = ann.post(&ours("default", "promotions", ""), staging()).await?;
        tries.judge("in another project", abroad, "forbidden");
        ensure!(tries.end()? == 16);

        let left = mallory.get(&ours(project, "promotions", "")).await?.allowed()?;
        let left = left["items"].as_array().cloned().unwrap_or_default();
        ensure!(left.len() == 1 && left[0] == given, "{left:?}");
        Ok(())
    })
    .await
}
