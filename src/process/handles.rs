//! All handles of the process in one place, as observe, act and the controller pass them on.

use super::{Clock, Metrics, Settings};
use crate::api::UserInfo;
use crate::cluster::whoami::Own;
use crate::cluster::{Cache, Clients, Fence, Notes, Resources, Stores, Versions};
use crate::content::{ObjectKey, ObjectSet};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// What a dry-run of every object of a promotion answered.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Digest of the objects that were tried.
    pub digest: String,
    /// The object as it would be, or why not.
    pub results: BTreeMap<ObjectKey, Result<Arc<Value>, String>>,
    /// Pods that would be refused, Secrets that are missing.
    pub refusals: Vec<String>,
    /// Warnings of the API server, and what could not be tried.
    pub warnings: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// The handles.
#[derive(Clone)]
pub struct Handles {
    /// Clients of the API server.
    pub clients: Clients,
    /// What is watched.
    pub stores: Stores,
    /// Versions of our own writes.
    pub versions: Versions,
    /// Events.
    pub notes: Notes,
    /// Metrics.
    pub metrics: Metrics,
    /// Time.
    pub clock: Clock,
    /// Leadership.
    pub fence: Fence,
    /// Settings.
    pub settings: Arc<Settings>,
    /// Who this process is to the API server.
    pub own: Arc<Own>,
    /// Kinds.
    pub resources: Resources,
    /// Contents that were read: immutable, so never read twice. By namespace and name.
    pub contents: Cache<(String, String), Arc<ObjectSet>>,
    /// Consent that was asked for, by project and environment: the answer, when, and the UID of the namespace then.
    pub grants: Cache<(String, String), (Option<String>, Instant, String)>,
    /// Whether the admission policies are as they were shipped, by the versions of what was compared: what is not.
    pub policies: Cache<String, Vec<String>>,
    /// Rights of people that were asked for: verb, project, environment and who; the answer and when.
    pub rights: Cache<(&'static str, String, String, UserInfo), (bool, Instant)>,
    /// Dry-runs, by UID of the promotion.
    pub trials: Cache<String, Arc<Tried>>,
    /// Objects that were written, by UID of the promotion.
    pub written: Cache<String, BTreeSet<ObjectKey>>,
    /// Since when everything is rolled out, by UID of the promotion.
    pub rolled_out: Cache<String, Timestamp>,
    /// Writes that the API server refused for good, by UID of the promotion.
    pub refused: Cache<String, BTreeMap<ObjectKey, String>>,
    /// Objects that could not be decoded and were told so, with the error: by kind, namespace and name.
    pub rejected: Cache<(String, String, String), String>,
    /// Environments whose history was trimmed, so that Contents may have lost their last name. By project and name.
    pub trimmed: Cache<(String, String), bool>,
}
