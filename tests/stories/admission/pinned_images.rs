//! Where a namespace takes images by digest only, an environment's identity brings no other.

use super::escalation::workload;
use super::support::*;
use anyhow::Result;
use control_plane::{ControlPlane, eventually};
use serde_json::{Value, json};

support::stories![a_namespace_that_pins_takes_images_by_digest_only, elsewhere_tags_are_taken,];

const BY_DIGEST: &str =
    "registry.example.com/a@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Pod specs, each with one image by tag among those by digest.
fn with_a_tag() -> Vec<(&'static str, Value)> {
    let container = |name: &str, image: &str| json!({ "name": name, "image": image });
    let pinned = container("a", BY_DIGEST);
    let volume = json!({ "name": "v", "image": { "reference": "tagged:1" } });
    vec![
        ("a container", json!({ "containers": [container("b", "tagged:1")] })),
        ("the second container", json!({ "containers": [pinned, container("b", "tagged:1")] })),
        (
            "an init container",
            json!({ "containers": [pinned], "initContainers": [container("b", "tagged:1")] }),
        ),
        ("a volume", json!({ "containers": [pinned], "volumes": [volume] })),
    ]
}

async fn identity(cluster: &ControlPlane, target: &str) -> Result<Person> {
    let subject = json!({ "kind": "ServiceAccount", "namespace": DEPLOYERS, "name": "p.env" });
    bind(cluster, target, "towpath-deploy", &subject).await?;
    let identity = Person::deployer(cluster, "p.env", &[])?;
    until_may(cluster, &identity.name, "create", "apps/deployments", (target, "")).await?;
    Ok(identity)
}

async fn a_namespace_that_pins_takes_images_by_digest_only() -> Result<()> {
    in_namespace(async |cluster, target| {
        let (identity, admin) = (identity(cluster, target).await?, Person::admin(cluster)?);
        let label = json!({ "metadata": { "labels": { "towpath.dev/images": "pinned" } } });
        admin.patch(&format!("/api/v1/namespaces/{target}"), label).await?.allowed()?;
        let at = |version: &str, plural: &str, name: &str| path(version, target, plural, name);
        let words = "requires images with a digest: use name@sha256:... instead of tagged:1";
        eventually("the label to be known", SOON, async || {
            let tried = workload("Deployment", "web", &with_a_tag()[0].1);
            let answer = identity.post(&(at("apps/v1", "deployments", "") + "?dryRun=All"), tried).await?;
            Ok(answer.refused(words).is_ok().then_some(()))
        })
        .await?;
        let mut faults = Vec::new();
        for (what, pod) in with_a_tag() {
            for (version, plural, kind) in [
                ("apps/v1", "deployments", "Deployment"),
                ("apps/v1", "statefulsets", "StatefulSet"),
                ("apps/v1", "daemonsets", "DaemonSet"),
                ("batch/v1", "jobs", "Job"),
                ("batch/v1", "cronjobs", "CronJob"),
            ] {
                let answer = identity.post(&at(version, plural, ""), workload(kind, "web", &pod)).await?;
                faults.extend(answer.refused(words).err().map(|error| format!("{kind}, {what}: {error:#}")));
            }
        }
        all_hold(faults, 20)?;

        let pinned = json!({ "containers": [{ "name": "a", "image": BY_DIGEST }] });
        identity.post(&at("apps/v1", "deployments", ""), workload("Deployment", "web", &pinned)).await?.allowed()?;
        let tagged = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "a", "image": "tagged:1" }] } } } });
        let deployment = at("apps/v1", "deployments", "web");
        identity.patch(&deployment, tagged.clone()).await?.refused(words)?;
        identity.patch(&deployment, json!({ "spec": { "replicas": 3 } })).await?.allowed()?;
        // It says what a release may bring, and nothing of others.
        admin.patch(&deployment, tagged).await?.allowed().map(drop)
    })
    .await
}

async fn elsewhere_tags_are_taken() -> Result<()> {
    in_namespace(async |cluster, target| {
        let identity = identity(cluster, target).await?;
        for (number, (_, pod)) in with_a_tag().into_iter().enumerate() {
            let object = workload("Deployment", &format!("web-{number}"), &pod);
            identity.post(&path("apps/v1", target, "deployments", ""), object).await?.allowed()?;
        }
        Ok(())
    })
    .await
}
