//! Where a namespace grants its ServiceAccounts, pods of releases run as `default` or as one that its owner granted.

use super::escalation::workload;
use super::support::*;
use anyhow::Result;
use control_plane::{ControlPlane, eventually};
use serde_json::{Value, json};

support::stories![pods_run_as_granted_accounts_only_where_the_namespace_says_so];

const WORKLOADS: [(&str, &str, &str); 5] = [
    ("apps/v1", "deployments", "Deployment"),
    ("apps/v1", "statefulsets", "StatefulSet"),
    ("apps/v1", "daemonsets", "DaemonSet"),
    ("batch/v1", "jobs", "Job"),
    ("batch/v1", "cronjobs", "CronJob"),
];

fn running_as(account: Value) -> Value {
    json!({ "serviceAccountName": account, "containers": [{ "name": "a", "image": "shop:1" }] })
}

async fn identity(cluster: &ControlPlane, target: &str) -> Result<Person> {
    let subject = json!({ "kind": "ServiceAccount", "namespace": DEPLOYERS, "name": "p.env" });
    bind(cluster, target, "towpath-deploy", &subject).await?;
    let identity = Person::deployer(cluster, "p.env", &[])?;
    until_may(cluster, &identity.name, "create", "apps/deployments", (target, "")).await?;
    Ok(identity)
}

async fn pods_run_as_granted_accounts_only_where_the_namespace_says_so() -> Result<()> {
    in_namespace(async |cluster, target| {
        let (identity, admin) = (identity(cluster, target).await?, Person::admin(cluster)?);
        let at = |version: &str, plural: &str, name: &str| path(version, target, plural, name);
        let deployments = at("apps/v1", "deployments", "");
        let robot = running_as(json!("robot"));
        identity.post(&deployments, workload("Deployment", "before", &robot)).await?.allowed()?;

        let label = json!({ "metadata": { "labels": { "towpath.dev/service-accounts": "granted" } } });
        admin.patch(&format!("/api/v1/namespaces/{target}"), label).await?.allowed()?;
        let words = "the pods would run as ServiceAccount robot";
        eventually("the label to be known", SOON, async || {
            let answer = identity
                .post(&(deployments.clone() + "?dryRun=All"), workload("Deployment", "web", &robot))
                .await?;
            Ok(answer.refused(words).is_ok().then_some(()))
        })
        .await?;
        let mut faults = Vec::new();
        for (version, plural, kind) in WORKLOADS {
            let answer = identity.post(&at(version, plural, ""), workload(kind, "web", &robot)).await?;
            faults.extend(answer.refused(words).err().map(|error| format!("{kind}: {error:#}")));
            for account in [json!("default"), Value::Null] {
                let name = if account.is_null() { "none" } else { "default" };
                let object = workload(kind, name, &running_as(account));
                let answer = identity.post(&at(version, plural, ""), object).await?;
                faults.extend(answer.allowed().err().map(|error| format!("{kind} as {name}: {error:#}")));
            }
        }
        all_hold(faults, 15)?;

        // What runs there already may be scaled, and not given another program.
        let before = at("apps/v1", "deployments", "before");
        identity.patch(&before, json!({ "spec": { "replicas": 3 } })).await?.allowed()?;
        let other = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "a", "image": "shop:2" }] } } } });
        identity.patch(&before, other.clone()).await?.refused(words)?;
        let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" }, "data": { "a": "b" } });
        identity.post(&at("v1", "configmaps", ""), config).await?.allowed()?;

        // The owner of the namespace is an admin of it, and nothing more.
        let owner = Person::new(cluster, "owner", &[]).await?;
        bind(cluster, target, "admin", &json!({ "kind": "User", "name": "owner" })).await?;
        until_may(cluster, "owner", "use", "/serviceaccounts", (target, "robot")).await?;
        let rules = json!([{ "apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["robot"], "verbs": ["use"] }]);
        let rbac = |plural: &str| path("rbac.authorization.k8s.io/v1", target, plural, "");
        let role = json!({ "metadata": { "name": "robot" }, "rules": rules });
        owner.post(&rbac("roles"), role).await?.allowed()?;
        let binding = json!({
            "metadata": { "name": "robot" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "robot" },
            "subjects": [{ "kind": "ServiceAccount", "namespace": DEPLOYERS, "name": "p.env" }],
        });
        owner.post(&rbac("rolebindings"), binding).await?.allowed()?;
        until_may(cluster, &identity.name, "use", "/serviceaccounts", (target, "robot")).await?;
        identity.post(&deployments, workload("Deployment", "web", &robot)).await?.allowed()?;
        identity.patch(&before, other.clone()).await?.allowed()?;
        let another = workload("Deployment", "another", &running_as(json!("root")));
        identity.post(&deployments, another).await?.refused("run as ServiceAccount root")?;
        // It says what a release may bring, and nothing of others.
        admin.patch(&before, json!({ "spec": { "template": { "spec": { "serviceAccountName": "root" } } } })).await?.allowed().map(drop)
    })
    .await
}
