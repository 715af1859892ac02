//! The Jobs of the tests of a promotion, their pods, and why they have none.

use super::events::events;
use super::pods::facts;
use crate::api::{Location, TestResult};
use crate::cluster::Stores;
use crate::cluster::slim;
use crate::content::ObjectKey;
use crate::decide::world::{PromotionWorld, TestPod, TestRun, Tests};
use crate::process::Handles;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use std::sync::Arc;

/// Most Events that are read at once.
const MOST_EVENTS: u32 = 500;
/// The longest part of the name of a pod that comes from its controller.
const LONGEST_BASE: usize = 58;

/// Adds the Jobs that the status names. Events are read of those without a pod, and of those that do not exist although they should.
pub async fn add(handles: &Handles, client: &kube::Client, target: &Location, world: &mut PromotionWorld) {
    let PromotionWorld { promotion, tests: Tests { runs, have_run, .. }, written, .. } = world;
    let tests = promotion.status.iter().flat_map(|status| &status.tests);
    for (test, name) in tests.filter_map(|test| Some((test, test.job.as_deref()?))) {
        let Ok(key) = ObjectKey::new("batch/v1", "Job", name) else { continue };
        if let Some(job) = handles.stores.jobs.get(&target.namespace, name) {
            let mut run = of_job(&handles.stores, target, &job);
            match run.pods.is_empty() {
                true if !run.is_over() => run.refused = why_no_pod(client, target, &run.uid).await,
                true if test.result == TestResult::Running && run.has_ended() => {
                    search(client, target, name, &mut run).await;
                }
                true | false => {}
            }
            runs.insert(key, run);
        } else if test.result == TestResult::Running
            && !written.contains(&key)
            && had_a_pod(client, target, name).await
        {
            have_run.insert(key);
        }
    }
}

fn of_job(stores: &Stores, target: &Location, job: &slim::Job) -> TestRun {
    let pods = stores.pods.list(&target.namespace);
    let own = pods.iter().filter(|pod| pod.metadata.is_controlled_by(job.metadata.uid()));
    TestRun {
        uid: job.metadata.uid().to_owned(),
        suspended: job.spec.suspend,
        managed_by: Some(job.spec.managed_by.as_str().to_owned()).filter(|name| is_foreign(name)),
        complete: job.is_complete(),
        failed: job.condition("Failed").filter(|condition| condition.is_true("Failed")).map(words),
        succeeded: job.has_succeeded(),
        searched: false,
        stopped: None,
        refused: None,
        pods: own.map(of_pod).collect(),
    }
}

/// Whether another controller than that of Kubernetes manages the Job.
fn is_foreign(managed_by: &str) -> bool {
    !managed_by.is_empty() && managed_by != "kubernetes.io/job-controller"
}

fn of_pod(pod: &Arc<slim::Pod>) -> TestPod {
    let disruption = pod.condition("DisruptionTarget").filter(|it| it.is_true("DisruptionTarget"));
    TestPod { pod: facts(pod), disruption: disruption.map(words) }
}

fn words(condition: &slim::Condition) -> (String, String) {
    (condition.reason.as_str().to_owned(), condition.message.to_string())
}

/// Whether an Event says that the controller created a pod of a Job. False if the Events cannot be read.
async fn had_a_pod(client: &kube::Client, target: &Location, job: &str) -> bool {
    let fields = format!("involvedObject.kind=Job,involvedObject.name={job},reason=SuccessfulCreate");
    selected(client, target, &fields).await.is_some_and(|events| !events.is_empty())
}

/// Asks for the pods of a Job that has ended and of which the watch shows none: pods and Jobs are watched apart, and no two clocks tell which
/// watch is behind. Without the right to list pods, those of the watch have to do.
async fn search(client: &kube::Client, target: &Location, job: &str, run: &mut TestRun) {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Pod"), "pods");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &target.namespace, &resource);
    let params = ListParams::default().labels(&format!("batch.kubernetes.io/controller-uid={}", run.uid));
    let found = match api.list(&params).await {
        Ok(list) => list.items,
        Err(kube::Error::Api(status)) if status.code == 403 => Vec::new(),
        Err(_) => return,
    };
    let pods =
        found.into_iter().filter_map(|pod| serde_json::from_value(serde_json::to_value(pod).ok()?).ok());
    run.pods = pods.map(|pod: slim::Pod| of_pod(&Arc::new(pod))).collect();
    run.searched = true;
    if run.pods.is_empty() && run.succeeded {
        run.stopped = why_stopped(client, target, job).await;
    }
}

/// The Event of a pod of a Job whose container was stopped from outside: it may have ended with 0 then. The Job does not say it. None if the identity may
/// not read Events.
async fn why_stopped(client: &kube::Client, target: &Location, job: &str) -> Option<String> {
    let events = selected(client, target, "involvedObject.kind=Pod,reason=Killing").await?;
    events.iter().find_map(|event| stopped(&event.data, job))
}

/// What an Event says if it is about a container of a pod of this Job.
fn stopped(event: &Value, job: &str) -> Option<String> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
    // The API server cuts the name of the Job before it appends five random characters.
    let base: String = format!("{job}-").chars().take(LONGEST_BASE).collect();
    let is_its_pod = text("/involvedObject/name").strip_prefix(&base).is_some_and(|rest| rest.len() == 5);
    // Sidecars are init containers, and are stopped when the test has ended.
    let is_main = text("/involvedObject/fieldPath").starts_with("spec.containers{");
    (is_its_pod && is_main).then(|| text("/message").to_owned())
}

/// The first Events with these fields. None if the identity may not read Events.
async fn selected(client: &kube::Client, target: &Location, fields: &str) -> Option<Vec<DynamicObject>> {
    events(client, target, &ListParams::default().fields(fields).limit(MOST_EVENTS)).await
}

/// The last Event that says why no pod of a Job can be created. The Job itself does not say it. None if the identity may not read Events.
async fn why_no_pod(client: &kube::Client, target: &Location, uid: &str) -> Option<String> {
    let events = selected(client, target, &format!("involvedObject.uid={uid},reason=FailedCreate")).await?;
    let message = events.last()?.data.get("message")?.as_str()?;
    Some(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_container_of_the_test_that_was_stopped_is_told() {
        let event = |pod: &str, part: &str| json!({ "involvedObject": { "name": pod, "fieldPath": part }, "message": "Stopping container main" });
        let (long, told) = ("x".repeat(60), "Stopping container main".to_owned());
        for (job, event, expected) in [
            ("smoke-1", event("smoke-1-abcde", "spec.containers{main}"), Some(told.clone())),
            (&long, event(&format!("{}abcde", &long[..58]), "spec.containers{main}"), Some(told)),
            ("smoke-1", event("smoke-1-abcde", "spec.initContainers{proxy}"), None),
            ("smoke-1", event("smoke-12-abcde", "spec.containers{main}"), None),
            ("smoke", event("smoke-1-abcde", "spec.containers{main}"), None),
            ("smoke-1", json!({}), None),
        ] {
            assert_eq!(stopped(&event, job), expected, "{job} {event}");
        }
    }
}
