//! Caches of answers of the API server.
//!
//! Invariant: losing an entry costs a request, never correctness. See [`super::Memory`] for what is remembered of a promotion.

use crate::api::{ApplicationName, EnvironmentId, Location, MissingConsent, ProjectName, UserInfo};
use crate::cluster::Cache;
use crate::content::ownership::drift::Drift;
use crate::content::{Digested, ObjectKey};
use crate::decide::world::Live;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Instant;

/// Compressed size of the Contents that are cached, in bytes: a few hundred of usual size. Decoded, they take about twenty times as much.
const CONTENTS: usize = 1 << 20;

/// An object in a target namespace.
pub type Place = (Location, ObjectKey);

/// Whether the owner of a target namespace consents.
#[derive(Clone, Debug)]
pub struct Consent {
    /// What is missing; `None` when nothing is.
    pub missing: Option<MissingConsent>,
    /// When the API server was asked.
    pub asked: Instant,
    /// UID of the namespace then.
    pub namespace_uid: String,
}

/// An object that could not be read.
#[derive(Clone, Debug)]
pub struct Unread {
    /// The answer of the API server, or that there was none.
    pub message: String,
    /// When.
    pub at: Instant,
}

/// A capture whose source cannot be captured yet.
#[derive(Clone, Debug)]
pub struct CaptureWait {
    /// When this process first found it so.
    pub since: Timestamp,
    /// Since when a workload of the source fails.
    pub failing_since: Option<Timestamp>,
}

/// A workload whose controller neither creates nor deletes pods although some are missing.
#[derive(Clone, Debug)]
pub struct Standstill {
    /// When this process first found it so.
    pub since: Instant,
    /// When its Events were read.
    pub read: Option<Instant>,
    /// What they say: reason and message.
    pub words: Option<(String, String)>,
}

/// A workload that was compared with what Towpath wrote.
#[derive(Clone, Debug)]
pub struct Compared {
    /// UID.
    pub uid: String,
    /// The resourceVersion that was read.
    pub version: String,
    /// The generation that the watch showed.
    pub generation: i64,
    /// The version of its managedFields that the watch showed.
    pub fields: u32,
    /// The application that it belongs to; empty if it belongs to none of the environment.
    pub application: ApplicationName,
    /// The revision that it was compared with; none if no verified revision runs.
    pub revision: Option<i64>,
    /// The fields that drifted.
    pub drift: Vec<Drift>,
    /// When it was read.
    pub at: Instant,
    /// Whether a change since then would show in the version of its managedFields, whose times are whole seconds.
    pub is_settled: bool,
}

/// One question about the rights of a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RightKey {
    /// The verb on the environment.
    pub verb: &'static str,
    /// The environment, in its project.
    pub environment: EnvironmentId,
    /// The user.
    pub user: UserInfo,
}

/// The caches. Clones share them.
#[derive(Clone, Debug)]
pub struct Caches {
    /// Contents, by project and name: immutable, so none is read twice that is used often.
    pub contents: Cache<(ProjectName, String), Arc<Digested>>,
    /// Consent, by environment.
    pub consents: Cache<EnvironmentId, Consent>,
    /// Rights of users: the answer, and when the API server was asked.
    pub rights: Cache<RightKey, (bool, Instant)>,
    /// Objects of custom kinds whose health counts, and when they were read.
    pub customs: Cache<Place, (Instant, Live)>,
    /// Workloads of releases that fail after their verification: UID and generation, and the object.
    pub suspected: Cache<Place, ((String, i64), Live)>,
    /// Workloads that were compared with what Towpath wrote.
    pub compared: Cache<Place, Compared>,
    /// Differences between the admission policies and the shipped ones, by the versions that were compared.
    pub policy_faults: Cache<String, Vec<String>>,
    /// Undecodable objects whose status reports the error: by kind, namespace and name.
    pub reported_undecodable: Cache<(String, String, String), String>,
    /// Objects that could not be read.
    pub unreadable: Cache<Place, Unread>,
    /// Workloads that stand still.
    pub standstills: Cache<Place, Standstill>,
    /// Captures that wait, by the UID of the release.
    pub captures: Cache<String, CaptureWait>,
    /// Environments whose history was trimmed after the last search for unused Contents.
    pub trimmed: Cache<EnvironmentId, ()>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            contents: Cache::new(CONTENTS),
            consents: Cache::new(10_000),
            rights: Cache::new(10_000),
            customs: Cache::new(1_000),
            suspected: Cache::new(100),
            compared: Cache::new(10_000),
            policy_faults: Cache::new(1),
            reported_undecodable: Cache::new(1_000),
            unreadable: Cache::new(1_000),
            standstills: Cache::new(1_000),
            captures: Cache::new(1_000),
            trimmed: Cache::new(1_000),
        }
    }
}
