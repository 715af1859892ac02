//! The situations of the catalogue that the toy cluster can play: the same data as the stories, the judgement that is right, in any
//! order, and after a crash behind any write. Its pods start within seconds, so that times are longer here.

use super::comparison;
use super::run::{Event, Run};
use super::scenarios::{environment, hold, release};
use super::store::{Step, Store};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use support::judgement::acts::{Act, act};
use support::judgement::objects::objects;
use support::judgement::situation::{End, Moment, Node};
use support::judgement::{Situation, Timing, catalogue};
use towpath::api::{PromotionPhase, RollbackPolicySpec};
use towpath::content::ObjectKey;

/// So many of them at least: a change of the data or of the toy cluster must not take them away unseen. Raise it when more are played.
const AT_LEAST: usize = 70;

/// Seconds after the start at which a moment has come, and how far apart things are that happen then.
fn at(moment: Moment) -> Option<(i64, i64)> {
    match moment {
        Moment::Before => Some((900, 10)),
        Moment::Promoting => Some((1001, 1)),
        Moment::Window => Some((1100, 40)),
        Moment::Waiting => Some((1600, 20)),
        Moment::Verified => Some((2400, 20)),
        Moment::RollingBack => None,
    }
}

/// A situation as the toy cluster plays it.
struct Toy {
    store: Store,
    events: Vec<Event>,
}

/// The error is what the situation needs and the toy cluster lacks.
fn toy(situation: &Situation, now: Timestamp) -> Result<Toy, String> {
    let none = |value: &Value| value.as_object().is_some_and(|fields| fields.is_empty());
    let lacks = [
        (situation.node == Node::Real, "real processes"),
        (!situation.cluster.is_empty(), "objects of the cluster"),
        (!situation.given.is_empty(), "objects of other tools"),
        (situation.nodes > 0, "nodes"),
        // What a release waits for here is what the API server refuses, but for a hold.
        (situation.waits.is_some() && situation.release["hold"] != true, "what a release waits for"),
        (!none(&situation.environment), "fields of the environment"),
        (
            situation.release.as_object().is_some_and(|fields| fields.keys().any(|name| name != "hold")),
            "fields of the release",
        ),
    ];
    if let Some((_, what)) = lacks.into_iter().find(|(lacks, _)| *lacks) {
        return Err(what.to_owned());
    }
    let content = "an object, a field or a fate of its content";
    let (first, second) = (played(&situation.one).ok_or(content)?, played(&situation.two).ok_or(content)?);
    let mut happenings: Vec<(i64, Step)> = Vec::new();
    if !first.is_empty() {
        happenings.push((0, Arc::new(move |store, now| release(store, "1.0.0", first.clone(), now))));
    }
    let held = situation.release["hold"] == true;
    happenings.push((
        1000,
        Arc::new(move |store, now| {
            release(store, "2.0.0", second.clone(), now);
            if held {
                hold(store, "shop-2.0.0", Some(true));
            }
        }),
    ));
    for (index, happening) in situation.happens.iter().enumerate() {
        let (begin, apart) = at(happening.when).ok_or("something during the rollback")?;
        for value in &happening.acts {
            let name = value.as_str().or_else(|| Some(value.as_object()?.keys().next()?.as_str()));
            let lacks = || format!("the act {}", name.unwrap_or_default());
            let step = act(value).ok().and_then(step).ok_or_else(lacks)?;
            happenings.push((begin + apart * index as i64, step));
        }
    }
    happenings.sort_by_key(|(at, _)| *at);
    let mut store = Store::default();
    store.policies.insert("judgement".into(), policy(&situation.policy));
    environment(&mut store, "prod", json!({ "rollbackPolicyRef": "judgement" }), now);
    let told: fn(&mut Store, Timestamp) = |store, now| {
        if let Some(step) = store.script.pop_front() {
            step(store, now);
        }
    };
    let events = happenings.iter().map(|(at, _)| (*at, "something happens", told)).collect();
    store.script = happenings.into_iter().map(|(_, step)| step).collect::<VecDeque<_>>();
    Ok(Toy { store, events })
}

/// The windows and deadlines of the default policy: the toy cluster is slow.
fn policy(over: &Value) -> RollbackPolicySpec {
    let mut spec = json!({ "failing": { "restarts": 0 } });
    support::merge(&mut spec, over);
    spec.as_object_mut().unwrap().remove("observeWindow");
    spec["failing"].as_object_mut().unwrap().remove("progressDeadlineSeconds");
    serde_json::from_value(spec).unwrap()
}

