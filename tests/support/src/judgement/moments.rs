//! When a moment of a situation has come.

use super::objects::path;
use super::situation::Moment;
use super::timeline::{Seen, Timeline};
use crate::project::Project;
use anyhow::{Result, bail};
use serde_json::Value;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(100);

/// Waits for a moment. False if it never comes.
pub async fn come(project: &Project, timeline: &Timeline, moment: Moment, limit: Duration) -> Result<bool> {
    let begun = Instant::now();
    loop {
        if let Some(come) = timeline.now(|seen| reached(seen, timeline, moment)) {
            return Ok(come);
        }
        // Nothing is written when the window begins; it begins once everything that changed is rolled out.
        let status = timeline.now(|seen| seen.status(&timeline.promotion).clone());
        if moment == Moment::Window && is_rolled_out(project, &status).await? {
            return Ok(true);
        }
        if begun.elapsed() > limit {
            bail!("waited {limit:?} for {moment:?}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a moment has come; false if it never will.
fn reached(seen: &Seen, timeline: &Timeline, moment: Moment) -> Option<bool> {
    let status = seen.status(&timeline.promotion);
    let phase = status["phase"].as_str().unwrap_or_default();
    let over = seen.is_over(&timeline.promotion);
    let come = match moment {
        Moment::Before | Moment::Waiting => true,
        Moment::Promoting => phase == "Promoting" || phase == "Observing",
        Moment::Window => !over && (phase == "Observing" || status["rolledOutAt"].is_string()),
        Moment::Verified => phase == "Verified",
        Moment::RollingBack => {
            let rollback = seen.status(&format!("{}-rollback", timeline.promotion));
            return match rollback["startedAt"].is_string() {
                true => Some(true),
                false if over && phase != "Failed" => Some(false),
                false => None,
            };
        }
    };
    match (come, over) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// Whether every workload that a promotion changes is written and rolled out.
async fn is_rolled_out(project: &Project, status: &Value) -> Result<bool> {
    let (Some(changes), Some(revision)) = (status["changes"].as_array(), status["revision"].as_i64()) else {
        return Ok(false);
    };
    if status["startedAt"].is_null() {
        return Ok(false);
    }
    let workloads = ["Deployment", "StatefulSet", "DaemonSet"];
    let revision = revision.to_string();
    for change in changes.iter().filter(|change| change["action"] != "Delete") {
        let (Some(kind), Some(name)) = (change["kind"].as_str(), change["name"].as_str()) else { continue };
        if !workloads.contains(&kind) {
            continue;
        }
        let live = project.get(&path(&project.target("prod"), &format!("{kind} {name}"))?).await?;
        let is_done = live.is_some_and(|live| {
            live["metadata"]["annotations"]["towpath.dev/revision"].as_str() == Some(revision.as_str())
                && is_available(kind, &live)
        });
        if !is_done {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Every replica is of the newest template and available.
fn is_available(kind: &str, live: &Value) -> bool {
    let (spec, status) = (&live["spec"], &live["status"]);
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    let (wanted, updated, total, available) = match kind {
        "DaemonSet" => (
            number("desiredNumberScheduled"),
            number("updatedNumberScheduled"),
            number("updatedNumberScheduled"),
            number("numberAvailable"),
        ),
        _ => (
            spec["replicas"].as_i64().unwrap_or(1),
            number("updatedReplicas"),
            number("replicas"),
            number("availableReplicas"),
        ),
    };
    status["observedGeneration"] == live["metadata"]["generation"]
        && updated >= wanted
        && total <= updated
        && available >= wanted
}
