//! Arbitrary worlds out of a string of bytes, which shrinks: no byte left is the simplest choice. Every stored object fits its schema;
//! how the objects fit together is left to chance.

use super::changes::{change, failed, refused};
use super::facts::{conditions, content, customs, drifts, keys, live, loaded, watched, workload};
use super::measured::{add_providers, checks, measured};
use super::{consent, tests};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use towpath::api::{
    CachedRelease, Delivery, Environment, EnvironmentSpec, ExitsBefore, ObjectRef, PinnedImage, Promotion,
    PromotionPhase, PromotionSpec, PromotionStatus, Reason, Release, ReleaseSpec, ReleaseStatus,
    RollbackPolicySpec, Step, StepResult,
};
use towpath::content::render;
use towpath::decide::needs::{contents, live_objects, plans};
use towpath::decide::world::{
    Capture, EnvironmentWorld, Grant, Loaded, NamespaceFacts, Plans, Project, PromotionWorld, ReleaseWorld,
    Trial,
};

const ENVIRONMENTS: [&str; 4] = ["dev", "staging", "prod", "nowhere"];
const RELEASES: [&str; 4] = ["r1", "r2", "r3", "gone"];
/// Mostly what exists in every project.
const SOME_ENVIRONMENT: [&str; 6] = ["dev", "dev", "dev", "staging", "prod", "nowhere"];
const SOME_RELEASE: [&str; 6] = ["r1", "r1", "r2", "r2", "r3", "gone"];
const DURATIONS: [&str; 5] = ["5m", "0s", "500ms", "1s", "999999h"];

/// Choices, one after the other.
pub struct Choices<'a>(pub std::slice::Iter<'a, u8>);

impl Choices<'_> {
    pub fn number(&mut self, below: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or_default()) % below
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.number(times) == times - 1
    }

    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.number(all.len())].clone()
    }

    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.number(2) == 1).then(|| make(self))
    }

    pub fn text(&mut self) -> String {
        match self.number(5) {
            0 => "back-off".into(),
            1 => String::new(),
            2 => "Crash: loop".into(),
            3 => "ü".repeat(1024),
            _ => "語 ".repeat(3000),
        }
    }

    pub fn seconds(&mut self) -> i64 {
        [0, -1, -10, -60, -600, -3600, 30, -5_000_000][self.number(8)]
    }

    pub fn moment(&mut self) -> Timestamp {
        now() + SignedDuration::from_secs(self.seconds())
    }

    pub fn time(&mut self) -> Time {
        Time(Timestamp::from_second(self.moment().as_second()).unwrap())
    }
}

/// Not a whole second.
pub fn now() -> Timestamp {
    "2026-11-02T09:00:00.75Z".parse().unwrap()
}

fn dress(metadata: &mut kube::core::ObjectMeta, choices: &mut Choices<'_>) {
    metadata.namespace = Some("shop".into());
    // The API server gives every object one.
    metadata.uid = metadata.name.as_ref().map(|name| format!("uid-{name}"));
    metadata.generation = Some(1);
    metadata.creation_timestamp = (!choices.one_in(9)).then(|| choices.time());
    metadata.deletion_timestamp = choices.one_in(12).then(|| choices.time());
}

pub fn project(choices: &mut Choices<'_>) -> Project {
    let mut project = Project { name: "shop".into(), ..Project::default() };
    for name in &ENVIRONMENTS[..=choices.number(3)] {
        let mut environment = Environment::new(name, environment_spec(name, choices));
        dress(&mut environment.metadata, choices);
        let target = environment.location();
        if !choices.one_in(6) {
            let facts = NamespaceFacts {
                uid: choices.of(&["here", "here", "here", "other"]).into(),
                terminating: choices.one_in(9),
            };
            project.namespaces.insert(target.clone(), facts);
        }
        let id = project.id(&environment);
        project.targets.entry(target).or_default().insert(id);
        project.environments.insert((*name).into(), Arc::new(environment));
    }
    if !choices.one_in(6) {
        project.policies.insert("strict".into(), policy(choices));
        add_providers(&mut project);
    }
    for name in &RELEASES[..=choices.number(3)] {
        let mut release = Release::new(name, release_spec(choices));
        dress(&mut release.metadata, choices);
        release.status = (!choices.one_in(6)).then(|| ReleaseStatus {
            content: (!choices.one_in(6)).then(|| format!("content-{}", choices.number(5))),
            digest: choices.maybe(|_| "here".into()),
            conditions: conditions(choices),
            ..ReleaseStatus::default()
        });
        project.releases.insert((*name).into(), Arc::new(release.into()));
    }
    for index in 0..choices.number(7) {
        let name = format!("p{index}{}", choices.of(&["", "-rollback"]));
        let mut promotion = Promotion::new(&name, promotion_spec(choices));
        dress(&mut promotion.metadata, choices);
        promotion.status = choices.maybe(promotion_status);
        project.promotions.insert(name, Arc::new(promotion));
    }
    project
}