/// The objects with images that the toy cluster knows; none where a fate is unknown there.
fn played(shorts: &[support::judgement::objects::Short]) -> Option<Vec<Value>> {
    let mut all = objects(shorts, &Timing::earliest(), "shop").ok()?;
    for object in &mut all {
        let strategy = object.pointer("/spec/updateStrategy/type");
        if strategy.is_some_and(|strategy| strategy == "OnDelete")
            || object.pointer("/spec/updateStrategy/rollingUpdate/partition").is_some()
            || object.pointer("/spec/ttlSecondsAfterFinished").is_some()
            || object.pointer("/spec/activeDeadlineSeconds").is_some()
            || object.pointer("/spec/progressDeadlineSeconds").is_some()
            || !known(object["kind"].as_str()?)
        {
            return None;
        }
        if let Some(template) = support::judgement::objects::template(object) {
            let notes = template["metadata"]["annotations"].take();
            if let Some(metadata) = template["metadata"].as_object_mut() {
                metadata.remove("annotations");
            }
            let containers = template["spec"]["containers"].as_array_mut()?;
            if containers.len() > 1 || template["spec"]["nodeSelector"].is_object() {
                return None;
            }
            let container = &mut template["spec"]["containers"][0];
            container["image"] = image(container["image"].as_str()?, &notes)?.into();
        }
    }
    Some(all)
}

fn known(kind: &str) -> bool {
    let kinds =
        ["Deployment", "StatefulSet", "Job", "ConfigMap", "Service", "ServiceAccount", "NetworkPolicy"];
    kinds.contains(&kind)
}

fn image(image: &str, notes: &Value) -> Option<String> {
    let tag = image.rsplit(':').next()?;
    let seconds = notes["fate.towpath.dev/seconds"].as_str().and_then(|text| text.parse::<f64>().ok());
    let bad = ["crash-loop", "oom-kill", "image-error", "config-error", "job-failure"];
    let word = match (notes["fate.towpath.dev/pod"].as_str(), seconds) {
        (Some("ready-after"), Some(seconds)) if seconds < 60.0 => "slow".to_owned(),
        (Some(_), _) => return None,
        (None, _) if bad.iter().any(|fate| tag.contains(fate)) => "crash".to_owned(),
        (None, _) if tag.contains("crash-after-ready") => "fade".to_owned(),
        (None, _) if tag.contains('-') => return None,
        (None, _) => tag.to_owned(),
    };
    Some(format!("registry.example.com/{word}@sha256:{:0>64}", word.len()))
}

fn key(object: &str) -> ObjectKey {
    let (kind, name) = object.split_once(' ').unwrap();
    let version = match kind {
        "Deployment" | "StatefulSet" => "apps/v1",
        _ => "v1",
    };
    ObjectKey::new(version, kind, name).unwrap()
}

fn step(act: Act) -> Option<Step> {
    match act {
        Act::Scale { of, to } => Some(scale(key(&of), to)),
        Act::Kubectl(line) => {
            let rest = line.strip_prefix("scale deployment/")?;
            let (name, number) = rest.split_once(" --replicas=")?;
            Some(scale(key(&format!("Deployment {name}")), number.parse().ok()?))
        }
        Act::Fate { pods, count, oldest: false, is, .. } if is == "crash-after-ready" && count > 9 => {
            Some(Arc::new(move |store: &mut Store, now| {
                let namespace = store.namespaces.get_mut("shop-prod").unwrap();
                namespace.break_pods(&key(&format!("Deployment {pods}")), now);
                namespace.break_pods(&key(&format!("StatefulSet {pods}")), now);
            }))
        }
        Act::Change { plural, name, with } if plural == "releases" && with["spec"]["hold"] == false => {
            Some(Arc::new(move |store: &mut Store, _| hold(store, &name, None)))
        }
        _ => None,
    }
}

fn scale(key: ObjectKey, to: i64) -> Step {
    Arc::new(move |store: &mut Store, now| {
        let namespace = store.namespaces.get_mut("shop-prod").unwrap();
        let patch = json!([{ "op": "replace", "path": "/spec/replicas", "value": to }]);
        namespace.patch(&key, patch, now).unwrap();
    })
}

fn toys() -> Vec<(Situation, Toy)> {
    let all = catalogue().unwrap().into_iter();
    all.filter_map(|situation| toy(&situation, super::run::start()).ok().map(|toy| (situation, toy)))
        .collect()
}

/// The situations that are not played, each with what the toy cluster lacks for it.
fn unplayed() -> String {
    let lacks = |situation: &Situation| {
        let what = toy(situation, super::run::start()).err()?;
        Some(format!("{}: it needs {what}", situation.name))
    };
    catalogue().unwrap().iter().filter_map(lacks).collect::<Vec<_>>().join("\n")
}

