//! One run of a situation on a control plane, in a project of its own.

use super::acts::{self, Act};
use super::moments::come;
use super::objects::{named, objects, path};
use super::outcome::{Before, Played, judge};
use super::real::on_real_node;
use super::situation::{Moment, Node, Situation, Waits};
use super::snapshot::snapshot;
use super::timeline::{Seen, Timeline};
use super::timing::Timing;
use crate::project::{Project, merge};
use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Long enough for each step on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(180);

/// Seconds without progress that end a release for which a situation sets no other limit.
const PATIENT: i64 = 60;

/// What is wrong is said within this time.
pub const WORDS: Duration = Duration::from_secs(60);

/// Plays a situation from the first object to the judgement. The project has no environment yet.
pub async fn play(project: &Project, situation: &Situation, timing: &Timing) -> Result<Played> {
    let mut situation = situation.clone();
    let words = situation.says.iter_mut().chain(situation.waits.iter_mut().flat_map(|waits| &mut waits.says));
    words.for_each(|word| *word = word.replace("$project", &project.name));
    let played = run(project, &situation, timing).await;
    clean(project, &situation).await;
    played
}

async fn run(project: &Project, situation: &Situation, timing: &Timing) -> Result<Played> {
    prepare(project, situation, timing).await?;
    let content = async |shorts| {
        let objects = objects(shorts, timing, &project.name)?;
        match situation.node {
            Node::Played => Ok(objects),
            Node::Real => on_real_node(project, &situation.images, objects).await,
        }
    };
    if !situation.one.is_empty() {
        let first = project.release("1.0.0", &content(&situation.one).await?).await?;
        project
            .ended_within(LIMIT, &format!("prod-{first}"), "Verified")
            .await
            .context("the first release")?;
        project.change("rollbackpolicies", "judgement", json!({ "spec": policy(situation) })).await?;
    }
    happen(project, situation, timing, None, Moment::Before).await?;
    let kept = kept(project, situation).await?;
    let before = Before { snapshot: snapshot(project, "prod").await?, kept };
    let timeline = Timeline::start(project, "shop-2.0.0", &situation.reason);
    let mut spec = json!({ "source": { "manifests": content(&situation.two).await? } });
    merge(&mut spec, &situation.release);
    project.release_of("shop", "2.0.0", spec).await?;
    let mut faults = Vec::new();
    for moment in [Moment::Promoting, Moment::Window, Moment::Waiting, Moment::Verified, Moment::RollingBack]
    {
        if let (Moment::Waiting, Some(waits)) = (moment, &situation.waits) {
            faults.extend(wait(&timeline, waits, timing).await);
        }
        faults.extend(happen(project, situation, timing, Some(&timeline), moment).await?);
    }
    judge(project, situation, &timeline, &before, faults).await
}

/// The policy of the release on trial.
fn policy(situation: &Situation) -> Value {
    let mut policy = json!({
        "observeWindow": "4s",
        "failing": { "progressDeadlineSeconds": PATIENT, "restarts": 0 },
    });
    merge(&mut policy, &situation.policy);
    policy
}

/// The policy of the release before it: no limit of the situation ends it on a busy machine, and no window that nothing happens in is
/// waited for. A check is measured within its window, so a window with checks stays.
fn first_policy(situation: &Situation) -> Value {
    let mut first = policy(situation);
    let failing = &first["failing"];
    let deadline = failing["progressDeadlineSeconds"].as_i64().map_or(PATIENT, |given| given.max(PATIENT));
    first["failing"] = json!({ "progressDeadlineSeconds": deadline, "restarts": failing["restarts"] });
    if first["checks"].is_null() {
        first["observeWindow"] = json!("4s");
    }
    first
}

/// The environment, its policy, and what is there before anything is promoted.
async fn prepare(project: &Project, situation: &Situation, timing: &Timing) -> Result<()> {
    for number in 1..=situation.nodes {
        acts::add_node(project, number).await?;
    }
    let cluster = objects(&situation.cluster, timing, &project.name)?;
    if !cluster.is_empty() {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": cluster }).to_string();
        tokio::task::block_in_place(|| project.kubectl().run_with(&["apply", "-f", "-"], &list))?;
    }
    let policy = if situation.one.is_empty() { policy(situation) } else { first_policy(situation) };
    project.policy("judgement", policy).await?;
    let mut environment = json!({ "name": "prod", "rollbackPolicyRef": "judgement" });
    merge(&mut environment, &named(situation.environment.clone(), &project.name));
    project.environment(&environment).await?;
    grant(project, "prod", &environment["kinds"]).await?;
    let given = objects(&situation.given, timing, &project.name)?;
    if !given.is_empty() {
        tokio::task::block_in_place(|| project.apply("prod", &given))?;
    }
    for quota in given.iter().filter(|object| object["kind"] == "ResourceQuota") {
        let name = quota["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        acts::perform(project, &Act::QuotaCounts(name), timing).await?;
    }
    Ok(())
}

/// The rights that a namespace owner grants on additional kinds.
pub async fn grant(project: &Project, environment: &str, kinds: &Value) -> Result<()> {
    let rules: Vec<Value> = kinds
        .as_array()
        .into_iter()
        .flatten()
        .map(|kind| {
            let version = kind["apiVersion"].as_str().unwrap_or_default();
            let group = version.split_once('/').map_or("", |(group, _)| group);
            let plural = format!("{}s", kind["kind"].as_str().unwrap_or_default().to_lowercase());
            let verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];
            json!({ "apiGroups": [group], "resources": [plural], "verbs": verbs })
        })
        .collect();
    if rules.is_empty() {
        return Ok(());
    }
    let group = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", project.target(environment));
    let role = json!({ "metadata": { "name": "more-kinds" }, "rules": rules });
    project.post(&format!("{group}/roles"), role).await?;
    let binding = json!({
        "metadata": { "name": "more-kinds" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "more-kinds" },
        "subjects": [{
            "kind": "ServiceAccount", "namespace": "towpath-deployers", "name": format!("{}.{environment}", project.name),
        }],
    });
    project.post(&format!("{group}/rolebindings"), binding).await.map(drop)
}

