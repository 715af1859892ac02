//! What a release needed in each environment: lead time, waits, and work.

use crate::api::{GateWait, PromotionKind, Reason, RecordEntry, StageFigures, StageStatus};
use crate::decide::delivery::is_verified;
use jiff::Timestamp;

/// Gates and obstacles that end when a person acts. Others end by themselves, or when something else has ended.
const NEED_A_PERSON: [Reason; 23] = [
    Reason::Approval,
    Reason::Manual,
    Reason::Hold,
    Reason::Recall,
    Reason::Review,
    Reason::FailureHold,
    Reason::EvidenceHold,
    Reason::Requester,
    Reason::Drift,
    Reason::Override,
    Reason::NotGranted,
    Reason::NamespaceMissing,
    Reason::Environment,
    Reason::Security,
    Reason::Preflight,
    Reason::CheckRefused,
    Reason::ContentMissing,
    Reason::SharedNamespace,
    Reason::Paused,
    Reason::OnDelete,
    Reason::Partition,
    Reason::Suspended,
    Reason::SchedulingGated,
];

/// The promotions and rollbacks of a release. An earlier release may have had the same name.
pub fn own<'a>(all: &'a [RecordEntry], release: &str, created: Timestamp) -> Vec<&'a RecordEntry> {
    all.iter().filter(|entry| entry.release == *release && entry.created_at.0 >= created).collect()
}

/// The lines of the environments that a release may enter.
pub fn on_path(lines: &[StageStatus]) -> impl Iterator<Item = &StageStatus> {
    lines.iter().filter(|line| Reason::from(line.state.as_str()) != Reason::NotAStage)
}

/// The figures of one environment. `own`: the promotions and rollbacks of the release. `waits`: those that count. `now`: for promotions that
/// have not ended; none leaves them out.
pub fn figures(
    line: &StageStatus,
    own: &[&RecordEntry],
    waits: &[GateWait],
    created: Timestamp,
    now: Option<Timestamp>,
) -> StageFigures {
    let here = || own.iter().filter(|entry| entry.environment == line.name);
    let promoted = || here().filter(|entry| entry.kind == PromotionKind::Promote);
    let verified = promoted().filter(|entry| is_verified(entry));
    let first = verified.filter_map(|entry| entry.finished_at.as_ref()).map(|at| at.0).min();
    let worked = here().filter_map(|entry| {
        let end = entry.finished_at.as_ref().map(|at| at.0).or(now)?;
        Some(length(entry.started_at.as_ref()?.0, end))
    });
    let of_people = |wait: &&GateWait| NEED_A_PERSON.contains(&Reason::from(wait.gate.as_str()));
    let (people, other): (Vec<&GateWait>, Vec<&GateWait>) = waits.iter().partition(of_people);
    let sum = |waits: &[&GateWait]| waits.iter().map(|wait| wait.seconds).sum();
    StageFigures {
        environment: line.name.clone(),
        lead_time: first.map(|at| length(created, at)),
        waited_for_people: sum(&people),
        waited_otherwise: sum(&other),
        worked: worked.sum(),
        tries: i64::try_from(promoted().count()).unwrap_or(i64::MAX),
    }
}

/// Seconds between two times, at least 0.
pub fn length(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().max(0)
}
