//! What happens in a situation: what autoscalers, nodes, people and other tools do to a release.

use super::objects::{Short, named, objects, path, served};
use super::timing::Timing;
use crate::installation::SOON;
use crate::project::Project;
use anyhow::{Context, Result, bail};
use control_plane::eventually;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const MERGE: &str = "application/merge-patch+json";

/// How long pods may take to be there.
const PODS: Duration = Duration::from_secs(60);

/// One thing that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Act {
    /// The number of replicas is set through the subresource, as an autoscaler does.
    Scale { of: String, to: i64 },
    /// Pods are evicted by the API, as `kubectl drain` does.
    Evict { pods: String, count: usize },
    /// Pods are deleted.
    DeletePods { pods: String, count: usize },
    /// Living pods meet a fate.
    Fate {
        pods: String,
        #[serde(default = "all")]
        count: usize,
        #[serde(default)]
        oldest: bool,
        is: String,
        #[serde(default)]
        seconds: Option<f64>,
    },
    /// A kubelet reports this about pods; `$time` is now.
    Status {
        pods: String,
        #[serde(default = "all")]
        count: usize,
        is: Value,
    },
    /// A node of the situation joins.
    Node(usize),
    /// An object is changed, under the name of a field manager.
    Patch {
        of: String,
        with: Value,
        #[serde(default = "a_user")]
        by: String,
    },
    /// Objects are applied with kubectl.
    Apply(Vec<Short>),
    /// An object is deleted.
    Delete(String),
    /// `kubectl -n NAMESPACE ...`.
    Kubectl(String),
    /// Waits until a quota is counted.
    QuotaCounts(String),
    /// A webhook that is down has to be asked for every write of these kinds.
    Webhook(Vec<String>),
    /// The webhook is removed.
    WebhookGone,
    /// An object is created that belongs to another, given as `plural/name@group/version`.
    Own { by: String, is: Short },
    /// One of Towpath's own objects is created.
    Ours { plural: String, name: String, spec: Value },
    /// One of Towpath's own objects is changed.
    Change { plural: String, name: String, with: Value },
    /// A message of the release, its promotions or the environment has to contain this.
    Says(Vec<String>),
}

fn all() -> usize {
    usize::MAX
}

fn a_user() -> String {
    "a-user".to_owned()
}

/// Reads an act from the data.
pub fn act(value: &Value) -> Result<Act> {
    serde_json::from_value(value.clone()).with_context(|| format!("{value} is no act"))
}

/// Does it.
pub async fn perform(project: &Project, act: &Act, timing: &Timing) -> Result<()> {
    let target = project.target("prod");
    match act {
        Act::Scale { of, to } => {
            let path = format!("{}/scale?fieldManager=horizontal-pod-autoscaler", path(&target, of)?);
            project.send(Method::PATCH, &path, MERGE, json!({ "spec": { "replicas": to } })).await.map(drop)
        }
        Act::Evict { pods, count } => {
            for name in names(project, pods, *count, Which::Newest).await? {
                let eviction = json!({
                    "apiVersion": "policy/v1", "kind": "Eviction",
                    "metadata": { "name": name, "namespace": target },
                });
                let path = format!("/api/v1/namespaces/{target}/pods/{name}/eviction");
                unless_gone(project.post(&path, eviction).await)?;
            }
            Ok(())
        }
        Act::DeletePods { pods, count } => {
            for name in names(project, pods, *count, Which::Newest).await? {
                let path = format!("/api/v1/namespaces/{target}/pods/{name}");
                unless_gone(project.send(Method::DELETE, &path, "application/json", json!({})).await)?;
            }
            Ok(())
        }
        Act::Fate { pods, count, oldest, is, seconds } => {
            let mut notes = json!({ "fate.towpath.dev/pod": is });
            if let Some(seconds) = seconds {
                notes["fate.towpath.dev/seconds"] = json!(seconds.to_string());
            }
            for name in
                names(project, pods, *count, if *oldest { Which::Oldest } else { Which::Newest }).await?
            {
                let path = format!("/api/v1/namespaces/{target}/pods/{name}");
                let patch = json!({ "metadata": { "annotations": notes } });
                unless_gone(project.send(Method::PATCH, &path, MERGE, patch).await)?;
            }
            Ok(())
        }
        Act::Status { pods, count, is } => {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let is: Value = serde_json::from_str(&is.to_string().replace("$time", &now))?;
            for name in names(project, pods, *count, Which::Begun).await? {
                let path = format!("/api/v1/namespaces/{target}/pods/{name}/status");
                unless_gone(project.send(Method::PATCH, &path, MERGE, json!({ "status": is })).await)?;
            }
            Ok(())
        }
        Act::Node(number) => add_node(project, *number).await,
        Act::Patch { of, with, by } => {
            let path = format!("{}?fieldManager={by}", path(&target, of)?);
            once_written(of, async || {
                project.send(Method::PATCH, &path, MERGE, named(with.clone(), &project.name)).await.map(drop)
            })
            .await
        }
        Act::Apply(shorts) => project.apply("prod", &objects(shorts, timing, &project.name)?),
        Act::Delete(object) => {
            let path = path(&target, object)?;
            project.send(Method::DELETE, &path, "application/json", json!({})).await.map(drop)
        }
        Act::Kubectl(line) => {
            let line = line.replace("$project", &project.name);
            let words: Vec<&str> = line.split_whitespace().collect();
            let all = [&["-n", &target][..], &words].concat();
            once_written(&line, async || {
                tokio::task::block_in_place(|| project.kubectl().run(&all)).map(drop)
            })
            .await
        }
        Act::QuotaCounts(name) => {
            let (group, plural) = served("ResourceQuota")?;
            let path = format!("{group}/namespaces/{target}/{plural}/{name}");
            eventually("the quota to be counted", SOON, async || {
                Ok(project.get(&path).await?.filter(|quota| quota["status"]["used"].is_object()))
            })
            .await
            .map(drop)
        }
        Act::Webhook(kinds) => webhook(project, kinds).await,
        Act::WebhookGone => project
            .send(Method::DELETE, &webhook_path(project), "application/json", json!({}))
            .await
            .map(drop),
        Act::Own { by, is } => own(project, by, is.object(timing, &project.name)?).await,
        Act::Ours { plural, name, spec } => project.create(plural, name, spec.clone()).await.map(drop),
        Act::Says(_) => bail!("only a timeline can tell what is said"),
        Act::Change { plural, name, with } => project.change(plural, name, with.clone()).await,
    }
}

