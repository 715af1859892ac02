//! From content to what is written into one namespace: overrides, copies of config, order.
//!
//! Invariant: a content is rendered once for a decision. The [`Plan`] holds everything that follows from it, and is carried along.

pub mod config;
pub(in crate::content) mod copied;
pub mod desired;
pub mod ingress;
pub mod order;
pub mod overrides;
pub mod test_jobs;
mod unrolled;
mod unselected;

use super::error::ContentError;
use super::object::key::ObjectKey;
use super::object::kinds;
use super::object::sealed::Digested;
use crate::api::EnvironmentSpec;
use config::Destination;
use desired::{Desired, with_tests};
use overrides::render;
use serde_json::Value;
use std::sync::Arc;
use test_jobs::TestJob;
use unrolled::unrolled;
use unselected::unselected;

/// What one environment gets of a content.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The content as rendered for the environment.
    pub content: Arc<Digested>,
    /// The objects to write, in order.
    pub objects: Vec<Desired>,
    /// The tests: those of the content, and those that the environment added to it.
    pub tests: Vec<TestJob>,
}

impl Plan {
    /// What the API server accepts and people would not expect, for the record.
    pub fn warnings(&self) -> Vec<String> {
        let content = self.content.objects();
        unrolled(content).into_iter().chain(unselected(content)).collect()
    }

    /// Renders the content of a release for an environment.
    pub fn of_release(
        content: &Arc<Digested>,
        environment: &EnvironmentSpec,
        to: &Destination<'_>,
    ) -> Result<Self, ContentError> {
        Self::of_revision(&render(content, environment)?, to)
    }

    /// Plans the content of a revision, which was rendered when the revision was first written.
    pub fn of_revision(content: &Arc<Digested>, to: &Destination<'_>) -> Result<Self, ContentError> {
        let (objects, tests) = with_tests(content, to)?;
        Ok(Self { objects, tests, content: Arc::clone(content) })
    }

    /// Plans a baseline: its objects are restored under the names that they had, without copies and marks.
    pub fn of_baseline(content: &Arc<Digested>, namespace: &str) -> Self {
        let restored = |(key, object): (&ObjectKey, &Value)| {
            let mut object = object.clone();
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("namespace".into(), namespace.into());
            }
            Desired {
                key: key.clone(),
                source: key.clone(),
                object,
                config: false,
                wave: 0,
                rank: kinds::rank(key),
                hook: None,
            }
        };
        let objects = content.objects().iter().map(restored).collect();
        Self { objects, tests: Vec::new(), content: Arc::clone(content) }
    }

    /// The digest of the rendered content, which approvals name.
    pub fn digest(&self) -> &str {
        self.content.digest()
    }

    /// The keys of the objects to write, hooks excepted: a hook is a new Job in every promotion.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.iter().filter(|desired| desired.hook.is_none()).map(|desired| &desired.key)
    }
}
