//! What follows when a verified release fails while it runs. Release 1.0.0 was verified at 10:30, release 1.1.0 at 11:50 by other content. It is
//! noon, and the policy judges for an hour.

use super::*;
use crate::api::{Condition, EnvironmentStatus, RollbackPolicySpec};
use crate::decide::decision::Decision;
use crate::decide::environment::decide;
use crate::decide::fixture_tests::{at, environment, project, promotion, stamp, world_of_prod};
use crate::decide::world::{Container, Ended, Grant, Pod, Run, Watched, Workload};
use serde_json::json;
use std::sync::Arc;

#[path = "after_verified_rules_tests.rs"]
mod rules;

/// A case: a closure changes the world in which everything is healthy.
struct Case {
    policy: Value,
    environment: Value,
    revisions: Vec<Value>,
    recalls: Vec<Value>,
    workloads: BTreeMap<ObjectKey, Workload>,
    live: BTreeMap<ObjectKey, Live>,
    stored: Vec<Condition>,
    now: Timestamp,
}

fn revision(number: i64, release: &str, digest: &str, finished: &str, more: Value) -> Value {
    let change = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "action": "Update" });
    let mut status = json!({
        "revision": number, "phase": "Verified", "version": release.split_once('-').unwrap().1, "application": "shop",
        "digest": digest, "releaseDigest": digest.repeat(64), "content": format!("content-{digest}"),
        "startedAt": stamp("10:20:00"), "finishedAt": stamp(finished), "namespaceUid": "uid-shop-prod", "changes": [change],
    });
    if more["status"].is_object() {
        json_patch::merge(&mut status, &more["status"]);
    }
    let mut whole = more;
    whole["status"] = status;
    promotion(&format!("prod-{release}"), release, whole)
}

fn key(kind: &str, name: &str) -> ObjectKey {
    ObjectKey::new(if kind == "CronJob" { "batch/v1" } else { "apps/v1" }, kind, name).unwrap()
}

fn web() -> ObjectKey {
    key("Deployment", "web")
}

fn pod(name: &str) -> Pod {
    let container = Container { name: "main".into(), ..Container::default() };
    Pod {
        name: name.into(),
        uid: format!("uid-{name}"),
        ready: true,
        ready_since: Some(at("11:45:00")),
        containers: vec![container],
        ..Pod::default()
    }
}

fn workload(pods: Vec<Pod>) -> Workload {
    let count = i32::try_from(pods.len()).unwrap();
    Workload {
        observed: true,
        generation: 2,
        desired: count,
        updated: count,
        total: count,
        available: count,
        pods,
        ..Workload::default()
    }
}

/// A container of this pod terminated so often.
fn exits(pod: &mut Pod, count: i32) {
    let ended = Ended { reason: "Error".into(), code: 1, at: Some(at("11:55:00")), ..Ended::default() };
    pod.containers[0] = Container {
        name: "main".into(),
        restarts: count - 1,
        waiting: Some(("CrashLoopBackOff".into(), "back-off".into())),
        ended: Some(ended),
        ..Container::default()
    };
    pod.ready = false;
}

fn live(manager: &str, time: &str) -> Live {
    let entry = |manager: &str, time: &str| {
        json!({
            "manager": manager, "operation": "Apply", "time": stamp(time),
            "fieldsV1": { "f:spec": { "f:template": { "f:spec": { "f:hostname": {} } } } },
        })
    };
    let ours =
        json!({ "manager": FIELD_MANAGER, "operation": "Apply", "time": stamp("10:21:00"), "fieldsV1": {} });
    Live::Present(Arc::new(json!({ "metadata": { "managedFields": [ours, entry(manager, time)] } })))
}

impl Case {
    fn new() -> Self {
        Self {
            policy: json!({ "afterVerified": { "action": "Rollback", "for": "1h" } }),
            environment: json!({}),
            revisions: vec![
                revision(1, "shop-1.0.0", "a", "10:30:00", json!({})),
                revision(2, "shop-1.1.0", "b", "11:50:00", json!({})),
            ],
            recalls: Vec::new(),
            workloads: [(web(), workload(vec![pod("web-0"), pod("web-1")]))].into(),
            live: [(web(), live(FIELD_MANAGER, "10:21:00"))].into(),
            stored: Vec::new(),
            now: at("12:00:00"),
        }
    }

