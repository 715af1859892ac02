//! The scenarios: what is there at first, and what people do when.

use super::checks::{METRIC, NO_DATA};
use super::cluster::Namespace;
use super::recalls::{RECALLED, RECALLED_IN_PROGRESS};
use super::requires::REQUIRED;
use super::reviews::REVIEWED;
use super::run::{Event, Run};
use super::store::{PROJECT, Store};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use towpath::api::{Budget, Environment, EnvironmentSpec, Release, ReleaseSpec, RollbackPolicySpec};

/// A scenario by name: a sentence, the store at the start, and what happens then.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub setting: fn(&mut Store, Timestamp),
    pub events: &'static [Event],
}

impl Scenario {
    pub fn run(&self) -> Run {
        Run::of(self.setting, self.events)
    }
}

pub const HEALTHY: Scenario = Scenario {
    name: "healthy",
    about: "A release passes dev and staging, soaks ten minutes, and is verified in prod.",
    setting: |store, now| {
        environment(store, "dev", json!({}), now);
        environment(store, "staging", json!({ "after": ["dev"] }), now);
        environment(
            store,
            "prod",
            json!({ "after": ["staging"], "soak": "10m", "overrides": {
            "replicas": [{ "kind": "Deployment", "name": "web", "replicas": 3 }],
        } }),
            now,
        );
    },
    events: &[(0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now))],
};

pub const ROLLED_BACK_MANUALLY: Scenario = Scenario {
    name: "rolled-back-manually",
    about: "The second release is healthy in dev and crashes in prod: prod goes back to the first, config and all.",
    setting: |store, now| {
        environment(store, "dev", json!({}), now);
        environment(store, "prod", json!({ "after": ["dev"] }), now);
    },
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
        (1800, "release 2.0.0, which crashes in shop-prod, with one object more", |store, now| {
            let mut objects = app("2.0.0", "crash-in-shop-prod");
            objects.push(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "extra" }, "spec": { "ports": [] } }));
            release(store, "2.0.0", objects, now);
        }),
    ],
};

pub const FADING: Scenario = Scenario {
    name: "fading",
    about: "The second release is rolled out and loses its pods while it is watched: it is rolled back.",
    setting: |store, now| environment(store, "prod", json!({}), now),
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
        (1800, "release 2.0.0, whose pods crash after a minute", |store, now| {
            shop(store, "2.0.0", "fade", now)
        }),
    ],
};

pub const SUPERSEDED: Scenario = Scenario {
    name: "superseded",
    about: "A newer release arrives while the older one still rolls out, and goes ahead of it.",
    setting: |store, now| environment(store, "prod", json!({}), now),
    events: &[
        (0, "release 1.0.0, which is slow", |store, now| shop(store, "1.0.0", "slow", now)),
        (20, "release 1.1.0", |store, now| shop(store, "1.1.0", "web", now)),
    ],
};

pub const SECOND_WORKLOAD: Scenario = Scenario {
    name: "second-workload",
    about: "The very first release has two workloads, and the one of the second wave crashes. What was there before, an api \
            written by kubectl with three replicas, is restored, and what was not is removed.",
    setting: |store, now| {
        environment(store, "prod", json!({ "adoptFrom": ["kubectl"] }), now);
        let mut api = deployment("api", "api", None);
        api["spec"]["replicas"] = 3.into();
        api["metadata"]["namespace"] = "shop-prod".into();
        store.namespaces.get_mut("shop-prod").unwrap().place(api, "kubectl", now);
    },
    events: &[(60, "release 1.0.0, whose worker crashes", |store, now| {
        release(
            store,
            "1.0.0",
            vec![deployment("api", "api-2", None), deployment("worker", "crash", Some("1"))],
            now,
        );
    })],
};

pub const DELETED: Scenario = Scenario {
    name: "deleted",
    about: "The second release is deleted while it rolls out in dev: that promotion is finished and verified, and none follows it.",
    setting: |store, now| {
        environment(store, "dev", json!({}), now);
        environment(store, "prod", json!({ "after": ["dev"] }), now);
    },
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
        (1800, "release 2.0.0, which is slow", |store, now| shop(store, "2.0.0", "slow", now)),
        (1820, "release 2.0.0 is deleted", |store, _| _ = store.releases.remove("shop-2.0.0")),
    ],
};

pub const HELD: Scenario = Scenario {
    name: "held",
    about: "A release is held before it gets to prod, and let go ten minutes later.",
    setting: |store, now| {
        environment(store, "dev", json!({}), now);
        environment(store, "prod", json!({ "after": ["dev"] }), now);
    },
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
        (60, "it is held", |store, _| hold(store, "shop-1.0.0", Some(true))),
        (900, "it is let go", |store, _| hold(store, "shop-1.0.0", None)),
    ],
};

