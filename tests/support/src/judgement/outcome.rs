//! How a situation ended, and what was wrong with that.

use super::objects::path;
use super::play::{LIMIT, WORDS};
use super::situation::{End, Left, RollbackEnd, Situation};
use super::snapshot::{Snapshot, differences, snapshot};
use super::timeline::Timeline;
use crate::project::Project;
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How long a release must not be verified that cannot be.
const UNVERIFIED: Duration = Duration::from_secs(40);

/// What became of the release on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    /// It was verified.
    Verified,
    /// It failed, and a rollback was verified.
    RolledBack,
    /// It failed and its rollback did not succeed.
    RollbackFailed,
    /// It failed, and nothing was written after that.
    Failed,
    /// It ended in another way.
    Ended,
    /// It waited.
    Waits,
}

impl fmt::Display for Judged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Verified => "verified",
            Self::RolledBack => "rolled back",
            Self::RollbackFailed => "rollback failed",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::Waits => "waits",
        })
    }
}

/// One run of a situation.
#[derive(Clone, Debug)]
pub struct Played {
    /// What became of the release.
    pub judged: Judged,
    /// What was not as expected, one line each.
    pub faults: Vec<String>,
    /// From the first failing pod that the API showed to the record of the failure.
    pub verdict: Option<Duration>,
}

/// What was there before the release on trial.
pub struct Before {
    /// The target namespace.
    pub snapshot: Snapshot,
    /// The objects that have to stay the same ones, by their names.
    pub kept: BTreeMap<String, Value>,
}

/// Waits for the end and compares it.
pub async fn judge(
    project: &Project,
    situation: &Situation,
    timeline: &Timeline,
    before: &Before,
    mut faults: Vec<String>,
) -> Result<Played> {
    let judged = end(timeline, situation).await?;
    // The three kinds that say it are watched apart.
    let said = timeline.until("the words", WORDS, |seen| {
        seen.says(&timeline.release, &timeline.promotion, &situation.says).then_some(())
    });
    drop(said.await);
    let status = timeline.now(|seen| seen.status(&timeline.promotion).clone());
    let wanted = match situation.ends {
        None => vec![Judged::Waits],
        Some(End::Verified) => vec![Judged::Verified],
        Some(End::RolledBack) => vec![Judged::RolledBack],
        Some(End::Failed) => vec![Judged::Failed],
        Some(End::RollbackFailed) => vec![Judged::RollbackFailed],
        Some(End::NotVerified) => vec![Judged::Failed, Judged::Ended, Judged::Waits],
    };
    if !wanted.contains(&judged) {
        faults.push(format!("it {judged}: {}", timeline.shown()));
    }
    faults.extend(wrong_reason("its reason", &situation.reason, &status));
    let words = timeline.now(|seen| seen.words(&timeline.release, &timeline.promotion)).to_lowercase();
    for fragment in situation.says.iter().filter(|fragment| !words.contains(&fragment.to_lowercase())) {
        faults.push(format!("it does not say {fragment:?}: {}", timeline.shown()));
    }
    if let Some(wanted) = &situation.rollback {
        let status = timeline.now(|seen| seen.status(&rollback_of(timeline)).clone());
        faults.extend(differs_from(wanted, &status));
    }
    if situation.ends == Some(End::RolledBack) && judged == Judged::RolledBack {
        let now = snapshot(project, "prod").await?;
        faults.extend(differences(&before.snapshot, &now, &situation.not_compared));
    }
    for left in &situation.leaves {
        faults.extend(differs(project, left, before).await?);
    }
    let times = timeline.now(|seen| Some((seen.failing?, seen.verdict?)));
    let verdict =
        times.map(|(failing, verdict): (Instant, Instant)| verdict.saturating_duration_since(failing));
    Ok(Played { judged, faults, verdict })
}

