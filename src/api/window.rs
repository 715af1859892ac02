//! Window: a recurring period in which promotions can or cannot start.

use super::{Duration, schema};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A recurring period in which promotions can or cannot start. No promotion starts while a `Deny` window is open. If there are
/// `Allow` windows, promotions start only while at least one of them is open. Without windows, promotions start at any time.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// `Allow`: promotions can start while the window is open. `Deny`: no promotion starts while the window is open, even if an
    /// `Allow` window is open too. Default: Allow.
    #[serde(default)]
    pub kind: WindowKind,
    /// When the window opens, in `timeZone`: a cron expression with the five fields minute, hour, day of month, month and day of week,
    /// such as `0 9 * * 1-5` (09:00 from Monday to Friday). If a change to daylight saving time skips a fixed time, the window opens
    /// directly after the gap. If the clock shows a fixed time twice, the window opens once, at the first. If the minute or hour
    /// field starts with `*`, skipped times are omitted and repeated times open the window again.
    #[schemars(length(min = 9, max = 128), regex(pattern = schema::CRON))]
    pub schedule: String,
    /// How long the window stays open, in elapsed time, such as `8h` or `1h30m`. Whole minutes, from `1m` to `168h`.
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('168h') && duration(self).getSeconds() % 60 == 0")
        .message("duration must be whole minutes, from 1m to 168h"))]
    pub duration: Duration,
    /// Time zone of `schedule`, as an IANA name such as `Europe/Berlin`. Default: UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64), regex(pattern = schema::TIME_ZONE))]
    pub time_zone: String,
    /// Reason for the window. The reason of a `Deny` window is shown while it is open. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub reason: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Effect of an open window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowKind {
    /// Promotions can start.
    #[default]
    Allow,
    /// No promotion starts.
    Deny,
}
