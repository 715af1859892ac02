//! The Jobs of the tests of a promotion, their pods, and why they have none.

use super::pods::facts;
use crate::api::TestResult;
use crate::cluster::Stores;
use crate::cluster::slim;
use crate::content::ObjectKey;
use crate::decide::world::{PromotionWorld, TestPod, TestRun, Tests};
use crate::process::Handles;
use jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use std::sync::Arc;

/// Adds the Jobs that the status names. Events are read of those without a pod, and of those that do not exist although they should.
pub async fn add(handles: &Handles, client: &kube::Client, namespace: &str, world: &mut PromotionWorld) {
    let PromotionWorld { promotion, tests: Tests { runs, have_run, .. }, written, .. } = world;
    let tests = promotion.status.iter().flat_map(|status| &status.tests);
    for (test, name) in tests.filter_map(|test| Some((test, test.job.as_deref()?))) {
        let Ok(key) = ObjectKey::new("batch/v1", "Job", name) else { continue };
        if let Some(job) = handles.stores.jobs.get(namespace, name) {
            let mut run = of_job(&handles.stores, namespace, &job);
            if run.pods.is_empty() && !run.is_over() {
                run.refused = why_no_pod(client, namespace, &run.uid).await;
            }
            runs.insert(key, run);
        } else if test.result == TestResult::Running
            && !written.contains(&key)
            && had_a_pod(client, namespace, name).await
        {
            have_run.insert(key);
        }
    }
}

fn of_job(stores: &Stores, namespace: &str, job: &slim::Job) -> TestRun {
    let pods = stores.pods.list(namespace);
    let own = pods.iter().filter(|pod| pod.metadata.is_controlled_by(job.metadata.uid()));
    TestRun {
        uid: job.metadata.uid().to_owned(),
        suspended: job.spec.suspend,
        managed_by: Some(job.spec.managed_by.as_str().to_owned()).filter(|name| is_foreign(name)),
        complete: job.is_complete(),
        failed: job.condition("Failed").filter(|condition| condition.is_true("Failed")).map(words),
        ended_at: ended_at(job),
        refused: None,
        pods: own.map(of_pod).collect(),
    }
}

fn ended_at(job: &slim::Job) -> Option<Timestamp> {
    let ends = ["Complete", "Failed"].into_iter().filter_map(|type_| job.condition(type_));
    ends.filter_map(|condition| condition.last_transition_time.get()).min()
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

/// The last Event that says why no pod of a Job can be created. The Job itself does not say it. None if the identity may not read Events.
async fn why_no_pod(client: &kube::Client, namespace: &str, uid: &str) -> Option<String> {
    let fields = format!("involvedObject.uid={uid},reason=FailedCreate");
    let last = events(client, namespace, &fields).await.pop()?;
    Some(last.data.get("message")?.as_str()?.to_owned())
}

/// Whether an Event says that the controller created a pod of a Job. False if the Events cannot be read.
async fn had_a_pod(client: &kube::Client, namespace: &str, job: &str) -> bool {
    let fields = format!("involvedObject.kind=Job,involvedObject.name={job},reason=SuccessfulCreate");
    !events(client, namespace, &fields).await.is_empty()
}

/// The Events with these fields; none if the identity may not read Events.
async fn events(client: &kube::Client, namespace: &str, fields: &str) -> Vec<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Event"), "events");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    api.list(&ListParams::default().fields(fields)).await.map(|list| list.items).unwrap_or_default()
}
