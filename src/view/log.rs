//! The time line of one promotion: its request, approvals, steps, writes, tests, measurements and end, as far as its status holds them.

use super::screen::{Branch, Cell, Layout, Table};
use super::tone::{Tone, of_state};
use crate::api::{
    Approved, ChangeAction, CheckReport, EnvironmentName, Meta, ObjectChange, Promotion, PromotionKind,
    PromotionStatus, ReleaseName, Removal, Step, TestStatus, Verdict,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

/// What happened in a promotion, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Name of the promotion.
    pub promotion: String,
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Name of the release; of a rollback, the release that it rolls back.
    pub release: ReleaseName,
    /// Whether it is a rollback.
    pub rollback: bool,
    /// Number of the revision. Absent if it has not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Phase of the promotion.
    pub phase: String,
    /// Reason for the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened.
    pub entries: Vec<Entry>,
}

/// One entry of the time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When it happened. The status holds no time for single writes: they follow the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What kind of entry it is.
    pub what: What,
    /// What it is about: a step, a check, a test, an object, a condition or a user.
    pub name: String,
    /// The result in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Details.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum What {
    /// The promotion was created.
    Request,
    /// An approval or a rejection.
    Approval,
    /// A period in which it waited began or ended.
    Wait,
    /// The promotion started, or everything was rolled out.
    Progress,
    /// An object was written or deleted.
    Write,
    /// A step began or ended.
    Step,
    /// A test began or ended.
    Test,
    /// The last measurement of a check.
    Check,
    /// A warning of the API server.
    Warning,
    /// A condition changed.
    Condition,
    /// The promotion ended.
    End,
    /// It has not ended: its phase, and what it waits for.
    Now,
}

/// The time line of a promotion.
pub fn log(promotion: &Promotion) -> Log {
    let status = promotion.status.clone().unwrap_or_default();
    let mut entries = vec![request(promotion)];
    entries.extend(approvals(&status));
    entries.extend(waits(&status));
    entries.extend(progress(
        [status.started_at.as_ref(), status.rolled_out_at.as_ref()],
        status.version.as_ref(),
        [status.revision, status.replaces, status.restores],
    ));
    entries.extend(status.warnings.iter().map(|text| untimed(What::Warning, "preflight", text)));
    entries.extend(status.changes.iter().map(write));
    entries.extend(status.steps.iter().flat_map(step));
    entries.extend(status.tests.iter().flat_map(test));
    entries.extend(status.checks.iter().map(check));
    entries.extend(status.conditions.iter().map(|condition| Entry {
        at: Some(condition.last_transition_time.0),
        what: What::Condition,
        name: condition.type_.clone(),
        result: Some(condition.status.clone()),
        message: if condition.message.is_empty() {
            condition.reason.clone()
        } else {
            format!("{}: {}", condition.reason, condition.message)
        },
    }));
    entries.push(end(&status));
    let started = status.started_at.as_ref().map(|time| time.0);
    // Writes and warnings belong to the start; the sort is stable, so that what has the same time stays in this order.
    let is_of_start = |entry: &Entry| entry.at.or(started).unwrap_or_else(|| promotion.created());
    let order = |entry: &Entry| match entry.what == What::Now {
        true => Timestamp::MAX,
        false => is_of_start(entry),
    };
    entries.sort_by_key(|entry| (order(entry), entry.what == What::End));
    Log {
        promotion: promotion.name().to_owned(),
        environment: promotion.spec.environment.clone(),
        release: promotion.spec.release.clone(),
        rollback: promotion.spec.kind == PromotionKind::Rollback,
        revision: status.revision,
        phase: status.phase.as_str().to_owned(),
        reason: status.reason,
        entries,
    }
}

pub(super) fn untimed(what: What, name: &str, message: &str) -> Entry {
    Entry { at: None, what, name: name.to_owned(), result: None, message: message.to_owned() }
}

fn request(promotion: &Promotion) -> Entry {
    let by = promotion.requester().map_or("towpath", |user| user.username.as_str());
    let spec = &promotion.spec;
    let to = spec.to_revision.map(|number| format!("to revision {number}"));
    let cause = spec.cause.as_ref().map(|cause| format!("because of {cause}"));
    let overridden = spec.override_.as_ref().map(|it| format!("overrides {it}"));
    let words: Vec<String> =
        to.into_iter().chain(cause).chain(spec.reason.clone()).chain(overridden).collect();
    Entry {
        at: Some(promotion.created()),
        what: What::Request,
        name: by.to_owned(),
        result: None,
        message: words.join("; "),
    }
}