pub const BUDGET: Scenario = Scenario {
    name: "budget",
    about: "One rollback per hour is allowed: the second bad release stays where it is and holds the environment, until a person \
            promotes the release that repairs it.",
    setting: |store, now| {
        let budget = Budget { rollbacks: 1, ..Budget::default() };
        store
            .policies
            .insert("strict".into(), RollbackPolicySpec { budget, ..RollbackPolicySpec::default() });
        environment(store, "prod", json!({ "rollbackPolicyRef": "strict" }), now);
    },
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
        (600, "release 2.0.0, which crashes", |store, now| shop(store, "2.0.0", "crash", now)),
        (1200, "release 3.0.0, which crashes", |store, now| shop(store, "3.0.0", "crash", now)),
        (1800, "release 4.0.0, which is sound", |store, now| shop(store, "4.0.0", "web", now)),
        (2400, "a person promotes it", |store, now| {
            let spec =
                json!({ "release": "shop-4.0.0", "environment": "prod", "reason": "4.0.0 repairs it" });
            store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
        }),
    ],
};

pub const HOOKS: Scenario = Scenario {
    name: "hooks",
    about: "A migration runs before each release. That of the second one fails, so its Deployment is never touched.",
    setting: |store, now| environment(store, "prod", json!({}), now),
    events: &[
        (0, "release 1.0.0", |store, now| with_migration(store, "1.0.0", "web", now)),
        (600, "release 2.0.0, whose migration fails", |store, now| {
            with_migration(store, "2.0.0", "crash", now)
        }),
    ],
};

pub const NEW_NAMESPACE: Scenario = Scenario {
    name: "new-namespace",
    about: "The namespace of prod is deleted and created again: the release is promoted there again, with a baseline of its own.",
    setting: |store, now| environment(store, "prod", json!({}), now),
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
        (600, "shop-prod is created again", recreated),
    ],
};

pub const ALL: [&Scenario; 24] = [
    &HEALTHY,
    &ROLLED_BACK_MANUALLY,
    &FADING,
    &SUPERSEDED,
    &SECOND_WORKLOAD,
    &DELETED,
    &HELD,
    &BUDGET,
    &HOOKS,
    &NEW_NAMESPACE,
    &METRIC,
    &NO_DATA,
    &super::tests_of_releases::FAILS,
    &super::tests_of_releases::HAS_NO_RESULT,
    &super::before::GATE,
    &super::before::NO_RESULT,
    &super::regressions::REGRESSES,
    &RECALLED,
    &RECALLED_IN_PROGRESS,
    &REVIEWED,
    &REQUIRED,
    &super::after_verified::AFTER_VERIFIED,
    &super::drift::DRIFT,
    &super::dry_run::DRY_RUN,
];

pub fn settled(setting: fn(&mut Store, Timestamp), events: &[Event]) -> Run {
    Run::of(setting, events).settle()
}

/// One environment with its defaults.
pub fn prod(store: &mut Store, now: Timestamp) {
    environment(store, "prod", json!({}), now);
}

pub fn environment(store: &mut Store, name: &str, more: Value, now: Timestamp) {
    let mut spec = json!({ "namespace": format!("{PROJECT}-{name}") });
    spec.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    let spec: EnvironmentSpec = serde_json::from_value(spec).unwrap();
    store.add_environment(name, spec, now);
    let environment: &Arc<Environment> = &store.environments[name];
    assert!(environment.status.is_none());
}

pub fn release(store: &mut Store, version: &str, objects: Vec<Value>, now: Timestamp) {
    let spec = json!({ "application": "shop", "version": version, "source": { "manifests": objects } });
    let spec: ReleaseSpec = serde_json::from_value(spec).unwrap();
    store.add_release(&format!("shop-{version}"), spec, now);
}

/// A release of one Deployment with its config and a Service.
pub fn shop(store: &mut Store, version: &str, image: &str, now: Timestamp) {
    release(store, version, app(version, image), now);
}

pub fn app(version: &str, image: &str) -> Vec<Value> {
    let mut web = deployment("web", image, None);
    web["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{ "configMapRef": { "name": "web" } }]);
    vec![
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" }, "data": { "version": version } }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "ports": [{ "port": 80 }] } }),
        web,
    ]
}

/// The target namespace of prod was deleted and created again.
pub fn recreated(store: &mut Store, _: Timestamp) {
    let mut namespace = Namespace::new("shop-prod");
    namespace.uid = "another".into();
    store.namespaces.insert("shop-prod".into(), namespace);
}

/// Two Deployments, by their images.
pub fn pair(web: &str, worker: &str) -> Vec<Value> {
    vec![deployment("web", web, None), deployment("worker", worker, None)]
}

fn with_migration(store: &mut Store, version: &str, image: &str, now: Timestamp) {
    let template = deployment("migrate", image, None)["spec"]["template"].clone();
    let mut objects = app(version, "web");
    objects.push(json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": "migrate", "annotations": { "towpath.dev/hook": "pre-promote" } },
        "spec": { "template": template },
    }));
    release(store, version, objects, now);
}

pub fn deployment(name: &str, image: &str, wave: Option<&str>) -> Value {
    let image = format!("registry.example.com/{image}@sha256:{}", "0".repeat(64));
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": image }] },
            },
        },
    });
    if let Some(wave) = wave {
        object["metadata"]["annotations"] = json!({ "towpath.dev/wave": wave });
    }
    object
}

pub fn hold(store: &mut Store, release: &str, hold: Option<bool>) {
    let release: &mut Release = Arc::make_mut(store.releases.get_mut(release).unwrap());
    release.spec.hold = hold;
    release.metadata.generation = release.metadata.generation.map(|generation| generation + 1);
}
