//! A freeze holds every user and tool that deploys beside Towpath, in namespaces that ask for it, and lets pass what keeps an application up.

use super::escalation::workload;
use super::support::*;
use anyhow::{Result, ensure};
use control_plane::{ControlPlane, eventually};
use serde_json::{Value, json};

support::stories![
    a_freeze_refuses_changes_and_says_the_way_out,
    a_freeze_refuses_other_ways_to_start_another_version,
    what_keeps_an_application_up_passes_a_freeze,
    a_freeze_does_not_hold_towpath_or_who_may_override,
    a_freeze_holds_only_where_it_is_listed_and_asked_for,
    a_frozen_namespace_can_be_deleted,
];

const KINDS: [(&str, &str); 3] =
    [("deployments", "Deployment"), ("statefulsets", "StatefulSet"), ("daemonsets", "DaemonSet")];
const FREEZE: &str = "shop/prod until 2027-01-04T08:00:00Z: the year ends";

/// A namespace with a workload of each kind, its admin, and the freeze as the controller writes it.
struct Frozen {
    namespace: String,
    admin: Person,
    owner: Person,
}

impl Frozen {
    async fn new(cluster: &ControlPlane, namespace: &str) -> Result<Self> {
        let admin = Person::admin(cluster)?;
        let label = json!({ "metadata": { "labels": { "towpath.dev/freeze": "enforced" } } });
        admin.patch(&format!("/api/v1/namespaces/{namespace}"), label).await?.allowed()?;
        for (plural, kind) in KINDS {
            let object = merged(&workload(kind, "web", &json!({})), &annotated("a", "b"));
            admin.post(&path("apps/v1", namespace, plural, ""), object).await?.allowed()?;
        }
        let name = format!("owner-of-{namespace}");
        bind(cluster, namespace, "admin", &json!({ "kind": "User", "name": name })).await?;
        until_may(cluster, &name, "create", "apps/deployments", (namespace, "")).await?;
        let owner = Person::new(cluster, &name, &[]).await?;
        Ok(Self { namespace: namespace.into(), admin, owner })
    }

    fn at(&self, plural: &str, name: &str) -> String {
        path("apps/v1", &self.namespace, plural, name)
    }

    /// Lists the namespace, as the controller does, or no more; and waits until the API server knows.
    async fn freeze(&self, entry: Option<&str>) -> Result<()> {
        let data = json!({ "data": { (&self.namespace): entry } });
        let at = path("v1", SYSTEM, "configmaps", "towpath-freezes");
        if self.admin.get(&at).await?.code == 404 {
            let empty = json!({ "metadata": { "name": "towpath-freezes" } });
            // Another test may have been first.
            self.admin.post(&path("v1", SYSTEM, "configmaps", ""), empty).await?;
        }
        self.admin.patch(&at, data).await?.allowed()?;
        let words = format!("namespace {} is frozen: {}. ", self.namespace, entry.unwrap_or_default());
        eventually("the freeze to be known", SOON, async || {
            let object = workload("Deployment", "probe", &json!({}));
            let answer = self.owner.post(&(self.at("deployments", "") + "?dryRun=All"), object).await?;
            Ok((answer.said.contains(&words) == entry.is_some()).then_some(()))
        })
        .await
    }
}

fn image(image: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [{ "name": "a", "image": image }] } } } })
}

fn annotated(key: &str, value: &str) -> Value {
    json!({ "spec": { "template": { "metadata": { "annotations": { key: value } } } } })
}

fn replicas(count: i64) -> Value {
    json!({ "spec": { "replicas": count } })
}

/// Kubernetes' own controllers write the same objects during it.
fn unconditional(mut object: Value) -> Value {
    object["metadata"]["resourceVersion"] = Value::Null;
    object
}

