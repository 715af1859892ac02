//! Answers of the API server that are used again for a while.
//!
//! Invariant: losing an entry costs a request, never correctness. What a promotion needs beyond that is in [`super::Memory`].

use crate::api::UserInfo;
use crate::cluster::Cache;
use crate::content::Digested;
use std::sync::Arc;
use std::time::Instant;

/// Project and environment.
pub type EnvironmentKey = (String, String);

/// What the owner of a target namespace consents to.
#[derive(Clone, Debug)]
pub struct Consent {
    /// What is missing, and how to grant it; `None` when nothing is.
    pub missing: Option<String>,
    /// When the API server was asked.
    pub asked: Instant,
    /// UID of the namespace then.
    pub namespace_uid: String,
}

/// One question about the rights of a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RightKey {
    /// The verb on the environment.
    pub verb: &'static str,
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// Who.
    pub user: UserInfo,
}

/// The caches. Clones share them.
#[derive(Clone, Debug)]
pub struct Caches {
    /// Contents, by project and name: immutable, so never read twice.
    pub contents: Cache<(String, String), Arc<Digested>>,
    /// Consent, by environment.
    pub consents: Cache<EnvironmentKey, Consent>,
    /// Rights of people: the answer, and when the API server was asked.
    pub rights: Cache<RightKey, (bool, Instant)>,
    /// What differs between the admission policies and those that were shipped, by the versions that were compared.
    pub policy_faults: Cache<String, Vec<String>>,
    /// Undecodable objects whose status says so, with the error: by kind, namespace and name.
    pub reported_undecodable: Cache<(String, String, String), String>,
    /// Environments whose history was trimmed since their Contents were last searched for unused ones.
    pub trimmed: Cache<EnvironmentKey, ()>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            contents: Cache::new(32),
            consents: Cache::new(10_000),
            rights: Cache::new(10_000),
            policy_faults: Cache::new(1),
            reported_undecodable: Cache::new(1_000),
            trimmed: Cache::new(1_000),
        }
    }
}
