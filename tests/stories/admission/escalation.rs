//! What an environment's identity tries in order to become more than it is: nothing of it is persisted, whatever a binding lets it do.

use super::support::*;
use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, eventually};
use http::Method;
use serde_json::{Value, json};

support::stories![
    nothing_by_which_an_identity_would_gain_is_persisted,
    what_an_application_is_made_of_is_persisted,
];

/// What is tried, and the words of the refusal.
type Try = (&'static str, Method, String, Value, &'static str);

const WORKLOADS: [(&str, &str, &str); 8] = [
    ("apps/v1", "deployments", "Deployment"),
    ("apps/v1", "statefulsets", "StatefulSet"),
    ("apps/v1", "daemonsets", "DaemonSet"),
    ("apps/v1", "replicasets", "ReplicaSet"),
    ("batch/v1", "jobs", "Job"),
    ("batch/v1", "cronjobs", "CronJob"),
    ("v1", "replicationcontrollers", "ReplicationController"),
    ("v1", "pods", "Pod"),
];

/// A workload of any kind with this pod spec over a plain one.
pub fn workload(kind: &str, name: &str, pod: &Value) -> Value {
    let (version, _, _) = WORKLOADS.iter().find(|known| known.2 == kind).expect("a kind of workload");
    let labels = json!({ "app": name });
    let never = if matches!(kind, "Job" | "CronJob") { "Never" } else { "Always" };
    let pod = merged(&json!({ "restartPolicy": never, "containers": [{ "name": "a", "image": "a" }] }), pod);
    let template = json!({ "metadata": { "labels": labels }, "spec": pod });
    let spec = match kind {
        "Pod" => pod,
        "Job" => json!({ "template": template }),
        "CronJob" => json!({ "schedule": "0 0 1 1 *", "jobTemplate": { "spec": { "template": template } } }),
        "ReplicationController" => json!({ "selector": labels, "template": template }),
        _ => json!({ "selector": { "matchLabels": labels }, "template": template }),
    };
    let metadata = json!({ "name": name, "labels": labels });
    let mut object = json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec });
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = json!("a");
    }
    object
}

/// What reaches for the node.
fn reaches() -> Vec<(&'static str, Value, &'static str)> {
    let container =
        |name: &str, context: Value| json!({ "name": name, "image": "a", "securityContext": context });
    let privileged = json!({ "privileged": true });
    let windows = json!({ "windowsOptions": { "hostProcess": true } });
    let volume = json!({ "name": "node", "hostPath": { "path": "/" } });
    let (no_privilege, no_path) = ("cannot run privileged containers", "cannot mount hostPath volumes");
    let no_node = "cannot use hostNetwork, hostPID or hostIPC";
    let two = json!([container("a", json!({})), container("b", privileged.clone())]);
    vec![
        ("a privileged container", json!({ "containers": two }), no_privilege),
        (
            "a privileged init container",
            json!({ "initContainers": [container("b", privileged)] }),
            no_privilege,
        ),
        ("a host process", json!({ "hostNetwork": true, "securityContext": windows }), "cannot"),
        ("a path of the node", json!({ "volumes": [volume] }), no_path),
        ("the node's network", json!({ "hostNetwork": true }), no_node),
        ("the node's processes", json!({ "hostPID": true }), no_node),
        ("the node's memory", json!({ "hostIPC": true }), no_node),
    ]
}

