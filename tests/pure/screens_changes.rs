//! The screens that show changes: the time line of a promotion, and the changelog of a release.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use crate::screens::{are_as_before, object};
use serde_json::{Value, json};
use std::sync::Arc;
use towpath::api::{Environment, Promotion, Release};
use towpath::content::object::comparison::hash;
use towpath::decide::world::{Objects, Project};
use towpath::view::changelog::changelog;
use towpath::view::diff::{Diff, Values, against_live, between};
use towpath::view::log::log;

const CRASH: &str = "Deployment web: container app of pod web-5f6-abc ended with exit code 1";

fn promotion(name: &str, release: &str, environment: &str, status: &Value) -> Promotion {
    let spec = json!({
        "release": release, "environment": environment, "application": "shop", "reason": "ship before the sale",
        "requestedBy": { "username": "alice@example.com" },
        "override": { "gates": ["Window"], "reason": "agreed with on-call" },
    });
    serde_json::from_value(object("Promotion", name, &spec, status)).unwrap()
}

fn release(version: &str, day: u8, change: &Value, digest: &str) -> Release {
    let spec = json!({
        "application": "shop", "version": version, "source": { "environment": { "name": "dev" } }, "change": change,
        "requestedBy": { "username": "bob@example.com" },
    });
    let pinned = format!("registry.example.com/shop/web@sha256:{}", digest.repeat(64));
    let mut images =
        vec![json!({ "image": format!("registry.example.com/shop/web:{version}"), "pinned": pinned })];
    if version == "1.5.0" {
        images.push(json!({ "image": "redis:8" }));
    }
    let status = json!({
        "observedGeneration": 1, "phase": "Waiting", "digest": digest.repeat(64), "content": format!("shop-{version}"),
        "images": images,
    });
    let mut value = object("Release", &format!("shop-{version}"), &spec, &status);
    value["metadata"]["creationTimestamp"] = json!(format!("2026-11-{day:02}T09:00:00Z"));
    serde_json::from_value(value).unwrap()
}

/// Five versions, of which `prod` runs the second; the fourth was deleted after it had been in `dev`.
pub fn project() -> Project {
    let described = json!({
        "type": "Emergency", "risk": "High", "owner": "team-checkout", "reversible": false,
        "summary": "Repairs the rounding of totals.\n\u{1b}[31mIt rewrites *all* orders", "tickets": ["SHOP-12", "SHOP-13"],
        "links": [{ "title": "pull request", "url": "https://git.example.com/shop/pull/12" }],
    });
    let releases = vec![
        release("1.2.0", 1, &json!({ "summary": "The first one" }), "1"),
        release("1.3.0", 2, &json!({ "summary": "Faster search", "risk": "Low" }), "2"),
        release("1.4.0", 3, &described, "3"),
        release("1.5.0", 5, &json!({ "owner": "team-search", "tickets": ["SHOP-20"] }), "5"),
    ];
    let status = |revision: i64, version: &str, digest: &str, changes: Value| {
        json!({
            "observedGeneration": 1, "phase": "Verified", "version": version, "revision": revision, "application": "shop",
            "releaseDigest": digest.repeat(64), "startedAt": "2026-11-04T09:00:00Z", "changes": changes,
            "change": { "type": "Normal", "summary": "Kept in the record" },
        })
    };
    let changes = json!([
        { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "action": "Update" },
        { "apiVersion": "v1", "kind": "ConfigMap", "name": "web-a1b2c3", "action": "Create" },
        { "apiVersion": "v1", "kind": "Service", "name": "old", "action": "Delete", "removal": "AfterRollout" },
    ]);
    let mut deleted = promotion("dev-shop-1.4.1", "shop-1.4.1", "dev", &status(4, "1.4.1", "4", json!([])));
    deleted.metadata.creation_timestamp = serde_json::from_value(json!("2026-11-04T09:00:00Z")).unwrap();
    let promotions = vec![
        promotion("prod-shop-1.3.0", "shop-1.3.0", "prod", &status(2, "1.3.0", "2", json!([]))),
        deleted,
        promotion("dev-shop-1.5.0", "shop-1.5.0", "dev", &status(5, "1.5.0", "5", changes)),
    ];
    let environment = |name: &str| -> Environment {
        let spec = json!({ "namespace": format!("shop-{name}") });
        serde_json::from_value(object("Environment", name, &spec, &json!({ "observedGeneration": 1 })))
            .unwrap()
    };
    Project::from_objects(Objects {
        name: "shop".into(),
        environments: ["dev", "prod"].into_iter().map(|name| Arc::new(environment(name))).collect(),
        promotions: promotions.into_iter().map(Arc::new).collect(),
        releases: releases.into_iter().map(|release| Arc::new(release.into())).collect(),
        ..Objects::default()
    })
}

