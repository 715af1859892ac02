//! `cargo bench`: figures of the controller on a real control plane. It prints, and judges no time: machines differ.
//!
//! - how long after a failing pod is visible in the API the last revert is written, beside raw writes of the same run;
//! - how many writes a promotion and a rollback are, from the API server's audit log;
//! - what a thousand settled releases cost: memory, also after a start, and requests while nothing happens (`RELEASES=10000 cargo bench` for more);
//! - how long the plugin takes to answer beside them, in how many requests: as many with ten releases as with a thousand, or it
//!   fails.
//!
//! The controller is the program that is installed, so its memory is what a cluster would see.

mod figures;
mod plugin;

use anyhow::{Context, Result};
use control_plane::{AuditEvent, ControlPlane, eventually};
use figures::{Writes, milliseconds, resident};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use support::figures::{median, raw_writes};
use support::installed_controller::{self, Operator};
use towpath::api::{Promotion, PromotionPhase, Release, ReleasePhase};

const RUNS: usize = 10;
const APPLICATIONS: usize = 20;
/// Settled releases, unless the variable RELEASES says another number.
const RELEASES: usize = 1_000;
/// With so few, the plugin makes as many requests.
const FEW: usize = 10;
const WRITERS: usize = 8;
const IDLE: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(600);
const PROJECT: &str = "bench";
const TARGET: &str = "bench-target";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let measured = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(measure()));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let account = installed_controller::install(&cluster).await?;
    // What is installed, not this program, which holds more.
    let program = Path::new(env!("CARGO_BIN_EXE_towpath"));
    let (operator, mut child) = Operator::start(&cluster, &account, program, false).await?;
    let pid = child.id().context("the controller has ended")?;
    let bench = Bench { client: cluster.admin().client()?, cluster: &cluster, pid };
    let measured = bench.all().await;
    if measured.is_err() {
        eprintln!("The end of the controller's log:\n{}", operator.log_end());
        return measured;
    }
    // Now it lists everything at once. Asked to end, it gives the lease up.
    tokio::process::Command::new("kill").arg(pid.to_string()).status().await?;
    child.wait().await?;
    let (_operator, child) = Operator::start(&cluster, &account, program, false).await?;
    tokio::time::sleep(IDLE).await;
    let (all, program) = resident(child.id().context("the controller has ended")?)?;
    println!("resident after it was started again  {all:>8.1} MiB, {program:.1} of them the program itself");
    Ok(())
}

struct Bench<'a> {
    cluster: &'a ControlPlane,
    client: Client,
    pid: u32,
}

