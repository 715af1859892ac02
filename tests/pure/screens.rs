//! Every screen at 20, 80 and 120 columns, and with colours. The files of `golden/screens` are what people see; UPDATE_GOLDEN=1 writes
//! them again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use towpath::api::{CachedRelease, Environment, Promotion, Release};
use towpath::decide::consent;
use towpath::decide::consent::missing_binding;
use towpath::decide::world::{Objects, Project};
use towpath::view::checkup::{self, Checkup, Unseen};
use towpath::view::screen::Layout;
use towpath::view::status::Pods;
use towpath::view::{board, history, proposal, status, waiting};

const NOW: &str = "2026-11-02T15:00:00Z";
const MESSAGE: &str = "Deployment web: 1 of 3 replicas are available";

pub fn object(kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": kind,
        "metadata": { "name": name, "namespace": "shop", "generation": 1, "creationTimestamp": "2026-11-01T09:00:00Z" },
        "spec": spec, "status": status,
    })
}

pub fn record(revision: i64, release: &str, outcome: &str, at: &str) -> Value {
    json!({ "revision": revision, "promotion": format!("x-{release}"), "release": release, "outcome": outcome, "startedAt": at })
}

pub fn application(name: &str, version: &str, record: Value, more: Value) -> Value {
    let current = json!({ "revision": record["revision"], "version": version, "release": record["release"] });
    let mut whole = json!({ "name": name, "current": current, "history": [record] });
    whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    whole
}

pub fn environment(name: &str, after: &[&str], applications: Value) -> Environment {
    let spec = json!({ "namespace": format!("shop-{name}"), "after": after });
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-11-01T09:00:00Z",
    });
    let status = json!({ "observedGeneration": 1, "applications": applications, "conditions": [ready] });
    serde_json::from_value(object("Environment", name, &spec, &status)).unwrap()
}

pub fn promotion(name: &str, release: &str, environment: &str, status: &Value) -> Promotion {
    let spec = json!({
        "release": release, "environment": environment, "application": "shop",
        "requestedBy": { "username": "alice@example.com" },
    });
    serde_json::from_value(object("Promotion", name, &spec, status)).unwrap()
}

/// `dev` runs 1.5.0, `qa` is being promoted to it, and `prod` has a longer name and waits for the window.
pub fn project() -> (Project, Arc<CachedRelease>) {
    let verified = "2026-11-02T09:00:00Z";
    let window = json!({ "waiting": {
        "release": "shop-1.4.0", "gate": "Window", "until": "2026-11-02T20:00:00Z",
        "message": "outside every Allow window; the next one opens at 2026-11-02T20:00:00Z",
    } });
    let approval = json!({ "waiting": {
        "release": "basket-with-a-long-name-2.0.0", "gate": "Approval",
        "message": "1 of 2 approvals: still needed from release-managers",
    } });
    let environments = vec![
        environment(
            "dev",
            &[],
            json!([application("shop", "1.5.0", record(12, "shop-1.5.0", "Verified", verified), json!({}))]),
        ),
        environment(
            "qa",
            &["dev"],
            json!([application(
                "shop",
                "1.4.0",
                record(7, "shop-1.4.0", "Verified", "2026-10-30T09:00:00Z"),
                json!({ "active": "qa-shop-1.5.0" })
            ),]),
        ),
        environment(
            "production-europe",
            &["qa"],
            json!([
                application(
                    "basket",
                    "1.9.0",
                    record(3, "basket-1.9.0", "Verified", "2026-09-01T09:00:00Z"),
                    approval
                ),
                application(
                    "shop",
                    "1.3.0",
                    record(4, "shop-1.3.0", "Verified", "2026-10-20T09:00:00Z"),
                    window
                ),
            ]),
        ),
    ];
    let steps = json!([
        { "name": "Preflight", "startedAt": "2026-11-02T14:50:00Z", "finishedAt": "2026-11-02T14:50:02Z", "result": "Passed" },
        { "name": "Rollout", "startedAt": "2026-11-02T14:50:03Z", "result": "Running", "message": MESSAGE },
    ]);
    let moving = json!({
        "observedGeneration": 1, "phase": "Promoting", "reason": "RollingOut", "message": MESSAGE, "version": "1.5.0", "revision": 8,
        "startedAt": "2026-11-02T14:50:00Z", "steps": steps,
        "checks": [{ "name": "error-ratio", "passed": 3, "failed": 0, "failedInARow": 0, "erroredInARow": 0, "value": "0.004", "dryRun": true }],
        "tests": [{ "name": "smoke", "origin": "Environment", "result": "Failed", "required": true, "attempts": 1, "exitCode": 3, "message": "GET /cart answered 500" }],
        "changes": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "action": "Update" }],
    });
    let stopped = json!({
        "observedGeneration": 1, "phase": "Failed", "reason": "CrashLoopBackOff", "version": "1.2.0", "revision": 2,
        "message": "Deployment web: container app of pod web-5f6-abc ended with exit code 1", "startedAt": "2026-10-10T09:00:00Z",
        "conditions": [{
            "type": "Holds", "status": "True", "reason": "CrashLoopBackOff", "lastTransitionTime": "2026-10-10T09:05:00Z",
            "message": "no verified revision to roll back to: create a Promotion to continue",
        }],
    });
    let promotions = vec![
        promotion("qa-shop-1.5.0", "shop-1.5.0", "qa", &moving),
        promotion("production-europe-shop-1.2.0", "shop-1.2.0", "production-europe", &stopped),
    ];
    let stages = json!([
        { "name": "dev", "state": "Verified", "revision": 12, "promotion": "dev-shop-1.5.0", "message": "stayed healthy" },
        { "name": "qa", "state": "Promoting", "message": "promotion in progress" },
        { "name": "production-europe", "state": "Order", "message": "waits until shop-1.5.0 is verified in qa" },
    ]);
    let spec =
        json!({ "application": "shop", "version": "1.5.0", "source": { "environment": { "name": "dev" } } });
    let release_status = json!({
        "observedGeneration": 1, "phase": "Promoting", "message": "qa: promotion in progress", "environments": stages,
    });
    let release: Release =
        serde_json::from_value(object("Release", "shop-1.5.0", &spec, &release_status)).unwrap();
    let release: Arc<CachedRelease> = Arc::new(release.into());
    let project = Project::from_objects(Objects {
        name: "shop".into(),
        environments: environments.into_iter().map(Arc::new).collect(),
        promotions: promotions.into_iter().map(Arc::new).collect(),
        releases: vec![Arc::clone(&release)],
        ..Objects::default()
    });
    (project, release)
}