pub fn ended() -> Promotion {
    let at = |time: &str| format!("2026-11-01T{time}Z");
    let status = json!({
        "observedGeneration": 1, "phase": "Failed", "reason": "CrashLoopBackOff", "message": format!("{CRASH}; rolled back to revision 7"),
        "version": "1.5.0", "revision": 8, "replaces": 7, "startedAt": at("09:20:00"), "rolledOutAt": at("09:21:10"),
        "finishedAt": at("09:24:00"),
        "approvals": {
            "of": { "release": { "name": "shop-1.5.0", "uid": "u" }, "environment": { "name": "qa", "uid": "v" }, "digest": "a" },
            "required": 1, "approved": [{ "by": "carol@example.com", "at": at("09:12:00"), "comment": "fine" }],
        },
        "changes": [
            { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "action": "Update" },
            { "apiVersion": "v1", "kind": "Service", "name": "old", "action": "Delete", "removal": "AfterRollout" },
        ],
        "steps": [
            { "name": "Preflight", "startedAt": at("09:20:00"), "finishedAt": at("09:20:00"), "result": "Passed", "message": "dry-run of 4 objects: 1 differ" },
            { "name": "Rollout", "startedAt": at("09:20:00"), "finishedAt": at("09:21:10"), "result": "Passed" },
            { "name": "Observe", "startedAt": at("09:21:10"), "finishedAt": at("09:24:00"), "result": "Failed", "message": CRASH },
        ],
        "tests": [{
            "name": "smoke", "origin": "Environment", "result": "Passed", "attempts": 2, "job": "smoke-1", "exitCode": 0,
            "startedAt": at("09:21:12"), "finishedAt": at("09:21:40"),
        }],
        "checks": [{ "name": "error-ratio", "passed": 3, "failed": 1, "value": "0.2", "baseline": "0.004", "at": at("09:23:30"), "verdict": "Failed" }],
        "warnings": ["1 image is not pinned to a digest"],
        "conditions": [{ "type": "Stalled", "status": "True", "reason": "CrashLoopBackOff", "message": CRASH, "lastTransitionTime": at("09:24:00") }],
    });
    promotion("qa-shop-1.5.0", "shop-1.5.0", "qa", &status)
}

/// A dry run of a release: an updated and a created object, one that is deleted, and one that the API server refuses.
pub fn dry_run(version: &str, image: &str, copy: &str) -> Promotion {
    let field = |field: &str, before: Option<&str>, after: Option<&str>| json!({ "field": field, "before": before, "after": after });
    let object = |kind: &str, name: &str, action: &str, fields: Vec<Value>| {
        let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
        json!({ "apiVersion": api_version, "kind": kind, "name": name, "action": action, "fields": fields })
    };
    let image =
        field("spec.template.spec.containers[app].image", Some(&hash("\"web:1\"", "uid")), Some(image));
    let mut web = vec![
        image,
        field("spec.template.spec.volumes[conf].configMap.name", Some("bbbbbbbbbbbb"), Some(copy)),
    ];
    if version == "2.0.0" {
        web.push(field("metadata.labels[example.com/tier]", None, Some("cccccccccccc")));
        web.push(field("spec.minReadySeconds", Some("dddddddddddd"), None));
    }
    let mut changes = vec![
        object(
            "ConfigMap",
            &format!("web-{copy}"),
            "Create",
            vec![field("data.mode", None, Some("eeeeeeeeeeee"))],
        ),
        object("Deployment", "web", "Update", web),
    ];
    if version == "2.0.0" {
        let mut old = object("Service", "old", "Delete", vec![]);
        old["removal"] = json!("AfterRollout");
        changes.push(old);
        changes[1]["moreFields"] = json!(3);
    }
    let refused = "Deployment web: admission webhook \"policy.example.com\" denied the request: runAsNonRoot is required";
    let status = json!({
        "observedGeneration": 1, "phase": "Compared", "reason": "Compared", "message": "nothing was written", "version": version,
        "changes": changes, "refusals": [refused], "warnings": ["would violate PodSecurity \"restricted:latest\""],
        "finishedAt": "2026-11-01T09:00:05Z",
    });
    let spec = json!({ "release": format!("shop-{version}"), "environment": "prod", "application": "shop", "dryRun": true });
    serde_json::from_value(object_of("dry-run.prod-x", &spec, &status)).unwrap()
}

fn object_of(name: &str, spec: &Value, status: &Value) -> Value {
    object("Promotion", name, spec, status)
}

