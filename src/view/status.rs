//! One release, promotion or environment as a tree: down to the steps, checks, tests and the pods that fail.

pub mod data;

use super::screen::{Branch, Cell};
use super::times::{since, until};
use super::tone::{Tone, of_state};
use crate::api::{
    ApplicationStatus, CachedRelease, CheckReport, Condition, Environment, EnvironmentName, Meta,
    NamespaceName, Promotion, PromotionKind, PromotionStatus, StageStatus, Step, StepResult, TestResult,
    TestStatus, ready,
};
use crate::decide::world::Project;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde::Serialize;
use std::collections::BTreeMap;

/// The pods that a reader may see, by environment. A namespace that they may not read has a sentence instead.
pub type Pods = BTreeMap<EnvironmentName, Result<Vec<Pod>, String>>;

/// The environments whose pods are shown, because something moves there or has failed, with their namespaces.
pub fn with_pods(project: &Project) -> BTreeMap<EnvironmentName, NamespaceName> {
    let promotions = project.promotions.values();
    let shown = promotions.filter(|it| it.phase().is_running() || it.phase().has_failed());
    let environments = shown.filter_map(|promotion| project.environments.get(&promotion.spec.environment));
    environments.map(|it| (it.environment_name(), it.spec.namespace.clone())).collect()
}

/// The tree of a release.
pub fn of_release(project: &Project, release: &CachedRelease, pods: &Pods, now: Timestamp) -> Branch {
    let status = release.status().unwrap_or_default();
    let phase = format!("{:?}", status.phase);
    let cells =
        vec![Cell::plain("Release"), Cell::plain(release.name()), Cell::toned(&phase, status.phase.into())];
    let stages = status.environments.iter().map(|stage| of_stage(project, stage, pods, now));
    Branch::new(cells, status.message.unwrap_or_default()).with(stages)
}

fn of_stage(project: &Project, stage: &StageStatus, pods: &Pods, now: Timestamp) -> Branch {
    let mut cells = vec![Cell::plain(&stage.name), Cell::toned(&stage.state, of_state(&stage.state))];
    cells.extend(stage.revision.map(|revision| Cell::plain(format!("revision {revision}"))));
    let opens = stage.until.as_ref().map(|time| format!("opens {}", until(time.0, now)));
    let message = stage.message.clone().filter(|_| stage.state != "Verified");
    let words: Vec<String> = opens.into_iter().chain(message).collect();
    let branch = Branch::new(cells, words.join(": "));
    let promotion = promotion_of(project, stage);
    let is_open = |promotion: &&Promotion| !promotion.phase().is_final() || promotion.phase().has_failed();
    branch.with(promotion.filter(is_open).map(|promotion| of_promotion(promotion, pods, now)))
}

/// The promotion that a stage is about: while one is in progress, the stage does not name it.
fn promotion_of<'a>(project: &'a Project, stage: &StageStatus) -> Option<&'a Promotion> {
    let active = || {
        let status = project.environments.get(&stage.name)?.status.as_ref()?;
        status
            .applications
            .iter()
            .find_map(|application| project.promotions.get(application.active.as_ref()?))
    };
    let named = stage.promotion.as_ref().and_then(|name| project.promotions.get(name));
    named.or_else(active).map(AsRef::as_ref)
}

/// The tree of a promotion.
pub fn of_promotion(promotion: &Promotion, pods: &Pods, now: Timestamp) -> Branch {
    let phase = promotion.phase();
    let status = promotion.status.clone().unwrap_or_default();
    let kind = match promotion.spec.kind {
        PromotionKind::Promote if promotion.spec.dry_run => "Dry run",
        PromotionKind::Promote => "Promotion",
        PromotionKind::Rollback => "Rollback",
    };
    let mut cells =
        vec![Cell::plain(kind), Cell::plain(promotion.name()), Cell::toned(phase.as_str(), phase.into())];
    cells.extend(status.reason.as_ref().filter(|reason| *reason != phase.as_str()).map(Cell::plain));
    let mut branches: Vec<Branch> = status.steps.iter().map(|step| of_step(step, now)).collect();
    branches.extend(status.checks.iter().map(of_check));
    branches.extend(status.tests.iter().map(|test| of_test(test, now)));
    branches.extend(match faults(promotion, pods) {
        Ok(faults) => faults.iter().map(of_fault).collect(),
        Err(sentence) => vec![Branch::new(vec![Cell::toned("pods", Tone::Waits)], sentence)],
    });
    Branch::new(cells, status.message.unwrap_or_default()).with(branches)
}