async fn a_freeze_refuses_changes_and_says_the_way_out() -> Result<()> {
    in_namespace(async |cluster, namespace| {
        let frozen = Frozen::new(cluster, namespace).await?;
        frozen.freeze(Some(FREEZE)).await?;
        let owner = &frozen.owner;
        let mut faults = Vec::new();
        let mut tried = 0;
        let words = format!(
            "namespace {namespace} is frozen: {FREEZE}. Until then only restarts and scaling are allowed. Users granted \
             override on environment prod of project shop are exempt. The namespace owner can end the freeze by removing the \
             label towpath.dev/freeze from the namespace"
        );
        let mut judge = |what: &str, answer: Answer| {
            tried += 1;
            faults.extend(answer.refused(&words).err().map(|error| format!("{what}: {error:#}")));
        };
        for (plural, kind) in KINDS {
            let one = frozen.at(plural, "web");
            let changes = [
                ("an image", image("b")),
                ("a label of the template", json!({ "spec": { "template": { "metadata": { "labels": { "b": "c" } } } } })),
                ("an annotation added", annotated("c", "d")),
                ("an annotation changed", annotated("a", "c")),
                ("an annotation removed", json!({ "spec": { "template": { "metadata": { "annotations": null } } } })),
                ("a restart and an image", merged(&annotated("kubectl.kubernetes.io/restartedAt", "now"), &image("b"))),
            ];
            for (what, patch) in changes {
                judge(what, owner.patch(&one, patch).await?);
            }
            judge("an image by apply", owner.apply(&one, workload(kind, "web", &image("b")["spec"]["template"]["spec"])).await?);
            judge("a creation", owner.post(&frozen.at(plural, ""), workload(kind, "new", &json!({}))).await?);
            judge("a removal", owner.delete(&one).await?);
            judge("a removal of all", owner.delete(&frozen.at(plural, "")).await?);
            if kind != "DaemonSet" {
                judge("scaled to nothing", owner.patch(&one, replicas(0)).await?);
                judge("scaled to nothing by /scale", owner.patch(&format!("{one}/scale"), replicas(0)).await?);
            }
        }
        ensure!(tried == 34, "{tried} were tried");
        all_hold(faults, tried)?;
        for (plural, _) in KINDS {
            let web = frozen.admin.get(&frozen.at(plural, "web")).await?.allowed()?;
            let (pod, replicas) = (&web["spec"]["template"]["spec"], &web["spec"]["replicas"]);
            ensure!(pod["containers"][0]["image"] == "a" && *replicas != 0, "{web}");
        }
        Ok(())
    })
    .await
}

/// The ReplicaSets of the Deployment web: its name, and how many replicas it has.
async fn replica_sets(frozen: &Frozen) -> Result<Vec<(String, i64)>> {
    let list = frozen.admin.get(&frozen.at("replicasets", "")).await?.allowed()?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let owned = items.into_iter().filter(|item| item["metadata"]["ownerReferences"].is_array());
    let name = |item: &Value| item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    Ok(owned.map(|item| (name(&item), item["spec"]["replicas"].as_i64().unwrap_or(1))).collect())
}