/// Both were compared with what is there: what only one of them changes is what the other one leaves.
#[test]
fn two_dry_runs_give_what_lies_between_their_releases() {
    let (one, two) = (dry_run("1.0.0", "111111111111", "aaa"), dry_run("2.0.0", "222222222222", "aaa"));
    let shown = |view: &Diff| -> Vec<String> {
        view.objects
            .iter()
            .flat_map(|object| {
                let fields =
                    object.fields.iter().map(|it| format!("  {} {:?} {:?}", it.field, it.before, it.after));
                std::iter::once(format!("{} {} {}", object.action, object.kind, object.name)).chain(fields)
            })
            .collect()
    };
    let forward = between(&one, &two);
    assert_eq!(forward.from.as_deref(), Some("shop-1.0.0"));
    let some = |text: &str| format!("Some({text:?})");
    let image = "  spec.template.spec.containers[app].image";
    assert_eq!(
        shown(&forward),
        [
            "Update Deployment web".to_owned(),
            format!("  metadata.labels[example.com/tier] None {}", some("cccccccccccc")),
            format!("  spec.minReadySeconds {} None", some("dddddddddddd")),
            format!("{image} {} {}", some("111111111111"), some("222222222222")),
            "Delete Service old".to_owned(),
        ]
    );
    let back = shown(&between(&two, &one));
    assert_eq!(back.last().map(String::as_str), Some("Create Service old"));
    assert!(back.contains(&format!("  spec.minReadySeconds None {}", some("dddddddddddd"))), "{back:?}");
    assert_eq!(shown(&between(&one, &one)), [""; 0]);
}

/// The environment overrides one value, another was changed since, and a third one is what the dry run saw.
#[test]
fn a_value_that_the_dry_run_did_not_see_is_not_shown() {
    let (image, copy) =
        ("spec.template.spec.containers[app].image", "spec.template.spec.volumes[conf].configMap.name");
    let values = |image_: &str, copy_: &str| -> Values {
        [(image.to_owned(), format!("{image_:?}")), (copy.to_owned(), format!("{copy_:?}"))].into()
    };
    let shown = |salt: &str, before: &str, after: &str| {
        let mut view = against_live(&dry_run("1.0.0", &hash("\"web:2\"", "uid"), &hash("\"c\"", "uid")));
        view.with_values(salt, |object| {
            let is_web = object.kind == "Deployment";
            (is_web.then(|| values(before, "b")), is_web.then(|| values(after, "c")))
        });
        let web = view.objects.into_iter().find(|object| object.kind == "Deployment").unwrap();
        let field = |path: &str| {
            let field = web.fields.iter().find(|field| field.field == path).unwrap();
            (field.value_before.clone(), field.value_after.clone())
        };
        (field(image), field(copy), view.notes)
    };
    let some = |value: &str| Some(format!("{value:?}"));
    let (image_, copy_, notes) = shown("uid", "web:1", "web:2");
    assert_eq!((image_, copy_), ((some("web:1"), some("web:2")), (None, some("c"))));
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(
        note.contains(&format!("the value of {copy} of Deployment web is not the one that the dry run saw")),
        "{note}"
    );
    let (image_, _, notes) = shown("uid", "web:1", "web:9");
    assert_eq!(image_, (some("web:1"), None));
    assert!(notes[0].contains("and of 1 more field"), "{notes:?}");
    let (image_, ..) = shown("uid of another environment", "web:1", "web:2");
    assert_eq!(image_, (None, None));
}

#[test]
fn every_screen_of_changes_is_as_it_was() {
    let project = project();
    let prod = &project.environments["prod"];
    let of = |name: &str| changelog(&project, prod, &project.releases[name]);
    let (forward, back) = (of("shop-1.5.0"), of("shop-1.2.0"));
    let (time_line, pending) = (log(&ended()), log(&promotion("p", "shop-1.5.0", "qa", &Value::Null)));
    let new = hash("\"web:2\"", "uid");
    let live = against_live(&dry_run("2.0.0", &new, "f00"));
    let two = between(&dry_run("1.0.0", "111111111111", "aaa"), &dry_run("2.0.0", "222222222222", "f00"));
    let mut valued = live.clone();
    valued.with_values("uid", |object| {
        let (image, seconds) = ("spec.template.spec.containers[app].image", "spec.minReadySeconds");
        let web = |image_: &str| -> Values {
            [(image.to_owned(), format!("{image_:?}")), (seconds.to_owned(), "5".to_owned())].into()
        };
        let is_web = object.kind == "Deployment";
        (is_web.then(|| web("web:1")), is_web.then(|| web("web:2")))
    });
    are_as_before(&[
        ("diff", Box::new(|layout| live.lines(layout))),
        ("diff-between", Box::new(|layout| two.lines(layout))),
        ("diff-values", Box::new(|layout| valued.lines(layout))),
        ("log", Box::new(|layout| time_line.lines(layout))),
        ("log-pending", Box::new(|layout| pending.lines(layout))),
        ("changelog", Box::new(|layout| forward.lines(layout))),
        ("changelog-back", Box::new(|layout| back.lines(layout))),
        ("changelog-markdown", Box::new(|_| forward.markdown().lines().map(str::to_owned).collect())),
    ]);
}