fn approvals(status: &PromotionStatus) -> Vec<Entry> {
    let Some(report) = &status.approvals else { return Vec::new() };
    let given = report.approved.iter().map(|one| decision(one, "Approved"));
    let refused = report.rejected.iter().map(|one| decision(one, "Rejected"));
    let needed = report.needed.as_ref().map(|needed| untimed(What::Approval, "missing", needed));
    given.chain(refused).chain(needed).collect()
}

/// An approval or a rejection.
pub(super) fn decision(one: &Approved, result: &str) -> Entry {
    Entry {
        at: one.at.as_ref().map(|time| time.0),
        what: What::Approval,
        name: one.by.clone(),
        result: Some(result.to_owned()),
        message: one.comment.clone().unwrap_or_default(),
    }
}

fn timed(at: Option<&Time>, what: What, name: &str, message: &str) -> Option<Entry> {
    at.map(|at| Entry { at: Some(at.0), ..untimed(what, name, message) })
}

fn waits(status: &PromotionStatus) -> impl Iterator<Item = Entry> {
    let refused = "every attempt to start has been refused since then";
    let waiting = "the rollout waits for a person since then";
    [
        timed(status.refused_since.as_ref(), What::Wait, "refused", refused),
        timed(status.waiting_since.as_ref(), What::Wait, "waits", waiting),
        timed(
            status.waited_until.as_ref(),
            What::Wait,
            "continues",
            "the rollout no longer waits for a person",
        ),
    ]
    .into_iter()
    .flatten()
}

/// How far a promotion came: its start and its rollout, with the numbers of its revision, of the one that it replaces and of the one that it
/// restores.
pub(super) fn progress(
    [started, rolled_out]: [Option<&Time>; 2],
    version: Option<&String>,
    [revision, replaces, restores]: [Option<i64>; 3],
) -> impl Iterator<Item = Entry> {
    let revision = revision.map(|number| format!("revision {number}"));
    let version = version.map(|version| format!("version {version}"));
    let replaces = replaces.map(|number| format!("replaces revision {number}"));
    let restores = restores.map(|number| format!("restores revision {number}"));
    let what: Vec<String> = [revision, version, replaces, restores].into_iter().flatten().collect();
    let observed = "everything is rolled out, and the observe window begins";
    [
        timed(started, What::Progress, "started", &what.join(", ")),
        timed(rolled_out, What::Progress, "rolled out", observed),
    ]
    .into_iter()
    .flatten()
}

fn write(change: &ObjectChange) -> Entry {
    let when = change.removal.map(|removal| match removal {
        Removal::AfterRollout => "deleted after the rollout",
        Removal::AfterVerification => "deleted after the observe window",
    });
    let remains = change.remaining.then_some("it still exists");
    let words: Vec<&str> = when.into_iter().chain(remains).chain(change.message.as_deref()).collect();
    Entry {
        at: None,
        what: What::Write,
        name: format!("{} {}", change.kind, change.name),
        result: Some(action(change.action).to_owned()),
        message: words.join(": "),
    }
}

/// The word for a change, as it is in the status.
pub(super) fn action(action: ChangeAction) -> &'static str {
    match action {
        ChangeAction::Create => "Create",
        ChangeAction::Update => "Update",
        ChangeAction::Replace => "Replace",
        ChangeAction::Delete => "Delete",
        ChangeAction::Keep => "Keep",
    }
}

/// The beginning and the end of a step; one entry if both have the same time.
fn step(step: &Step) -> Vec<Entry> {
    let begun = step.started_at.as_ref().map(|time| time.0);
    let ended = step.finished_at.as_ref().map(|time| time.0);
    let entry = |at, result: &str, message: Option<&String>| Entry {
        at,
        what: What::Step,
        name: step.name.clone(),
        result: Some(result.to_owned()),
        message: message.cloned().unwrap_or_default(),
    };
    let result = format!("{:?}", step.result);
    let message = step.message.as_ref();
    match (begun, ended) {
        (Some(begun), Some(ended)) if begun != ended => {
            vec![entry(Some(begun), "Started", None), entry(Some(ended), &result, message)]
        }
        (begun, ended) => vec![entry(ended.or(begun), &result, message)],
    }
}

