//! Waits on our own objects: phases, ends, conditions.

use crate::installation::SOON;
use crate::project::Project;
use anyhow::{Result, ensure};
use control_plane::eventually;
use serde_json::Value;
use std::time::Duration;

impl Project {
    /// Waits until one of our objects is as wanted, and returns it.
    pub async fn until(
        &self,
        plural: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.until_within(SOON, plural, name, what, wanted).await
    }

    /// The same with a limit.
    pub async fn until_within(
        &self,
        limit: Duration,
        plural: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let path = self.path(plural, name);
        eventually(&format!("{plural} {name}: {what}"), limit, async || {
            Ok(self.get(&path).await?.filter(|object| wanted(object)))
        })
        .await
    }

    /// Waits until one of our objects does not exist any more.
    pub async fn until_gone(&self, plural: &str, name: &str) -> Result<()> {
        let path = self.path(plural, name);
        eventually(&format!("{plural} {name}: is gone"), SOON, async || {
            Ok(self.get(&path).await?.is_none().then_some(()))
        })
        .await
    }

    /// Waits until a promotion has ended, and demands how.
    pub async fn ended(&self, name: &str, phase: &str) -> Result<Value> {
        self.ended_within(SOON, name, phase).await
    }

    /// The same with a limit.
    pub async fn ended_within(&self, limit: Duration, name: &str, phase: &str) -> Result<Value> {
        let finals = ["Verified", "Failed", "Inconclusive", "Superseded", "Cancelled", "Compared"];
        let is_over = |it: &Value| finals.iter().any(|end| it["status"]["phase"] == *end);
        let what = format!("ended, {phase}");
        let promotion = self.until_within(limit, "promotions", name, &what, is_over).await?;
        let status = &promotion["status"];
        ensure!(
            status["phase"] == phase,
            "{name} is {}: {}: {}",
            status["phase"],
            status["reason"],
            status["message"]
        );
        Ok(promotion)
    }

    /// Waits until a promotion is in a phase.
    pub async fn in_phase(&self, name: &str, phase: &str) -> Result<Value> {
        self.until("promotions", name, phase, |promotion| promotion["status"]["phase"] == phase).await
    }

    /// Waits for a condition of one of our objects, with a reason if one is named.
    pub async fn condition(
        &self,
        plural: &str,
        name: &str,
        wanted: &str,
        status: &str,
        reason: &str,
    ) -> Result<Value> {
        self.until(plural, name, &format!("{wanted}={status} {reason}"), |object| {
            condition(object, wanted).is_some_and(|found| {
                found["status"] == status && (reason.is_empty() || found["reason"] == reason)
            })
        })
        .await
    }
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, wanted: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == wanted)
}
