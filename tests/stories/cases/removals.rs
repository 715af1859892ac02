//! What a release no longer contains is deleted when nothing can be lost by it, and what comes back is as it was.

use anyhow::{Context, Result, ensure};
use control_plane::eventually;
use serde_json::{Value, json};
use support::objects::{config, deployment, service, with};
use support::{Project, SOON, in_project, same};

support::stories![
    a_claim_outlives_the_release_that_drops_it_and_the_rollback,
    a_renamed_workload_comes_back_with_its_replicas_and_its_service_with_its_address,
    what_no_pod_reads_is_deleted_and_recorded,
    a_deletion_that_a_policy_denies_is_shown_and_the_next_promotion_repeats_it,
    an_immutable_config_map_that_stays_in_place_is_replaced,
    a_service_whose_only_port_changes_is_adopted,
];

fn watched(environment: Value) -> Value {
    let mut prod = json!({ "name": "prod", "rollbackPolicyRef": "watched" });
    if let (Some(prod), Some(more)) = (prod.as_object_mut(), environment.as_object()) {
        prod.extend(more.clone());
    }
    prod
}

/// A policy with a window in which pods can turn bad.
async fn watches(project: &Project) -> Result<()> {
    project.policy("watched", json!({ "observeWindow": "45s" })).await
}

/// A Deployment that is ready, and crashes some seconds later.
fn fading(name: &str) -> Value {
    let fate = json!({ "fate.towpath.dev/seconds": "20" });
    with(
        deployment(name, "v2-crash-after-ready", None),
        json!({ "spec": { "template": { "metadata": { "annotations": fate } } } }),
    )
}

fn claim() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "uploads" },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
            "resources": { "requests": { "storage": "1Gi" } },
        },
    })
}

/// The owner of the namespace grants the environment claims, too.
async fn grants_claims(project: &Project) -> Result<()> {
    let role = json!({
        "metadata": { "name": "claims" },
        "rules": [{
            "apiGroups": [""], "resources": ["persistentvolumeclaims"],
            "verbs": ["get", "list", "create", "patch", "update", "delete"],
        }],
    });
    let binding = json!({
        "metadata": { "name": "claims" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "claims" },
        "subjects": [{
            "kind": "ServiceAccount", "namespace": "towpath-deployers", "name": format!("{}.prod", project.name),
        }],
    });
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", project.target("prod"));
    project.post(&format!("{path}/roles"), role).await?;
    project.post(&format!("{path}/rolebindings"), binding).await.map(drop)
}

/// The change of an object in the record of a promotion.
fn change<'a>(promotion: &'a Value, kind: &str, name: &str) -> Result<&'a Value> {
    let changes = promotion["status"]["changes"].as_array().context("nothing is recorded")?;
    let found = changes.iter().find(|change| change["kind"] == kind && change["name"] == name);
    found.with_context(|| format!("{kind} {name} is not in the record: {changes:#?}"))
}

