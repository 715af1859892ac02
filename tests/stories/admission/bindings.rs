//! An environment's identity gets its rights one namespace at a time, and nothing runs or logs in as one.

use super::escalation::workload;
use super::support::*;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

support::stories![
    no_binding_gives_an_identity_rights_in_the_whole_cluster,
    a_namespace_lets_one_identity_in_and_never_all,
    nothing_runs_and_no_user_logs_in_where_the_identities_are,
];

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const ONE_NAMESPACE: &str = "a ClusterRoleBinding must not name an identity";
const ONE_IDENTITY: &str =
    "a binding must not name the group of all identities in namespace towpath-deployers";

fn account() -> Value {
    json!({ "kind": "ServiceAccount", "namespace": DEPLOYERS, "name": "shop.prod" })
}

fn person(kind: &str, name: &str) -> Value {
    json!({ "kind": kind, "name": name })
}

async fn no_binding_gives_an_identity_rights_in_the_whole_cluster() -> Result<()> {
    in_namespace(async |cluster, place| {
        let admin = Person::admin(cluster)?;
        let all = format!("/apis/{RBAC}/clusterrolebindings");
        let identity = format!("system:serviceaccount:{DEPLOYERS}:shop.prod");
        let cases = [
            (account(), ONE_NAMESPACE),
            (person("User", &identity), ONE_NAMESPACE),
            (person("Group", &deployers_group()), ONE_IDENTITY),
        ];
        let innocent = binding("ClusterRoleBinding", place, "view", &person("User", "ann"));
        let made = admin.post(&all, innocent).await?.allowed()?;
        let one = format!("{all}/{place}");
        for (subject, words) in cases {
            let whole = binding("ClusterRoleBinding", "evil", "view", &subject);
            admin.post(&all, whole.clone()).await?.refused(words)?;
            // The second of two, and added later.
            let subjects = json!([made["subjects"][0], whole["subjects"][0]]);
            let two = merged(&whole, &json!({ "subjects": subjects }));
            admin.post(&all, two).await?.refused(words)?;
            admin.patch(&one, json!({ "subjects": subjects })).await?.refused(words)?;
        }
        ensure!(admin.get(&one).await?.allowed()?["subjects"] == made["subjects"]);
        ensure!(admin.get(&format!("{all}/evil")).await?.code == 404);
        admin.patch(&one, json!({ "metadata": { "labels": { "a": "b" } } })).await?.allowed()?;
        admin.delete(&one).await?.allowed().map(drop)
    })
    .await
}

async fn a_namespace_lets_one_identity_in_and_never_all() -> Result<()> {
    in_namespace(async |cluster, target| {
        bind(cluster, target, "admin", &person("User", "owner")).await?;
        until_may(cluster, "owner", "create", "rbac.authorization.k8s.io/rolebindings", (target, "")).await?;
        let owner = Person::new(cluster, "owner", &[]).await?;
        let all = path(RBAC, target, "rolebindings", "");
        let everybody =
            binding("RoleBinding", "evil", "towpath-deploy", &person("Group", &deployers_group()));
        owner.post(&all, everybody.clone()).await?.refused(ONE_IDENTITY)?;
        owner.post(&all, binding("RoleBinding", "towpath", "towpath-deploy", &account())).await?.allowed()?;
        let added = json!({ "subjects": everybody["subjects"] });
        owner.patch(&path(RBAC, target, "rolebindings", "towpath"), added).await?.refused(ONE_IDENTITY)?;
        owner.delete(&path(RBAC, target, "rolebindings", "towpath")).await?.allowed().map(drop)
    })
    .await
}

async fn nothing_runs_and_no_user_logs_in_where_the_identities_are() -> Result<()> {
    let cluster = &installed().await?;
    let admin = Person::admin(cluster)?;
    let named = |more: Value| merged(&json!({ "metadata": { "name": "shop.prod" } }), &more);
    let token = json!({ "kubernetes.io/service-account.name": "default" });
    let token =
        json!({ "type": "kubernetes.io/service-account-token", "metadata": { "annotations": token } });
    let plain = json!({});
    let tried = [
        ("v1", "serviceaccounts", named(json!({}))),
        ("v1", "serviceaccounts/default/token", json!({ "spec": { "audiences": [] } })),
        ("v1", "secrets", named(token)),
        ("v1", "pods", workload("Pod", "evil", &plain)),
        ("v1", "replicationcontrollers", workload("ReplicationController", "evil", &plain)),
        ("apps/v1", "deployments", workload("Deployment", "evil", &plain)),
        ("apps/v1", "statefulsets", workload("StatefulSet", "evil", &plain)),
        ("apps/v1", "daemonsets", workload("DaemonSet", "evil", &plain)),
        ("apps/v1", "replicasets", workload("ReplicaSet", "evil", &plain)),
        ("batch/v1", "jobs", workload("Job", "evil", &plain)),
        ("batch/v1", "cronjobs", workload("CronJob", "evil", &plain)),
    ];
    let mut faults = Vec::new();
    for (version, plural, object) in &tried {
        let answer = admin.post(&path(version, DEPLOYERS, plural, ""), object.clone()).await?;
        let words =
            if *plural == "pods" { "forbidden" } else { "are not allowed in namespace towpath-deployers" };
        faults.extend(answer.refused(words).err().map(|error| format!("{plural}: {error:#}")));
    }
    all_hold(faults, tried.len())?;
    // The one that kube-controller-manager makes everywhere, and what others put into every namespace.
    let default = path("v1", DEPLOYERS, "serviceaccounts", "default");
    admin.patch(&default, json!({ "metadata": { "labels": { "a": "b" } } })).await?.allowed()?;
    admin.delete(&default).await?.allowed()?;
    control_plane::eventually("the ServiceAccount default to come back", SOON, async || {
        admin.get(&default).await?.allowed().map(Some)
    })
    .await?;
    let secrets = path("v1", DEPLOYERS, "secrets", "");
    admin.post(&secrets, named(json!({}))).await?.allowed()?;
    admin.delete(&format!("{secrets}/shop.prod")).await?.allowed().map(drop)
}