    fn pod(&mut self) -> &mut Pod {
        &mut self.workloads.get_mut(&web()).unwrap().pods[0]
    }

    fn status(&mut self, more: Value) {
        json_patch::merge(&mut self.revisions[1]["status"], &more);
    }

    fn policy(&mut self, more: Value) {
        json_patch::merge(&mut self.policy, &more);
    }

    fn decided(&self) -> Decision<EnvironmentStatus> {
        let mut spec = json!({ "spec": { "rollbackPolicyRef": "watch" } });
        json_patch::merge(&mut spec, &self.environment);
        spec["status"]["conditions"] = json!(self.stored);
        let objects = [environment("prod", spec)].into_iter();
        let objects = objects.chain(self.revisions.iter().cloned()).chain(self.recalls.iter().cloned());
        let mut project = project(objects);
        let policy: RollbackPolicySpec = serde_json::from_value(self.policy.clone()).unwrap();
        project.policies.insert("watch".into(), policy);
        project.grants.insert("prod".into(), Grant::Granted);
        let watched = Watched { workloads: self.workloads.clone(), live: self.live.clone() };
        let world = EnvironmentWorld { watched, ..world_of_prod(project) };
        decide(&world, self.now)
    }

    /// The rollback that is created and its target, and the reason and message of the condition.
    fn outcome(&self) -> (Option<String>, Option<(String, String)>) {
        let decision = self.decided();
        let created = decision.actions.iter().find_map(|action| {
            let Action::CreatePromotion { name, spec, .. } = action else { return None };
            Some(format!("{name} to {}", spec.to_revision.unwrap_or(-1)))
        });
        let status = decision.report.expect("a report");
        let alarm = status.conditions.into_iter().find(|it| it.type_ == "FailingAfterVerification");
        (created, alarm.map(|alarm| (alarm.reason, alarm.message)))
    }
}

type Alteration = fn(&mut Case);

fn crashes(case: &mut Case) {
    exits(case.pod(), 3);
}

#[test]
fn only_what_began_after_the_verification_fails_a_verified_release() {
    let cases: [(&str, Alteration, bool); 18] = [
        ("healthy", |_| {}, false),
        ("a container crashes", crashes, true),
        ("as often as is tolerated", |case| exits(case.pod(), 1), false),
        (
            "before the verification",
            |case| {
                crashes(case);
                case.status(
                    json!({ "exitsBefore": [{ "pod": "uid-web-0", "container": "main", "exits": 3 }] }),
                );
            },
            false,
        ),
        (
            "before and once after it",
            |case| {
                crashes(case);
                case.status(
                    json!({ "exitsBefore": [{ "pod": "uid-web-0", "container": "main", "exits": 2 }] }),
                );
            },
            false,
        ),
        (
            "before and twice after it",
            |case| {
                crashes(case);
                case.status(
                    json!({ "exitsBefore": [{ "pod": "uid-web-0", "container": "main", "exits": 1 }] }),
                );
            },
            true,
        ),
        (
            "long before it",
            |case| {
                crashes(case);
                case.pod().containers[0].ended.as_mut().unwrap().at = Some(at("11:00:00"));
            },
            false,
        ),
        (
            "a pod loses readiness",
            |case| {
                (case.pod().ready, case.pod().lost_readiness) = (false, true);
            },
            true,
        ),
        (
            "a pod had lost readiness",
            |case| {
                (case.pod().ready, case.pod().lost_readiness) = (false, true);
                case.status(json!({ "exitsBefore": [{ "pod": "uid-web-0", "container": "", "exits": 0 }] }));
            },
            false,
        ),
        (
            "a pod is drained",
            |case| {
                (case.pod().ready, case.pod().lost_readiness, case.pod().leaving) = (false, true, true);
            },
            false,
        ),
        (
            "an autoscaler adds a pod that is not ready yet",
            |case| {
                let web = case.workloads.get_mut(&web()).unwrap();
                web.pods.push(Pod { ready: false, ready_since: None, ..pod("web-2") });
                web.desired = 3;
            },
            false,
        ),
        ("it is scaled to 0", |case| _ = case.workloads.insert(web(), workload(Vec::new())), false),
        (
            "nodes run out of memory again and again",
            |case| {
                let evicted = |name: &str| {
                    let failed = Some(("Evicted".into(), "The node was low on resource: memory.".into()));
                    Pod { failed, ready: false, ..pod(name) }
                };
                let pods = (0..9).map(|number| evicted(&format!("gone-{number}"))).chain([pod("web-0")]);
                case.workloads.insert(web(), Workload { desired: 1, ..workload(pods.collect()) });
            },
            false,
        ),
        ("the workload is deleted", |case| case.workloads.clear(), false),
        (
            "another manager had changed the template before the promotion",
            |case| {
                crashes(case);
                case.live.insert(web(), live("kubectl-set", "10:00:00"));
            },
            true,
        ),
        (
            "another application in the namespace crashes",
            |case| {
                let mut api = workload(vec![pod("api-0")]);
                exits(&mut api.pods[0], 9);
                case.workloads.insert(key("Deployment", "api"), api);
            },
            false,
        ),
        (
            "a workload crashes that failed before the promotion",
            |case| {
                crashes(case);
                case.status(json!({ "failingBefore": [{ "kind": "Deployment", "name": "web" }] }));
            },
            false,
        ),
        (
            "a run of its CronJob fails",
            |case| {
                let change = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "action": "Create" });
                case.status(json!({ "changes": [change] }));
                let run = Run {
                    name: "report-1".into(),
                    created: Some(at("11:55:00")),
                    failed: Some("exit code 1".into()),
                    ..Run::default()
                };
                case.workloads
                    .insert(key("CronJob", "report"), Workload { runs: vec![run], ..Workload::default() });
            },
            true,
        ),
    ];
    for (what, change, fails) in cases {
        let mut case = Case::new();
        change(&mut case);
        let (created, alarm) = case.outcome();
        assert_eq!(alarm.is_some(), fails, "{what}: {alarm:?}");
        assert_eq!(created, fails.then(|| "prod-shop-1.1.0-rollback to 1".to_owned()), "{what}");
    }
}

