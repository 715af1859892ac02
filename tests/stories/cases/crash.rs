//! Crash anywhere: the controller is killed before, and after, every single write of a story, and started again.
//!
//! Told once without a kill, a story has so many writes, an end, and a number of times that each object was created and
//! deleted. Told again with a kill it must have the same end and the same numbers. Generation and revision of the
//! Deployment are part of the end, so a template that was changed once too often shows.
//!
//! Seeded parts of the longer stories by default; `TOWPATH_ALL=1` for every point, `TOWPATH_SEED` for another part.

use super::crash_ends::{counted, differences, end, neutral};
use anyhow::{Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::env;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};
use support::objects::{Object, config, deployment, image, test};
use support::operator::{Flags, Operator};
use support::relay::{Kill, Relay, Side};
use support::waits::condition;
use support::{Project, installed};

support::stories![
    a_crash_at_any_write_of_a_healthy_release_changes_nothing,
    a_crash_at_any_write_of_a_rollback_changes_nothing,
    a_crash_at_any_write_of_a_recall_changes_nothing,
    a_crash_at_any_write_of_a_failed_test_changes_nothing,
    a_crash_at_any_write_of_a_failed_check_changes_nothing,
];

/// Stories that are told side by side.
const LANES: usize = 10;
/// Within this, everything has come to rest.
const LIMIT: Duration = Duration::from_secs(120);
/// Within this after the last of its promotions has ended, a story has its end.
const PATIENCE: Duration = Duration::from_secs(90);
/// Nothing was written for so long: the story is over. Longer than the observe window.
const QUIET: Duration = Duration::from_millis(1500);
/// The same for the story without a kill, which the others are compared with: its last status may be late.
const LONG_QUIET: Duration = Duration::from_secs(5);

/// What happens to release 2, release 1 being verified everywhere.
struct Story {
    name: &'static str,
    /// The images of release 2; they choose the fate of its pods.
    tag: &'static str,
    /// Whether release 2 is verified everywhere, too, and then recalled. A kill comes after the recall.
    recalled: bool,
    /// The image of its test, if it has one.
    test: Option<&'static str>,
    /// The image that a check of its policy tells from any other, if it has one.
    check: Option<&'static str>,
    /// The promotions that must end, and how.
    ends: &'static [(&'static str, &'static str)],
    /// One in so many points is tried by default.
    part: u64,
}

const HEALTHY: Story = Story {
    name: "healthy",
    tag: "v2",
    recalled: false,
    test: None,
    check: None,
    ends: &[("staging-shop-2.0.0", "Verified"), ("prod-shop-2.0.0", "Verified")],
    part: 6,
};

/// How a release ends that fails in the first environment.
const ROLLED_BACK: [(&str, &str); 2] =
    [("staging-shop-2.0.0", "Failed"), ("staging-shop-2.0.0-rollback", "Verified")];

async fn a_crash_at_any_write_of_a_healthy_release_changes_nothing() -> Result<()> {
    compare(&HEALTHY).await
}

async fn a_crash_at_any_write_of_a_rollback_changes_nothing() -> Result<()> {
    compare(&Story { name: "rollback", tag: "v2-crash-loop", ends: &ROLLED_BACK, ..HEALTHY }).await
}

async fn a_crash_at_any_write_of_a_failed_test_changes_nothing() -> Result<()> {
    compare(&Story { name: "failed test", test: Some("t-job-failure"), ends: &ROLLED_BACK, ..HEALTHY }).await
}

async fn a_crash_at_any_write_of_a_failed_check_changes_nothing() -> Result<()> {
    compare(&Story { name: "failed check", check: Some("v2"), ends: &ROLLED_BACK, ..HEALTHY }).await
}

async fn a_crash_at_any_write_of_a_recall_changes_nothing() -> Result<()> {
    compare(&Story {
        name: "recall",
        recalled: true,
        ends: &[("staging-shop-2.0.0-recalled", "Verified"), ("prod-shop-2.0.0-recalled", "Verified")],
        part: 4,
        ..HEALTHY
    })
    .await
}

/// A story told to its end.
struct Told {
    project: Project,
    kill: Option<Kill>,
    /// The writes of the process that was killed, or of the only one.
    writes: Vec<String>,
    end: Value,
    trouble: Option<String>,
}