/// What the first of two approvers has seen, and the second sees.
fn approval() -> proposal::Proposal {
    let digest = "3f1c".repeat(16);
    let of = json!({
        "release": { "name": "basket-with-a-long-name-2.0.0", "uid": "r" },
        "environment": { "name": "production-europe", "uid": "e" }, "digest": digest,
    });
    let approved =
        json!([{ "by": "bob@example.com", "at": "2026-11-02T13:00:00Z", "comment": "tested in qa" }]);
    let needed = "1 more approval, from release-managers";
    let report = json!({ "of": of, "required": 2, "approved": approved, "needed": needed });
    let waits =
        json!({ "observedGeneration": 1, "phase": "Pending", "reason": "Approval", "approvals": report });
    let name = "basket-with-a-long-name-2.0.0";
    let promotion = promotion("production-europe-basket-2.0.0", name, "production-europe", &waits);
    let spec = json!({
        "application": "basket", "version": "2.0.0", "source": { "environment": { "name": "dev" } },
        "requestedBy": { "username": "alice@example.com" },
        "change": {
            "type": "Emergency", "risk": "High", "owner": "team-checkout", "reversible": false,
            "summary": "The basket no longer loses articles when two tabs are open", "tickets": ["SHOP-1234", "SHOP-1301"],
            "links": [{ "title": "Pull request", "url": "https://git.example.com/shop/pulls/1234" }],
        },
    });
    let images =
        json!([{ "image": "r.example/basket:2.0.0", "pinned": format!("r.example/basket@sha256:{digest}") }]);
    let release = object("Release", name, &spec, &json!({ "observedGeneration": 1, "images": images }));
    let lane = application("basket", "1.9.0", record(3, "basket-1.9.0", "Verified", NOW), json!({}));
    let environment = environment("production-europe", &["qa"], json!([lane]));
    proposal::proposal(&promotion, &serde_json::from_value(release).unwrap(), &environment).unwrap()
}

/// One pod of the Deployment that crashes, one that is fine, and one of another workload that crashes, too.
pub fn pods() -> Pods {
    let pod = |name: &str, owner: &str, waiting: Value| {
        let state = if waiting.is_null() { json!({ "running": {} }) } else { json!({ "waiting": waiting }) };
        serde_json::from_value(json!({
            "metadata": { "name": name, "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "u", "controller": true },
            ] },
            "status": { "phase": "Running", "containerStatuses": [
                { "name": "app", "image": "i", "imageID": "i", "ready": waiting.is_null(), "restartCount": 0, "state": state },
            ] },
        }))
        .unwrap()
    };
    let crash =
        json!({ "reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container" });
    let pods = vec![
        pod("web-5f6-abc", "web-5f6", crash.clone()),
        pod("web-5f6-def", "web-5f6", Value::Null),
        pod("api-1a2-xyz", "api-1a2", crash),
    ];
    Pods::from([("qa".into(), Ok(pods))])
}

