//! From content to the objects that are written into one namespace: with copies of its config, in order. Jobs get names of their own. Every
//! object gets its owner.

use super::config::{Config, Destination, annotate};
use super::copied::copied;
use super::order;
use super::order::Hook;
use super::test_jobs::{MAX_TESTS, TestJob, test_job};
use crate::api::{TestOrigin, mark};
use crate::content::error::ContentError;
use crate::content::object::canonical::Form;
use crate::content::object::copies::{copy_of, is_config_map};
use crate::content::object::key::ObjectKey;
use crate::content::object::kinds;
use crate::content::object::names;
use crate::content::object::paths::prune;
use crate::content::object::sealed::Digested;
use crate::content::object::templates::{pod_template_mut, takes_annotations};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Hexadecimal digits in the name of a Job.
const JOB_DIGITS: usize = 10;

/// One object to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The key under which it is written.
    pub key: ObjectKey,
    /// Its key in the content, which differs for copies and Jobs.
    pub source: ObjectKey,
    /// The object itself, with namespace and owner.
    pub object: Value,
    /// Whether it is config, which is written first, before the `pre-promote` hooks: ConfigMaps and ServiceAccounts without a
    /// wave of their own.
    pub config: bool,
    /// Its wave; for config, the lowest one.
    pub wave: i32,
    /// Its order within the wave; see [`kinds::rank`].
    pub rank: u8,
    /// For hooks, when it runs.
    pub hook: Option<Hook>,
}

impl Desired {
    /// Whether it is the copy of a ConfigMap. Pods of several revisions may read a copy, so it is removed with the history.
    pub fn is_copy(&self) -> bool {
        is_config_map(&self.object) && self.key != self.source
    }
}

/// The objects to write, in order: config, then by wave, rank and key. Includes hooks, by their wave; without tests.
pub fn materialise(content: &Digested, to: &Destination<'_>) -> Result<Vec<Desired>, ContentError> {
    with_tests(content, to).map(|(objects, _)| objects)
}

/// The objects to write, and the tests.
pub fn with_tests(
    content: &Digested,
    to: &Destination<'_>,
) -> Result<(Vec<Desired>, Vec<TestJob>), ContentError> {
    let copied = copied(content.objects())?;
    let config = Config::of(content, &copied);
    let mut written: BTreeMap<ObjectKey, Desired> = BTreeMap::new();
    let mut tests = Vec::new();
    for (key, object) in content.objects().iter() {
        if let Some(test) = test_job(key, object, &config, to)? {
            tests.push(test);
            continue;
        }
        let desired = desired(key, object, &config, to)?;
        if let Some(other) = written.get(&desired.key) {
            let renamed = if desired.key == desired.source { other } else { &desired };
            let (object, name) = (renamed.source.to_string(), renamed.key.name().to_owned());
            return Err(ContentError::Clash { object, name });
        }
        written.insert(desired.key.clone(), desired);
    }
    let count = tests.iter().filter(|test| test.origin == TestOrigin::Content).count();
    if count > MAX_TESTS {
        return Err(ContentError::TooManyTests { count, limit: MAX_TESTS });
    }
    let mut written: Vec<Desired> = written.into_values().collect();
    let lowest = written.iter().filter(|d| !d.config && d.hook.is_none()).map(|d| d.wave).min().unwrap_or(0);
    written.iter_mut().filter(|d| d.config).for_each(|d| d.wave = lowest);
    written.sort_by(|a, b| (!a.config, a.wave, a.rank, &a.key).cmp(&(!b.config, b.wave, b.rank, &b.key)));
    Ok((written, tests))
}

fn desired(
    source: &ObjectKey,
    object: &Value,
    config: &Config,
    to: &Destination<'_>,
) -> Result<Desired, ContentError> {
    let hook = order::hook(source, object)?;
    let wave = order::wave(source, object)?;
    let is_copy = is_config_map(object) && config.is_copied(source.name());
    let mut object = if is_copy { copy_of(object) } else { object.clone() };
    let takes_annotations = takes_annotations(&object);
    if let Some(template) = pod_template_mut(&mut object) {
        config.rewrite(template, takes_annotations);
    }
    let key = if is_copy {
        ObjectKey::of(&object)?
    } else if source.is("batch", "Job") {
        name_job(source, &mut object, hook, to, config.form)?
    } else {
        source.clone()
    };
    // A Job that is gone would fail the release in its observe window, and run again with the next one. It is deleted when a release no
    // longer contains it.
    if source.is("batch", "Job") && hook.is_none() {
        prune(&mut object, &["spec"], "ttlSecondsAfterFinished");
    }
    annotate(&mut object, mark::OWNER, to.owner);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("namespace".into(), to.namespace.into());
    }
    let is_early = is_config_map(&object) || source.is("", "ServiceAccount");
    Ok(Desired {
        source: source.clone(),
        rank: kinds::rank(&key),
        key,
        object,
        // Only its pods refer to a copy, so a wave of its own has no effect.
        config: is_copy || (is_early && wave.is_none()),
        wave: wave.unwrap_or(0),
        hook,
    })
}

/// Names a Job by its content, including the config that its pods read: pod templates of Jobs are immutable, and a finished Job does
/// not run again. A hook runs once per promotion.
fn name_job(
    source: &ObjectKey,
    job: &mut Value,
    hook: Option<Hook>,
    to: &Destination<'_>,
    form: Form,
) -> Result<ObjectKey, ContentError> {
    let run = if hook.is_some() { to.run } else { "" };
    let digits = form.short_digest(&json!([job, run]), JOB_DIGITS);
    let key = source.renamed(&names::suffixed(source.name(), &digits, 63))?;
    if let Some(metadata) = job.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".into(), key.name().into());
    }
    annotate(job, mark::ORIGINAL_NAME, source.name());
    Ok(key)
}

#[cfg(test)]
#[path = "desired_tests.rs"]
mod tests;