/// A manager may change a template manually, or extend it with a sidecar of its own.
#[test]
fn a_failure_of_a_template_that_another_manager_changed_is_told_and_rolls_nothing_back() {
    for manager in ["kubectl-set", "sidecar-injector"] {
        let mut case = Case::new();
        crashes(&mut case);
        case.live.insert(web(), live(manager, "11:56:00"));
        let (created, alarm) = case.outcome();
        assert_eq!(created, None, "{manager}");
        let (reason, message) = alarm.expect(manager);
        assert_eq!(reason, "CrashLoopBackOff");
        let cause = format!(
            "{manager} changed spec.template.spec.hostname of Deployment web, so what runs is not what was released"
        );
        assert!(message.contains(&cause) && message.contains("nothing is rolled back"), "{message}");
        assert_eq!(case.decided().wake_at, Some(at("12:50:00")), "the end of the time");
    }
}

#[test]
fn nothing_is_rolled_back_before_the_template_was_compared() {
    let mut case = Case::new();
    crashes(&mut case);
    case.live.clear();
    assert_eq!(case.outcome(), (None, None));
    assert_eq!(case.decided().wake_at, Some(at("12:00:01")));
}

#[test]
fn an_event_is_recorded_when_it_begins_to_fail_and_the_condition_stays_until_it_is_calm() {
    let mut case = Case::new();
    case.policy(json!({ "afterVerified": { "action": "Notify" } }));
    assert_eq!(case.decided().wake_at, Some(at("12:50:00")), "the end of the time");
    (case.pod().ready, case.pod().lost_readiness) = (false, true);
    let events = |case: &Case| {
        let notes = case.decided().notes;
        notes.into_iter().filter(|note| note.reason == Reason::FailingAfterVerification).count()
    };
    assert_eq!(events(&case), 1);
    case.stored = case.decided().report.unwrap().conditions;
    assert_eq!(events(&case), 0);
    // It becomes ready again, and the condition stays for a minute.
    (case.pod().ready, case.pod().lost_readiness) = (true, false);
    case.pod().ready_since = Some(at("12:00:05"));
    case.now = at("12:00:06");
    let (_, alarm) = case.outcome();
    assert_eq!(alarm.map(|(reason, _)| reason).as_deref(), Some("Unavailable"));
    assert_eq!(case.decided().wake_at, Some(at("12:01:05")));
    case.now = at("12:01:05");
    assert_eq!(case.outcome().1, None);
    // A condition about an earlier release ends with it.
    case.now = at("12:00:06");
    case.status(json!({ "finishedAt": stamp("12:00:02") }));
    assert_eq!(case.outcome().1, None);
}
