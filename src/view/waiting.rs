//! What waits for a person: approvals, holds, failures, recalled, inconclusive and irreversible releases, manual environments.

use super::intent::lifts_hold;
use super::outlook::needs_a_person;
use super::right::Right;
use super::screen::{Cell, Table};
use super::times::since;
use super::tone::of_state;
use crate::api::{ApplicationStatus, Environment, EnvironmentName, HOLDS, Meta, Promotion, Reason};
use crate::decide::environment::validate::in_order;
use crate::decide::world::Project;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// One row per thing that waits.
    pub rows: Vec<Row>,
}

/// One thing that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Name of the release or, for a promotion that stopped, of the promotion.
    pub name: String,
    /// `release` or `promotion`: what the name is of.
    pub kind: String,
    /// What it waits for, in one word.
    #[serde(rename = "for")]
    pub gate: String,
    /// Since when, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What has to be done.
    pub message: String,
    /// The verb on the environment that a user needs to do it; for a review, on releases. Absent if it is a right in the target namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<&'static str>,
    /// Whether the verb is needed on all environments of the project: lifting a hold or a recall concerns all of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_all: bool,
    /// Users whose decision would not count: the requesters, and those who have decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// Everything in a project that waits for a person.
pub fn waiting(project: &Project) -> Waiting {
    let mut rows = Vec::new();
    for name in in_order(project) {
        let Some(environment) = project.environments.get(name) else { continue };
        let here = project.promotions.values().map(AsRef::as_ref);
        let here =
            || here.clone().filter(|promotion: &&Promotion| promotion.spec.environment == environment.name());
        let promoted: Vec<Row> =
            here().filter_map(|promotion| pending(project, environment, promotion)).collect();
        // A release whose promotion waits is said once.
        let is_said = |row: &Row| promoted.iter().any(|other| other.name == row.name);
        rows.extend(alarms(environment));
        rows.extend(gates(environment).into_iter().filter(|row| !is_said(row)).collect::<Vec<_>>());
        rows.extend(promoted);
        let is_newest = |promotion: &&Promotion| {
            let application = project.application_of(promotion).unwrap_or_default();
            let lane = here().filter(|other| project.is_of(other, &application));
            lane.filter_map(Promotion::revision).max() == promotion.revision()
        };
        rows.extend(here().filter(is_newest).filter_map(stopped));
    }
    Waiting { rows }
}

/// Who holds a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// The user who set it. None if that was not recorded.
    pub by: Option<String>,
    /// The requester of the release.
    pub requester: Option<String>,
}

/// The releases on hold, by name.
pub type Holds = BTreeMap<String, Hold>;

impl Row {
    /// The rights of which this user needs one. Empty if the user needs none.
    pub fn rights(&self, user: &str, holds: &Holds) -> Vec<Right> {
        let Some(verb) = self.verb else { return Vec::new() };
        let gate = Reason::from(self.gate.as_str());
        if gate == Reason::Review {
            return vec![Right::to(verb, "releases")];
        }
        if gate == Reason::Hold {
            let is_user = |other: &Option<String>| other.as_deref() == Some(user);
            let hold = holds.get(&self.name).cloned().unwrap_or_default();
            return lifts_hold(is_user(&hold.by), is_user(&hold.requester));
        }
        vec![if self.on_all { Right::on_all(verb) } else { Right::on(&self.environment, verb) }]
    }
}

impl Waiting {
    /// What this user can do something about. `may` answers whether the user has a right.
    pub fn for_user(mut self, user: &str, holds: &Holds, may: impl Fn(&Right) -> bool) -> Self {
        self.rows.retain(|row| {
            let rights = row.rights(user, holds);
            let has_right = rights.is_empty() || rights.iter().any(&may);
            has_right && !row.except.iter().any(|other| other == user)
        });
        self
    }
}

/// The verb that opens a gate, and whether it is needed on all environments. None for what a user changes in the target namespace.
fn verb(gate: &Reason) -> (Option<&'static str>, bool) {
    if *gate == Reason::Approval {
        return (Some("approve"), false);
    }
    if matches!(gate, Reason::Hold | Reason::Recall) {
        return (Some("override"), true);
    }
    if *gate == Reason::Drift {
        return (Some("override"), false);
    }
    if *gate == Reason::Review {
        return (Some("review"), false);
    }
    let is_of_workload =
        matches!(gate, Reason::Paused | Reason::OnDelete | Reason::Partition | Reason::Suspended);
    ((!is_of_workload).then_some("promote"), false)
}

