//! Objects of a small project for table tests: complete and valid, so that a test writes only what its row is about.
//!
//! Every object starts as JSON and is decoded here and nowhere else. The project is `shop`; its objects were created at
//! 10:00 on one day, and the tests run on that day.

use super::world::{EnvironmentWorld, NamespaceFacts, Project, Verb};
use crate::api::{Approval, CachedRelease, Environment, Release, UserInfo};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// What every release here contains, as a digest.
pub fn digest() -> String {
    "a".repeat(64)
}

/// A time of the day.
pub fn at(time: &str) -> Timestamp {
    format!("2026-11-02T{time}Z").parse().unwrap()
}

/// The same as a field of an object.
pub fn stamp(time: &str) -> String {
    format!("2026-11-02T{time}Z")
}

/// An environment whose target namespace is `shop-` and its name.
pub fn environment(name: &str, changes: Value) -> Value {
    let whole = json!({
        "kind": "Environment",
        "metadata": { "generation": 3 },
        "spec": { "namespace": format!("shop-{name}") },
    });
    object(name, whole, changes)
}

/// A captured release of the application and version that its name consists of, such as `shop-1.1.0`.
pub fn release(name: &str, changes: Value) -> Value {
    let (application, version) = name.split_once('-').unwrap();
    let whole = json!({
        "kind": "Release",
        "spec": {
            "application": application,
            "version": version,
            "source": { "configMapRef": { "name": name } },
        },
        "status": { "phase": "Waiting", "digest": digest(), "content": format!("{name}-content") },
    });
    object(name, whole, changes)
}

/// A promotion of the release into the environment prod.
pub fn promotion(name: &str, release: &str, changes: Value) -> Value {
    let whole = json!({ "kind": "Promotion", "spec": { "release": release, "environment": "prod" } });
    object(name, whole, changes)
}

/// An approval of `shop-1.1.0` for prod by this person.
pub fn approval(name: &str, approver: Value, changes: Value) -> Value {
    let whole = json!({
        "kind": "Approval",
        "spec": {
            "release": { "name": "shop-1.1.0", "uid": "uid-shop-1.1.0" },
            "environment": { "name": "prod", "uid": "uid-prod" },
            "digest": digest(),
            "decision": "Approve",
            "approver": approver,
        },
    });
    object(name, whole, changes)
}

/// A recall of the content that every release here has.
pub fn recall(name: &str, changes: Value) -> Value {
    let spec = json!({ "application": "shop", "digests": [digest()], "reason": "it loses orders" });
    object(name, json!({ "kind": "Recall", "spec": spec }), changes)
}

/// A person without a UID and groups.
pub fn person(name: &str) -> Value {
    json!({ "username": name })
}

pub fn user(value: &Value) -> UserInfo {
    serde_json::from_value(value.clone()).unwrap()
}

/// The project that consists of these objects; every target namespace exists.
pub fn project(objects: impl IntoIterator<Item = Value>) -> Project {
    let mut project = Project { name: "shop".into(), ..Project::default() };
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        match object["kind"].as_str().unwrap() {
            "Environment" => {
                let environment: Environment = serde_json::from_value(object).unwrap();
                let target = environment.location();
                let facts = NamespaceFacts { uid: format!("uid-{target}"), terminating: false };
                let id = project.id(&environment);
                project.targets.entry(target.clone()).or_default().insert(id);
                project.namespaces.insert(target, facts);
                project.environments.insert(name.into(), Arc::new(environment));
            }
            "Release" => {
                let release: Release = serde_json::from_value(object).unwrap();
                project.releases.insert(name.into(), Arc::new(release.into()));
            }
            "Promotion" => {
                project.promotions.insert(name, Arc::new(serde_json::from_value(object).unwrap()));
            }
            "Approval" => {
                project.approvals.insert(name, Arc::new(serde_json::from_value(object).unwrap()));
            }
            "Recall" => project.recalls.push(Arc::new(serde_json::from_value(object).unwrap())),
            kind => panic!("no such kind: {kind}"),
        }
    }
    project
}

/// The API server's answer about a right.
pub fn answer(project: &mut Project, verb: Verb, environment: &str, who: &Value, may: bool) {
    project.rights.insert((verb, environment.into(), user(who)), may);
}

pub fn the_environment(project: &Project, name: &str) -> Arc<Environment> {
    Arc::clone(&project.environments[name])
}

pub fn the_release(project: &Project, name: &str) -> Arc<CachedRelease> {
    Arc::clone(&project.releases[name])
}

pub fn the_approval(project: &Project, name: &str) -> Arc<Approval> {
    Arc::clone(&project.approvals[name])
}

fn object(name: &str, whole: Value, changes: Value) -> Value {
    let mut object = json!({
        "apiVersion": "towpath.dev/v1alpha1",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": format!("uid-{name}"),
            "creationTimestamp": stamp("10:00:00"),
        },
    });
    json_patch::merge(&mut object, &whole);
    json_patch::merge(&mut object, &changes);
    object
}

/// The world of prod in which nothing else was observed.
pub fn world_of_prod(project: Project) -> EnvironmentWorld {
    let environment = the_environment(&project, "prod");
    EnvironmentWorld {
        project,
        environment,
        contents: None,
        watched: Default::default(),
        unnamed_copies: Vec::new(),
        drift: None,
    }
}

/// A promotion that started, took a minute, and has ended.
pub fn ended(name: &str, started: &str, revision: i64, phase: &str, more: Value) -> Value {
    let finished = at(started) + SignedDuration::from_mins(1);
    let mut changes = json!({
        "metadata": { "creationTimestamp": stamp(started) },
        "spec": { "application": "shop" },
        "status": {
            "application": "shop", "phase": phase, "revision": revision,
            "startedAt": stamp(started), "finishedAt": finished,
        },
    });
    json_patch::merge(&mut changes, &more);
    promotion(name, "shop-1.1.0", changes)
}
