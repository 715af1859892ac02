//! The entries of managedFields: who owns which fields of an object.

use jiff::Timestamp;
use serde_json::Value;

/// The entries of a live object.
pub(super) fn entries(live: &Value) -> &[Value] {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The manager of an entry.
pub(super) fn manager(entry: &Value) -> Option<&str> {
    entry.get("manager")?.as_str()
}

/// When the fields of an entry last changed, by the clock of the API server.
pub(super) fn time(entry: &Value) -> Option<Timestamp> {
    entry.get("time")?.as_str()?.parse().ok()
}

/// How the manager wrote: `Apply` or `Update`.
pub(super) fn operation(entry: &Value) -> Option<&str> {
    entry.get("operation")?.as_str()
}

/// The subresource through which the manager wrote.
pub(super) fn subresource(entry: &Value) -> Option<&str> {
    entry.get("subresource").and_then(Value::as_str).filter(|subresource| !subresource.is_empty())
}

/// Whether the manager wrote the object itself, not a subresource.
pub(super) fn is_plain(entry: &Value) -> bool {
    subresource(entry).is_none()
}
