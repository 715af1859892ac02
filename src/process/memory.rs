//! The memory of this process: for each promotion that has not ended, answers and times that the cluster does not store.
//!
//! Invariant: losing an entry costs a repetition, never correctness. Act and the controller write here, observe reads. An entry
//! is removed when its promotion has ended or is gone, or, above the limit, if it has the smallest UID.

use crate::content::ObjectKey;
use crate::decide::world::{Answered, FailedWrite, Measurements, Passed, Phase, Tally, Trial};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of promotions.
const LIMIT: usize = 10_000;
/// Maximum number of promotions with a dry-run: its answers are whole objects.
const TRIALS: usize = 1_000;

/// The memory of one promotion.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// The answers of the last dry-run.
    pub trial: Option<Trial>,
    /// Objects that this process wrote for it.
    pub written: BTreeSet<ObjectKey>,
    /// Since when everything is rolled out.
    pub rolled_out: Option<Timestamp>,
    /// Writes that the API server rejected permanently, and why.
    pub refused: BTreeMap<ObjectKey, String>,
    /// Generations of workloads that are known to have the template that was written.
    pub generations: BTreeMap<ObjectKey, i64>,
    /// Writes that failed since they last succeeded.
    pub failed: BTreeMap<ObjectKey, FailedWrite>,
    /// What was measured for the checks.
    pub measured: Measurements,
    /// The last lines of the logs of tests, by Job, or why they cannot be read.
    pub logs: BTreeMap<ObjectKey, Result<String, String>>,
    /// When nothing was missing but the comparison with what was written.
    pub comparing: Option<Timestamp>,
    /// Jobs of hooks and tests that passed.
    pub passed: BTreeMap<ObjectKey, Passed>,
}

/// The memory of all promotions, by UID. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<String, Remembered>>>);

impl Memory {
    /// Returns the memory of a promotion.
    pub fn of(&self, uid: &str) -> Remembered {
        self.entries().get(uid).cloned().unwrap_or_default()
    }

    /// Records the answers of a dry-run.
    pub fn tried(&self, uid: &str, trial: Trial) {
        let mut entries = self.entries();
        let known = |entry: &Remembered| entry.trial.is_some();
        if entries.values().filter(|entry| known(entry)).count() >= TRIALS
            && !entries.get(uid).is_some_and(known)
            && let Some(other) = entries.values_mut().find(|entry| known(entry))
        {
            other.trial = None;
        }
        entry(&mut entries, uid).trial = Some(trial);
    }

    /// Records that workloads have the template that was written, as of these generations.
    pub fn unchanged(&self, uid: &str, generations: BTreeMap<ObjectKey, i64>) {
        entry(&mut self.entries(), uid).generations.extend(generations);
    }

    /// Records that an object was written or deleted.
    pub fn wrote(&self, uid: &str, key: ObjectKey) {
        let mut entries = self.entries();
        let entry = entry(&mut entries, uid);
        entry.refused.remove(&key);
        entry.failed.remove(&key);
        entry.written.insert(key);
    }

    /// Records that a deletion was accepted and that the object is still there: a finalizer keeps it.
    pub fn accepted(&self, uid: &str, key: &ObjectKey) {
        let mut entries = self.entries();
        let entry = entry(&mut entries, uid);
        entry.refused.remove(key);
        entry.failed.remove(key);
    }

    /// Records that a write failed; returns how often it failed in a row.
    pub fn failed(&self, uid: &str, key: ObjectKey, message: String, conflict: bool, at: Timestamp) -> u32 {
        let mut entries = self.entries();
        let known = &mut entry(&mut entries, uid).failed;
        let count = known.get(&key).map_or(0, |failed| failed.count).saturating_add(1);
        known.insert(key, FailedWrite { message, conflict, count, at });
        count
    }

    /// Records that the API server rejected a write permanently.
    pub fn refused(&self, uid: &str, key: ObjectKey, why: String) {
        entry(&mut self.entries(), uid).refused.insert(key, why);
    }

    /// Records the log of a test, or why it cannot be read.
    pub fn read_log(&self, uid: &str, key: ObjectKey, log: Result<String, String>) {
        entry(&mut self.entries(), uid).logs.insert(key, log);
    }

    /// Records that nothing is missing but the comparison with what was written.
    pub fn comparing(&self, uid: &str, at: Timestamp) {
        entry(&mut self.entries(), uid).comparing = Some(at);
    }