fn environment_spec(name: &str, choices: &mut Choices<'_>) -> EnvironmentSpec {
    let place = ENVIRONMENTS.iter().position(|other| *other == name).unwrap_or_default();
    let orderly = !choices.one_in(5);
    let before = if orderly { &ENVIRONMENTS[..place] } else { &ENVIRONMENTS[..] };
    let after: BTreeSet<&str> = before.iter().copied().filter(|_| choices.one_in(3)).collect();
    let observed = choices.one_in(5);
    let mut spec = json!({
        "namespace": if choices.one_in(8) { "shared".to_owned() } else { format!("shop-{name}") },
        "after": after,
        "promotion": choices.of(&["Automatic", "Manual"]),
        "delivery": if observed { "Observed" } else { "Managed" },
        "historyLimit": choices.of(&[10, 1, 50]),
        "drift": if observed { "Report" } else { choices.of(&["Report", "Block"]) },
        "adoptFrom": if choices.one_in(3) { vec!["kubectl"] } else { vec![] },
        "keeps": if choices.one_in(4) { vec![json!({ "kind": "ConfigMap", "name": "web" })] } else { vec![] },
    });
    if choices.one_in(2) {
        spec["soak"] = choices.of(&DURATIONS).into();
    }
    if choices.one_in(3) {
        spec["rollbackPolicyRef"] = choices.of(&["strict", "strict", "strict", "unknown"]).into();
    }
    consent::rules(&mut spec, choices);
    if !observed && choices.one_in(4) {
        let path = choices.of(&["/spec/replicas", "/nothing/there"]);
        let operations = json!([{ "op": "replace", "path": path, "value": 2 }]);
        spec["overrides"] =
            json!({ "patches": [{ "kind": "Deployment", "name": "web", "operations": operations }] });
    }
    if !observed {
        tests::of_environment(&mut spec, choices);
    }
    serde_json::from_value(spec).unwrap()
}

fn policy(choices: &mut Choices<'_>) -> RollbackPolicySpec {
    serde_json::from_value(json!({
        "action": choices.of(&["Rollback", "Hold", "Notify"]),
        "target": choices.of(&["LastVerified", "Previous"]),
        "observeWindow": choices.of(&DURATIONS),
        "budget": { "rollbacks": choices.of(&[3, 0, 1]), "period": choices.of(&DURATIONS) },
        "failing": {
            "progressDeadlineSeconds": choices.of(&[600, 1, 86400]), "restarts": choices.of(&[1, 0]),
            "imageErrors": choices.of(&DURATIONS), "unschedulable": choices.of(&DURATIONS), "unavailablePercent": choices.of(&[25, 0, 100]),
        },
        "afterVerified": { "action": choices.of(&["Rollback", "Ignore", "Notify"]), "for": choices.of(&DURATIONS) },
        "checks": checks(choices),
    }))
    .unwrap()
}

fn release_spec(choices: &mut Choices<'_>) -> ReleaseSpec {
    let source = match choices.number(8) {
        0..=5 => {
            json!({ "manifests": [{ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } }] })
        }
        6 => json!({ "environment": { "name": choices.of(&ENVIRONMENTS) } }),
        _ => json!({ "configMapRef": { "name": "a" } }),
    };
    let mut spec = json!({
        "application": choices.of(&["shop", "shop", "shop", "shop", "other"]), "version": choices.of(&["1.0.0", "2.0.0", "x"]), "source": source,
    });
    if choices.one_in(4) {
        spec["until"] = choices.of(&ENVIRONMENTS).into();
    }
    if choices.one_in(5) {
        spec["hold"] = choices.of(&[true, false]).into();
    }
    consent::change(&mut spec, choices);
    serde_json::from_value(spec).unwrap()
}