async fn a_claim_outlives_the_release_that_drops_it_and_the_rollback() -> Result<()> {
    let kinds = json!({ "kinds": [{ "apiVersion": "v1", "kind": "PersistentVolumeClaim" }] });
    in_project(&[watched(kinds)], async |project| {
        watches(project).await?;
        grants_claims(project).await?;
        let first = project.release("1.0.0", &[claim(), deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let uid = async || -> Result<Value> {
            Ok(project.here("prod", "persistentvolumeclaims", "uploads").await?["metadata"]["uid"].clone())
        };
        let before = uid().await?;
        let second = project.release("2.0.0", &[fading("web")]).await?;
        let failed = project.ended(&format!("prod-{second}"), "Failed").await?;
        same("claim", &change(&failed, "PersistentVolumeClaim", "uploads")?["action"], &json!("Keep"))?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        same("claim", uid().await?, before)
    })
    .await
}

async fn a_renamed_workload_comes_back_with_its_replicas_and_its_service_with_its_address() -> Result<()> {
    in_project(&[watched(json!({}))], async |project| {
        watches(project).await?;
        let node_port = with(service("nodes"), json!({ "spec": { "type": "NodePort" } }));
        let objects = [service("web"), node_port, deployment("web", "v1", None)];
        let first = project.release("1.0.0", &objects).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let namespace = project.target("prod");
        project.kubectl().run(&["scale", "deployment", "web", "--replicas=6", "-n", &namespace])?;
        project.settled("prod", "deployments", "web").await?;
        let spec = async |name: &str| -> Result<Value> {
            Ok(project.here("prod", "services", name).await?["spec"].clone())
        };
        let (web, nodes) = (spec("web").await?, spec("nodes").await?);
        let second = project.release("2.0.0", &[service("frontend"), fading("frontend")]).await?;
        let failed = project.ended(&format!("prod-{second}"), "Failed").await?;
        same("replicas", &change(&failed, "Deployment", "web")?["had"]["replicas"], &json!(6))?;
        let late = change(&failed, "Service", "nodes")?;
        same(
            "node port",
            (&late["removal"], &late["remaining"]),
            (&json!("AfterVerification"), &json!(true)),
        )?;
        project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
        same("replicas", &project.here("prod", "deployments", "web").await?["spec"]["replicas"], &json!(6))?;
        same("address", &spec("web").await?["clusterIPs"], &web["clusterIPs"])?;
        same("node port", spec("nodes").await?, nodes)?;
        let added = project.live("prod", "deployments", "frontend").await?;
        same("frontend", added.is_none(), true)
    })
    .await
}

fn dashboard() -> Value {
    with(config("dashboard", "panels"), json!({ "metadata": { "labels": { "dashboard": "1" } } }))
}

fn account() -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "runner" } })
}

async fn what_no_pod_reads_is_deleted_and_recorded() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let keep = json!({ "metadata": { "annotations": { "helm.sh/resource-policy": "keep" } } });
        let prices = with(config("prices", "1"), keep);
        let objects = [dashboard(), account(), prices, deployment("web", "v1", None)];
        let first = project.release("1.0.0", &objects).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        let verified = project.ended(&format!("prod-{second}"), "Verified").await?;
        for (kind, plural, name) in
            [("ConfigMap", "configmaps", "dashboard"), ("ServiceAccount", "serviceaccounts", "runner")]
        {
            same(name, &change(&verified, kind, name)?["action"], &json!("Delete"))?;
            same(name, project.live("prod", plural, name).await?.is_none(), true)?;
        }
        same("prices", &change(&verified, "ConfigMap", "prices")?["action"], &json!("Keep"))?;
        project.here("prod", "configmaps", "prices").await.map(drop)
    })
    .await
}

fn ingress() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web" },
        "spec": { "defaultBackend": { "service": { "name": "web", "port": { "number": 80 } } } },
    })
}

/// A policy that denies the deletion of Ingresses in the target namespace.
fn denial(project: &Project) -> (String, Value, Value) {
    let name = format!("{}-ingresses", project.name);
    let policy = json!({
        "metadata": { "name": name },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["DELETE"],
                "resources": ["ingresses"],
            }] },
            "validations": [{ "expression": "false", "message": "the edge team deletes Ingresses" }],
        },
    });
    let here = json!({ "matchLabels": { "kubernetes.io/metadata.name": project.target("prod") } });
    let binding = json!({
        "metadata": { "name": name },
        "spec": {
            "policyName": name, "validationActions": ["Deny"], "matchResources": { "namespaceSelector": here },
        },
    });
    (name, policy, binding)
}

async fn try_deletion(project: &Project) -> Result<Value> {
    let path = format!("{}/web", project.live_path("prod", "ingresses"));
    // With a body, the API server ignores the parameter of the query.
    let dry_run = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"] });
    project.send(http::Method::DELETE, &path, "application/json", dry_run).await
}