/// What reaches beyond the namespace, or for rights.
fn grasps(target: &str, pod: &str) -> Vec<Try> {
    let rbac = "rbac.authorization.k8s.io/v1";
    let view = |kind: &str| binding(kind, "evil", "view", &json!({ "kind": "User", "name": "evil" }));
    let named = |more: Value| merged(&json!({ "metadata": { "name": "evil" } }), &more);
    let cluster = |group: &str, plural: &str| format!("/apis/{group}/{plural}");
    let inside = |version: &str, plural: &str| path(version, target, plural, "");
    let here = |plural: &str, name: &str| path("v1", target, plural, name);
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    let rules =
        named(json!({ "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }] }));
    let crd = named(json!({ "metadata": { "name": "evils.evil.dev" }, "spec": {
        "group": "evil.dev", "scope": "Cluster", "names": { "kind": "Evil", "plural": "evils" },
        "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } }],
    } }));
    let volume = named(json!({ "spec": {
        "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/" },
    } }));
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod } });
    let debug = json!({ "spec": { "ephemeralContainers": [{ "name": "evil", "image": "a" }] } });
    let bound = json!({ "metadata": { "name": pod }, "target": { "kind": "Node", "name": "played" } });
    let old_token = json!({ "kubernetes.io/service-account.name": "default" });
    let old_token = named(
        json!({ "type": "kubernetes.io/service-account-token", "metadata": { "annotations": old_token } }),
    );
    let priority = named(json!({ "value": 1_000_000 }));
    let labels = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "privileged" } } });
    let (no_rights, no_cluster) = ("a release cannot grant rights", "objects of its target namespace");
    let (no_reach, dry) = ("cannot access running pods and services", "only in a dry-run");
    vec![
        ("a Role", post.clone(), inside(rbac, "roles"), rules.clone(), no_rights),
        ("a RoleBinding", post.clone(), inside(rbac, "rolebindings"), view("RoleBinding"), no_rights),
        (
            "the RoleBinding of its consent",
            patch.clone(),
            path(rbac, target, "rolebindings", "cluster-admin-p.env"),
            labels.clone(),
            no_rights,
        ),
        (
            "a RoleBinding removed",
            delete.clone(),
            path(rbac, target, "rolebindings", "cluster-admin-p.env"),
            Value::Null,
            no_rights,
        ),
        ("a ClusterRole", post.clone(), cluster(rbac, "clusterroles"), rules, no_cluster),
        (
            "a ClusterRoleBinding",
            post.clone(),
            cluster(rbac, "clusterrolebindings"),
            view("ClusterRoleBinding"),
            "towpath-",
        ),
        (
            "a kind",
            post.clone(),
            cluster("apiextensions.k8s.io/v1", "customresourcedefinitions"),
            crd,
            no_cluster,
        ),
        (
            "a kind removed",
            delete.clone(),
            cluster("apiextensions.k8s.io/v1", "customresourcedefinitions/approvals.towpath.dev"),
            Value::Null,
            no_cluster,
        ),
        (
            "a webhook",
            post.clone(),
            cluster("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations"),
            named(json!({ "webhooks": [] })),
            no_cluster,
        ),
        (
            "a priority",
            post.clone(),
            cluster("scheduling.k8s.io/v1", "priorityclasses"),
            priority,
            no_cluster,
        ),
        ("a volume of the node", post.clone(), "/api/v1/persistentvolumes".into(), volume, no_cluster),
        ("a node", patch.clone(), "/api/v1/nodes/played".into(), labels.clone(), no_cluster),
        ("a namespace", post.clone(), "/api/v1/namespaces".into(), named(json!({})), no_cluster),
        ("its namespace's labels", patch.clone(), format!("/api/v1/namespaces/{target}"), labels, no_cluster),
        (
            "its namespace removed",
            delete.clone(),
            format!("/api/v1/namespaces/{target}"),
            Value::Null,
            no_cluster,
        ),
        ("a pod", post.clone(), inside("v1", "pods"), workload("Pod", "evil", &json!({})), dry),
        (
            "a pod's image",
            patch.clone(),
            here("pods", pod),
            json!({ "spec": { "activeDeadlineSeconds": 1 } }),
            dry,
        ),
        ("a Secret", post.clone(), inside("v1", "secrets"), named(json!({})), dry),
        ("a Secret with a token", post.clone(), inside("v1", "secrets"), old_token, dry),
        (
            "a Secret changed",
            patch.clone(),
            here("secrets", "theirs"),
            json!({ "data": { "a": "YQ==" } }),
            dry,
        ),
        ("a Secret removed", delete.clone(), here("secrets", "theirs"), Value::Null, dry),
        (
            "a command in a pod",
            post.clone(),
            here("pods", pod) + "/exec?command=ls&stdout=true",
            Value::Null,
            no_reach,
        ),
        ("a pod's streams", post.clone(), here("pods", pod) + "/attach?stdout=true", Value::Null, no_reach),
        ("a pod's ports", post.clone(), here("pods", pod) + "/portforward?ports=80", Value::Null, no_reach),
        ("a pod's web pages", post.clone(), here("pods", pod) + "/proxy/", Value::Null, no_reach),
        (
            "a Service's web pages",
            post.clone(),
            here("services", "theirs") + "/proxy/",
            Value::Null,
            no_reach,
        ),
        ("a debugger in a pod", patch.clone(), here("pods", pod) + "/ephemeralcontainers", debug, no_reach),
        ("a pod evicted", post.clone(), here("pods", pod) + "/eviction", eviction, no_reach),
        ("a pod put on a node", post.clone(), here("pods", pod) + "/binding", bound, no_reach),
        (
            "a token",
            post.clone(),
            here("serviceaccounts", "default") + "/token",
            json!({ "spec": { "audiences": [] } }),
            "cannot create tokens",
        ),
        (
            "a ControllerRevision",
            post.clone(),
            inside("apps/v1", "controllerrevisions"),
            named(json!({ "revision": 1, "data": {} })),
            "cannot contain ControllerRevisions",
        ),
        ("a release", post.clone(), ours(target, "releases", ""), release(), no_rights),
        ("a promotion", post.clone(), ours(target, "promotions", ""), promotion("prod"), no_rights),
        ("an approval", post, ours(target, "approvals", ""), approval("prod", None), "denied"),
        ("a freeze lifted", delete, ours(target, "changefreezes", "theirs"), Value::Null, no_rights),
    ]
}

