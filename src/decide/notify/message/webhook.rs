//! The JSON of a webhook: the fields of the notice, and the version of the format.

use crate::decide::notify::notice::Notice;
use serde::Serialize;

/// The format. It changes if a field gets another meaning or is removed.
const FORMAT: &str = "towpath.dev/notification/v1";

#[derive(Serialize)]
struct Webhook<'a> {
    format: &'static str,
    title: String,
    #[serde(flatten)]
    notice: &'a Notice,
}

/// The body.
pub(super) fn of(notice: &Notice) -> String {
    let body = Webhook { format: FORMAT, title: notice.title(), notice };
    // Serialization of these types cannot fail.
    serde_json::to_string(&body).unwrap_or_default()
}
