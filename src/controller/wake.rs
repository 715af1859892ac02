//! From a change to the objects that have to be looked at again.

use super::queue::{Key, Kind, Queue};
use crate::api::ReleasePhase;
use crate::context::{Change, Stores};
use crate::decide::lane::phase_of;
use kube::ResourceExt;

/// Wakes what a change concerns.
#[derive(Clone)]
pub struct Wake {
    stores: Stores,
    queue: Queue,
}

impl Wake {
    /// Over these stores.
    pub fn new(stores: Stores, queue: Queue) -> Self {
        Self { stores, queue }
    }

    /// One change.
    pub fn on(&self, change: Change) {
        match change {
            Change::Release(project, name) => {
                self.release(&project, &name);
                self.environments(&project);
                self.promotions(&project, None);
            }
            Change::Environment(project, name, is_news) => {
                self.environment(&project, &name);
                if is_news {
                    self.environments(&project);
                    self.releases(&project);
                    self.promotions(&project, None);
                }
            }
            Change::Policy(project) => {
                self.environments(&project);
                self.promotions(&project, None);
            }
            Change::Promotion(project, name) => {
                if let Some(promotion) = self.stores.promotions.get(&project, &name) {
                    self.promotion(&project, &name, &promotion.spec.environment);
                    self.release(&project, &promotion.spec.release);
                } else {
                    // Gone, or undecodable, which it is told.
                    self.queue.push(Key {
                        kind: Kind::Promotion,
                        namespace: project.clone(),
                        name,
                        group: None,
                    });
                }
                self.environments(&project);
                self.releases(&project);
                self.promotions(&project, None);
            }
            Change::Namespace(namespace) => self.target(&namespace, true),
            Change::Workload(namespace) => self.target(&namespace, false),
        }
    }

    /// Everything, after this replica became the leader.
    pub fn all(&self) {
        for environment in self.stores.environments.all() {
            self.environment(&environment.namespace().unwrap_or_default(), &environment.name_any());
        }
        for promotion in self.stores.promotions.all() {
            if !phase_of(&promotion).is_final() {
                let project = promotion.namespace().unwrap_or_default();
                self.promotion(&project, &promotion.name_any(), &promotion.spec.environment);
            }
        }
        for release in self.stores.releases.all() {
            self.release(&release.namespace().unwrap_or_default(), &release.name_any());
        }
    }

    fn target(&self, namespace: &str, is_namespace: bool) {
        for id in self.stores.targets().of(namespace) {
            let Some((project, environment)) = id.split_once('/') else { continue };
            self.promotions(project, Some(environment));
            if is_namespace {
                self.environment(project, environment);
            }
            // A capture waits until workloads have settled.
            for release in self.stores.releases.list(project) {
                let is_captured = release.status.as_ref().is_some_and(|status| status.content.is_some());
                if !is_captured {
                    self.release(project, &release.name_any());
                }
            }
        }
    }

    fn environments(&self, project: &str) {
        for environment in self.stores.environments.list(project) {
            self.environment(project, &environment.name_any());
        }
    }

    /// Releases whose status may follow from what others do.
    fn releases(&self, project: &str) {
        for release in self.stores.releases.list(project) {
            let settled = release.status.as_ref().is_some_and(|status| match status.phase {
                ReleasePhase::Verified | ReleasePhase::Superseded => true,
                ReleasePhase::Pending
                | ReleasePhase::Promoting
                | ReleasePhase::Waiting
                | ReleasePhase::RollingBack
                | ReleasePhase::Failed
                | ReleasePhase::RolledBack
                | ReleasePhase::Invalid => false,
            });
            if !settled {
                self.release(project, &release.name_any());
            }
        }
    }

    fn promotions(&self, project: &str, environment: Option<&str>) {
        for promotion in self.stores.promotions.list(project) {
            let concerned = environment.is_none_or(|name| name == promotion.spec.environment);
            if concerned && !phase_of(&promotion).is_final() {
                self.promotion(project, &promotion.name_any(), &promotion.spec.environment);
            }
        }
    }

    fn release(&self, project: &str, name: &str) {
        self.queue.push(Key {
            kind: Kind::Release,
            namespace: project.into(),
            name: name.into(),
            group: None,
        });
    }

    fn environment(&self, project: &str, name: &str) {
        self.queue.push(Key {
            kind: Kind::Environment,
            namespace: project.into(),
            name: name.into(),
            group: Some(format!("{project}/{name}")),
        });
    }

    fn promotion(&self, project: &str, name: &str, environment: &str) {
        self.queue.push(Key {
            kind: Kind::Promotion,
            namespace: project.into(),
            name: name.into(),
            group: Some(format!("{project}/{environment}")),
        });
    }
}