async fn nothing_by_which_an_identity_would_gain_is_persisted() -> Result<()> {
    in_namespace(async |cluster, target| {
        let pod = furnish(cluster, target).await?;
        let (bound, unkind) = identities(cluster, target).await?;
        let before = state(cluster, target)?;
        let mut faults = Vec::new();
        let mut tries = grasps(target, &pod);
        for (what, over, words) in reaches() {
            for (version, plural, kind) in WORKLOADS {
                let dry = if kind == "Pod" { "?dryRun=All" } else { "" };
                let at = path(version, target, plural, "") + dry;
                tries.push((what, Method::POST, at, workload(kind, "evil", &over), words));
            }
            let patch = json!({ "spec": { "template": { "spec": over } } });
            tries.push((what, Method::PATCH, path("apps/v1", target, "deployments", "theirs"), patch, words));
        }
        for (what, method, path, body, words) in &tries {
            let content = if method == Method::PATCH {
                if path.ends_with("ephemeralcontainers") || path.contains("/deployments/") {
                    "application/strategic-merge-patch+json"
                } else {
                    "application/merge-patch+json"
                }
            } else {
                "application/json"
            };
            for who in [&bound, &unkind] {
                let body = Some(body.clone()).filter(|body| !body.is_null());
                let answer = who.send(method.clone(), path, content, body).await?;
                // Most of what is the cluster's RBAC refuses already to who is bound in one namespace only.
                let words = if who.groups.is_empty() { "forbidden" } else { words };
                faults.extend(answer.refused(words).err().map(|error| format!("{what}: {error:#}")));
                if answer.code != 403 {
                    faults.push(format!("{what}: {answer:?}"));
                }
            }
        }
        all_hold(faults, 2 * tries.len())?;
        ensure!(tries.len() == 35 + 7 * 9, "{} were tried", tries.len());
        let after = state(cluster, target)?;
        ensure!(before == after, "something was persisted\nbefore: {before:#?}\nafter: {after:#?}");
        Ok(())
    })
    .await
}

async fn what_an_application_is_made_of_is_persisted() -> Result<()> {
    in_namespace(async |cluster, target| {
        let pod = furnish(cluster, target).await?;
        let (bound, _) = identities(cluster, target).await?;
        for (version, plural, kind) in WORKLOADS {
            let dry = if kind == "Pod" { "?dryRun=All" } else { "" };
            let inits = json!({ "initContainers": [{ "name": "b", "image": "b",
                "securityContext": { "privileged": false, "allowPrivilegeEscalation": true } }] });
            bound.post(&(path(version, target, plural, "") + dry), workload(kind, "web", &inits)).await?.allowed()?;
        }
        let named = |more: Value| merged(&json!({ "metadata": { "name": "web" } }), &more);
        for plural in ["configmaps", "serviceaccounts"] {
            bound.post(&path("v1", target, plural, ""), named(json!({}))).await?.allowed()?;
        }
        let secret = path("v1", target, "secrets", "") + "?dryRun=All";
        bound.post(&secret, named(json!({}))).await?.allowed()?;
        let deployment = path("apps/v1", target, "deployments", "web");
        bound.patch(&(deployment.clone() + "/scale"), json!({ "spec": { "replicas": 2 } })).await?.allowed()?;
        bound.patch(&deployment, json!({ "spec": { "paused": true } })).await?.allowed()?;
        bound.delete(&path("v1", target, "pods", &pod)).await?.allowed()?;
        bound.delete(&deployment).await?.allowed()?;
        // A kind that was unknown when the policies were written.
        let kind = json!({ "metadata": { "name": "widgets.example.com" }, "spec": {
            "group": "example.com", "scope": "Namespaced", "names": { "kind": "Widget", "plural": "widgets" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }],
        } });
        let admin = Person::admin(cluster)?;
        let kinds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        admin.post(kinds, kind).await?.allowed()?;
        let widget = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "web" } });
        eventually("the new kind", SOON, async || {
            let at = path("example.com/v1", target, "widgets", "");
            bound.post(&at, widget.clone()).await?.allowed().map(Some)
        })
        .await?;
        // What it may do is no secret to itself.
        let question = json!({ "spec": { "resourceAttributes": { "verb": "get", "resource": "pods", "namespace": target } } });
        let asked = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        ensure!(bound.post(asked, question).await?.allowed()?["status"]["allowed"] == true);
        Ok(())
    })
    .await
}