fn of_step(step: &Step, now: Timestamp) -> Branch {
    let result = format!("{:?}", step.result);
    let mut cells = vec![Cell::plain(&step.name), Cell::toned(result, step.result.into())];
    let started = step.started_at.as_ref().filter(|_| step.result == StepResult::Running);
    cells.extend(started.map(|time| Cell::plain(since(time.0, now))));
    Branch::new(cells, step.message.as_deref().unwrap_or_default())
}

fn of_check(check: &CheckReport) -> Branch {
    let mut cells = vec![Cell::plain(format!("check {}", check.name))];
    cells.push(match check.verdict {
        Some(verdict) => Cell::toned(verdict.as_str(), verdict.into()),
        None => Cell::toned("Running", Tone::Busy),
    });
    cells.push(Cell::plain(format!("{} passed, {} failed", check.passed, check.failed)));
    cells.extend(check.value.as_ref().map(|value| Cell::plain(format!("last {value}"))));
    cells.extend(check.dry_run.then(|| Cell::plain("dry run")));
    Branch::new(cells, check.message.as_deref().unwrap_or_default())
}

fn of_test(test: &TestStatus, now: Timestamp) -> Branch {
    let mut cells = vec![
        Cell::plain(format!("test {}", test.name)),
        Cell::toned(test.result.as_str(), test.result.into()),
    ];
    let started = test.started_at.as_ref().filter(|_| test.result == TestResult::Running);
    cells.extend(started.map(|time| Cell::plain(since(time.0, now))));
    cells.extend(test.exit_code.map(|code| Cell::plain(format!("exit code {code}"))));
    let words: Vec<&str> = test.reason.iter().chain(&test.message).map(String::as_str).collect();
    Branch::new(cells, words.join(": "))
}

/// A pod that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodFault {
    /// Name of the pod.
    pub name: String,
    /// What is wrong, in one word of its kubelet or scheduler.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
}

/// The pods of the workloads that a promotion changes and that are not ready, with what their kubelets say. None once it has ended well. An
/// error says why they are not shown.
fn faults<'a>(promotion: &Promotion, pods: &'a Pods) -> Result<Vec<PodFault>, &'a str> {
    let phase = promotion.phase();
    let of_environment = pods.get(promotion.spec.environment.as_str());
    let found = of_environment.filter(|_| phase.is_running() || phase.has_failed());
    let (Some(found), Some(status)) = (found, &promotion.status) else { return Ok(Vec::new()) };
    let found = found.as_ref().map_err(String::as_str)?;
    Ok(found.iter().filter(|pod| is_of(pod, status)).filter_map(fault).collect())
}

/// Whether a pod is of a workload that a promotion changes.
fn is_of(pod: &Pod, status: &PromotionStatus) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    owners.filter(|owner| owner.controller == Some(true)).any(|owner| {
        status.changes.iter().any(|change| {
            // The name of a ReplicaSet is that of its Deployment and a hash.
            let is_replica_set = owner.kind == "ReplicaSet" && change.kind == "Deployment";
            let hashed = owner.name.rsplit_once('-').map(|(name, _)| name);
            (is_replica_set && hashed == Some(change.name.as_str()))
                || (owner.kind == change.kind && owner.name == change.name)
        })
    })
}

fn of_fault(fault: &PodFault) -> Branch {
    let cells = vec![Cell::plain(format!("pod {}", fault.name)), Cell::toned(&fault.reason, Tone::Bad)];
    Branch::new(cells, &fault.message)
}

