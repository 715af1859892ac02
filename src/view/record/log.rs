//! What is left of the time line of a promotion that was deleted.

use crate::api::{PromotionKind, RecordEntry, RecordedResult};
use crate::view::log::{Entry, Log, What, decision, progress, untimed, why};

/// The time line of a promotion, from its entry in the record.
pub fn log(entry: &RecordEntry) -> Log {
    let cause = entry.cause.as_ref().map(|cause| format!("because of {cause}"));
    let overridden = entry.overridden.as_ref().map(|gates| format!("overrides {gates}"));
    let words: Vec<String> = cause.into_iter().chain(entry.request.clone()).chain(overridden).collect();
    let request = untimed(What::Request, entry.by(), &words.join("; "));
    let mut entries = vec![Entry { at: Some(entry.created_at.0), ..request }];
    entries.extend(entry.approved.iter().map(|one| decision(one, "Approved")));
    entries.extend(entry.rejected.iter().map(|one| decision(one, "Rejected")));
    entries.extend(progress(
        [entry.started_at.as_ref(), entry.rolled_out_at.as_ref()],
        entry.version.as_ref(),
        [entry.revision, entry.replaces, entry.restores],
    ));
    entries.extend(entry.tests.iter().map(|one| result(What::Test, one)));
    entries.extend(entry.checks.iter().map(|one| result(What::Check, one)));
    let end = untimed(What::End, "ended", &why(&entry.phase, entry.reason.as_ref(), entry.message.as_ref()));
    let at = entry.finished_at.as_ref().map(|at| at.0);
    entries.push(Entry { at, result: Some(entry.phase.clone()), ..end });
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

fn result(what: What, one: &RecordedResult) -> Entry {
    let result = Some(one.result.clone()).filter(|result| !result.is_empty());
    Entry { result, ..untimed(what, &one.name, "") }
}
