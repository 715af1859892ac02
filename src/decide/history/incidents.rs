//! What went wrong with the promotions of a release, and when it was repaired, from the record.

use crate::api::{Incident, PromotionKind, Reason, RecordEntry, schema};
use crate::decide::delivery::{has_failed, impaired_since, restored_after, rollback_of};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The promotions of a release that failed or were rolled back. `all`: those of the application, in the order of their starts.
pub fn incidents(own: &[&RecordEntry], all: &[&RecordEntry]) -> Vec<Incident> {
    let promoted = own.iter().filter(|entry| entry.kind == PromotionKind::Promote);
    promoted.filter_map(|entry| incident(entry, all)).collect()
}

/// What went wrong with a promotion, if something did.
fn incident(entry: &RecordEntry, all: &[&RecordEntry]) -> Option<Incident> {
    let began = impaired_since(entry, all)?;
    let rollback = rollback_of(entry, all);
    let restored = restored_after(entry, all);
    let own = || match has_failed(entry) {
        true => entry.reason.clone(),
        false => Some(Reason::RolledBackManually.to_string()),
    };
    let cause = rollback.and_then(|rollback| rollback.cause.clone()).or_else(own);
    let message = match has_failed(entry) {
        true => entry.message.as_ref(),
        false => rollback.and_then(|rollback| rollback.request.as_ref()),
    };
    Some(Incident {
        environment: entry.environment.clone(),
        promotion: entry.promotion.clone(),
        cause: schema::cut(&cause.unwrap_or_else(|| entry.phase.clone()), 64),
        message: message.cloned(),
        began_at: Time(began),
        restored_at: restored.and_then(|entry| entry.finished_at.clone()),
        restored: restored.and_then(|entry| entry.version.clone()),
    })
}