fn promotion_spec(choices: &mut Choices<'_>) -> PromotionSpec {
    let rollback = choices.one_in(3);
    let mut spec = json!({
        "release": choices.of(&SOME_RELEASE), "environment": choices.of(&SOME_ENVIRONMENT),
        "kind": if rollback { "Rollback" } else { "Promote" },
    });
    if rollback {
        spec["toRevision"] = choices.maybe(|choices| choices.number(6)).into();
        spec["reason"] =
            choices.maybe(|choices| choices.text().chars().take(1024).collect::<String>()).into();
    }
    if choices.one_in(2) {
        spec["application"] = "shop".into();
    }
    consent::overridden(&mut spec, choices);
    serde_json::from_value(spec).unwrap()
}

fn promotion_status(choices: &mut Choices<'_>) -> PromotionStatus {
    use PromotionPhase::{Cancelled, Failed, Observing, Pending, Promoting, Superseded, Verified};
    let phase = choices.of(&[Verified, Pending, Promoting, Observing, Failed, Superseded, Cancelled]);
    let step = Step {
        name: "Rollout".into(),
        started_at: None,
        finished_at: None,
        result: StepResult::Running,
        message: None,
    };
    let is_usual = !choices.one_in(8);
    let revision = choices.number(6) as i64;
    PromotionStatus {
        phase,
        revision: (is_usual == (phase != Pending && phase != Cancelled)).then_some(revision),
        restores: choices.maybe(|choices| choices.number(6) as i64),
        replaces: choices.maybe(|choices| choices.number(6) as i64),
        content: choices.maybe(|choices| format!("content-{}", choices.number(5))),
        baseline: choices.maybe(|choices| format!("content-{}", choices.number(5))),
        baseline_healthy: choices.maybe(|choices| choices.one_in(2)),
        release_digest: choices.maybe(|choices| choices.of(&["here", "other"]).into()),
        namespace_uid: choices.maybe(|choices| choices.of(&["here", "here", "here", "other"]).into()),
        application: choices.maybe(|choices| choices.of(&["shop", "shop", "shop", "other"]).into()),
        waiting_since: choices.maybe(Choices::time).filter(|_| choices.one_in(3)),
        waited_until: choices.maybe(Choices::time),
        started_at: choices.maybe(Choices::time),
        exits_before: choices
            .maybe(|choices| ExitsBefore {
                pod: "u".into(),
                container: "main".into(),
                exits: choices.of(&[0, 1, i32::MAX]),
            })
            .into_iter()
            .collect(),
        without_replicas: choices
            .maybe(|_| ObjectRef { kind: "Deployment".into(), group: None, name: "web".into() })
            .into_iter()
            .collect(),
        rolled_out_at: choices.maybe(Choices::time),
        finished_at: choices.maybe(Choices::time),
        changes: keys()
            .into_iter()
            .filter_map(|key| choices.maybe(|choices| change(&key, choices)))
            .collect(),
        steps: choices.maybe(|_| step).into_iter().collect(),
        tests: tests::recorded(choices),
        reason: choices.maybe(|choices| choices.of(&["NamespaceDeleted", "Preflight"]).into()),
        message: choices.maybe(|choices| choices.text().chars().take(1024).collect()),
        conditions: conditions(choices),
        ..PromotionStatus::default()
    }
}

fn grant(choices: &mut Choices<'_>) -> Grant {
    match choices.number(8) {
        6 => Grant::NotAsked,
        7 => Grant::Missing(consent::missing(choices)),
        _ => Grant::Granted,
    }
}

