//! The actions of a decision, carried out on the toy store.

use super::memory::Memory;
use super::store::Store;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use towpath::content::ObjectKey;
use towpath::decide::decision::Action;
use towpath::decide::world::{Answered, Live, Trial};

impl Store {
    /// Carries out one action, as `src/act` does. True when the object should be observed again at once.
    pub fn act(
        &mut self,
        action: &Action,
        uid: &str,
        memory: &mut Memory,
        now: Timestamp,
    ) -> Result<bool, String> {
        let own = self.own(now);
        match action {
            Action::CreatePromotion { name, spec, .. } => {
                if !self.promotions.contains_key(name) {
                    self.add_promotion(name, spec.as_ref().clone(), now);
                    let made = Arc::make_mut(self.promotions.get_mut(name).unwrap());
                    made.metadata
                        .labels
                        .get_or_insert_default()
                        .insert(towpath::api::mark::AUTOMATIC.into(), "true".into());
                }
                Ok(false)
            }
            Action::DeletePromotion { name, uid, .. } => {
                let found = self.promotions.get(name).cloned();
                if let Some(promotion) = found.filter(|found| found.metadata.uid.as_ref() == Some(uid)) {
                    self.record(&promotion);
                    self.promotions.remove(name);
                }
                Ok(false)
            }
            Action::DeleteContent { name } => {
                self.contents.remove(name);
                Ok(false)
            }
            Action::Preflight { target, digest, objects, adopt, secrets, .. } => {
                let namespace = &self.namespaces[target.location.namespace.as_str()];
                let tried = |(key, body): &(ObjectKey, _)| {
                    (key.clone(), namespace.try_apply(key, body, adopt.contains(key)).map(Arc::new))
                };
                let results = objects.iter().map(tried).collect();
                let is_missing = |name: &str| {
                    let key = ObjectKey::new("v1", "Secret", name).unwrap();
                    matches!(namespace.live(&key), Live::Absent)
                };
                let mut missing: BTreeMap<ObjectKey, Vec<String>> = BTreeMap::new();
                for (name, users) in secrets.iter().filter(|(name, _)| is_missing(name)) {
                    let sentence = format!("Secret {name} does not exist");
                    users.iter().for_each(|it| missing.entry(it.clone()).or_default().push(sentence.clone()));
                }
                let trial = Trial {
                    digest: digest.clone(),
                    results,
                    refusals: Vec::new(),
                    crowded: BTreeMap::new(),
                    missing,
                    warnings: Vec::new(),
                    at: own,
                };
                memory.trials.insert(uid.to_owned(), trial);
                Ok(true)
            }
            Action::Adopt { target, key, patch } => {
                self.at(target).patch(key, patch.clone(), now)?;
                Ok(true)
            }
            Action::Apply { target, key, object, otherwise } => {
                let namespace = self.at(target);
                let is_transient = namespace.failure(key).is_some();
                let answer = match (namespace.apply(key, object, now), otherwise) {
                    (Err(_), Some(otherwise)) if !is_transient => namespace.apply(key, otherwise, now),
                    (answer, _) => answer,
                };
                if let (Err(message), false) = (&answer, is_transient) {
                    memory.refused.entry(uid.to_owned()).or_default().insert(key.clone(), message.clone());
                }
                answer?;
                let live = self.at(target).live(key);
                let generation = match &live {
                    Live::Present(live) => live["metadata"]["generation"].as_i64(),
                    _ => None,
                };
                let known = memory.generations.entry(uid.to_owned()).or_default();
                known.extend(generation.map(|generation| (key.clone(), generation)));
                memory.wrote(uid, key);
                Ok(true)
            }
            Action::Replace { target, key, uid: old, object } => {
                self.at(target).delete(key, old)?;
                self.at(target).apply(key, object, now)?;
                memory.wrote(uid, key);
                Ok(true)
            }
            Action::StopJob { target, key, uid: job } => {
                self.at(target).delete(key, job)?;
                memory.wrote(uid, key);
                Ok(false)
            }
            Action::SuspendJob { target, key, .. } => {
                self.at(target).set(key, "/spec/suspend", true.into(), now);
                Ok(false)
            }
            Action::Delete { target, key, uid: object } => {
                let namespace = self.at(target);
                let is_transient = namespace.failure(key).is_some();
                let answer = namespace.delete(key, object);
                if let (Err(message), false) = (&answer, is_transient) {
                    memory.refused.entry(uid.to_owned()).or_default().insert(key.clone(), message.clone());
                }
                answer?;
                match self.at(target).live(key) {
                    Live::Present(_) => memory.accepted(uid, key),
                    _ => memory.wrote(uid, key),
                }
                Ok(true)
            }
            Action::ReadLog { key, pod, lines, .. } => {
                let log = Ok(format!("the last {lines} lines of {pod}"));
                memory.logs.entry(uid.to_owned()).or_default().insert(key.clone(), log);
                Ok(true)
            }
            Action::MarkUnchanged { generations } => {
                memory.generations.entry(uid.to_owned()).or_default().extend(generations.clone());
                Ok(false)
            }
            Action::MarkComparing { at } => {
                memory.comparing.insert(uid.to_owned(), *at);
                Ok(true)
            }
            Action::MarkPassed { jobs } => {
                memory.passed.entry(uid.to_owned()).or_default().extend(jobs.clone());
                Ok(false)
            }
            Action::MarkRolledOut { since } => {
                memory.rolled_out.insert(uid.to_owned(), *since);
                Ok(true)
            }
            Action::Measure { target, phase, check, question, .. } => {
                let running = self.namespaces[target.location.namespace.as_str()].running("web");
                let answer = self.gauge.expect("nothing is measured")(question, running, now);
                let answered = Answered { at: own, answer };
                let measured = memory.measured.entry(uid.to_owned()).or_default();
                measured.entry((*phase, check.clone())).or_default().answer = Some(answered);
                Ok(true)
            }
            Action::MarkMeasured { phase, check, tally } => {
                let measured = memory.measured.entry(uid.to_owned()).or_default();
                let entry = measured.entry((*phase, check.clone())).or_default();
                (entry.answer, entry.tally) = (None, Some(tally.clone()));
                Ok(false)
            }
            Action::DeletePod { .. } | Action::PublishFreezes { .. } | Action::AskProvider { .. } => {
                Ok(false)
            }
        }
    }
}