/// Releases that wait at a gate which only a person opens.
fn gates(environment: &Environment) -> Vec<Row> {
    let applications = environment.status.iter().flat_map(|status| &status.applications);
    let waiting = applications.filter_map(|application| application.waiting.as_ref());
    let is_for_a_person = |gate: &str| needs_a_person(&Reason::from(gate));
    let row = |environment: &Environment, release: &str, gate: &str, message: &str| {
        let (verb, on_all) = verb(&Reason::from(gate));
        Row {
            environment: environment.environment_name(),
            name: release.to_owned(),
            kind: "release".to_owned(),
            gate: gate.to_owned(),
            since: None,
            message: message.to_owned(),
            verb,
            on_all,
            except: Vec::new(),
        }
    };
    waiting
        .filter(|waiting| is_for_a_person(&waiting.gate))
        .map(|waiting| row(environment, &waiting.release, &waiting.gate, &waiting.message))
        .collect()
}

/// What runs and fails after it was verified, or stays although it is recalled.
fn alarms(environment: &Environment) -> Vec<Row> {
    let applications = environment.status.iter().flat_map(|status| &status.applications);
    let row = |application: &ApplicationStatus, gate: Reason, message: String| Row {
        environment: environment.environment_name(),
        name: application.current.as_ref().and_then(|it| it.release.clone()).unwrap_or_default().to_string(),
        kind: "release".to_owned(),
        gate: gate.to_string(),
        since: None,
        message,
        verb: Some("rollback"),
        on_all: false,
        except: Vec::new(),
    };
    let of = |application: &ApplicationStatus| {
        let command = format!("kubectl towpath rollback {} --app {}", environment.name(), application.name);
        let failing = application.failing.as_ref().map(|why| format!("{why}; {command}"));
        let failing = failing.map(|message| row(application, Reason::FailingAfterVerification, message));
        // Its message says what a person can do.
        let recalled = application.recalled.clone().map(|why| row(application, Reason::Recalled, why));
        failing.into_iter().chain(recalled).collect::<Vec<_>>()
    };
    applications.filter(|it| it.active.is_none()).flat_map(of).collect()
}

/// A promotion that waits for a person before it starts, or that people can approve before its gates open.
fn pending(project: &Project, environment: &Environment, promotion: &Promotion) -> Option<Row> {
    let status =
        promotion.status.as_ref().filter(|_| promotion.phase() == crate::api::PromotionPhase::Pending)?;
    let approvals = status.approvals.as_ref();
    let reason = Reason::from(status.reason.as_deref()?);
    let gate = match needs_a_person(&reason) {
        true => reason,
        false => {
            approvals.filter(|report| report.needed.is_some() && report.rejected.is_empty())?;
            Reason::Approval
        }
    };
    let release = project.releases.get(&promotion.spec.release);
    let may_approve_own =
        environment.spec.approvals.as_ref().is_some_and(|rules| rules.requester_may_approve);
    let requesters = [release.and_then(|release| release.requested_by()), promotion.requester().cloned()];
    let requesters = requesters.into_iter().flatten().map(|user| user.username).filter(|_| !may_approve_own);
    let decided = approvals.into_iter().flat_map(|report| report.approved.iter().chain(&report.rejected));
    let except = requesters.chain(decided.map(|decision| decision.by.clone()));
    let (verb, on_all) = verb(&gate);
    Some(Row {
        environment: promotion.spec.environment.clone(),
        name: promotion.spec.release.to_string(),
        kind: "release".to_owned(),
        since: promotion.metadata.creation_timestamp.as_ref().map(|time| time.0),
        message: status.message.clone().unwrap_or_default(),
        verb,
        on_all,
        except: if gate == Reason::Approval { except.collect() } else { Vec::new() },
        gate: gate.to_string(),
    })
}

/// A promotion that ended and holds its environment, or a rollout that waits until a person acts.
fn stopped(promotion: &Promotion) -> Option<Row> {
    let status = promotion.status.as_ref()?;
    let holds = status.conditions.iter().find(|it| it.type_ == HOLDS && it.status == "True");
    let row = |gate: &str, since: Option<Timestamp>, message: &str| {
        let (verb, on_all) = verb(&Reason::from(gate));
        Row {
            environment: promotion.spec.environment.clone(),
            name: promotion.name().to_owned(),
            kind: "promotion".to_owned(),
            gate: gate.to_owned(),
            since,
            message: message.to_owned(),
            verb,
            on_all,
            except: Vec::new(),
        }
    };
    if let Some(holds) = holds.filter(|_| promotion.phase().has_failed()) {
        return Some(row(&holds.reason, Some(holds.last_transition_time.0), &holds.message));
    }
    let since = status.waiting_since.as_ref().filter(|_| promotion.phase().is_running())?;
    let gate = status.reason.as_deref().unwrap_or("Rollout");
    Some(row(gate, Some(since.0), status.message.as_deref().unwrap_or_default()))
}