async fn a_freeze_refuses_other_ways_to_start_another_version() -> Result<()> {
    in_namespace(async |cluster, namespace| {
        let frozen = Frozen::new(cluster, namespace).await?;
        let admin = &frozen.admin;
        // A second revision of the Deployment, so that an old ReplicaSet exists.
        eventually("the first ReplicaSet", SOON, async || {
            Ok(replica_sets(&frozen).await?.into_iter().next().map(drop))
        })
        .await?;
        admin.patch(&frozen.at("deployments", "web"), image("b")).await?.allowed()?;
        let old = eventually("the old ReplicaSet to be empty", SOON, async || {
            let found = replica_sets(&frozen).await?;
            Ok(found
                .iter()
                .find(|(_, replicas)| *replicas == 0 && found.len() == 2)
                .map(|(name, _)| name.clone()))
        })
        .await?;
        let running =
            replica_sets(&frozen).await?.into_iter().find(|(name, _)| *name != old).map(|(name, _)| name);
        let running = running.unwrap_or_default();
        admin
            .post(&frozen.at("replicasets", ""), workload("ReplicaSet", "alone", &json!({})))
            .await?
            .allowed()?;
        let cron_jobs = path("batch/v1", namespace, "cronjobs", "");
        let nightly = path("batch/v1", namespace, "cronjobs", "nightly");
        admin.post(&cron_jobs, workload("CronJob", "nightly", &json!({}))).await?.allowed()?;
        frozen.freeze(Some(FREEZE)).await?;
        let owner = &frozen.owner;
        let mut faults = Vec::new();
        let mut tried = 0;
        let mut judge = |what: &str, answer: Answer| {
            tried += 1;
            faults.extend(answer.refused("is frozen").err().map(|error| format!("{what}: {error:#}")));
        };
        for name in [&running, "alone"] {
            let one = frozen.at("replicasets", name);
            judge("the image of a ReplicaSet", owner.patch(&one, image("c")).await?);
            judge("the removal of a ReplicaSet", owner.delete(&one).await?);
            judge("a ReplicaSet scaled to nothing", owner.patch(&format!("{one}/scale"), replicas(0)).await?);
        }
        let one = frozen.at("replicasets", &old);
        judge("an old ReplicaSet scaled up", owner.patch(&one, replicas(1)).await?);
        judge(
            "an old ReplicaSet scaled up by /scale",
            owner.patch(&format!("{one}/scale"), replicas(1)).await?,
        );
        judge(
            "a new ReplicaSet",
            owner.post(&frozen.at("replicasets", ""), workload("ReplicaSet", "new", &json!({}))).await?,
        );
        let pod = json!({ "spec": { "jobTemplate": { "spec": image("c")["spec"].clone() } } });
        for (what, patch) in [
            ("the image of a CronJob", pod),
            ("the schedule of a CronJob", json!({ "spec": { "schedule": "* * * * *" } })),
            ("the pause of a CronJob", json!({ "spec": { "suspend": true } })),
        ] {
            judge(what, owner.patch(&nightly, patch).await?);
        }
        judge("the removal of a CronJob", owner.delete(&nightly).await?);
        judge("a new CronJob", owner.post(&cron_jobs, workload("CronJob", "new", &json!({}))).await?);
        let paused = json!({ "spec": { "paused": true } });
        judge("the pause of a Deployment", owner.patch(&frozen.at("deployments", "web"), paused).await?);
        let strategy = json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } });
        for plural in ["statefulsets", "daemonsets"] {
            judge("another update strategy", owner.patch(&frozen.at(plural, "web"), strategy.clone()).await?);
        }
        ensure!(tried == 17, "{tried} were tried");
        all_hold(faults, tried)?;
        // What keeps them up passes.
        let alone = frozen.at("replicasets", "alone");
        owner.patch(&format!("{alone}/scale"), replicas(2)).await?.allowed()?;
        owner.patch(&nightly, json!({ "metadata": { "labels": { "a": "b" } } })).await?.allowed()?;
        let found = unconditional(owner.get(&nightly).await?.allowed()?);
        owner.put(&nightly, found).await?.allowed()?;
        // A restart makes the Deployment's controller create a ReplicaSet and delete pods.
        let restart = annotated("kubectl.kubernetes.io/restartedAt", "2026-12-30T00:00:00Z");
        owner.patch(&frozen.at("deployments", "web"), restart).await?.allowed()?;
        eventually("the ReplicaSet of the restart", SOON, async || {
            Ok((replica_sets(&frozen).await?.len() == 3).then_some(()))
        })
        .await
    })
    .await
}

async fn what_keeps_an_application_up_passes_a_freeze() -> Result<()> {
    in_namespace(async |cluster, namespace| {
        let frozen = Frozen::new(cluster, namespace).await?;
        frozen.freeze(Some(FREEZE)).await?;
        let owner = &frozen.owner;
        for (plural, _) in KINDS {
            let one = frozen.at(plural, "web");
            for when in ["2026-12-30T00:00:00Z", "2026-12-31T00:00:00Z"] {
                owner.patch(&one, annotated("kubectl.kubernetes.io/restartedAt", when)).await?.allowed()?;
            }
            owner.patch(&one, json!({ "metadata": { "annotations": { "a": "b" } } })).await?.allowed()?;
            // As GitOps tools do all day, and as storage is migrated.
            for who in [owner, &frozen.admin] {
                let found = unconditional(owner.get(&one).await?.allowed()?);
                who.put(&one, found).await?.allowed()?;
            }
            let status = unconditional(frozen.admin.get(&format!("{one}/status")).await?.allowed()?);
            frozen.admin.put(&format!("{one}/status"), status).await?.allowed()?;
        }
        let autoscaler = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
        let autoscaler = Person::impersonated(cluster.admin(), autoscaler, &[])?;
        for plural in ["deployments", "statefulsets"] {
            let one = frozen.at(plural, "web");
            owner.patch(&one, replicas(3)).await?.allowed()?;
            owner.patch(&format!("{one}/scale"), replicas(2)).await?.allowed()?;
            owner.patch(&one, replicas(1)).await?.allowed()?;
            let scale = unconditional(autoscaler.get(&format!("{one}/scale")).await?.allowed()?);
            autoscaler.put(&format!("{one}/scale"), merged(&scale, &replicas(4))).await?.allowed()?;
        }
        // Kubernetes' own controllers go on, too.
        eventually("the rollouts", SOON, async || {
            let web = owner.get(&frozen.at("deployments", "web")).await?.allowed()?;
            Ok((web["status"]["readyReplicas"] == 4).then_some(()))
        })
        .await
    })
    .await
}