/// The versions between what runs and the release, in the order of the controller.
#[test]
fn the_changelog_has_every_version_between_what_runs_and_the_release() {
    let project = project();
    let prod = &project.environments["prod"];
    for (release, direction, expected) in [
        ("shop-1.5.0", "Forward", vec!["1.5.0", "1.4.1", "1.4.0"]),
        ("shop-1.4.0", "Forward", vec!["1.4.0"]),
        ("shop-1.3.0", "None", vec![]),
        ("shop-1.2.0", "Back", vec!["1.3.0"]),
    ] {
        let view = serde_json::to_value(changelog(&project, prod, &project.releases[release])).unwrap();
        let versions: Vec<&str> =
            view["versions"].as_array().unwrap().iter().map(|it| it["version"].as_str().unwrap()).collect();
        assert_eq!((view["direction"].as_str().unwrap(), versions), (direction, expected), "{release}");
    }
    let qa = serde_json::from_value(object("Environment", "qa", &json!({ "namespace": "q" }), &Value::Null))
        .unwrap();
    let first = serde_json::to_value(changelog(&project, &qa, &project.releases["shop-1.3.0"])).unwrap();
    assert_eq!((first["direction"].as_str(), first.get("from")), (Some("First"), None));
    assert_eq!(first["images"][0]["name"], "registry.example.com/shop/web");
}

/// Of what ran in the environment before, 1.2.0 used no redis, 1.5.0 did, and 1.4.1 was deleted.
#[test]
fn an_image_that_ran_in_the_environment_before_is_not_new() {
    let status = |revision: i64, version: &str, digest: &str| {
        json!({
            "observedGeneration": 1, "phase": "Verified", "version": version, "revision": revision, "application": "shop",
            "releaseDigest": digest.repeat(64),
        })
    };
    let promoted = |revision: i64, version: &str, digest: &str| {
        let name = format!("prod-{revision}");
        Arc::new(promotion(&name, &format!("shop-{version}"), "prod", &status(revision, version, digest)))
    };
    let (first, with, gone, last) = (
        promoted(1, "1.2.0", "1"),
        promoted(2, "1.5.0", "5"),
        promoted(3, "1.4.1", "4"),
        promoted(4, "1.3.0", "2"),
    );
    for (history, runs, shown) in [
        (vec![], Value::Null, "added: 8"),
        (vec![&first, &last], json!(false), "new: 8"),
        (vec![&first, &with, &last], json!(true), "used again: 8"),
        (vec![&with, &gone, &last], json!(true), "used again: 8"),
        (vec![&gone, &last], Value::Null, "added: 8"),
    ] {
        let mut project = project();
        project.promotions =
            history.into_iter().map(|it| (it.metadata.name.clone().unwrap(), Arc::clone(it))).collect();
        let view = changelog(&project, &project.environments["prod"], &project.releases["shop-1.5.0"]);
        let data = serde_json::to_value(&view).unwrap();
        let redis = &data["images"][0];
        assert_eq!((redis["name"].as_str(), &redis["hasRun"]), (Some("docker.io/library/redis"), &runs));
        assert!(view.markdown().contains(shown), "{}", view.markdown());
    }
}

/// Entries without a time of their own follow the start.
#[test]
fn the_time_line_is_in_order() {
    let view = serde_json::to_value(log(&ended())).unwrap();
    let names: Vec<String> = view["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| format!("{} {}", entry["what"].as_str().unwrap(), entry["name"].as_str().unwrap()))
        .collect();
    assert_eq!(names.first().map(String::as_str), Some("Request alice@example.com"));
    assert_eq!(names.last().map(String::as_str), Some("End ended"));
    let place = |name: &str| names.iter().position(|other| other == name).unwrap();
    assert!(place("Approval carol@example.com") < place("Progress started"));
    assert!(place("Write Deployment web") < place("Test smoke"));
    assert!(place("Test smoke") < place("Check error-ratio"));
}