impl Bench<'_> {
    async fn all(&self) -> Result<()> {
        self.prepare().await?;
        let (all, program) = resident(self.pid)?;
        println!(
            "resident with nothing to do          {all:>8.1} MiB, {program:.1} of them the program itself"
        );
        self.rollbacks().await?;
        self.settled().await
    }

    async fn prepare(&self) -> Result<()> {
        let namespace =
            |name: &str| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let environment = |name: &str, promotion: &str| {
            json!({
                "apiVersion": "towpath.dev/v1alpha1",
                "kind": "Environment",
                "metadata": { "name": name, "namespace": PROJECT },
                "spec": { "namespace": format!("{PROJECT}-{name}"), "promotion": promotion, "rollbackPolicyRef": "strict" },
            })
        };
        let policy = json!({
            "apiVersion": "towpath.dev/v1alpha1",
            "kind": "RollbackPolicy",
            "metadata": { "name": "strict", "namespace": PROJECT },
            "spec": { "observeWindow": "1s", "failing": { "restarts": 0 }, "budget": { "rollbacks": 100 } },
        });
        let consent = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": "towpath", "namespace": TARGET },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "towpath-deploy" },
            "subjects": [{ "kind": "ServiceAccount", "name": "bench.target", "namespace": "towpath-deployers" }],
        });
        let items = [
            namespace(PROJECT),
            namespace(TARGET),
            namespace("bench-manual"),
            policy,
            consent,
            environment("target", "Automatic"),
        ];
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
        let kubectl = self.cluster.kubectl(self.cluster.admin());
        let apply = async || {
            tokio::task::block_in_place(|| kubectl.run_with(&["apply", "--server-side", "-f", "-"], &list))
                .map(Some)
        };
        eventually("the environments to be taken", LIMIT, apply).await?;
        Ok(())
    }

    /// A good release, then bad ones of which each is rolled back.
    async fn rollbacks(&self) -> Result<()> {
        let audit = self.cluster.audit()?;
        let mark = audit.mark().await?;
        self.release("app", 0, &application("good", "first")).await?;
        self.promotion("target-app-0", PromotionPhase::Verified).await?;
        let first = audit.since(mark).await?;
        let (mut reverts, mut verdicts) = (Vec::new(), Vec::new());
        let mut last = (Vec::new(), None);
        let raw = raw_writes(&self.client, PROJECT).await?;
        for run in 1..=RUNS {
            let mark = audit.mark().await?;
            let crash = tokio::spawn(crash(self.client.clone(), run));
            self.release("app", run, &application(&format!("bad-{run}-crash-loop"), &format!("run {run}")))
                .await?;
            let seen = crash.await??;
            self.promotion(&format!("target-app-{run}-rollback"), PromotionPhase::Verified).await?;
            let events = audit.since(mark).await?;
            let turn = turned(&events, run).context("the audit log has no rollback")?;
            let back = events.iter().filter(|event| Writes::in_target(event, PROJECT) && event.time >= turn);
            let written = back.map(|event| event.time).max().context("nothing was restored")?;
            reverts.push(milliseconds(seen, written));
            verdicts.push(milliseconds(seen, turn));
            last = (events, Some(turn));
        }
        let raw = [raw, raw_writes(&self.client, PROJECT).await?].concat();
        let (raw, revert, verdict) = (median(raw), median(reverts), median(verdicts));
        println!("raw write, round trip                {raw:>8.1} ms    median");
        println!("failing pod seen -> record written   {verdict:>8.1} ms    median of {RUNS}");
        println!(
            "failing pod seen -> all restored     {revert:>8.1} ms    median of {RUNS}, {:.1} raw writes",
            revert / raw
        );
        println!();
        println!("writes                               in target   own objects   events   dry runs");
        let line = |what: &str, writes: Writes| {
            println!(
                "{what:<36} {:>9} {:>13} {:>8} {:>10}",
                writes.target, writes.own, writes.events, writes.tried
            );
        };
        line("first promotion (2 objects)", Writes::of(&first, PROJECT));
        let (events, turn) = last;
        let turn = turn.context("no run")?;
        if std::env::var_os("SHOW").is_some() {
            for event in &events {
                if event.verb != "watch" && event.resource != "leases" {
                    println!(
                        "{:>8.1} {} {}/{} {} {} {} as {:?}",
                        milliseconds(turn, event.time),
                        event.verb,
                        event.resource,
                        event.subresource,
                        event.name,
                        event.code,
                        event.user.rsplit(':').next().unwrap_or_default(),
                        event.impersonated_user.as_deref().map(|u| u
                            .rsplit(':')
                            .next()
                            .unwrap_or_default()
                            .to_owned())
                    );
                }
            }
        }
        let (before, after): (Vec<AuditEvent>, Vec<AuditEvent>) =
            events.into_iter().partition(|event| event.time < turn);
        line("promotion that fails (2 differ)", Writes::of(&before, PROJECT));
        line("its rollback (1 differs)", Writes::of(&after, PROJECT));
        println!();
        Ok(())
    }

    /// Many releases of several applications, the newest of each waiting for a person, and what they cost.
    async fn settled(&self) -> Result<()> {
        let environment = json!({
            "apiVersion": "towpath.dev/v1alpha1",
            "kind": "Environment",
            "metadata": { "name": "manual", "namespace": PROJECT },
            "spec": { "namespace": "bench-manual", "promotion": "Manual", "after": ["target"] },
        });
        let kubectl = self.cluster.kubectl(self.cluster.admin());
        tokio::task::block_in_place(|| {
            kubectl.run_with(&["apply", "--server-side", "-f", "-"], &environment.to_string())
        })?;
        let count = match std::env::var("RELEASES") {
            Ok(count) => count.parse().context("RELEASES is not a number")?,
            Err(_) => RELEASES,
        };
        let (before, _) = resident(self.pid)?;
        let few = FEW.min(count);
        let mut took = self.made(0..few).await?;
        let with_few = plugin::measure(self.cluster, PROJECT, few, "tiny-0-0", "manual").await?;
        took += self.made(few..count).await?;
        let (after, _) = resident(self.pid)?;
        println!("{count} releases created, promoted, waiting in {took:>5.1} s");
        println!(
            "resident with {count} settled releases  {after:>8.1} MiB, {:.1} KiB a release",
            (after - before) * 1024.0 / count as f64
        );
        let audit = self.cluster.audit()?;
        let mark = audit.mark().await?;
        tokio::time::sleep(IDLE).await;
        let requests = audit.since(mark).await?;
        let ours = requests.iter().filter(|event| {
            event.user.ends_with(":towpath") && event.resource != "leases" && event.verb != "watch"
        });
        let ours = kinds_of(ours);
        let requests: usize = ours.values().sum();
        println!(
            "requests in {} s without anything to do  {requests:>4}   watches and the lease apart",
            IDLE.as_secs()
        );
        for (kind, count) in ours {
            println!("    {kind:<50} {count:>5}");
        }
        println!();
        let newest = format!("tiny-0-{}", (count - 1) / APPLICATIONS);
        let with_all = plugin::measure(self.cluster, PROJECT, count, &newest, "manual").await?;
        plugin::same(few, &with_few, count, &with_all)
    }

    /// Creates the releases of these numbers, and waits until they have settled. Returns how long it took, in seconds.
    async fn made(&self, numbers: Range<usize>) -> Result<f64> {
        let begun = Timestamp::now();
        let made = stream::iter(numbers.clone()).map(|index| async move {
            let application = format!("tiny-{}", index % APPLICATIONS);
            let content = json!([{
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": { "name": application },
                "data": { "index": index.to_string() },
            }]);
            self.release(&application, index / APPLICATIONS, &content).await
        });
        made.buffer_unordered(WRITERS).try_collect::<Vec<()>>().await?;
        let releases: Api<Release> = Api::namespaced(self.client.clone(), PROJECT);
        let tiny = ListParams::default();
        eventually("the releases to settle", LONG, async || {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let settled = releases.list(&tiny).await?.items.into_iter().filter(|release| {
                release.name_any().starts_with("tiny-")
                    && release.status.as_ref().is_some_and(|status| {
                        matches!(
                            status.phase,
                            ReleasePhase::Waiting | ReleasePhase::Verified | ReleasePhase::Superseded
                        )
                    })
            });
            Ok((settled.count() >= numbers.end).then_some(()))
        })
        .await?;
        Ok(milliseconds(begun, Timestamp::now()) / 1000.0)
    }

    async fn release(&self, application: &str, number: usize, content: &Value) -> Result<()> {
        let release: Release = serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1",
            "kind": "Release",
            "metadata": { "name": format!("{application}-{number}"), "namespace": PROJECT },
            "spec": { "application": application, "version": format!("1.0.{number}"), "source": { "manifests": content } },
        }))?;
        Api::namespaced(self.client.clone(), PROJECT).create(&PostParams::default(), &release).await?;
        Ok(())
    }

    async fn promotion(&self, name: &str, phase: PromotionPhase) -> Result<()> {
        let promotions: Api<Promotion> = Api::namespaced(self.client.clone(), PROJECT);
        eventually(&format!("{name} to be {}", phase.as_str()), LIMIT, async || {
            let status = promotions.get_opt(name).await?.and_then(|promotion| promotion.status);
            Ok(status.is_some_and(|status| status.phase == phase).then_some(()))
        })
        .await
    }
}