/// What is there already: a workload with a running pod, a Service, a Secret, a freeze. The pod's name.
async fn furnish(cluster: &ControlPlane, target: &str) -> Result<String> {
    let admin = Person::admin(cluster)?;
    let named = |more: Value| merged(&json!({ "metadata": { "name": "theirs" } }), &more);
    let deployments = path("apps/v1", target, "deployments", "");
    admin.post(&deployments, workload("Deployment", "theirs", &json!({}))).await?.allowed()?;
    let service = named(json!({ "spec": { "ports": [{ "port": 80 }] } }));
    admin.post(&path("v1", target, "services", ""), service).await?.allowed()?;
    admin.post(&path("v1", target, "secrets", ""), named(json!({}))).await?.allowed()?;
    let freeze = json!({ "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "reason": "a" });
    let freeze = named(object("ChangeFreeze", freeze));
    let freeze = merged(&freeze, &json!({ "metadata": { "name": "theirs", "generateName": null } }));
    admin.post(&ours(target, "changefreezes", ""), freeze).await?.allowed()?;
    eventually("a running pod", SOON, async || {
        let pods = admin.get(&path("v1", target, "pods", "")).await?.allowed()?;
        let pod = &pods["items"][0];
        let runs = pod["status"]["phase"] == "Running";
        Ok(pod["metadata"]["name"].as_str().filter(|_| runs).map(str::to_owned))
    })
    .await
}

/// Bound to cluster-admin in the target; and the same with every right there is, so that only the policies refuse.
async fn identities(cluster: &ControlPlane, target: &str) -> Result<(Person, Person)> {
    let subject = json!({ "kind": "ServiceAccount", "namespace": DEPLOYERS, "name": "p.env" });
    bind(cluster, target, "cluster-admin", &subject).await?;
    let bound = Person::deployer(cluster, "p.env", &[])?;
    until_may(cluster, &bound.name, "create", "apps/deployments", (target, "")).await?;
    Ok((bound, Person::deployer(cluster, "p.env", &["system:masters", "system:authenticated"])?))
}

/// Everything in the namespace, and of the cluster, that the tries are about: names and content, without what controllers report.
fn state(cluster: &ControlPlane, target: &str) -> Result<Vec<String>> {
    let tool = cluster.kubectl(cluster.admin());
    let inside = "deployments,statefulsets,daemonsets,replicasets,jobs,cronjobs,replicationcontrollers,pods,secrets,\
        services,serviceaccounts,configmaps,roles,rolebindings,controllerrevisions,releases,promotions,approvals,changefreezes";
    let whole = "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,persistentvolumes,priorityclasses,nodes";
    let mut found = Vec::new();
    for arguments in [
        &["get", inside, "-n", target, "-o", "json"][..],
        &["get", whole, "-o", "json"],
        &["get", "namespace", target, "-o", "json"],
        &["get", "customresourcedefinitions", "approvals.towpath.dev", "-o", "json"],
    ] {
        let list: Value = serde_json::from_str(&tool.run(arguments)?).context("a list")?;
        let one = [list.clone()];
        for item in list["items"].as_array().map_or(&one[..], Vec::as_slice) {
            let mut item = item.clone();
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            // What other tests create at the same time.
            if !["evil", "theirs", "played", "cluster-admin"].iter().any(|ours| name.contains(ours))
                && item["metadata"]["namespace"] != target
                && name != target
            {
                continue;
            }
            item["status"] = Value::Null;
            for field in ["managedFields", "resourceVersion", "annotations"] {
                item["metadata"][field] = Value::Null;
            }
            found.push(item.to_string());
        }
    }
    Ok(found)
}