/// One world for each promotion of the project.
pub fn promotion_worlds(project: &Project, choices: &mut Choices<'_>) -> Vec<PromotionWorld> {
    let worlds = project.promotions.values().map(|promotion| {
        let (wanted, replaced) = contents(project, promotion);
        let content = loaded(wanted, choices);
        let environment = project.environments.get(&promotion.spec.environment);
        let digest = match (&content, environment) {
            (Loaded::Here(content), Some(environment)) => render(content, &environment.spec).ok(),
            _ => None,
        };
        let mut project = project.clone();
        let digests: Vec<String> = digest.iter().map(|digested| digested.digest().to_owned()).collect();
        consent::add(&mut project, &digests, choices);
        project.grants.insert(promotion.spec.environment.clone(), grant(choices));
        let mut world = PromotionWorld {
            measured: measured(choices),
            project,
            promotion: Arc::clone(promotion),
            content,
            replaced: loaded(replaced, choices),
            plans: Plans::default(),
            live: BTreeMap::new(),
            tried: None,
            written: keys().into_iter().filter(|_| choices.one_in(6)).collect(),
            refused: refused(choices),
            generations: keys()
                .into_iter()
                .filter_map(|key| choices.maybe(|choices| (key, choices.number(3) as i64)))
                .collect(),
            failed: keys()
                .into_iter()
                .filter_map(|key| choices.one_in(8).then(|| (key, failed(choices))))
                .collect(),
            rolled_out: choices.maybe(Choices::moment),
            comparing: choices.maybe(Choices::moment),
            passed: tests::passed(choices),
            workloads: keys()
                .into_iter()
                .filter_map(|key| choices.maybe(|choices| (key, workload(choices))))
                .collect(),
            customs: customs(choices),
            tests: tests::facts(choices),
            epoch: choices.of(&[0, 7]),
        };
        world.plans = plans(&world);
        let environment = world.project.environments.get(&promotion.spec.environment);
        if environment.is_some_and(|environment| environment.spec.delivery == Delivery::Observed) {
            return world;
        }
        let now = choices.moment();
        world.live =
            live_objects(&world, now).into_iter().map(|key| (key.clone(), live(&key, choices))).collect();
        world.tried = choices.maybe(|choices| trial(&world, choices));
        world
    });
    worlds.collect()
}

fn trial(world: &PromotionWorld, choices: &mut Choices<'_>) -> Trial {
    let plan = world.plans.content.as_ref().filter(|_| !choices.one_in(5));
    let digest = plan.and_then(|plan| Some(plan.as_ref().ok()?.digest().to_owned())).unwrap_or_default();
    let result = |choices: &mut Choices<'_>| {
        if choices.one_in(16) { Err(choices.text()) } else { Ok(Arc::new(json!({}))) }
    };
    let some = |choices: &mut Choices<'_>| choices.one_in(9).then(|| choices.text());
    Trial {
        crowded: keys().into_iter().filter_map(|key| Some((key, some(choices)?))).collect(),
        missing: keys()
            .into_iter()
            .filter_map(|key| choices.one_in(9).then(|| (key, vec![choices.text()])))
            .collect(),
        digest,
        results: world.live.keys().map(|key| (key.clone(), result(choices))).collect(),
        refusals: (0..choices.number(2)).map(|_| choices.text()).collect(),
        warnings: (0..choices.number(30)).map(|_| choices.text()).collect(),
        at: choices.moment(),
    }
}

pub fn environment_worlds(project: &Project, choices: &mut Choices<'_>) -> Vec<EnvironmentWorld> {
    let world = |environment: &Arc<Environment>| {
        let mut project = project.clone();
        project
            .grants
            .insert(environment.metadata.name.as_deref().unwrap_or_default().into(), grant(choices));
        EnvironmentWorld {
            project,
            environment: Arc::clone(environment),
            contents: choices
                .maybe(|choices| (0..choices.number(5)).map(|index| format!("content-{index}")).collect()),
            watched: watched(choices),
            unnamed_copies: Vec::new(),
            drift: choices.maybe(drifts),
        }
    };
    project.environments.values().map(world).collect()
}

pub fn release_worlds(project: &Project, choices: &mut Choices<'_>) -> Vec<ReleaseWorld> {
    let world = |release: &Arc<CachedRelease>| ReleaseWorld {
        project: project.clone(),
        release: Arc::clone(release),
        capture: match choices.number(4) {
            0 => Capture::NotNeeded,
            1 => Capture::Waiting {
                reason: choices.of(&[Reason::SourceMissing, Reason::Unsettled]),
                message: choices.text(),
            },
            2 => Capture::Refused { reason: Reason::InvalidContent, message: choices.text() },
            _ => Capture::Taken {
                sealed: content(choices).seal("shop").unwrap(),
                images: vec![PinnedImage { image: "a".into(), pinned: None, reason: None }],
            },
        },
    };
    project.releases.values().map(world).collect()
}