async fn end(timeline: &Timeline, situation: &Situation) -> Result<Judged> {
    if situation.ends.is_none() {
        return Ok(timeline.now(|seen| match seen.is_over(&timeline.promotion) {
            true => of(&seen.status(&timeline.promotion)["phase"]),
            false => Judged::Waits,
        }));
    }
    // What never ends is seen not to end for so long.
    let limit = if situation.ends == Some(End::NotVerified) { UNVERIFIED } else { LIMIT };
    let over = timeline.until("an end", limit, |seen| {
        seen.is_over(&timeline.promotion).then(|| of(&seen.status(&timeline.promotion)["phase"]))
    });
    let Ok(judged) = over.await else { return Ok(Judged::Waits) };
    if judged != Judged::Failed {
        return Ok(judged);
    }
    // A rollback is recorded in the same pass, or soon after it.
    let rollback = rollback_of(timeline);
    let expected = matches!(situation.ends, Some(End::RolledBack | End::RollbackFailed));
    let begun = Duration::from_secs(if expected { 20 } else { 3 });
    let exists = |seen: &super::timeline::Seen| seen.promotions.contains_key(&rollback).then_some(());
    if timeline.until("a rollback", begun, exists).await.is_err() {
        return Ok(Judged::Failed);
    }
    let over = timeline.until("the rollback's end", LIMIT, |seen| {
        seen.is_over(&rollback).then(|| of(&seen.status(&rollback)["phase"]))
    });
    Ok(match over.await {
        Ok(Judged::Verified) => Judged::RolledBack,
        Ok(_) => Judged::RollbackFailed,
        Err(_) => Judged::Waits,
    })
}

fn rollback_of(timeline: &Timeline) -> String {
    format!("{}-rollback", timeline.promotion)
}

/// What the record of a rollback lacks.
fn differs_from(wanted: &RollbackEnd, status: &Value) -> Vec<String> {
    let message = status["message"].as_str().unwrap_or_default();
    let lacks = wanted.says.iter().filter(|fragment| !message.contains(fragment.as_str()));
    let faults = lacks.map(|fragment| format!("its rollback does not say {fragment:?}: {message}"));
    wrong_reason("the reason of its rollback", &wanted.reason, status).into_iter().chain(faults).collect()
}

/// The fault of a reason that is none of the wanted ones, if any is wanted.
fn wrong_reason(what: &str, wanted: &[String], status: &Value) -> Option<String> {
    let reason = status["reason"].as_str().unwrap_or_default();
    let is_wrong = !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == reason);
    is_wrong.then(|| format!("{what} is {reason}: {}", status["message"]))
}

fn of(phase: &Value) -> Judged {
    match phase.as_str() {
        Some("Verified") => Judged::Verified,
        Some("Failed") => Judged::Failed,
        _ => Judged::Ended,
    }
}

/// What an object lacks that has to be left.
async fn differs(project: &Project, left: &Left, before: &Before) -> Result<Vec<String>> {
    if let Some(app) = &left.no_pods {
        let mut pods = project.pods("prod", app).await?;
        pods.retain(|pod| !["Failed", "Succeeded"].iter().any(|phase| pod["status"]["phase"] == *phase));
        let names = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str());
        return Ok(names.map(|name| format!("pod {name} still runs")).collect());
    }
    let live = project.get(&path(&project.target("prod"), &left.object)?).await?;
    let Some(live) = live else {
        return Ok(if left.gone { Vec::new() } else { vec![format!("{} is gone", left.object)] });
    };
    if left.gone && live["metadata"]["deletionTimestamp"].is_null() {
        return Ok(vec![format!("{} is left over", left.object)]);
    }
    let mut faults = Vec::new();
    lacks(&left.object, &left.has, &live, &mut faults);
    let uid = &live["metadata"]["uid"];
    if left.same && before.kept.get(&left.object) != Some(uid) {
        faults.push(format!("{} is another object of the same name", left.object));
    }
    Ok(faults)
}

fn lacks(path: &str, wanted: &Value, found: &Value, faults: &mut Vec<String>) {
    match wanted {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, field) in fields {
                lacks(&format!("{path}.{name}"), field, &found[name], faults);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            if wanted != found {
                faults.push(format!("{path} is {found}, not {wanted}"));
            }
        }
    }
}