/// How many requests of each kind.
fn kinds_of<'a>(events: impl Iterator<Item = &'a AuditEvent>) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for event in events {
        let what = format!("{} {}/{} {}", event.verb, event.resource, event.subresource, event.code);
        *kinds.entry(what).or_default() += 1;
    }
    kinds
}

fn application(tag: &str, config: &str) -> Value {
    json!([
        { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "config" }, "data": { "is": config } },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "app" },
            "spec": {
                "replicas": 2,
                "selector": { "matchLabels": { "app": "app" } },
                "template": {
                    "metadata": { "labels": { "app": "app" } },
                    "spec": {
                        "containers": [{
                            "name": "app",
                            "image": format!("registry.example/app:{tag}"),
                            "envFrom": [{ "configMapRef": { "name": "config" } }],
                        }],
                    },
                },
            },
        },
    ])
}

/// When a watch first shows a crash of that run's image.
async fn crash(client: Client, run: usize) -> Result<Timestamp> {
    let wanted = format!("bad-{run}-crash-loop");
    let pods = watcher(Api::<Pod>::namespaced(client, TARGET), watcher::Config::default()).applied_objects();
    let mut pods = std::pin::pin!(pods);
    while let Some(pod) = pods.next().await {
        let containers = pod?.status.and_then(|status| status.container_statuses).unwrap_or_default();
        let crashing = |waiting: Option<&str>| waiting == Some("CrashLoopBackOff");
        if containers.iter().any(|container| {
            let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
            container.image.ends_with(&wanted)
                && crashing(waiting.and_then(|waiting| waiting.reason.as_deref()))
        }) {
            return Ok(Timestamp::now());
        }
    }
    anyhow::bail!("the watch of the pods ended")
}

/// When the record of a run's rollback was made.
fn turned(events: &[AuditEvent], run: usize) -> Option<Timestamp> {
    let name = format!("target-app-{run}-rollback");
    let made = |event: &&AuditEvent| {
        event.resource == "promotions"
            && event.subresource.is_empty()
            && event.name == name
            && event.verb != "get"
    };
    events.iter().find(made).map(|event| event.time)
}
