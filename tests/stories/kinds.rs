//! What the API server itself refuses, by the schemas and rules of the kinds: the table of `support::refusals`, and the fence of terms.

use anyhow::{Context, Result, ensure};
use control_plane::{Tool, eventually};
use serde_json::{Value, json};
use support::SOON;
use support::installation::own_control_plane;
use support::manifests::root;
use support::refusals::changes;

support::stories![the_api_server_holds_the_rules_of_the_kinds,];

async fn the_api_server_holds_the_rules_of_the_kinds() -> Result<()> {
    // On one of its own: with the chart's policies no user could write all of these.
    let cluster = own_control_plane().await?;
    let kubectl = cluster.kubectl(cluster.admin());
    kubectl.run(&["apply", "--server-side", "-f", &root("crds").display().to_string()])?;
    kubectl.run(&["create", "namespace", "rules"])?;
    eventually("the kinds", SOON, async || {
        kubectl.run(&["get", "towpath", "-n", "rules"])?;
        Ok(kubectl
            .run(&["api-resources", "--api-group=towpath.dev"])?
            .contains("rollbackpolicies")
            .then_some(()))
    })
    .await?;
    for (index, (kind, what, before, after, refusal)) in changes().into_iter().enumerate() {
        let shown = format!("{kind}, {what}");
        let name = format!("case-{index}");
        if let Some(spec) = before {
            apply(&kubectl, kind, &name, spec).with_context(|| format!("{shown}: the object before"))?;
        }
        let answer = apply(&kubectl, kind, &name, after);
        match (refusal, answer) {
            (None, answer) => _ = answer.with_context(|| format!("{shown}: refused"))?,
            (Some(word), Ok(_)) => anyhow::bail!("{shown}: allowed, and should be refused with `{word}`"),
            (Some(word), Err(error)) => ensure!(format!("{error:#}").contains(word), "{shown}: {error:#}"),
        }
    }
    for name in ["de.v", &"a".repeat(41)] {
        let refused = apply(&kubectl, "Environment", name, json!({ "namespace": "b" })).is_err();
        ensure!(refused, "an Environment may be called {name}");
    }
    fence_on(&kubectl)
}

/// A controller that lost its lease and does not know it yet cannot overwrite what its successor wrote.
fn fence_on(kubectl: &Tool) -> Result<()> {
    apply(kubectl, "Promotion", "fence", json!({ "release": "r", "environment": "e" }))?;
    let status = || -> Result<Value> {
        let found = kubectl.run(&["get", "promotion", "fence", "-n", "rules", "-o", "jsonpath={.status}"])?;
        Ok(serde_json::from_str(&found)?)
    };
    ensure!(status()?["observedGeneration"] == -1, "a fresh object counts as current: {}", status()?);
    let write = |patch: &str| {
        let flags = ["-n", "rules", "--subresource=status", "--type=merge", "-p"];
        kubectl.run(&[&["patch", "promotion", "fence"], &flags[..], &[patch]].concat())
    };
    write(r#"{"status":{"epoch":5,"phase":"Promoting","observedGeneration":1}}"#)?;
    write(r#"{"status":{"epoch":5,"phase":"Observing"}}"#)?;
    for earlier in [r#"{"status":{"epoch":4}}"#, r#"{"status":{"epoch":null}}"#, r#"{"status":null}"#] {
        ensure!(write(earlier).is_err(), "allowed: {earlier}");
    }
    write(r#"{"status":{"epoch":6,"phase":"Verified"}}"#)?;
    ensure!(status()?["phase"] == "Verified" && status()?["epoch"] == 6, "{}", status()?);
    Ok(())
}

fn apply(kubectl: &Tool, kind: &str, name: &str, spec: Value) -> Result<String> {
    let object = json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": kind,
        "metadata": { "name": name, "namespace": "rules" }, "spec": spec,
    });
    kubectl.run_with(&["apply", "--server-side", "-f", "-"], &object.to_string())
}
