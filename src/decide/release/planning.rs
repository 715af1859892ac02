//! What is wrong with the planned starts of a release (`spec.change.plannedFor`), as far as it is known now.
//!
//! Invariant: a plan is no gate. Nothing waits for it, and nothing starts because of it.

use super::stage::{At, Stage};
use crate::api::{CachedRelease, Environment, Meta, PlannedStart};
use crate::decide::conditions::cut;
use crate::decide::environment::validate::policy;
use crate::decide::gates::calendar::freeze_in_force;
use crate::decide::gates::declared::declared;
use crate::decide::gates::schedule::{Opening, opening};
use crate::decide::history::lane::Lane;
use crate::decide::moments::{earliest, later, span};
use crate::decide::world::Project;
use jiff::Timestamp;

/// Maximum number of sentences in the status.
const MOST: usize = 20;

/// The sentences about the plan, and when a planned start that has not happened is late.
pub(super) fn faults(
    project: &Project,
    release: &CachedRelease,
    stages: &[Stage],
    now: Timestamp,
) -> (Vec<String>, Option<Timestamp>) {
    let mut sentences = Vec::new();
    let mut wake_at = None;
    for start in planned(release) {
        let Some(stage) = stages.iter().find(|stage| stage.name == start.environment) else {
            sentences
                .push(format!("{} is planned for {}, and does not exist", start.environment, start.at.0));
            continue;
        };
        match &stage.at {
            At::Skipped(_) => sentences.push(format!(
                "{} is planned for {}, and the release is never promoted there",
                start.environment, start.at.0
            )),
            At::Gate(_) | At::Blocked(_) if start.at.0 <= now => {
                let state = stage.state();
                sentences
                    .push(format!("{}: planned for {}, and late: {state}", start.environment, start.at.0));
            }
            At::Gate(_) | At::Blocked(_) => {
                wake_at = earliest(wake_at, Some(start.at.0));
                if let Some(environment) = project.environments.get(&start.environment) {
                    let case = Case { project, release, environment, at: start.at.0, now };
                    let (soak, impossible_at) = case.soak();
                    wake_at = earliest(wake_at, impossible_at);
                    let found = case.faults().into_iter().chain(soak);
                    sentences
                        .extend(found.map(|it| format!("{}: planned for {}, {it}", stage.name, case.at)));
                }
            }
            // It has started, or it has ended.
            At::InProgress
            | At::Promotion(_)
            | At::RollingBack
            | At::RolledBack
            | At::Recalled
            | At::RollbackFailed
            | At::Superseded(_) => {}
        }
    }
    (sentences.iter().take(MOST).map(|sentence| cut(sentence, 512)).collect(), wake_at)
}

fn planned(release: &CachedRelease) -> &[PlannedStart] {
    release.change.as_ref().map(|change| change.planned_for.as_slice()).unwrap_or_default()
}

fn planned_in(release: &CachedRelease, environment: &Environment) -> Option<Timestamp> {
    planned(release).iter().find(|start| start.environment == environment.name()).map(|start| start.at.0)
}

/// A planned start that is still to come.
struct Case<'a> {
    project: &'a Project,
    release: &'a CachedRelease,
    environment: &'a Environment,
    at: Timestamp,
    now: Timestamp,
}

