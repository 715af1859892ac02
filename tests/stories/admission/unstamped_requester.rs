//! A server that does not fill in who makes a request (before Kubernetes 1.36): the refusal says what to write, and that is taken.

use super::support::*;
use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, eventually};
use serde_json::{Value, json};
use support::installation::{install_chart, own_control_plane};

support::stories![where_no_requester_is_filled_in_the_refusal_says_what_to_write,];

async fn where_no_requester_is_filled_in_the_refusal_says_what_to_write() -> Result<()> {
    // One of its own: without the stamps every other test would be another one.
    let cluster = own_control_plane().await?;
    without_stamps(&cluster).await
}

async fn without_stamps(cluster: &ControlPlane) -> Result<()> {
    install_chart(cluster)?;
    let kubectl = cluster.kubectl(cluster.admin());
    kubectl.run(&["delete", "mutatingadmissionpolicies,mutatingadmissionpolicybindings", "--all"])?;
    let (admin, operator) = (Person::admin(cluster)?, Person::account(cluster, SYSTEM, "towpath").await?);
    let words = "is required: this API server does not fill it in";
    for (plural, field, object) in [
        ("releases", "requestedBy", release()),
        ("promotions", "requestedBy", promotion("dev")),
        ("approvals", "approver", approval("dev", None)),
        ("recalls", "author", recall(None)),
    ] {
        let at = ours("default", plural, "");
        let said = eventually("the policy to be enforced", SOON, async || {
            let answer = admin.post(&format!("{at}?dryRun=All"), object.clone()).await?;
            Ok(answer.refused(words).is_ok().then_some(answer.said))
        })
        .await?;
        let written = said.split_once("Set it to ").context("no proposal")?.1;
        let written: Value = serde_json::from_str(written).context("the proposal is no JSON")?;
        ensure!(written == admin.user(), "{said}");
        let whole = merged(&object, &json!({ "spec": { field: written } }));
        ensure!(admin.post(&at, whole).await?.allowed()?["spec"][field] == admin.user());
    }
    // The controller writes no name: the label says who it was, and only it may write that.
    let made = merged(&promotion("dev"), &json!({ "metadata": { "labels": automatic() } }));
    operator.post(&ours("default", "promotions", ""), made).await?.allowed().map(drop)
}
