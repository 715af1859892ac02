//! The memory of a process that is simulated.

use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use towpath::content::ObjectKey;
use towpath::decide::world::{FailedWrite, Measurements, Passed, Trial};

/// What one process knows and a crash takes away.
#[derive(Clone, Default)]
pub struct Memory {
    pub trials: BTreeMap<String, Trial>,
    pub written: BTreeMap<String, BTreeSet<ObjectKey>>,
    pub refused: BTreeMap<String, BTreeMap<ObjectKey, String>>,
    pub failed: BTreeMap<String, BTreeMap<ObjectKey, FailedWrite>>,
    pub rolled_out: BTreeMap<String, Timestamp>,
    pub logs: BTreeMap<String, BTreeMap<ObjectKey, Result<String, String>>>,
    pub generations: BTreeMap<String, BTreeMap<ObjectKey, i64>>,
    pub measured: BTreeMap<String, Measurements>,
    pub comparing: BTreeMap<String, Timestamp>,
    pub passed: BTreeMap<String, BTreeMap<ObjectKey, Passed>>,
}

impl Memory {
    /// A write failed, as `src/act` remembers it.
    pub fn failed(&mut self, uid: &str, key: &ObjectKey, message: String, at: Timestamp) {
        let known = self.failed.entry(uid.to_owned()).or_default();
        let count = known.get(key).map_or(0, |failed| failed.count) + 1;
        let conflict = message.contains("has been modified");
        known.insert(key.clone(), FailedWrite { message, conflict, count, at });
    }

    /// A deletion was accepted, and a finalizer keeps the object.
    pub fn accepted(&mut self, uid: &str, key: &ObjectKey) {
        self.refused.get_mut(uid).and_then(|known| known.remove(key));
        self.failed.get_mut(uid).and_then(|known| known.remove(key));
    }

    /// An object was written.
    pub fn wrote(&mut self, uid: &str, key: &ObjectKey) {
        self.refused.get_mut(uid).and_then(|known| known.remove(key));
        self.failed.get_mut(uid).and_then(|known| known.remove(key));
        self.written.entry(uid.to_owned()).or_default().insert(key.clone());
    }
}
