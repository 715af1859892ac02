//! What a requester can withdraw: a promotion that has not started, and a release that they hold. What is another's, or has started, stays.

use super::support::*;
use anyhow::{Result, ensure};
use control_plane::ControlPlane;
use http::Method;
use serde_json::{Value, json};

support::stories![
    a_requester_withdraws_their_own_promotion_until_it_starts,
    on_call_withdraws_any_promotion_until_it_starts,
    a_requester_holds_their_own_release_and_lifts_their_own_hold,
    a_requester_changes_nothing_of_the_release_of_another,
    no_user_forges_who_holds_a_release,
];

const NOT_YOURS: &str = "only its requester can, or a user with the verb rollback";
const STARTED: &str = "has started and is part of the record";
const NOT_HELD: &str = "cannot hold Release";
const NOT_LIFTED: &str = "cannot lift the hold of Release";
const FORGED: &str = "the annotation towpath.dev/held-by names the user who holds the Release";

/// Ann and Ben are requesters, Olga is on call.
struct Staff {
    ann: Person,
    ben: Person,
    olga: Person,
    operator: Person,
}

impl Staff {
    async fn of(cluster: &ControlPlane, project: &str) -> Result<Self> {
        for (name, role) in
            [("ann", "towpath-requester"), ("ben", "towpath-requester"), ("olga", "towpath-oncall")]
        {
            bind(cluster, project, role, &json!({ "kind": "User", "name": name })).await?;
            until_may(cluster, name, "promote", "environments", (project, "prod")).await?;
        }
        Ok(Self {
            ann: Person::new(cluster, "ann", &[]).await?,
            ben: Person::new(cluster, "ben", &[]).await?,
            olga: Person::new(cluster, "olga", &[]).await?,
            operator: Person::account(cluster, SYSTEM, "towpath").await?,
        })
    }

    /// A promotion that the controller reports so.
    async fn promotion(&self, project: &str, by: &Person, name: &str, status: Value) -> Result<String> {
        let mut made = named(name, promotion("prod"));
        if name.starts_with("dry-run.") {
            made["spec"]["dryRun"] = json!(true);
        }
        by.post(&ours(project, "promotions", ""), made).await?.allowed()?;
        let one = ours(project, "promotions", name);
        if !status.is_null() {
            let whole = json!({ "status": merged(&json!({ "observedGeneration": 1, "epoch": 1 }), &status) });
            self.operator.patch(&format!("{one}/status"), whole).await?.allowed()?;
        }
        Ok(one)
    }
}

/// What a promotion can be in, and whether it can still be withdrawn.
fn states() -> Vec<(&'static str, Value, bool)> {
    vec![
        ("unseen", Value::Null, true),
        ("waiting", json!({ "phase": "Pending", "reason": "Window" }), true),
        ("starting", json!({ "phase": "Pending", "revision": 1 }), false),
        ("promoting", json!({ "phase": "Promoting", "revision": 2 }), false),
        ("verified", json!({ "phase": "Verified", "revision": 3 }), false),
        ("cancelled", json!({ "phase": "Cancelled" }), false),
        ("dry-run.ended", json!({ "phase": "Compared" }), true),
    ]
}

async fn a_requester_withdraws_their_own_promotion_until_it_starts() -> Result<()> {
    in_namespace(async |cluster, project| {
        let staff = Staff::of(cluster, project).await?;
        for (name, status, may) in states() {
            let one = staff.promotion(project, &staff.ann, name, status).await?;
            staff.ben.delete(&one).await?.refused(if may { NOT_YOURS } else { STARTED })?;
            let answer = staff.ann.delete(&one).await?;
            if may { answer.allowed().map(drop)? } else { answer.refused(STARTED)? }
        }
        // Nor all at once, nor by way of an owner that is not there.
        let all = ours(project, "promotions", "");
        let answer = staff.ann.send(Method::DELETE, &all, "application/json", None).await?;
        answer.refused("cannot deletecollection")?;
        let release = &release_owner();
        let owned = merged(&promotion("prod"), release);
        let all = ours(project, "promotions", "");
        staff
            .ann
            .post(&all, named("owned", owned))
            .await?
            .refused("ownerReferences of a Promotion must be empty")?;
        let owner = json!({ "metadata": { "ownerReferences": [] } });
        staff.ann.patch(&ours(project, "promotions", "verified"), owner).await?.refused("cannot patch")?;
        // The administrator of the cluster can, as for a namespace that is deleted.
        let admin = Person::admin(cluster)?;
        admin.delete(&ours(project, "promotions", "verified")).await?.allowed().map(drop)
    })
    .await
}

/// What the garbage collector deletes together with the release.
fn release_owner() -> Value {
    json!({ "metadata": { "ownerReferences": [{
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Release", "name": "shop-1.0.0",
        "uid": "00000000-0000-0000-0000-000000000000",
    }] } })
}

async fn on_call_withdraws_any_promotion_until_it_starts() -> Result<()> {
    in_namespace(async |cluster, project| {
        let staff = Staff::of(cluster, project).await?;
        for (name, status, may) in states() {
            let one = staff.promotion(project, &staff.ann, name, status).await?;
            let answer = staff.olga.delete(&one).await?;
            if may { answer.allowed().map(drop)? } else { answer.refused(STARTED)? }
        }
        // The controller's own belongs to no user.
        let labelled = merged(&promotion("prod"), &json!({ "metadata": { "labels": automatic() } }));
        let all = ours(project, "promotions", "");
        staff.operator.post(&all, named("automatic", labelled)).await?.allowed()?;
        let one = ours(project, "promotions", "automatic");
        staff.ann.delete(&one).await?.refused(NOT_YOURS)?;
        staff.olga.delete(&one).await?.allowed().map(drop)
    })
    .await
}

