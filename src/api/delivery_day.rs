//! Delivery figures by day: what is left of deployments whose promotions and records are gone.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Delivery figures of one application in one environment: of the deployments that started on one day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryDay {
    /// The day in UTC, such as `2026-11-28`.
    #[schemars(length(max = 10))]
    pub day: String,
    /// Number of deployments: promotions of releases that started to write, and ended.
    #[serde(default)]
    pub deployments: i32,
    /// Those that failed, were inconclusive, or were rolled back after they were verified.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: i32,
    /// Those of type Emergency, and those that follow a failed one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reworked: i32,
    /// Number of releases that were verified for the first time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lead_times: i32,
    /// Sum of their lead times, in seconds.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lead_seconds: i64,
    /// Number of failed deployments after which a verified revision ran again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recoveries: i32,
    /// Sum of the times until it did, in seconds.
    #[serde(default, skip_serializing_if = "is_none")]
    pub recovery_seconds: i64,
}

impl DeliveryDay {
    /// The day of a time, in UTC.
    pub fn of(at: Timestamp) -> String {
        at.to_zoned(TimeZone::UTC).date().to_string()
    }

    /// When the day begins. None if its name is no date.
    pub fn begins(&self) -> Option<Timestamp> {
        let date: jiff::civil::Date = self.day.parse().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_none(seconds: &i64) -> bool {
    *seconds == 0
}