impl Case<'_> {
    fn faults(&self) -> Vec<String> {
        let faults = [self.limits(), self.window(), self.freeze(), self.other()];
        faults.into_iter().flatten().collect()
    }

    /// The release itself names a later start or an earlier end.
    fn limits(&self) -> Option<String> {
        let change = self.release.change.as_ref()?;
        let entries = change.not_before.iter().filter(|entry| entry.environment == self.environment.name());
        if let Some(start) = entries.map(|entry| entry.at.0).max().filter(|start| self.at < *start) {
            return Some(format!("and spec.change.notBefore is {start}"));
        }
        let deadline = change.deadline.as_ref().map(|time| time.0).filter(|deadline| *deadline <= self.at);
        deadline.map(|deadline| format!("and spec.change.deadline is {deadline}"))
    }

    fn window(&self) -> Option<String> {
        match opening(&self.environment.spec.windows, self.at) {
            Opening::Open { .. } => None,
            Opening::Closed { reason, .. } => Some(reason),
        }
    }

    fn freeze(&self) -> Option<String> {
        let counts_as = declared(self.project, self.environment, self.release).counts_as;
        let freeze = freeze_in_force(self.project, self.environment, Some(counts_as), self.at)?;
        Some(format!("when {} is in force until {}: {}", freeze.name, freeze.to, freeze.reason))
    }

    /// An environment before this one is planned too late, or its soak time has not passed by then. Otherwise, when that becomes so.
    ///
    /// A sentence holds no time that depends on the current one: the status would change with every pass.
    fn soak(&self) -> (Option<String>, Option<Timestamp>) {
        let soak = self.environment.spec.soak.map(span).unwrap_or_default();
        let (mut sentence, mut impossible_at) = (None, None);
        for name in &self.environment.spec.after {
            let Some(before) = self.project.environments.get(name) else { continue };
            let lane = Lane::of(self.project, before, &self.release.application_name());
            let takes = span(policy(self.project, before).observe_window).saturating_add(soak);
            let planned = planned_in(self.release, before).filter(|start| *start > self.now);
            let known = match lane.verified_at(self.release) {
                Some(verified) => Some(later(verified, soak)),
                None => planned.map(|start| later(start, takes)),
            };
            let found = match known {
                Some(known) => (self.at < known)
                    .then(|| format!("and after {name} it can start at {known} at the earliest")),
                None => {
                    let last = self.at.checked_sub(takes).unwrap_or(Timestamp::MIN);
                    impossible_at = earliest(impossible_at, Some(last).filter(|last| *last > self.now));
                    (last <= self.now).then(|| {
                        format!("and it needs {takes:#} after its start in {name}, where it is not verified")
                    })
                }
            };
            sentence = sentence.or(found);
        }
        (sentence, impossible_at)
    }

    /// Another release of the application is planned for the same window.
    fn other(&self) -> Option<String> {
        let other = self.project.releases.values().find(|other| {
            other.name() != self.release.name()
                && other.application() == self.release.application()
                && !other.deleting()
                && other.phase().is_open()
                && planned_in(other, self.environment).is_some_and(|at| at > self.now && self.shares(at))
        })?;
        Some(format!("and {} is planned for the same window", other.name()))
    }

    /// Whether another start is in the same opening of the windows; without windows, at the same time.
    fn shares(&self, other: Timestamp) -> bool {
        let (first, last) = (self.at.min(other), self.at.max(other));
        match opening(&self.environment.spec.windows, first) {
            Opening::Open { until: Some(until) } => last < until,
            Opening::Open { until: None } | Opening::Closed { .. } => first == last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture_tests::{at, environment, project, release, stamp, the_release};
    use crate::decide::release::stages::stages;
    use crate::decide::world::Freeze;
    use serde_json::{Value, json};

    const NOW: &str = "10:30:00";

    fn plan(starts: &[(&str, &str)]) -> Value {
        let starts: Vec<Value> =
            starts.iter().map(|(name, time)| json!({ "environment": name, "at": stamp(time) })).collect();
        json!({ "spec": { "change": { "plannedFor": starts } } })
    }

    fn said(change: Value, prod: Value, frozen: bool) -> (Vec<String>, Option<Timestamp>) {
        let staging = environment("staging", json!({}));
        let other = release("shop-1.2.0", plan(&[("prod", "17:00:00")]));
        let mut project = project([staging, environment("prod", prod), release("shop-1.1.0", change), other]);
        if frozen {
            project.freezes.push(Freeze {
                name: "ChangeFreeze sale".into(),
                from: at("12:00:00"),
                to: at("15:00:00"),
                reason: "sale".into(),
                environments: Vec::new(),
                passes: Vec::new(),
            });
        }
        let release = the_release(&project, "shop-1.1.0");
        let stages = stages(&project, &release, &release.status().unwrap(), at(NOW));
        faults(&project, &release, &stages, at(NOW))
    }

    #[test]
    fn a_plan_that_cannot_be_met_is_said_with_the_reason() {
        let window =
            json!({ "kind": "Allow", "schedule": "0 12 * * *", "duration": "4h", "timeZone": "UTC" });
        let windows = json!({ "spec": { "windows": [window], "promotion": "Manual" } });
        let after = json!({ "spec": { "after": ["staging"], "soak": "2h" } });
        let open = json!({ "spec": { "promotion": "Manual" } });
        for (starts, prod, frozen, expected) in [
            (vec![("prod", "13:00:00")], &open, false, None),
            (
                vec![("moon", "13:00:00")],
                &open,
                false,
                Some("moon is planned for 2026-11-02T13:00:00Z, and does not exist"),
            ),
            (
                vec![("prod", "10:00:00")],
                &open,
                false,
                Some("prod: planned for 2026-11-02T10:00:00Z, and late: Manual"),
            ),
            (vec![("prod", "11:00:00")], &windows, false, Some("window")),
            (vec![("prod", "13:00:00")], &windows, false, None),
            (
                vec![("prod", "13:00:00")],
                &open,
                true,
                Some("when ChangeFreeze sale is in force until 2026-11-02T15:00:00Z: sale"),
            ),
            (vec![("prod", "15:00:00")], &open, true, None),
            (
                vec![("staging", "11:00:00"), ("prod", "12:30:00")],
                &after,
                false,
                Some("and after staging it can start at 2026-11-02T13:05:00Z at the earliest"),
            ),
            (vec![("staging", "11:00:00"), ("prod", "14:00:00")], &after, false, None),
            (
                vec![("prod", "12:30:00")],
                &after,
                false,
                Some("and it needs 2h 5m after its start in staging, where it is not verified"),
            ),
            (vec![("prod", "13:30:00")], &after, false, None),
            (vec![("prod", "17:00:00")], &open, false, Some("and shop-1.2.0 is planned for the same window")),
        ] {
            let (sentences, _) = said(plan(&starts), prod.clone(), frozen);
            match expected {
                None => assert_eq!(sentences, [] as [String; 0], "{starts:?}"),
                Some(words) => {
                    assert!(
                        sentences.iter().any(|sentence| sentence.contains(words)),
                        "{starts:?}: {sentences:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_release_is_reconciled_when_a_start_is_late() {
        let manual = json!({ "spec": { "promotion": "Manual" } });
        let (_, wake_at) = said(plan(&[("prod", "13:00:00")]), manual, false);
        assert_eq!(wake_at, Some(at("13:00:00")));
        let after = json!({ "spec": { "after": ["staging"], "soak": "2h" } });
        let (_, wake_at) = said(plan(&[("prod", "13:00:00")]), after, false);
        assert_eq!(wake_at, Some(at("10:55:00")), "from then on it cannot be met");
    }

    #[test]
    fn what_the_release_itself_rules_out_is_said() {
        let mut change = plan(&[("prod", "13:00:00")]);
        change["spec"]["change"]["deadline"] = stamp("12:00:00").into();
        let manual = json!({ "spec": { "promotion": "Manual" } });
        let (sentences, _) = said(change, manual, false);
        assert_eq!(
            sentences,
            ["prod: planned for 2026-11-02T13:00:00Z, and spec.change.deadline is 2026-11-02T12:00:00Z"]
        );
    }
}
