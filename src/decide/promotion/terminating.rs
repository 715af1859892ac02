//! Objects that are being deleted, and what keeps them.

use crate::content::ObjectKey;
use jiff::SignedDuration;
use serde_json::Value;

/// How long an object that is being deleted is not read again: nothing watches it.
pub(super) const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Whether an object is being deleted.
pub(super) fn is_terminating(live: &Value) -> bool {
    live.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
}

/// What the deletion of an object waits for, as the end of a sentence.
pub(super) fn waits_for(live: &Value) -> String {
    let all = live.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = all.filter_map(Value::as_str).take(5).collect();
    match names.is_empty() {
        true => "is being deleted".to_owned(),
        false => format!("is being deleted and waits for its finalizers ({})", names.join(", ")),
    }
}

/// An object that has to be gone before it is created again.
pub(super) fn sentence(key: &ObjectKey, live: &Value) -> String {
    format!("{key} {}; it is created again when it is gone", waits_for(live))
}