impl Waiting {
    /// The list as a table.
    pub fn table(&self, now: Timestamp) -> Table {
        self.laid_out(now, false)
    }

    /// The list as a table with more columns.
    pub fn wide(&self, now: Timestamp) -> Table {
        self.laid_out(now, true)
    }

    fn laid_out(&self, now: Timestamp, wide: bool) -> Table {
        let mut headings = vec!["ENVIRONMENT", "NAME", "WAITS FOR", "SINCE"];
        if wide {
            headings.extend(["KIND", "SINCE (UTC)"]);
        }
        let mut table = Table::new(&headings, "WHAT TO DO");
        for row in &self.rows {
            let mut cells = vec![
                Cell::plain(&row.environment),
                Cell::plain(&row.name),
                Cell::toned(&row.gate, of_state(&row.gate)),
                Cell::plain(row.since.map(|then| since(then, now)).unwrap_or_default()),
            ];
            if wide {
                let at = row.since.map(|then| then.strftime("%Y-%m-%d %H:%M").to_string());
                cells.extend([&row.kind, &at.unwrap_or_default()].map(Cell::plain));
            }
            table.row(cells, &row.message);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(gate: &str, except: &[&str]) -> Row {
        let (verb, on_all) = verb(&Reason::from(gate));
        Row {
            environment: "prod".into(),
            name: "shop-1.0.0".into(),
            kind: "release".into(),
            gate: gate.into(),
            since: None,
            message: String::new(),
            verb,
            on_all,
            except: except.iter().map(|user| (*user).to_owned()).collect(),
        }
    }

    #[test]
    fn an_approver_sees_what_their_decision_counts_for() {
        for (gate, except, rights, shown) in [
            ("Approval", &[][..], &["approve"][..], true),
            ("Approval", &[], &["promote"], false),
            ("Approval", &["anna"], &["approve"], false),
            ("Approval", &["alice"], &["approve"], true),
            // A paused Deployment is a matter of its namespace.
            ("Paused", &[], &[], true),
        ] {
            let view = Waiting { rows: vec![row(gate, except)] };
            let may = |right: &Right| right.name.as_deref() == Some("prod") && rights.contains(&right.verb);
            let found = view.for_user("anna", &Holds::new(), may);
            assert_eq!(!found.rows.is_empty(), shown, "{gate} {except:?} {rights:?}");
        }
    }

    /// As the admission policy for requests judges it.
    #[test]
    fn a_hold_is_shown_to_those_who_may_lift_it() {
        let (on_prod, on_all) = (Right::on(&"prod".into(), "override"), Right::on_all("override"));
        let (roll_back, review) = (Right::on_all("rollback"), Right::to("review", "releases"));
        let (ann, ben) = (Some("ann"), Some("ben"));
        for (gate, by, requester, rights, shown) in [
            ("Hold", ann, ann, vec![], true),
            ("Hold", ann, ben, vec![], false),
            ("Hold", ann, ben, vec![&roll_back], true),
            ("Hold", ann, ben, vec![&on_all], true),
            ("Hold", ben, ann, vec![&roll_back], false),
            ("Hold", ben, ann, vec![&on_all], true),
            ("Hold", ben, ben, vec![&on_prod], false),
            ("Hold", None, ann, vec![], false),
            ("Recall", ann, ann, vec![&on_prod, &roll_back], false),
            ("Recall", None, None, vec![&on_all], true),
            ("Drift", None, None, vec![&on_prod], true),
            ("Review", None, None, vec![&on_prod], false),
            ("Review", None, None, vec![&review], true),
        ] {
            let view = Waiting { rows: vec![row(gate, &[])] };
            let hold = Hold { by: by.map(str::to_owned), requester: requester.map(str::to_owned) };
            let holds = Holds::from([("shop-1.0.0".to_owned(), hold)]);
            let found = view.for_user("ann", &holds, |right| rights.contains(&right));
            assert_eq!(!found.rows.is_empty(), shown, "{gate} {by:?} {requester:?} {rights:?}");
        }
    }
}
