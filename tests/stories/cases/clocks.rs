//! The clock of the controller may be wrong: what it judges and how fast is the same.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::objects::deployment;
use support::operator::Flags;
use support::relay::Relay;
use support::{Project, same};

support::stories![
    a_controller_whose_clock_is_a_second_ahead_judges_as_fast,
    a_controller_whose_clock_is_a_minute_ahead_judges_as_fast,
    a_controller_whose_clock_is_a_minute_behind_judges_as_fast,
];

/// Seconds after which a failure that is visible at once must have been seen. With a clock that is believed, it is seen a minute later,
/// or at a deadline of ten minutes.
const SEEN: i64 = 45;

/// Seconds for which an image that cannot be pulled is tolerated: with a clock that is ahead and believed, they are over at once.
const TOLERATED: i64 = 12;

/// Times of objects are whole seconds, so that a second is a case of its own.
async fn a_controller_whose_clock_is_a_second_ahead_judges_as_fast() -> Result<()> {
    with_a_server_ahead_by(-1).await
}

async fn a_controller_whose_clock_is_a_minute_ahead_judges_as_fast() -> Result<()> {
    with_a_server_ahead_by(-60).await
}

async fn a_controller_whose_clock_is_a_minute_behind_judges_as_fast() -> Result<()> {
    with_a_server_ahead_by(60).await
}

/// The seconds between two times of a status.
fn seconds(promotion: &Value, from: &str, to: &str) -> Result<i64> {
    let time = |field: &str| -> Result<Timestamp> {
        let text = promotion["status"][field].as_str().with_context(|| format!("no {field}"))?;
        Ok(text.parse()?)
    };
    Ok(time(to)?.duration_since(time(from)?).as_secs())
}

async fn with_a_server_ahead_by(ahead: i64) -> Result<()> {
    let prod = json!({ "name": "prod", "rollbackPolicyRef": "watched" });
    let project = Project::without_controller(&[prod]).await?;
    let failing = json!({ "restarts": 0, "imageErrors": format!("{TOLERATED}s") });
    project.policy("watched", json!({ "observeWindow": "8s", "failing": failing })).await?;
    let relay = Relay::with_clock(&project.cluster.admin().config, ahead).await?;
    let flags = Flags { server: Some(relay.url().to_owned()), ..Flags::own_lease(&project.name) };
    project.start_as(&flags).await?;
    let verified = async |version: &str, tag: &str| -> Result<()> {
        let release = project.release(version, &[deployment("web", tag, None)]).await?;
        let promotion = project.ended(&format!("prod-{release}"), "Verified").await?;
        let observed = seconds(&promotion, "rolledOutAt", "finishedAt")?;
        ensure!((7..SEEN).contains(&observed), "{version} was observed for {observed} s");
        Ok(())
    };
    verified("1.0.0", "v1").await?;
    for (version, tag, reason, least) in [
        ("2.0.0", "v2-crash-loop", "CrashLoopBackOff", 0),
        ("3.0.0", "v3-image-error", "ImagePullBackOff", TOLERATED),
    ] {
        let release = project.release(version, &[deployment("web", tag, None)]).await?;
        let failed = project.ended(&format!("prod-{release}"), "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some(reason))?;
        let took = seconds(&failed, "startedAt", "finishedAt")?;
        ensure!((least..SEEN).contains(&took), "{reason} was seen after {took} s");
        project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
    }
    verified("4.0.0", "v4").await
}