async fn a_deletion_that_a_policy_denies_is_shown_and_the_next_promotion_repeats_it() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let objects = |tag: &str| vec![service("web"), deployment("web", tag, None)];
        let mut first = objects("v1");
        first.push(ingress());
        let first = project.release("1.0.0", &first).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let api = "/apis/admissionregistration.k8s.io/v1";
        let (name, policy, binding) = denial(project);
        project.post(&format!("{api}/validatingadmissionpolicies"), policy).await?;
        project.post(&format!("{api}/validatingadmissionpolicybindings"), binding).await?;
        eventually("the policy to be in force", SOON, async || {
            Ok(try_deletion(project).await.is_err().then_some(()))
        })
        .await?;
        let second = project.release("2.0.0", &objects("v2")).await?;
        let verified = project.ended(&format!("prod-{second}"), "Verified").await?;
        let remaining = change(&verified, "Ingress", "web")?;
        same("remaining", &remaining["remaining"], &json!(true))?;
        for text in [&remaining["message"], &verified["status"]["message"]] {
            let text = text.as_str().unwrap_or_default();
            ensure!(
                text.contains("the edge team deletes Ingresses"),
                "the server's words are missing: {text}"
            );
        }
        project.here("prod", "ingresses", "web").await?;
        let binding = format!("{api}/validatingadmissionpolicybindings/{name}");
        project.send(http::Method::DELETE, &binding, "application/json", json!({})).await?;
        eventually("the policy to be gone", SOON, async || Ok(try_deletion(project).await.ok())).await?;
        let third = project.release("3.0.0", &objects("v3")).await?;
        project.ended(&format!("prod-{third}"), "Verified").await?;
        same("Ingress", project.live("prod", "ingresses", "web").await?.is_none(), true)
    })
    .await
}

async fn an_immutable_config_map_that_stays_in_place_is_replaced() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let fixed = |value: &str| {
            let in_place = json!({ "towpath.dev/config": "InPlace" });
            with(config("c", value), json!({ "immutable": true, "metadata": { "annotations": in_place } }))
        };
        let first = project.release("1.0.0", &[fixed("hello"), deployment("web", "v1", Some("c"))]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let second =
            project.release("2.0.0", &[fixed("goodbye"), deployment("web", "v1", Some("c"))]).await?;
        let verified = project.ended(&format!("prod-{second}"), "Verified").await?;
        same("action", &change(&verified, "ConfigMap", "c")?["action"], &json!("Replace"))?;
        same("reader", &change(&verified, "Deployment", "web")?["action"], &json!("Update"))?;
        let read = project.config_of("prod", "deployments", "web").await?;
        same("config", read, vec![json!({ "GREETING": "goodbye" })])?;
        let bad = [fixed("never"), deployment("web", "v3-crash-loop", Some("c"))];
        let third = project.release("3.0.0", &bad).await?;
        project.ended(&format!("prod-{third}"), "Failed").await?;
        project.ended(&format!("prod-{third}-rollback"), "Verified").await?;
        let read = project.config_of("prod", "deployments", "web").await?;
        same("config", read, vec![json!({ "GREETING": "goodbye" })])
    })
    .await
}

async fn a_service_whose_only_port_changes_is_adopted() -> Result<()> {
    let prod = json!({ "name": "prod", "adoptFrom": ["kubectl-client-side-apply"] });
    in_project(&[prod], async |project| {
        project.apply("prod", &[service("web"), deployment("web", "v0", None)])?;
        project.settled("prod", "deployments", "web").await?;
        let moved = with(service("web"), json!({ "spec": { "ports": [{ "port": 8080 }] } }));
        let first = project.release("1.0.0", &[moved, deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let ports = project.here("prod", "services", "web").await?["spec"]["ports"].clone();
        let ports: Vec<Value> =
            ports.as_array().into_iter().flatten().map(|port| port["port"].clone()).collect();
        same("ports", ports, vec![json!(8080)])
    })
    .await
}