fn test(test: &TestStatus) -> Vec<Entry> {
    let begun = test.started_at.as_ref().map(|time| time.0);
    let ended = test.finished_at.as_ref().map(|time| time.0);
    let attempt = (test.attempts > 1).then(|| format!("attempt {}", test.attempts));
    let job = test.job.as_ref().map(|job| format!("Job {job}"));
    let exit = test.exit_code.map(|code| format!("exit code {code}"));
    let optional = (!test.required).then(|| "it does not decide".to_owned());
    let entry = |at, result: &str, words: Vec<String>| Entry {
        at,
        what: What::Test,
        name: test.name.clone(),
        result: Some(result.to_owned()),
        message: words.join(": "),
    };
    let start = begun.map(|at| entry(Some(at), "Started", attempt.into_iter().chain(job).collect()));
    let words = exit.into_iter().chain(test.reason.clone()).chain(test.message.clone()).chain(optional);
    let end = match (test.result.is_final(), begun) {
        (false, Some(_)) => None,
        (true, _) | (false, None) => Some(entry(ended, test.result.as_str(), words.collect())),
    };
    start.into_iter().chain(end).collect()
}

fn check(check: &CheckReport) -> Entry {
    let last = check.value.as_ref().map(|value| format!("last value {value}"));
    let before = check.baseline.as_ref().map(|value| format!("{value} before the first write"));
    let counts = format!("{} measurements passed, {} failed", check.passed, check.failed);
    let dry_run = check.dry_run.then(|| "it does not decide".to_owned());
    let words: Vec<String> = Some(counts)
        .into_iter()
        .chain(last)
        .chain(before)
        .chain(dry_run)
        .chain(check.message.clone())
        .collect();
    Entry {
        at: check.at.as_ref().map(|time| time.0),
        what: What::Check,
        name: check.name.clone(),
        result: Some(check.verdict.map_or("Running", Verdict::as_str).to_owned()),
        message: words.join(", "),
    }
}

/// How it ended, or where it is.
fn end(status: &PromotionStatus) -> Entry {
    let is_final = status.phase.is_final();
    Entry {
        at: status.finished_at.as_ref().map(|time| time.0),
        what: if is_final { What::End } else { What::Now },
        name: if is_final { "ended" } else { "now" }.to_owned(),
        result: Some(status.phase.as_str().to_owned()),
        message: why(status.phase.as_str(), status.reason.as_ref(), status.message.as_ref()),
    }
}

/// Why a promotion is in a phase: the reason, if it is another word, and the message.
pub(super) fn why(phase: &str, reason: Option<&String>, message: Option<&String>) -> String {
    let reason = reason.filter(|reason| *reason != phase);
    let words: Vec<&str> = reason.into_iter().chain(message).map(String::as_str).collect();
    words.join(": ")
}

impl Log {
    /// The time line for a terminal: what it is about, and a table.
    pub fn lines(&self, layout: Layout) -> Vec<String> {
        let kind = if self.rollback { "Rollback" } else { "Promotion" };
        let mut cells = vec![
            Cell::plain(kind),
            Cell::plain(&self.promotion),
            Cell::toned(&self.phase, of_state(&self.phase)),
        ];
        cells.extend(self.revision.map(|number| Cell::plain(format!("revision {number}"))));
        let day = self.entries.iter().find_map(|entry| entry.at).map(day);
        cells.extend(day.as_ref().map(|day| Cell::plain(format!("{day} UTC"))));
        let mut lines = Branch::new(cells, "").lines(layout);
        lines.extend(self.table().lines(layout));
        lines
    }

    /// The time line as a table.
    pub fn table(&self) -> Table {
        let day = self.entries.iter().find_map(|entry| entry.at).map(day);
        let is_one_day =
            self.entries.iter().filter_map(|entry| entry.at).all(|at| Some(self::day(at)) == day);
        let mut table = Table::new(&["TIME", "WHAT", "OF", "RESULT"], "DETAILS");
        for entry in &self.entries {
            let format = if is_one_day { "%H:%M:%S" } else { "%m-%d %H:%M:%S" };
            let time = entry.at.map(|at| at.to_zoned(TimeZone::UTC).strftime(format).to_string());
            let result = entry.result.as_deref().unwrap_or_default();
            table.row(
                vec![
                    Cell::plain(time.unwrap_or_default()),
                    Cell::plain(format!("{:?}", entry.what)),
                    Cell::plain(&entry.name),
                    Cell::toned(result, tone(entry.what, result)),
                ],
                &entry.message,
            );
        }
        table
    }
}

fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

/// The tone of a result, as far as its word has the same meaning everywhere.
fn tone(what: What, result: &str) -> Tone {
    match (what, result) {
        (What::Write | What::Condition, _) => Tone::Plain,
        (_, "Passed" | "Approved") => Tone::Good,
        (_, "Failed" | "Errored" | "Rejected") => Tone::Bad,
        (_, "Running" | "Started") => Tone::Busy,
        (_, other) => of_state(other),
    }
}
