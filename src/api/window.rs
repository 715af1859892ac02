//! Window: a recurring time at which promotions may start, or may not.

use super::{Duration, schema};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A recurring time at which promotions may start, or may not. While a Deny window is open, none starts. Where there are Allow
/// windows, one starts only while at least one of them is open. Without windows, any time will do.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// `Allow`: promotions may start while it is open. `Deny`: none starts while it is open, whatever else is. Default: Allow.
    #[serde(default)]
    pub kind: WindowKind,
    /// When it opens: a cron expression of five fields, minute, hour, day of month, month, day of week, such as `0 9 * * 1-5`
    /// (09:00 from Monday to Friday). Read in `timeZone`. A fixed time that daylight saving skips opens right after the gap; one
    /// that it repeats opens once, the first time. Where the minute or the hour begins with `*`, what is skipped is left out and
    /// what is repeated opens again.
    #[schemars(length(min = 9, max = 128), regex(pattern = schema::CRON))]
    pub schedule: String,
    /// How long it stays open each time, in elapsed time, such as `8h` or `1h30m`: whole minutes, from `1m` to `168h`.
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('168h') && duration(self).getSeconds() % 60 == 0")
        .message("duration has to be whole minutes, from 1m to 168h"))]
    pub duration: Duration,
    /// The time zone that `schedule` is read in, by its IANA name, such as `Europe/Berlin`. Default: UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64), regex(pattern = schema::TIME_ZONE))]
    pub time_zone: String,
    /// Why the window is there; shown while a Deny window is open. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub reason: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What an open window does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowKind {
    /// Promotions may start.
    #[default]
    Allow,
    /// No promotion starts.
    Deny,
}