fn fault(pod: &Pod) -> Option<PodFault> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let found = containers.filter_map(complaint).next().or_else(|| {
        let scheduled = status.conditions.iter().flatten().find(|it| it.type_ == "PodScheduled");
        let refused = scheduled.filter(|condition| condition.status == "False")?;
        Some((refused.reason.clone().unwrap_or_default(), refused.message.clone().unwrap_or_default()))
    });
    let failed = || {
        let is_failed = status.phase.as_deref() == Some("Failed");
        is_failed.then(|| {
            let reason = status.reason.clone().unwrap_or_else(|| "Failed".to_owned());
            (reason, status.message.clone().unwrap_or_default())
        })
    };
    let (reason, message) = found.or_else(failed)?;
    Some(PodFault { name: pod.metadata.name.clone().unwrap_or_default(), reason, message })
}

/// What a kubelet says about a container that does not run as it should.
fn complaint(container: &ContainerStatus) -> Option<(String, String)> {
    const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];
    let name = &container.name;
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.clone().filter(|reason| !STARTING.contains(&reason.as_str()))?;
        return Some((reason, format!("{name}: {}", waiting.message.as_deref().unwrap_or_default())));
    }
    if let Some(ended) = state.terminated.as_ref().filter(|ended| ended.exit_code != 0) {
        let reason = ended.reason.clone().unwrap_or_else(|| "Error".to_owned());
        let said = ended.message.as_deref().unwrap_or_default();
        return Some((reason, format!("{name}: exit code {} {said}", ended.exit_code)));
    }
    let running = state.running.as_ref().filter(|_| !container.ready && container.restart_count > 0);
    running.map(|_| ("NotReady".to_owned(), format!("{name}: restarted {} times", container.restart_count)))
}

/// The tree of an environment.
pub fn of_environment(project: &Project, environment: &Environment, pods: &Pods, now: Timestamp) -> Branch {
    let status = environment.status.clone().unwrap_or_default();
    let (word, tone) = readiness(ready(&status.conditions));
    let cells = vec![
        Cell::plain("Environment"),
        Cell::plain(environment.name()),
        Cell::toned(word, tone),
        Cell::plain(format!("namespace {}", environment.spec.namespace)),
    ];
    let applications =
        status.applications.iter().map(|application| of_application(project, application, pods, now));
    let alarms = status.conditions.iter().filter(|condition| is_alarm(condition)).map(|condition| {
        let cells = vec![Cell::toned(&condition.type_, Tone::Waits)];
        Branch::new(cells, &condition.message)
    });
    Branch::new(cells, status.message.unwrap_or_default()).with(applications).with(alarms)
}

/// The condition Ready in one word.
fn readiness(ready: Option<&Condition>) -> (&'static str, Tone) {
    match ready.map(|condition| condition.status.as_str()) {
        Some("True") => ("Ready", Tone::Good),
        Some(_) => ("NotReady", Tone::Waits),
        None => ("Unknown", Tone::Waits),
    }
}

fn is_alarm(condition: &Condition) -> bool {
    condition.status == "True" && !["Ready", "Reconciling", "Stalled"].contains(&condition.type_.as_str())
}

fn of_application(project: &Project, application: &ApplicationStatus, pods: &Pods, now: Timestamp) -> Branch {
    let mut cells = vec![Cell::plain(&application.name)];
    let mut branches = Vec::new();
    match &application.current {
        None => cells.push(Cell::plain("nothing promoted yet")),
        Some(current) => {
            cells.push(Cell::plain(current.version.as_deref().unwrap_or("?")));
            cells.push(Cell::plain(format!("revision {}", current.revision)));
            let record = application.history.iter().find(|record| record.revision == current.revision);
            if let Some(record) = record {
                cells.push(Cell::toned(&record.outcome, of_state(&record.outcome)));
                cells.extend(record.started_at.as_ref().map(|time| Cell::plain(since(time.0, now))));
            }
        }
    }
    if let Some(waiting) = &application.waiting {
        let opens = waiting.until.as_ref().map(|time| format!("opens {}: ", until(time.0, now)));
        let cells = vec![Cell::plain(&*waiting.release), Cell::toned(&waiting.gate, of_state(&waiting.gate))];
        branches.push(Branch::new(cells, format!("{}{}", opens.unwrap_or_default(), waiting.message)));
    }
    let active = application.active.as_ref().and_then(|active| project.promotions.get(active));
    branches.extend(active.map(|promotion| of_promotion(promotion, pods, now)));
    Branch::new(cells, "").with(branches)
}