fn held(by: &str) -> Value {
    json!({ "metadata": { "annotations": { "towpath.dev/held-by": by } }, "spec": { "hold": true } })
}

fn lifted() -> Value {
    json!({ "metadata": { "annotations": { "towpath.dev/held-by": null } }, "spec": { "hold": null } })
}

async fn a_requester_holds_their_own_release_and_lifts_their_own_hold() -> Result<()> {
    in_namespace(async |cluster, project| {
        let Staff { ann, ben, olga, .. } = Staff::of(cluster, project).await?;
        ann.post(&ours(project, "releases", ""), named("hers", release())).await?.allowed()?;
        let one = ours(project, "releases", "hers");
        ben.patch(&one, held("ben")).await?.refused("cannot change Release")?;
        ben.patch(&one, json!({ "spec": { "hold": true } })).await?.refused(NOT_HELD)?;
        ann.patch(&one, held("ann")).await?.allowed()?;
        ben.patch(&one, json!({ "spec": { "hold": false } })).await?.refused(NOT_LIFTED)?;
        ann.patch(&one, lifted()).await?.allowed()?;
        // What on-call holds, on-call lifts.
        olga.patch(&one, held("olga")).await?.allowed()?;
        ann.patch(&one, lifted()).await?.refused("cannot lift the hold of Release hers: olga set it")?;
        ann.patch(&one, json!({ "spec": { "hold": false } })).await?.refused(NOT_LIFTED)?;
        let made = olga.patch(&one, lifted()).await?.allowed()?;
        ensure!(made["spec"]["hold"].is_null() && made["metadata"]["annotations"].is_null(), "{made}");
        // Without the annotation, no user is known to hold it.
        olga.patch(&one, json!({ "spec": { "hold": true } })).await?.allowed()?;
        ann.patch(&one, lifted()).await?.refused(NOT_LIFTED)?;
        olga.patch(&one, lifted()).await?.allowed()?;
        ann.patch(&one, held("ann")).await?.allowed()?;
        olga.patch(&one, lifted()).await?.allowed().map(drop)
    })
    .await
}

async fn a_requester_changes_nothing_of_the_release_of_another() -> Result<()> {
    in_namespace(async |cluster, project| {
        let Staff { ann, ben, .. } = Staff::of(cluster, project).await?;
        ann.post(&ours(project, "releases", ""), named("hers", release())).await?.allowed()?;
        let one = ours(project, "releases", "hers");
        let owner = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none" }]);
        for (change, value) in [
            ("labels", json!({ "a": "b" })),
            ("annotations", json!({ "a": "b" })),
            ("finalizers", json!(["example.com/never"])),
            ("ownerReferences", owner),
        ] {
            let patch = json!({ "metadata": { change: value } });
            ben.patch(&one, patch).await?.refused("cannot change Release hers")?;
        }
        ben.delete(&one).await?.refused("cannot delete")?;
        ann.patch(&one, json!({ "metadata": { "labels": { "a": "b" } } })).await?.allowed()?;
        // A change of nothing is no change.
        ben.patch(&one, json!({ "metadata": { "labels": { "a": "b" } } })).await?.allowed().map(drop)
    })
    .await
}

async fn no_user_forges_who_holds_a_release() -> Result<()> {
    in_namespace(async |cluster, project| {
        let Staff { ann, olga, .. } = Staff::of(cluster, project).await?;
        let all = ours(project, "releases", "");
        let annotated = |by: &str| json!({ "metadata": { "annotations": { "towpath.dev/held-by": by } } });
        ann.post(&all, named("other", merged(&release(), &held("olga")))).await?.refused(FORGED)?;
        ann.post(&all, named("not-held", merged(&release(), &annotated("ann")))).await?.refused(FORGED)?;
        ann.post(&all, named("hers", merged(&release(), &held("ann")))).await?.allowed()?;
        let one = ours(project, "releases", "hers");
        ann.patch(&one, lifted()).await?.allowed()?;
        ann.patch(&one, held("olga")).await?.refused(FORGED)?;
        ann.patch(&one, annotated("ann")).await?.refused(FORGED)?;
        // On-call may lift the holds of others, and holds nothing in their name.
        olga.patch(&one, held("ann")).await?.refused(FORGED)?;
        olga.patch(&one, held("olga")).await?.allowed()?;
        ann.patch(&one, annotated("ann")).await?.refused(FORGED)?;
        olga.patch(&one, annotated("ann")).await?.refused(FORGED)?;
        let because =
            |why: &str| json!({ "metadata": { "annotations": { "towpath.dev/held-because": why } } });
        olga.patch(&one, because("the data is wrong")).await?.allowed()?;
        ann.patch(&one, because("no reason")).await?.refused("is the reason of olga for the hold")?;
        // The built-in role edit may change every release.
        bind(cluster, project, "edit", &json!({ "kind": "User", "name": "ann" })).await?;
        until_may(cluster, "ann", "update", "releases", (project, "")).await?;
        ann.patch(&one, annotated("ann")).await?.refused(FORGED)?;
        ann.patch(&one, lifted()).await?.refused(NOT_LIFTED)
    })
    .await
}