fn run(toy: &Toy) -> Run {
    let mut run = Run::of(|_, _| {}, &toy.events);
    run.store = toy.store.clone();
    run
}

/// What prod holds, without copies and marks.
fn held(run: &Run) -> BTreeMap<String, Value> {
    let shown = run.store.namespaces["shop-prod"].shown();
    let own = shown.into_iter().filter(|(name, object)| {
        let is_copy = object["metadata"]["annotations"]["towpath.dev/original-name"].is_string();
        !is_copy && !name.starts_with("Job ")
    });
    own.map(|(name, object)| (name, json!([object["spec"], object["data"]]))).collect()
}

fn fault(situation: &Situation, toy: &Toy) -> Option<String> {
    let settled = run(toy).settle();
    let name = "prod-shop-2.0.0";
    let phase = settled.store.promotions.get(name).map(|promotion| promotion.phase());
    let back = settled.store.promotions.get(&format!("{name}-rollback")).map(|promotion| promotion.phase());
    let right = match situation.ends {
        Some(End::Verified) => phase == Some(PromotionPhase::Verified),
        Some(End::RolledBack) => {
            phase == Some(PromotionPhase::Failed) && back == Some(PromotionPhase::Verified)
        }
        Some(End::Failed) => phase == Some(PromotionPhase::Failed) && back.is_none(),
        Some(End::NotVerified) => phase != Some(PromotionPhase::Verified) && back.is_none(),
        Some(End::RollbackFailed) => back == Some(PromotionPhase::Failed),
        None => phase.is_none_or(|phase| !phase.is_final()),
    };
    let log = || settled.log.join("\n");
    if !right {
        return Some(format!("{}: {phase:?}, rollback {back:?}\n{}", situation.name, log()));
    }
    if situation.ends == Some(End::RolledBack)
        && situation.not_compared.is_empty()
        && !situation.one.is_empty()
    {
        let mut only = Toy { store: toy.store.clone(), events: toy.events.clone() };
        only.events.retain(|(at, ..)| *at < 1000);
        let before = held(&run(&only).settle());
        if held(&settled) != before {
            return Some(format!("{}: {:#?} was {before:#?}\n{}", situation.name, held(&settled), log()));
        }
    }
    None
}

#[test]
fn every_situation_of_the_catalogue_that_the_toy_cluster_knows_is_judged_right() {
    let toys = toys();
    assert!(toys.len() >= AT_LEAST, "only {} are played, not {AT_LEAST}:\n{}", toys.len(), unplayed());
    let faults: Vec<String> = toys.iter().filter_map(|(situation, toy)| fault(situation, toy)).collect();
    assert!(faults.is_empty(), "{} of {}:\n\n{}", faults.len(), toys.len(), faults.join("\n\n"));
}

/// Holds that every other run of a situation ends as the plain one, and names all that do not.
fn all_end_alike(others: impl Fn(usize, &Toy, &mut dyn FnMut(String, Run))) {
    let (mut faults, mut runs) = (Vec::new(), 0);
    for (index, (situation, toy)) in toys().into_iter().enumerate() {
        let plain = comparison::of(&run(&toy).settle().store);
        others(index, &toy, &mut |what, other| {
            runs += 1;
            let differences = comparison::differences(&plain, &comparison::of(&other.store));
            if !differences.is_empty() {
                let text = differences.join("\n");
                faults.push(format!("{}, {what}:\n{text}\n{}", situation.name, other.log.join("\n")));
            }
        });
    }
    let first = faults.first().cloned().unwrap_or_default();
    let names: Vec<&str> = faults.iter().filter_map(|fault| fault.lines().next()).collect();
    assert!(
        faults.is_empty(),
        "{} of {runs} end in another way:\n{}\n\n{first}",
        faults.len(),
        names.join("\n")
    );
}

#[test]
fn the_order_of_observations_does_not_change_a_judgement() {
    all_end_alike(|_, toy, judge| {
        for seed in 0..super::number("TOWPATH_SEEDS", 12) / 4 {
            judge(format!("seed {seed}"), run(toy).in_the_order_of(seed + 1).settle());
        }
    });
}

/// Behind every third write, unless TOWPATH_ALL asks for every write; TOWPATH_SEED chooses others.
#[test]
fn a_crash_after_any_write_does_not_change_a_judgement() {
    let apart = if std::env::var("TOWPATH_ALL").is_ok() { 1 } else { 3 };
    let seed = super::number("TOWPATH_SEED", 0) as usize;
    all_end_alike(|index, toy, judge| {
        let chosen = |write: usize| (write + index + seed).is_multiple_of(apart);
        run(toy).crash_where(chosen, |write, other| judge(format!("a crash after write {write}"), other));
    });
}