async fn compare(story: &Story) -> Result<()> {
    let cluster = installed().await?;
    let begun = Instant::now();
    let mark = cluster.audit()?.mark().await?;
    let reference = tell(story, None, None).await?;
    if let Some(trouble) = reference.trouble {
        bail!("{}: without a kill: {trouble}", story.name);
    }
    let kills = chosen(story, reference.writes.len());
    let end = &reference.end;
    let told: Vec<Told> = futures::stream::iter(&kills)
        .map(|kill| tell(story, Some(*kill), Some(end)))
        .buffer_unordered(LANES)
        .try_collect()
        .await?;
    let events = cluster.audit()?.since(mark).await?;
    let wanted = counted(&events, &reference.project.name);
    let mut faults = Vec::new();
    let mut missed = BTreeSet::new();
    for told in &told {
        let Some(kill) = told.kill else { continue };
        let at = told.writes.get(kill.write - 1).map(String::as_str);
        missed.extend(at.is_none().then_some(kill));
        let mut found = differences("", &json!(counted(&events, &told.project.name)), &json!(wanted));
        found.extend(told.trouble.clone());
        if !found.is_empty() {
            let at = neutral(at.unwrap_or("none"), &told.project.name);
            faults.push(format!("{kill} ({at}):\n    {}", found.join("\n    ")));
        }
    }
    let writes = reference.writes.len();
    eprintln!(
        "{}: {writes} writes, {} kills, {} not reached, {} faults, in {:.1?}",
        story.name,
        kills.len(),
        missed.len(),
        faults.len(),
        begun.elapsed(),
    );
    if faults.is_empty() && missed.len() * 4 <= kills.len() {
        return Ok(());
    }
    let listed: Vec<String> =
        reference.writes.iter().map(|write| neutral(write, &reference.project.name)).collect();
    bail!(
        "{}, not reached: {missed:?}\nwrites without a kill:\n  {}\n{}",
        story.name,
        listed.join("\n  "),
        faults.join("\n")
    )
}

/// The points that are tried.
fn chosen(story: &Story, writes: usize) -> Vec<Kill> {
    let all = env::var_os("TOWPATH_ALL").is_some_and(|value| value == "1");
    let seed = env::var("TOWPATH_SEED").unwrap_or_default();
    let mut kills: Vec<Kill> =
        (1..=writes).flat_map(|write| [Side::Before, Side::After].map(|side| Kill { write, side })).collect();
    if !all && story.part > 1 {
        kills.sort_by_key(|kill| {
            let mut hasher = DefaultHasher::new();
            (&seed, kill.write, kill.side == Side::Before).hash(&mut hasher);
            hasher.finish()
        });
        let wanted = kills.len().div_ceil(usize::try_from(story.part).unwrap_or(1));
        kills.truncate(wanted);
        kills.sort();
    }
    kills
}

fn shop(tag: &str, greeting: &str) -> Vec<Object> {
    vec![config("web-config", greeting), deployment("web", tag, Some("web-config"))]
}

/// A check that passes as long as the Deployment has another image.
fn has_another_image(tag: &str) -> Value {
    let path = "$.spec.template.spec.containers[0].image";
    json!({ "name": "image", "interval": "5s", "object": {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web",
        "compare": { "path": path, "op": "NotEqual", "value": image(tag) },
    } })
}

/// A project, and a controller behind the relay that has verified release 1 everywhere and come to rest.
async fn prepared(story: &Story, relay: &Relay, flags: &Flags) -> Result<Project> {
    let environments = [json!({ "name": "staging" }), json!({ "name": "prod", "after": ["staging"] })];
    let project = Project::without_controller(&environments).await?;
    let checks: Vec<Value> = story.check.map(has_another_image).into_iter().collect();
    let policy = json!({ "spec": { "observeWindow": "1s", "checks": checks } });
    project.change("rollbackpolicies", "quick", policy).await?;
    project.release("1.0.0", &shop("v1", "hello")).await?;
    project.start_as(&Flags { lease: project.name.clone(), ..flags.clone() }).await?;
    verified(&project, relay, "1.0.0").await?;
    Ok(project)
}