async fn a_freeze_does_not_hold_towpath_or_who_may_override() -> Result<()> {
    in_namespace(async |cluster, namespace| {
        let frozen = Frozen::new(cluster, namespace).await?;
        // The environment's project is the same namespace here, as small teams have it.
        frozen.freeze(Some(&format!("{namespace}/prod until 2027-01-04T08:00:00Z: a"))).await?;
        let one = frozen.at("deployments", "web");
        frozen.owner.patch(&one, image("b")).await?.refused("is frozen")?;

        let subject = json!({ "kind": "ServiceAccount", "namespace": DEPLOYERS, "name": "p.env" });
        bind(cluster, namespace, "towpath-deploy", &subject).await?;
        let identity = Person::deployer(cluster, "p.env", &[])?;
        until_may(cluster, &identity.name, "create", "apps/deployments", (namespace, "")).await?;
        identity.patch(&one, image("c")).await?.allowed()?;
        identity
            .post(&frozen.at("deployments", ""), workload("Deployment", "new", &json!({})))
            .await?
            .allowed()?;
        identity.delete(&frozen.at("deployments", "new")).await?.allowed()?;

        let (right, wrong) = (format!("right-{namespace}"), format!("wrong-{namespace}"));
        for (name, environment) in [(&right, "prod"), (&wrong, "staging")] {
            bind(cluster, namespace, "edit", &json!({ "kind": "User", "name": name })).await?;
            grant(cluster, namespace, name, json!([rule(&["environments"], &[environment], &["override"])]))
                .await?;
            until_may(cluster, name, "override", "environments", (namespace, environment)).await?;
            until_may(cluster, name, "patch", "apps/deployments", (namespace, "")).await?;
        }
        let wrong = Person::new(cluster, &wrong, &[]).await?;
        wrong.patch(&one, image("d")).await?.refused("is frozen")?;
        let right = Person::new(cluster, &right, &[]).await?;
        right.patch(&one, image("d")).await?.allowed()?;
        right.patch(&one, replicas(0)).await?.allowed()?;
        right.delete(&one).await?.allowed().map(drop)
    })
    .await
}

async fn a_freeze_holds_only_where_it_is_listed_and_asked_for() -> Result<()> {
    in_namespace(async |cluster, namespace| {
        let frozen = Frozen::new(cluster, namespace).await?;
        let one = frozen.at("deployments", "web");
        frozen.owner.patch(&one, image("b")).await?.allowed()?;
        frozen.freeze(Some(FREEZE)).await?;
        frozen.owner.patch(&one, image("c")).await?.refused("is frozen")?;
        // What cannot be read holds no user.
        let at = path("v1", SYSTEM, "configmaps", "towpath-freezes");
        frozen.admin.patch(&at, json!({ "data": { namespace: "nonsense" } })).await?.allowed()?;
        eventually("nonsense to be ignored", SOON, async || {
            frozen.owner.patch(&one, image("d")).await?.allowed().map(Some)
        })
        .await?;
        frozen.freeze(Some(FREEZE)).await?;
        // The way out: a user who may change the namespace.
        let label = json!({ "metadata": { "labels": { "towpath.dev/freeze": null } } });
        let whole = format!("/api/v1/namespaces/{namespace}");
        frozen.owner.patch(&whole, label.clone()).await?.refused("forbidden")?;
        frozen.admin.patch(&whole, label).await?.allowed()?;
        eventually("the label's end to be known", SOON, async || {
            frozen.owner.patch(&one, image("e")).await?.allowed().map(Some)
        })
        .await?;
        frozen.freeze(None).await
    })
    .await
}

async fn a_frozen_namespace_can_be_deleted() -> Result<()> {
    in_namespace(async |cluster, namespace| {
        let frozen = Frozen::new(cluster, namespace).await?;
        frozen.freeze(Some(FREEZE)).await?;
        let whole = format!("/api/v1/namespaces/{namespace}");
        frozen.admin.delete(&whole).await?.allowed()?;
        eventually("the end of the namespace", SOON, async || {
            Ok((frozen.admin.get(&whole).await?.code == 404).then_some(()))
        })
        .await
    })
    .await
}