    /// Records that Jobs of hooks and tests passed.
    pub fn passed(&self, uid: &str, jobs: BTreeMap<ObjectKey, Passed>) {
        entry(&mut self.entries(), uid).passed.extend(jobs);
    }

    /// Records since when everything is rolled out.
    pub fn rolled_out(&self, uid: &str, since: Timestamp) {
        entry(&mut self.entries(), uid).rolled_out = Some(since);
    }

    /// Records that a measurement is being taken.
    pub fn asks(&self, uid: &str, phase: Phase, check: &str, at: Timestamp) {
        let mut entries = self.entries();
        entry(&mut entries, uid).measured.entry((phase, check.to_owned())).or_default().asked = Some(at);
    }

    /// Records the answer of a measurement, until it is assessed. Dropped if the promotion has ended since.
    pub fn answered(&self, uid: &str, phase: Phase, check: &str, answered: Answered) {
        let mut entries = self.entries();
        let measured =
            entries.get_mut(uid).and_then(|entry| entry.measured.get_mut(&(phase, check.to_owned())));
        if let Some(measured) = measured {
            (measured.asked, measured.answer) = (None, Some(answered));
        }
    }

    /// Records what the measurements of a check say together, and drops the answer that was assessed.
    pub fn assessed(&self, uid: &str, phase: Phase, check: &str, tally: Tally) {
        let mut entries = self.entries();
        let measured = entry(&mut entries, uid).measured.entry((phase, check.to_owned())).or_default();
        (measured.answer, measured.tally) = (None, Some(tally));
    }

    /// Forgets a promotion that has ended or is gone.
    pub fn forget(&self, uid: &str) {
        self.entries().remove(uid);
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry<'a>(entries: &'a mut BTreeMap<String, Remembered>, uid: &str) -> &'a mut Remembered {
    if entries.len() >= LIMIT && !entries.contains_key(uid) {
        entries.pop_first();
    }
    entries.entry(uid.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial() -> Trial {
        Trial {
            digest: String::new(),
            results: BTreeMap::new(),
            refusals: Vec::new(),
            crowded: BTreeMap::new(),
            missing: BTreeMap::new(),
            warnings: Vec::new(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_promotion_has_one_entry_until_it_is_forgotten() {
        let memory = Memory::default();
        let key = ObjectKey::new("v1", "ConfigMap", "web").unwrap();
        memory.wrote("1", key.clone());
        memory.clone().refused("1", key.clone(), "quota".to_owned());
        memory.rolled_out("1", Timestamp::UNIX_EPOCH);
        memory.tried("1", trial());
        let known = memory.of("1");
        assert_eq!((known.written.len(), known.refused[&key].as_str()), (1, "quota"));
        assert!(known.rolled_out.is_some() && known.trial.is_some());
        assert!(memory.of("2").written.is_empty());
        memory.forget("1");
        let known = memory.of("1");
        assert!(known.written.is_empty() && known.refused.is_empty() && known.rolled_out.is_none());
    }

    #[test]
    fn a_failed_write_is_counted_until_it_succeeds() {
        let memory = Memory::default();
        let key = ObjectKey::new("v1", "ConfigMap", "web").unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let failed = |words: &str| memory.failed("1", key.clone(), words.to_owned(), false, at);
        assert_eq!([failed("the webhook is down"), failed("still down")], [1, 2]);
        let expected = FailedWrite { message: "still down".into(), conflict: false, count: 2, at };
        assert_eq!(memory.of("1").failed[&key], expected);
        memory.wrote("1", key.clone());
        assert!(memory.of("1").failed.is_empty());
        assert_eq!(failed("down again"), 1);
    }

    #[test]
    fn entries_and_dry_runs_are_bounded() {
        let memory = Memory::default();
        let uid = |number: usize| format!("{number:06}");
        (0..=TRIALS).for_each(|number| memory.tried(&uid(number), trial()));
        assert!(memory.of(&uid(0)).trial.is_none() && memory.of(&uid(1)).trial.is_some());
        (0..=LIMIT).for_each(|number| memory.rolled_out(&uid(number), Timestamp::UNIX_EPOCH));
        assert!(memory.of(&uid(0)).rolled_out.is_none() && memory.of(&uid(LIMIT)).rolled_out.is_some());
    }
}