/// Waits until a release is verified everywhere, and nothing is written any more.
async fn verified(project: &Project, relay: &Relay, version: &str) -> Result<()> {
    let release = format!("shop-{version}");
    let wanted = [
        ("releases", release.as_str(), "Verified"),
        ("environments", "staging", "Ready"),
        ("environments", "prod", "Ready"),
    ];
    for (plural, name, wanted) in wanted {
        let holds = |found: &Value| condition(found, wanted).is_some_and(|found| found["status"] == "True");
        project.until_within(LIMIT, plural, name, wanted, holds).await?;
    }
    quiet(relay, QUIET).await
}

async fn recall(project: &Project, release: &str) -> Result<()> {
    let digest = project.ours("releases", release).await?["status"]["digest"].clone();
    let spec = json!({ "application": "shop", "digests": [digest], "reason": "it loses orders" });
    project.create("recalls", "lost-orders", spec).await.map(drop)
}

/// Tells a story; with a kill, until it has the wanted end.
async fn tell(story: &Story, kill: Option<Kill>, wanted: Option<&Value>) -> Result<Told> {
    let begun = Instant::now();
    let config = &installed().await?.admin().config.clone();
    let relay = Relay::start(config).await?;
    let mut flags = Flags { server: Some(relay.url().to_owned()), ..Flags::own_lease("") };
    let project = prepared(story, &relay, &flags).await?;
    flags.lease.clone_from(&project.name);
    let mut objects = shop(story.tag, "good day");
    objects.extend(story.test.map(|tag| test("checkout", tag)));
    if story.recalled {
        project.release("2.0.0", &objects).await?;
        verified(&project, &relay, "2.0.0").await?;
        relay.arm(kill);
        recall(&project, "shop-2.0.0").await?;
    } else {
        relay.arm(kill);
        project.release("2.0.0", &objects).await?;
    }
    let mut before = String::new();
    let outcome = tokio::select! {
        () = relay.due() => {
            before = project.operator(|operator| {
                operator.kill();
                operator.log_tail()
            })?;
            let second = again(&project, &mut flags).await?;
            reached(story, &project, &second, wanted).await
        }
        reached = reached(story, &project, &relay, wanted) => reached,
    };
    let last = project.operator(|operator| operator.log_tail())?;
    let trouble =
        outcome.err().map(|error| format!("{error:#}\n--- log until the kill\n{before}\n--- log\n{last}"));
    project.operator(Operator::kill)?;
    let end = end(&project).await?;
    let shown = kill.map_or_else(|| "no kill".to_owned(), |kill| kill.to_string());
    let how = if trouble.is_none() { "as wanted" } else { "another end" };
    eprintln!("{}, {shown}: {how}, {:.1?}", story.name, begun.elapsed());
    Ok(Told { kill, writes: relay.writes(), end, trouble, project })
}

/// Starts the controller again. The dead one's lease is handed on at once: how it runs out is another test's question.
async fn again(project: &Project, flags: &mut Flags) -> Result<Relay> {
    project.free_lease().await?;
    let relay = Relay::start(&project.cluster.admin().config).await?;
    flags.server = Some(relay.url().to_owned());
    project.start_as(flags).await?;
    Ok(relay)
}

/// Waits until the story is over, and says what is otherwise than wanted.
async fn reached(story: &Story, project: &Project, relay: &Relay, wanted: Option<&Value>) -> Result<()> {
    for (name, phase) in story.ends {
        project
            .until_within(LIMIT, "promotions", name, phase, |found| found["status"]["phase"] == *phase)
            .await?;
    }
    let Some(wanted) = wanted else { return quiet(relay, LONG_QUIET).await };
    quiet(relay, QUIET).await?;
    // Killed before its last reports, a story is over before the second controller has begun: silence alone says nothing.
    let begun = Instant::now();
    loop {
        let found = differences("", &end(project).await?, wanted);
        if found.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{}", found.join("\n    "));
        quiet(relay, QUIET).await?;
    }
}

/// Waits until nothing has been written for so long.
async fn quiet(relay: &Relay, enough: Duration) -> Result<()> {
    let begun = Instant::now();
    let (mut writes, mut since) = (relay.writes().len(), begun);
    while since.elapsed() < enough {
        ensure!(begun.elapsed() < LIMIT, "it goes on writing: {:#?}", relay.writes());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = relay.writes().len();
        if now != writes {
            (writes, since) = (now, Instant::now());
        }
    }
    Ok(())
}
