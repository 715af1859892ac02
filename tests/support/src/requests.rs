//! What a controller asks of the API server, by the API server's own record.

use crate::installation::SOON;
use crate::project::Project;
use anyhow::{Result, ensure};
use control_plane::{AuditEvent, Mark};
use std::time::{Duration, Instant};

/// So long without a request: nothing more comes by itself. Longer than the tests' observe window.
const QUIET: Duration = Duration::from_millis(5000);

/// Whether the request changes something that lasts.
pub fn is_write(event: &AuditEvent) -> bool {
    matches!(event.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
        && !event.dry_run
}

/// One line per request.
pub fn shown<'a>(events: impl IntoIterator<Item = &'a AuditEvent>) -> String {
    let line = |event: &AuditEvent| {
        format!("{} {}/{} {}", event.verb, event.resource, event.subresource, event.name)
    };
    events.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Project {
    /// Every request of this project's controller since the mark, to any address, for any user.
    pub async fn requests(&self, mark: Mark) -> Result<Vec<AuditEvent>> {
        let credential = self.operator(|operator| operator.credential().to_owned())?;
        let all = self.cluster.audit()?.since(mark).await?;
        Ok(all.into_iter().filter(|event| event.credential.as_ref() == Some(&credential)).collect())
    }

    /// Its requests since the mark but for what a settled controller sends: renewals of watches and of the lease.
    pub async fn activity(&self, mark: Mark) -> Result<Vec<AuditEvent>> {
        let mut events = self.requests(mark).await?;
        events.retain(|event| event.verb != "watch" && event.resource != "leases");
        Ok(events)
    }

    /// Waits until this project's controller has come to rest.
    pub async fn quiet(&self) -> Result<()> {
        let audit = self.cluster.audit()?;
        let begun = Instant::now();
        loop {
            let mark = audit.mark().await?;
            let since = Instant::now();
            let mut events = Vec::new();
            while events.is_empty() && since.elapsed() < QUIET {
                tokio::time::sleep(Duration::from_millis(250)).await;
                events = self.activity(mark).await?;
            }
            if events.is_empty() {
                return Ok(());
            }
            ensure!(begun.elapsed() < SOON, "it does not come to rest:\n{}", shown(&events));
        }
    }
}
