//! Who may lead, as a pure state machine over observed Leases and the local monotonic clock.
//!
//! Invariants: no time written by another machine is compared with the local clock: the lease of another holder is expired
//! when its record did not change for its duration, by the local clock. Every write carries the resourceVersion of the record
//! it replaces, so only one of two candidates wins. Each term has a number that is greater than that of every earlier term,
//! terms of the same replica included.
//!
//! ```text
//!              read           free, expired or ours          write won
//!   unknown ----------> seen ------------------------> taking ---------> leading --+
//!      ^                 |  ^                            |                | ^      | renewed
//!      |   conflict,     |  | changed                    | conflict       | +------+
//!      +---- gone -------+  +-- (watch)                  v                v
//!      +<---------------------------------------------- unknown     renew_by passed, or
//!                                                                   another holder seen: seen
//! ```

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::time::Instant;

use super::config::LeaseConfig;
use crate::cluster::fence::Term;

/// The longest duration that is accepted in the record of another holder; a longer one would block every candidate.
const LONGEST_DURATION: Duration = Duration::from_secs(300);

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Move {
    /// Read the Lease: its record is unknown.
    Read,
    /// Create it; this candidate leads if that succeeds.
    Create(Box<Lease>),
    /// Replace the record at the version that was seen; this candidate leads if that succeeds.
    Replace(Box<Lease>),
    /// This candidate leads; nothing is due before this time.
    Rest(Instant),
    /// Another replica leads; watch the Lease until this time.
    Follow(Instant),
}

#[derive(Debug)]
enum View {
    Unknown,
    Absent,
    Seen { lease: Box<Lease>, since: Instant },
}

/// The state of one candidate.
#[derive(Debug)]
pub(super) struct Election {
    config: LeaseConfig,
    view: View,
    term: Option<(Term, Instant)>,
    last_epoch: i64,
}

impl Election {
    pub(super) fn new(config: LeaseConfig) -> Self {
        Self { config, view: View::Unknown, term: None, last_epoch: 0 }
    }

    /// The Lease was read or watched.
    pub(super) fn observe(&mut self, now: Instant, lease: Option<Lease>) {
        let Some(lease) = lease else {
            self.view = View::Absent;
            self.term = None;
            return;
        };
        self.last_epoch = self.last_epoch.max(epoch_of(&lease));
        if let Some((term, _)) = self.term
            && (!self.is_ours(&lease) || epoch_of(&lease) != term.epoch)
        {
            self.term = None;
        }
        let unchanged = match &self.view {
            View::Seen { lease: seen, since } if same_record(seen, &lease) => Some(*since),
            View::Seen { .. } | View::Absent | View::Unknown => None,
        };
        self.view = View::Seen { lease: Box::new(lease), since: unchanged.unwrap_or(now) };
    }

    /// The record is unknown: a write conflicted, or the watch broke.
    pub(super) fn invalidate(&mut self) {
        self.view = View::Unknown;
    }

    /// A write requested at `asked` was answered with `lease`: this candidate leads.
    pub(super) fn won(&mut self, asked: Instant, lease: Lease) -> Term {
        let epoch = epoch_of(&lease);
        self.last_epoch = self.last_epoch.max(epoch);
        // Counted from before the request: the record cannot have changed earlier than that, so no other
        // candidate considers it expired before `expires`.
        let term = Term {
            epoch,
            renew_by: asked + self.config.renew_deadline(),
            expires: asked + self.config.duration,
        };
        self.term = Some((term, asked + self.config.renewal));
        self.view = View::Seen { lease: Box::new(lease), since: asked };
        term
    }

    /// Whether this candidate leads now.
    pub(super) fn leads(&self, now: Instant) -> bool {
        self.term.is_some_and(|(term, _)| now < term.renew_by)
    }

    /// What to do now. `wall` is only written into the record, for people.
    pub(super) fn next(&mut self, now: Instant, wall: Timestamp) -> Move {
        if !self.leads(now) {
            self.term = None;
        }
        match &self.view {
            View::Unknown => Move::Read,
            View::Absent => Move::Create(Box::new(self.fresh(wall))),
            View::Seen { lease, since } => match self.term {
                Some((_, due)) if now < due => Move::Rest(due),
                Some(_) => Move::Replace(Box::new(self.renewed(lease, wall))),
                None if self.is_free(lease) => Move::Replace(Box::new(self.taken(lease, wall))),
                None => {
                    let expiry = *since + self.lease_duration(lease);
                    if now < expiry {
                        Move::Follow(expiry)
                    } else {
                        Move::Replace(Box::new(self.taken(lease, wall)))
                    }
                }
            },
        }
    }

    /// The record without a holder, so that others can take it at once; `None` if another replica holds it.
    pub(super) fn released(&self, wall: Timestamp) -> Option<Lease> {
        let View::Seen { lease, .. } = &self.view else { return None };
        if !self.is_ours(lease) {
            return None;
        }
        let mut lease = (**lease).clone();
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.renew_time = Some(MicroTime(wall));
        Some(lease)
    }

    /// Whether the record is unknown.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.view, View::Unknown)
    }

    /// The version at which the record was seen.
    pub(super) fn version(&self) -> Option<&str> {
        match &self.view {
            View::Seen { lease, .. } => lease.metadata.resource_version.as_deref(),
            View::Absent | View::Unknown => None,
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        holder(lease) == Some(&self.config.identity)
    }

    /// Without a holder, or held by this candidate from an earlier term (or from a write that was not answered).
    fn is_free(&self, lease: &Lease) -> bool {
        holder(lease).is_none_or(str::is_empty) || self.is_ours(lease)
    }

    fn lease_duration(&self, lease: &Lease) -> Duration {
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
            .clamp(self.config.duration.min(LONGEST_DURATION), LONGEST_DURATION)
    }

    fn fresh(&self, wall: Timestamp) -> Lease {
        // If the Lease is deleted while every replica is down, an epoch that starts over would be lower than every
        // recorded one. Minutes since 1970 outgrow any number of takeovers and fit the field until 6053.
        let minutes = i32::try_from(wall.as_second() / 60).unwrap_or_default();
        Lease {
            metadata: ObjectMeta {
                name: Some(self.config.name.clone()),
                namespace: Some(self.config.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.config.identity.clone()),
                lease_duration_seconds: Some(self.config.duration_seconds()),
                lease_transitions: Some(minutes.max(next_epoch(self.last_epoch))),
                acquire_time: Some(MicroTime(wall)),
                renew_time: Some(MicroTime(wall)),
                ..LeaseSpec::default()
            }),
        }
    }

    fn taken(&self, lease: &Lease, wall: Timestamp) -> Lease {
        let mut lease = self.renewed(lease, wall);
        let spec = lease.spec.get_or_insert_default();
        spec.acquire_time = Some(MicroTime(wall));
        spec.lease_transitions = Some(next_epoch(self.last_epoch));
        lease
    }

    fn renewed(&self, lease: &Lease, wall: Timestamp) -> Lease {
        let mut lease = lease.clone();
        lease.metadata.managed_fields = None;
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.config.identity.clone());
        spec.lease_duration_seconds = Some(self.config.duration_seconds());
        spec.renew_time = Some(MicroTime(wall));
        lease
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

fn epoch_of(lease: &Lease) -> i64 {
    lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default().into()
}

fn next_epoch(last: i64) -> i32 {
    i32::try_from(last.saturating_add(1)).unwrap_or(i32::MAX)
}

fn same_record(left: &Lease, right: &Lease) -> bool {
    left.metadata.uid == right.metadata.uid
        && left.metadata.resource_version == right.metadata.resource_version
}

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;
