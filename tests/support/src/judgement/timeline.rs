//! What is seen of a release on trial, from watches: its promotion, its rollback, what says why it waits, and when its pods first
//! showed that they fail.

use crate::project::Project;
use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use jiff::Timestamp;
use kube::Api;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The newest of everything.
#[derive(Debug, Default)]
pub struct Seen {
    /// Promotions, by name.
    pub promotions: BTreeMap<String, Value>,
    /// Releases, by name.
    pub releases: BTreeMap<String, Value>,
    /// Environments, by name.
    pub environments: BTreeMap<String, Value>,
    /// When a pod first showed one of the reasons of a failure.
    pub failing: Option<Instant>,
    /// When the failure was first recorded.
    pub verdict: Option<Instant>,
    ready: BTreeSet<String>,
}

/// The watches of one situation; they end when dropped.
pub struct Timeline {
    seen: watch::Receiver<Seen>,
    tasks: Vec<JoinHandle<()>>,
    /// The release on trial and its promotion.
    pub release: String,
    pub promotion: String,
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Timeline {
    /// From now on. `signs` are the reasons that a failing pod shows.
    pub fn start(project: &Project, release: &str, signs: &[String]) -> Self {
        let promotion = format!("prod-{release}");
        let (into, seen) = watch::channel(Seen::default());
        let mut tasks = Vec::new();
        for kind in ["Promotion", "Release", "Environment"] {
            let (into, promotion) = (into.clone(), promotion.clone());
            let kinds = GroupVersionKind::gvk("towpath.dev", "v1alpha1", kind);
            let note = move |name: String, object: Value| {
                into.send_modify(|seen| {
                    if kind == "Promotion" && is_verdict(&promotion, &name, &object) {
                        seen.verdict.get_or_insert_with(Instant::now);
                    }
                    let all = match kind {
                        "Promotion" => &mut seen.promotions,
                        "Release" => &mut seen.releases,
                        _ => &mut seen.environments,
                    };
                    all.insert(name, object);
                });
            };
            tasks.push(follow(project, &project.name, &kinds, note));
        }
        let signs: Vec<String> = signs.to_vec();
        // Pods that are there already are not those of the release on trial.
        let since = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let pods = GroupVersionKind::gvk("", "v1", "Pod");
        tasks.push(follow(project, &project.target("prod"), &pods, move |name, pod| {
            into.send_modify(|seen| {
                let was_ready = seen.ready.contains(&name);
                let is_new = pod["metadata"]["creationTimestamp"].as_str() >= Some(since.as_str());
                if is_new && is_sign(&pod, &signs, was_ready) {
                    seen.failing.get_or_insert_with(Instant::now);
                }
                if is_ready(&pod) {
                    seen.ready.insert(name);
                }
            });
        }));
        Self { seen, tasks, release: release.to_owned(), promotion }
    }

    /// Waits until there is an answer.
    pub async fn until<T>(&self, what: &str, limit: Duration, ask: impl Fn(&Seen) -> Option<T>) -> Result<T> {
        let mut seen = self.seen.clone();
        let answered = tokio::time::timeout(limit, seen.wait_for(|seen| ask(seen).is_some())).await;
        match answered {
            Ok(seen) => ask(&*seen.context("the watches ended")?).context("it changed"),
            Err(_) => bail!("waited {limit:?} for {what}; {}", self.shown()),
        }
    }

    /// The answer of now.
    pub fn now<T>(&self, ask: impl FnOnce(&Seen) -> T) -> T {
        ask(&self.seen.borrow())
    }

    /// Where things stand, in one line.
    pub fn shown(&self) -> String {
        self.now(|seen| {
            let line = |(name, object): (&String, &Value)| {
                let status = &object["status"];
                format!("{name} is {}: {}: {}", status["phase"], status["reason"], status["message"])
            };
            let release = seen.releases.iter().filter(|(name, _)| **name == self.release).map(line);
            let promotions = seen.promotions.iter().map(line);
            release.chain(promotions).collect::<Vec<_>>().join("\n  ")
        })
    }
}

impl Seen {
    /// The status of a promotion. Null where there is none.
    pub fn status(&self, promotion: &str) -> &Value {
        self.promotions.get(promotion).map_or(&Value::Null, |object| &object["status"])
    }

    /// Whether a promotion has ended.
    pub fn is_over(&self, promotion: &str) -> bool {
        let status = self.status(promotion);
        status["finishedAt"].is_string()
            || ["Verified", "Failed", "Superseded", "Cancelled"].iter().any(|end| status["phase"] == *end)
    }

    /// Every message that says something about a promotion.
    pub fn words(&self, release: &str, promotion: &str) -> String {
        let release = self.releases.get(release).map_or(&Value::Null, |object| &object["status"]);
        let environment = self.environments.get("prod").map_or(&Value::Null, |object| &object["status"]);
        let mut words = Vec::new();
        let rollback = self.status(&format!("{promotion}-rollback"));
        for part in [self.status(promotion), rollback, release, environment] {
            texts(part, &mut words);
        }
        words.join("\n")
    }

    /// Whether these messages contain all the fragments.
    pub fn says(&self, release: &str, promotion: &str, fragments: &[String]) -> bool {
        let words = self.words(release, promotion).to_lowercase();
        fragments.iter().all(|fragment| words.contains(&fragment.to_lowercase()))
    }
}

/// Messages, reasons and warnings anywhere in a status.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("message" | "reason" | "summary", Value::String(text)) => into.push(text.clone()),
                    ("warnings", Value::Array(all)) => {
                        into.extend(all.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => texts(field, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether it records that the release on trial has failed.
fn is_verdict(promotion: &str, name: &str, object: &Value) -> bool {
    (name == promotion && object["status"]["phase"] == "Failed") || name == format!("{promotion}-rollback")
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn is_sign(pod: &Value, signs: &[String], was_ready: bool) -> bool {
    let status = &pod["status"];
    let is = |word: &Value| word.as_str().is_some_and(|word| signs.iter().any(|sign| sign == word));
    let containers = ["containerStatuses", "initContainerStatuses"];
    let mut containers = containers.iter().flat_map(|list| status[*list].as_array().into_iter().flatten());
    is(&status["reason"])
        || (was_ready && !is_ready(pod) && signs.iter().any(|sign| sign == "Unavailable"))
        || containers.any(|container| {
            let ends = [&container["state"]["terminated"], &container["lastState"]["terminated"]];
            let crashes = signs.iter().any(|sign| sign == "CrashLoopBackOff");
            is(&container["state"]["waiting"]["reason"])
                || ends.iter().any(|end| is(&end["reason"]))
                || (crashes && ends.iter().any(|end| end["exitCode"].as_i64().is_some_and(|code| code != 0)))
        })
}

fn follow(
    project: &Project,
    namespace: &str,
    kind: &GroupVersionKind,
    mut note: impl FnMut(String, Value) + Send + 'static,
) -> JoinHandle<()> {
    let resource = ApiResource::from_gvk(kind);
    let api: Api<DynamicObject> = Api::namespaced_with(project.client(), namespace, &resource);
    tokio::spawn(async move {
        let objects = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
        let mut objects = std::pin::pin!(objects);
        loop {
            match objects.try_next().await {
                Ok(Some(object)) => {
                    let name = object.metadata.name.clone().unwrap_or_default();
                    note(name, serde_json::to_value(&object).unwrap_or_default());
                }
                Ok(None) => return,
                // It begins again by itself.
                Err(_) => {}
            }
        }
    })
}
