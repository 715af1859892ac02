//! What is left of the time line of a promotion that was deleted.

use crate::api::{Approved, PromotionKind, RecordEntry, RecordedResult};
use crate::view::log::{Entry, Log, What};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The time line of a promotion, from its entry in the record.
pub fn log(entry: &RecordEntry) -> Log {
    let by = entry.requested_by.as_deref().unwrap_or("towpath");
    let cause = entry.cause.as_ref().map(|cause| format!("because of {cause}"));
    let overridden = entry.overridden.as_ref().map(|gates| format!("overrides {gates}"));
    let words: Vec<String> = cause.into_iter().chain(entry.request.clone()).chain(overridden).collect();
    let mut entries = vec![event(Some(entry.created_at.0), What::Request, by, None, &words.join("; "))];
    entries.extend(entry.approved.iter().map(|one| decision(one, "Approved")));
    entries.extend(entry.rejected.iter().map(|one| decision(one, "Rejected")));
    let started = [
        entry.revision.map(|number| format!("revision {number}")),
        entry.version.as_ref().map(|version| format!("version {version}")),
        entry.replaces.map(|number| format!("replaces revision {number}")),
        entry.restores.map(|number| format!("restores revision {number}")),
    ];
    let started: Vec<String> = started.into_iter().flatten().collect();
    entries.extend(progress(entry.started_at.as_ref(), "started", &started.join(", ")));
    let rolled_out = "everything is rolled out, and the observe window begins";
    entries.extend(progress(entry.rolled_out_at.as_ref(), "rolled out", rolled_out));
    entries.extend(entry.tests.iter().map(|one| result(What::Test, one)));
    entries.extend(entry.checks.iter().map(|one| result(What::Check, one)));
    let reason = entry.reason.as_ref().filter(|reason| **reason != entry.phase);
    let end: Vec<&str> = reason.into_iter().chain(&entry.message).map(String::as_str).collect();
    let at = entry.finished_at.as_ref().map(|at| at.0);
    entries.push(event(at, What::End, "ended", Some(&entry.phase), &end.join(": ")));
    Log {
        promotion: entry.promotion.clone(),
        environment: entry.environment.clone(),
        release: entry.release.clone(),
        rollback: entry.kind == PromotionKind::Rollback,
        revision: entry.revision,
        phase: entry.phase.clone(),
        reason: entry.reason.clone(),
        entries,
    }
}

fn event(at: Option<Timestamp>, what: What, name: &str, result: Option<&str>, message: &str) -> Entry {
    Entry { at, what, name: name.to_owned(), result: result.map(str::to_owned), message: message.to_owned() }
}

fn decision(one: &Approved, result: &str) -> Entry {
    let at = one.at.as_ref().map(|at| at.0);
    event(at, What::Approval, &one.by, Some(result), one.comment.as_deref().unwrap_or_default())
}

fn progress(at: Option<&Time>, name: &str, message: &str) -> Option<Entry> {
    at.map(|at| event(Some(at.0), What::Progress, name, None, message))
}

fn result(what: What, one: &RecordedResult) -> Entry {
    event(None, what, &one.name, Some(one.result.as_str()).filter(|result| !result.is_empty()), "")
}