/// Does it, again as long as the object is not written yet.
async fn once_written(what: &str, act: impl AsyncFn() -> Result<()>) -> Result<()> {
    eventually(what, PODS, async || match act().await {
        Err(error) if format!("{error:#}").contains("NotFound") => Err(error),
        done => Ok(Some(done)),
    })
    .await?
}

/// The answer about a pod; a pod of the old revision may have left since it was listed.
fn unless_gone(answer: Result<Value>) -> Result<()> {
    match answer {
        Err(error) if !format!("{error:#}").contains("NotFound") => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Which pods of an `app` an act is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The newest, which are those of the release on trial where both are there.
    Newest,
    /// The oldest.
    Oldest,
    /// The newest that their node has begun. Until then it overwrites a status.
    Begun,
}

/// So many pods of an `app`, once there is one.
async fn names(project: &Project, app: &str, count: usize, which: Which) -> Result<Vec<String>> {
    eventually(&format!("a pod of {app}"), PODS, async || {
        let mut pods = project.pods("prod", app).await?;
        pods.retain(|pod| !["Failed", "Succeeded"].iter().any(|phase| pod["status"]["phase"] == *phase));
        if which == Which::Begun {
            pods.retain(|pod| pod["status"]["startTime"].is_string());
        }
        pods.sort_by_key(|pod| pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned());
        if which != Which::Oldest {
            pods.reverse();
        }
        let names = pods.iter().take(count).filter_map(|pod| pod["metadata"]["name"].as_str());
        let names: Vec<String> = names.map(str::to_owned).collect();
        Ok((!names.is_empty()).then_some(names))
    })
    .await
}

/// Creates an object that another one controls, as the controller of a custom resource does.
async fn own(project: &Project, by: &str, mut object: Value) -> Result<()> {
    let target = project.target("prod");
    let by = by.replace("$project", &project.name);
    let (name, group) = by.rsplit_once('@').context("by is no plural/name@group/version")?;
    let path = format!("/apis/{group}/namespaces/{target}/{name}");
    // It may not be written yet.
    let owner = eventually(&by, PODS, async || project.get(&path).await).await?;
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }]);
    project.apply("prod", &[object])
}

fn webhook_path(project: &Project) -> String {
    let group = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    format!("{group}/{}", project.name)
}

/// Label of the ConfigMap that shows whether a webhook is asked.
const PROBE: &str = "towpath.dev/probe";

/// Nothing listens where it is to be asked.
async fn webhook(project: &Project, kinds: &[String]) -> Result<()> {
    let mut configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": project.name },
        "webhooks": [{
            "name": "down.towpath.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail", "timeoutSeconds": 1,
            "clientConfig": { "url": "https://127.0.0.1:9/" },
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": project.target("prod") } },
            "rules": [{
                "apiGroups": ["*"], "apiVersions": ["*"], "resources": kinds, "operations": ["CREATE", "UPDATE", "DELETE"],
            }],
        }],
    });
    // API servers learn of it by a watch, and of all its webhooks together: this one is asked about the probe only.
    let mut probed = configuration["webhooks"][0].clone();
    probed["name"] = json!("probe.towpath.dev");
    probed["objectSelector"] = json!({ "matchLabels": { PROBE: "" } });
    probed["rules"][0]["resources"] = json!(["configmaps"]);
    configuration["webhooks"].as_array_mut().context("no webhooks")?.push(probed);
    let path = webhook_path(project);
    let (group, _) = path.rsplit_once('/').context("no group")?;
    project.post(group, configuration).await?;
    let probe = format!("/api/v1/namespaces/{}/configmaps?dryRun=All", project.target("prod"));
    eventually("the webhook to be asked", SOON, async || {
        let map = json!({ "metadata": { "generateName": "probe-", "labels": { PROBE: "" } } });
        Ok(project.post(&probe, map).await.err().map(drop))
    })
    .await
}

/// Adds a node that only pods of this project run on, and waits until they may.
pub async fn add_node(project: &Project, number: usize) -> Result<()> {
    let node = node(&project.name, number);
    let path = format!("/api/v1/nodes/{}", node["metadata"]["name"].as_str().unwrap_or_default());
    project.post("/api/v1/nodes", node).await?;
    eventually("the node to be ready", SOON, async || {
        let Some(node) = project.get(&path).await? else { return Ok(None) };
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is_ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
        // Its own taint alone: a new node has one more until it is ready.
        let taints = node["spec"]["taints"].as_array().map_or(0, Vec::len);
        Ok((is_ready && taints == 1).then_some(()))
    })
    .await
}

/// A played node that nothing else runs on.
fn node(project: &str, number: usize) -> Value {
    let name = format!("{project}-{number}");
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name, "annotations": { "kwok.x-k8s.io/node": "fake" },
            "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                "fate.towpath.dev/project": project,
            },
        },
        "spec": { "taints": [{ "key": "fate.towpath.dev/project", "value": project, "effect": "NoSchedule" }] },
    })
}
