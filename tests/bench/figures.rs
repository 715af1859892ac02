//! Figures: counts of writes, memory.

use anyhow::{Context, Result};
use control_plane::AuditEvent;
use jiff::{Timestamp, Unit};

pub fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).total(Unit::Millisecond).unwrap_or(f64::NAN)
}

/// Mebibytes that the process holds in memory, and how many of them are pages of the program itself.
pub fn resident(pid: u32) -> Result<(f64, f64)> {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).context("the controller has ended")?;
    let mebibytes = |name: &str| -> Result<f64> {
        let line = status.lines().find(|line| line.starts_with(name)).context("no such figure")?;
        let kibibytes = line.split_whitespace().nth(1).context("no figure")?;
        Ok(kibibytes.parse::<f64>()? / 1024.0)
    };
    Ok((mebibytes("VmRSS:")?, mebibytes("RssFile:")?))
}

/// What the controller wrote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writes {
    /// In target namespaces, as the identity of an environment.
    pub target: usize,
    /// To Towpath's own kinds.
    pub own: usize,
    pub events: usize,
    pub tried: usize,
}

impl Writes {
    pub fn of(events: &[AuditEvent], project: &str) -> Self {
        let mut writes = Self::default();
        for event in events.iter().filter(|event| writes_something(event)) {
            if is_deployer(event, project) {
                if event.dry_run {
                    writes.tried += 1;
                } else {
                    writes.target += 1;
                }
            } else if event.user.ends_with(":towpath") {
                match event.api_group.as_str() {
                    "towpath.dev" => writes.own += 1,
                    "events.k8s.io" => writes.events += 1,
                    _ => {}
                }
            }
        }
        writes
    }

    pub fn in_target(event: &AuditEvent, project: &str) -> bool {
        writes_something(event) && is_deployer(event, project) && !event.dry_run
    }
}

fn writes_something(event: &AuditEvent) -> bool {
    matches!(event.verb.as_str(), "create" | "patch" | "update" | "delete" | "deletecollection")
        && event.code < 300
}

fn is_deployer(event: &AuditEvent, project: &str) -> bool {
    let prefix = format!("system:serviceaccount:towpath-deployers:{project}.");
    event.impersonated_user.as_deref().is_some_and(|user| user.starts_with(&prefix))
}
