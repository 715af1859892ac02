//! The pods of tests in the toy namespace: how they end follows from the name of their image.

use super::cluster::Namespace;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use towpath::api::{Promotion, TestResult};
use towpath::content::ObjectKey;
use towpath::decide::world::{Container, Ended, Live, Pod, TestPod, TestRun};

impl Namespace {
    /// Every Job of a test, as the Job controller and the kubelet show it.
    pub fn test_runs(&self, now: Timestamp) -> BTreeMap<ObjectKey, TestRun> {
        let is_test = |job: &Value| !job["metadata"]["annotations"]["towpath.dev/promotion"].is_null();
        let jobs = self.jobs().filter(|(_, job, _)| is_test(job));
        jobs.map(|(key, job, since)| (key.clone(), self.test_run(key, job, since, now))).collect()
    }

    /// The Jobs of running tests that are gone. An Event says of each that it had a pod.
    pub fn have_run(&self, promotion: &Promotion) -> BTreeSet<ObjectKey> {
        let tests = promotion.status.iter().flat_map(|status| &status.tests);
        let running = tests.filter(|test| test.result == TestResult::Running);
        let keys = running.filter_map(|test| ObjectKey::new("batch/v1", "Job", test.job.as_deref()?).ok());
        let is_gone =
            |key: &ObjectKey| self.counts.contains_key(key) && matches!(self.live(key), Live::Absent);
        keys.filter(is_gone).collect()
    }

    /// `crash` fails after three seconds, `slow` passes after 40, `long` after 90, `stuck` lacks its image, `endless` never ends, `evicted` is evicted
    /// after five seconds; beside `meshed` a proxy runs on; `asks-web` passes if the Deployment web runs the image `web`. All others pass after five seconds.
    fn test_run(&self, key: &ObjectKey, job: &Value, since: Timestamp, now: Timestamp) -> TestRun {
        let uid = job["metadata"]["uid"].as_str().unwrap().to_owned();
        let suspended = job["spec"]["suspend"] == true;
        let run = TestRun { uid, suspended, ..TestRun::default() };
        let since = since.max(self.full_until.unwrap_or(since));
        let passed = |seconds: i64| now >= since + SignedDuration::from_secs(seconds);
        if now < since && !suspended {
            return TestRun { refused: Some("exceeded quota: pods".into()), ..run };
        }
        if suspended || !passed(1) {
            return run;
        }
        let image = word(&job["spec"]["template"]);
        let code = match image.split_once('-') {
            Some(("asks", wanted)) => {
                let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
                let runs = self.live(&web).present().map(|web| word(&web["spec"]["template"]));
                Some((5, i32::from(runs.as_deref() != Some(wanted))))
            }
            _ => match image.as_str() {
                "crash" => Some((3, 1)),
                "slow" => Some((40, 0)),
                "long" => Some((90, 0)),
                "stuck" | "endless" => None,
                _ => Some((5, 0)),
            },
        };
        let ended = code.filter(|(seconds, _)| passed(*seconds)).map(|(_, code)| Ended {
            reason: if code == 0 { "Completed".into() } else { "Error".into() },
            message: format!("{image} ended"),
            code,
            current: true,
            ..Ended::default()
        });
        let waiting = (image == "stuck").then(|| ("ImagePullBackOff".to_owned(), "no such image".to_owned()));
        let disruption = ((image == "evicted" || self.draining) && passed(5))
            .then(|| ("EvictionByEvictionAPI".to_owned(), "the node is drained".to_owned()));
        let is_meshed = image == "meshed";
        let (complete, is_failed) = match (&ended, &disruption) {
            (Some(_), None) if is_meshed => (false, false),
            (_, Some(_)) => (false, true),
            (Some(ended), None) => (ended.code == 0, ended.code != 0),
            (None, None) => (false, false),
        };
        let container = Container { name: "main".into(), waiting, ended, ..Container::default() };
        let proxy = is_meshed.then(|| Container { name: "proxy".into(), ..Container::default() });
        let containers = std::iter::once(container).chain(proxy).collect();
        let pod = Pod { name: format!("{}-x", key.name()), containers, ..Pod::default() };
        let failed = is_failed.then(|| ("BackoffLimitExceeded".to_owned(), "it has failed".to_owned()));
        let run = TestRun { complete, failed, succeeded: complete, ..run };
        match self.drops_ended_pods && run.has_ended() {
            true => TestRun { searched: true, stopped: self.stopped.clone(), ..run },
            false => TestRun { pods: vec![TestPod { pod, disruption }], ..run },
        }
    }
}

/// The name of the image of a template, without registry and digest.
fn word(template: &Value) -> String {
    let image = template.pointer("/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
    image.split('@').next().and_then(|name| name.rsplit('/').next()).unwrap_or_default().to_owned()
}