/// The identities of the objects that have to stay the same ones.
async fn kept(project: &Project, situation: &Situation) -> Result<BTreeMap<String, Value>> {
    let mut kept = BTreeMap::new();
    for left in situation.leaves.iter().filter(|left| left.same) {
        let live = project.get(&path(&project.target("prod"), &left.object)?).await?;
        let live = live.with_context(|| format!("there is no {}", left.object))?;
        kept.insert(left.object.clone(), live["metadata"]["uid"].clone());
    }
    Ok(kept)
}

/// Does what happens at a moment, once the moment has come. The answer is what was not as expected.
async fn happen(
    project: &Project,
    situation: &Situation,
    timing: &Timing,
    timeline: Option<&Timeline>,
    moment: Moment,
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mine = situation.happens.iter().enumerate().filter(|(_, happening)| happening.when == moment);
    let mut is_come = false;
    for (index, happening) in mine {
        if let Some(timeline) = timeline.filter(|_| !is_come) {
            if !come(project, timeline, moment, LIMIT).await.unwrap_or(false) {
                return Ok(vec![format!("{moment:?} never came: {}", timeline.shown())]);
            }
            is_come = true;
        }
        tokio::time::sleep(timing.choose(&happening.after, &format!("happening {index}"))).await;
        for value in &happening.acts {
            let act = acts::act(value)?;
            if let (Act::Says(words), Some(timeline)) = (&act, timeline) {
                faults.extend(says(timeline, words).await);
                continue;
            }
            acts::perform(project, &act, timing).await.with_context(|| format!("{value}"))?;
        }
    }
    Ok(faults)
}

/// Waits until something is said.
async fn says(timeline: &Timeline, words: &[String]) -> Option<String> {
    let said = |seen: &Seen| seen.says(&timeline.release, &timeline.promotion, words).then_some(());
    match timeline.until("words", WORDS, said).await {
        Ok(()) => None,
        Err(_) => Some(format!("it does not say {words:?}: {}", timeline.shown())),
    }
}

/// Sees that the release waits, says what it has to, and goes on waiting.
async fn wait(timeline: &Timeline, waits: &Waits, timing: &Timing) -> Vec<String> {
    let said = |seen: &Seen| {
        let all = seen.says(&timeline.release, &timeline.promotion, &waits.says);
        let over = seen.is_over(&timeline.promotion);
        (all && !over).then_some(true).or(over.then_some(false))
    };
    match timeline.until("words", WORDS, said).await {
        Ok(true) => {}
        Ok(false) => return vec![format!("it did not wait: {}", timeline.shown())],
        Err(_) => return vec![format!("it does not say {:?}: {}", waits.says, timeline.shown())],
    }
    tokio::time::sleep(timing.choose(&waits.lasts, "wait")).await;
    let mut faults = Vec::new();
    if timeline.now(|seen| seen.is_over(&timeline.promotion)) {
        faults.push(format!("it waited too short: {}", timeline.shown()));
    }
    if waits.unwritten && timeline.now(|seen| seen.status(&timeline.promotion)["startedAt"].is_string()) {
        faults.push(format!("it was written before it waited: {}", timeline.shown()));
    }
    faults
}

/// Removes what the situation has in the cluster.
async fn clean(project: &Project, situation: &Situation) {
    let mut paths: Vec<String> =
        (1..=situation.nodes * 2).map(|number| format!("/api/v1/nodes/{}-{number}", project.name)).collect();
    if situation.happens.iter().any(|happening| happening.acts.iter().any(|act| act["webhook"].is_array())) {
        let group = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
        paths.push(format!("{group}/{}", project.name));
    }
    for path in paths {
        // It may be gone already.
        let _ = project.send(Method::DELETE, &path, "application/json", json!({})).await;
    }
    if let Ok(cluster) = objects(&situation.cluster, &Timing::earliest(), &project.name)
        && !cluster.is_empty()
    {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": cluster }).to_string();
        let delete = ["delete", "--wait=false", "--ignore-not-found", "-f", "-"];
        let _ = tokio::task::block_in_place(|| project.kubectl().run_with(&delete, &list));
    }
}