/// A viewer looks at a cluster in which the owner of a namespace has not consented.
pub fn checkup() -> Checkup {
    let now = NOW.parse().unwrap();
    let unseen = Unseen {
        message: "not shown: it needs the right to list leases".to_owned(),
        grant: Some("kubectl create role x".to_owned()),
    };
    let mut refused = environment("staging", &[], json!([]));
    let missing = missing_binding(&refused);
    let message = consent::message(&refused, &missing);
    let status = refused.status.as_mut().unwrap();
    status.missing_consent = Some(missing);
    let ready = &mut status.conditions[0];
    (ready.status, ready.reason) = ("False".to_owned(), "NotGranted".to_owned());
    // An alarm is appended to the message.
    ready.message = format!("{message}; promotions that depend on these policies do not start");
    let (policies, providers, channels) = (Ok(Vec::new()), Ok(Vec::new()), Ok(Vec::new()));
    let mut items = vec![
        checkup::server("v1.37.2"),
        checkup::clock(now, now),
        checkup::kinds("towpath.dev/v1alpha1", &["Environment.spec.drift".to_owned()], &[]),
        checkup::judged("cluster", "controller", Err::<(), _>(unseen), |()| unreachable!()),
        checkup::rights("alice@example.com", "shop", &BTreeSet::new()),
    ];
    items.extend(checkup::environments(
        &[environment("dev", &[], json!([])), refused],
        &policies,
        &providers,
        &channels,
    ));
    Checkup { items }
}

#[test]
fn what_is_missing_is_followed_by_the_command_that_fixes_it() {
    let checkup = checkup();
    assert!(!checkup.is_fine());
    assert_eq!(
        checkup.commands(),
        [
            "towpath crds | kubectl apply --server-side --filename -",
            "kubectl create role x",
            "kubectl create rolebinding towpath-viewer-alice@example.com --namespace shop --clusterrole towpath-viewer --user alice@example.com",
            "kubectl create rolebinding towpath --namespace shop-staging --clusterrole towpath-deploy \
             --serviceaccount towpath-deployers:shop.staging",
        ]
    );
}

#[test]
fn every_screen_is_as_it_was() {
    let (project, release) = project();
    let (now, pods) = (NOW.parse().unwrap(), pods());
    let environment = &project.environments["production-europe"];
    let refused = Pods::from([(
        "qa".into(),
        Err("not shown: it needs the right to list pods in namespace shop-qa".to_owned()),
    )]);
    let screens: [Screen<'_>; 11] = [
        ("board", Box::new(|layout| board::board(&project).table(now).lines(layout))),
        ("history", Box::new(|layout| history::history(&project, &[], None, None).table(now).lines(layout))),
        ("approval", Box::new(|layout| approval().tree(now).lines(layout))),
        ("waiting", Box::new(|layout| waiting::waiting(&project).table(now).lines(layout))),
        ("board-wide", Box::new(|layout| board::board(&project).wide(now).lines(layout))),
        (
            "history-wide",
            Box::new(|layout| history::history(&project, &[], None, None).wide(now).lines(layout)),
        ),
        ("waiting-wide", Box::new(|layout| waiting::waiting(&project).wide(now).lines(layout))),
        ("checkup", Box::new(|layout| checkup().table().lines(layout))),
        ("release", Box::new(|layout| status::of_release(&project, &release, &pods, now).lines(layout))),
        (
            "promotion-without-right",
            Box::new(|layout| {
                status::of_promotion(&project.promotions["qa-shop-1.5.0"], &refused, now).lines(layout)
            }),
        ),
        (
            "environment",
            Box::new(|layout| status::of_environment(&project, environment, &pods, now).lines(layout)),
        ),
    ];
    are_as_before(&screens);
}

/// The name of a screen, and its lines.
pub type Screen<'a> = (&'a str, Box<dyn Fn(Layout) -> Vec<String> + 'a>);

/// Compares the screens with their files.
pub fn are_as_before(screens: &[Screen<'_>]) {
    let mut faults = Vec::new();
    for (name, lines) in screens {
        for (suffix, width, colour) in [
            ("20", 20, false),
            ("80", 80, false),
            ("120", 120, false),
            ("colour", 80, true),
            ("colour-120", 120, true),
        ] {
            let text = format!("{}\n", lines(Layout { width: Some(width), colour }).join("\n"));
            let path =
                format!("{}/tests/pure/golden/screens/{name}-{suffix}.txt", env!("CARGO_MANIFEST_DIR"));
            let path = Path::new(&path);
            if std::env::var("UPDATE_GOLDEN").is_ok() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, &text).unwrap();
            } else if std::fs::read_to_string(path).ok().as_ref() != Some(&text) {
                faults
                    .push(format!("{} is another now (UPDATE_GOLDEN=1 writes it):\n{text}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_data_of_a_view_says_the_same_as_its_table() {
    let (project, _) = project();
    let board = serde_json::to_value(board::board(&project)).unwrap();
    assert_eq!(board["rows"][0]["waits"]["gate"], "Approval");
    assert_eq!(board["rows"][3]["waits"]["until"], "2026-11-02T20:00:00Z");
    assert_eq!(board["rows"][2]["moves"]["message"], MESSAGE);
    let waiting = serde_json::to_value(waiting::waiting(&project)).unwrap();
    let found: Vec<_> = waiting["rows"].as_array().unwrap().iter().map(|row| row["for"].clone()).collect();
    assert_eq!(found, ["Approval", "CrashLoopBackOff"]);
}

#[test]
fn the_approval_of_a_requester_does_not_count_unless_the_environment_says_so() {
    let mut approval = approval();
    assert!(approval.excludes("alice@example.com"));
    assert!(!approval.excludes("bob@example.com"));
    approval.requester_may_approve = true;
    assert!(!approval.excludes("alice@example.com"));
}
