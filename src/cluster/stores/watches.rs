//! The watches that fill the stores.
//!
//! Invariant: the workloads of target namespaces are listed once the targets are known.

use super::change::{Change, application_of, gone, key, object};
use super::{Scope, Stores, targets};
use crate::api::{EnvironmentId, Location};
use crate::cluster::client::Clients;
use crate::cluster::error::ClusterError;
use crate::cluster::slim::Slim;
use crate::cluster::store::{Delta, Store};
use crate::cluster::telemetry::Telemetry;
use crate::cluster::watch::{Watch, WatchOptions, Watched};
use futures::future::BoxFuture;
use kube::Resource;
use kube::core::ObjectMeta;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long the start waits for the first list of channels.
const LIST_OF_CHANNELS: Duration = Duration::from_secs(5);

/// The running watches; dropping it ends them.
pub struct Watches {
    ends: Vec<BoxFuture<'static, ClusterError>>,
}

impl Watches {
    /// Waits for the first watch that ends; none should.
    pub async fn ended(&mut self) -> ClusterError {
        futures::future::select_all(std::mem::take(&mut self.ends)).await.0
    }
}

impl Stores {
    /// Starts every watch; returns when all first lists are complete that promotions need. The list of channels is waited for
    /// as long as a list may take: without the right to list them, or without their kind, everything else goes on.
    pub async fn start(
        &self,
        clients: &Clients,
        scope: &Scope,
        telemetry: &Telemetry,
        changed: impl Fn(Change) + Clone + Send + Sync + 'static,
    ) -> Watches {
        let listed = Arc::new(Notify::new());
        let relisters = Relisters::default();
        let mut starter =
            Starter { clients, scope, telemetry, listed: Arc::clone(&listed), changed, ends: Vec::new() };
        self.watch_releases(&mut starter);
        self.watch_environments(&mut starter, &relisters);
        self.watch_policies(&mut starter);
        self.watch_channels(&mut starter);
        self.watch_promotions(&mut starter);
        self.watch_consent(&mut starter);
        self.watch_freezes(&mut starter);
        if scope.admission {
            self.watch_admission(&mut starter);
        }
        self.watch_namespaces(&mut starter);
        // Nothing starts before the admission policies were seen.
        let policies_are_known =
            || !scope.admission || (self.admission_policies.is_ready() && self.admission_bindings.is_ready());
        while !self.own_are_ready() || !policies_are_known() {
            listed.notified().await;
        }
        self.watch_workloads(&mut starter, &relisters);
        while !self.are_ready() {
            listed.notified().await;
        }
        let channels_are_listed = async {
            while !self.channels.is_ready() {
                listed.notified().await;
            }
        };
        if timeout(LIST_OF_CHANNELS, channels_are_listed).await.is_err() {
            tracing::warn!(
                "Channels cannot be listed; no notification is sent until the controller may list and watch them"
            );
        }
        Watches { ends: starter.ends }
    }

    fn watch_releases(&self, starter: &mut Starter<'_, impl Changed>) {
        let (notify, requirements) = (starter.changed.clone(), self.requirements.clone());
        starter.in_projects("Release", &self.releases, move |delta| {
            requirements.track_release(&delta);
            if let Some((project, name)) = key(&delta) {
                notify(Change::Release(project, name.into()));
            }
        });
    }

    /// Environments say which namespaces are targets, so a new one lists the workloads again.
    fn watch_environments(&self, starter: &mut Starter<'_, impl Changed>, relisters: &Relisters) {
        let (notify, targets, relisters) =
            (starter.changed.clone(), self.targets.clone(), Arc::clone(relisters));
        starter.in_projects("Environment", &self.environments, move |delta| {
            let relist = || {
                for relist in relisters.read().unwrap_or_else(PoisonError::into_inner).iter() {
                    (relist.0)();
                }
            };
            let matters = targets::track(&targets, relist, &delta);
            if let Some((project, name)) = key(&delta) {
                let id = EnvironmentId { project, environment: name.into() };
                notify(Change::Environment(id, matters));
            }
        });
    }

    /// Watches rollback policies and the providers of their checks.
    fn watch_policies(&self, starter: &mut Starter<'_, impl Changed>) {
        let notify = starter.changed.clone();
        starter.in_projects("RollbackPolicy", &self.policies, move |delta| {
            if let Some((project, name)) = key(&delta) {
                notify(Change::Policy(project, name));
            }
        });
        let notify = starter.changed.clone();
        starter.in_cluster("CheckProvider", &self.providers, move |delta| {
            if let Some((_, name)) = key(&delta) {
                notify(Change::Provider(name));
            }
        });
    }

    /// Watches where notifications go.
    fn watch_channels(&self, starter: &mut Starter<'_, impl Changed>) {
        let notify = starter.changed.clone();
        starter.in_cluster("Channel", &self.channels, move |delta| match key(&delta) {
            Some((_, name)) => notify(Change::Channel(name, is_news(&delta))),
            None => notify(Change::Channels),
        });
    }

    fn watch_promotions(&self, starter: &mut Starter<'_, impl Changed>) {
        let (notify, requirements) = (starter.changed.clone(), self.requirements.clone());
        starter.in_projects("Promotion", &self.promotions, move |delta| {
            requirements.track_promotion(&delta);
            if let Some((project, name)) = key(&delta) {
                let promotion = object(&delta);
                notify(Change::Promotion {
                    project,
                    name,
                    release: promotion.map(|promotion| promotion.spec.release.clone()),
                    environment: promotion.map(|promotion| promotion.spec.environment.clone()),
                    application: promotion.map(|promotion| application_of(promotion).into()),
                    gone: gone(&delta),
                });
            }
        });
    }

    /// Watches approvals, recalls and reviews.
    fn watch_consent(&self, starter: &mut Starter<'_, impl Changed>) {
        let notify = starter.changed.clone();
        starter.in_projects("Approval", &self.approvals, move |delta| {
            if let Some((project, name)) = key(&delta) {
                let approval = object(&delta);
                notify(Change::Approval {
                    project,
                    name,
                    release: approval.map(|approval| approval.spec.release.name.clone()),
                    environment: approval.map(|approval| approval.spec.environment.name.clone()),
                });
            }
        });
        let notify = starter.changed.clone();
        starter.in_projects("Recall", &self.recalls, move |delta| {
            if let Some((project, name)) = key(&delta) {
                let recall = object(&delta);
                notify(Change::Recall {
                    project,
                    name,
                    application: recall.map(|recall| recall.spec.application.clone()),
                    digests: recall.map(|recall| recall.spec.digests.clone()).unwrap_or_default(),
                    is_news: is_news(&delta),
                });
            }
        });
        let notify = starter.changed.clone();
        starter.in_projects("Review", &self.reviews, move |delta| {
            if let Some((project, _)) = key(&delta) {
                notify(Change::Review(project, object(&delta).map(|review| review.spec.release.clone())));
            }
        });
    }

    /// Watches the freezes of projects and of the cluster.
    fn watch_freezes(&self, starter: &mut Starter<'_, impl Changed>) {
        let notify = starter.changed.clone();
        starter.in_projects("ChangeFreeze", &self.freezes, move |delta| {
            if let Some((project, _)) = key(&delta) {
                notify(Change::Freeze(Some(project)));
            }
        });
        let notify = starter.changed.clone();
        starter.in_cluster("ClusterChangeFreeze", &self.cluster_freezes, move |delta| {
            if !matches!(delta, Delta::Listed) {
                notify(Change::Freeze(None));
            }
        });
    }

    /// Watches the admission policies of the chart and their bindings.
    fn watch_admission(&self, starter: &mut Starter<'_, impl Changed>) {
        let is_ours =
            |meta: &ObjectMeta| meta.name.as_deref().is_some_and(|name| name.starts_with("towpath-"));
        let notify = starter.changed.clone();
        let policies = &self.admission_policies;
        starter.start("ValidatingAdmissionPolicy", policies, is_ours, move |delta| {
            if !matches!(delta, Delta::Listed) {
                notify(Change::Admission);
            }
        });
        let notify = starter.changed.clone();
        let bindings = &self.admission_bindings;
        starter.start("ValidatingAdmissionPolicyBinding", bindings, is_ours, move |delta| {
            if !matches!(delta, Delta::Listed) {
                notify(Change::Admission);
            }
        });
    }

    fn watch_namespaces(&self, starter: &mut Starter<'_, impl Changed>) {
        let notify = starter.changed.clone();
        starter.in_cluster("Namespace", &self.namespaces, move |delta| {
            if let Some(object) = object(&delta) {
                notify(Change::Namespace(Location::home(object.metadata.name().into())));
            }
        });
    }

    /// Watches the workloads of target namespaces, their pods, and Jobs.
    fn watch_workloads(&self, starter: &mut Starter<'_, impl Changed>, relisters: &Relisters) {
        self.watch_workload(starter, relisters, "Deployment", &self.deployments);
        self.watch_workload(starter, relisters, "StatefulSet", &self.stateful_sets);
        self.watch_workload(starter, relisters, "DaemonSet", &self.daemon_sets);
        self.watch_workload(starter, relisters, "ReplicaSet", &self.replica_sets);
        self.watch_workload(starter, relisters, "Pod", &self.pods);
        self.watch_workload(starter, relisters, "Job", &self.jobs);
    }

    fn watch_workload<K: Watched + Slim>(
        &self,
        starter: &mut Starter<'_, impl Changed>,
        relisters: &Relisters,
        kind: &'static str,
        store: &Store<K>,
    ) {
        let (notify, targets) = (starter.changed.clone(), self.targets.clone());
        let accepts =
            move |meta: &ObjectMeta| targets.contains(meta.namespace.as_deref().unwrap_or_default());
        let relister = starter.start(kind, store, accepts, move |delta| {
            if let Some(object) = object(&delta) {
                notify(Change::Workload(Location::home(object.meta().namespace().into())));
            }
            if let Some(target) = news_of_fields(&delta) {
                notify(Change::Fields(target));
            }
        });
        relisters.write().unwrap_or_else(PoisonError::into_inner).push(relister);
    }
}

/// Whether an object is new, has another spec, is being deleted, is gone, or cannot be decoded.
fn is_news<K: Resource>(delta: &Delta<K>) -> bool {
    !matches!(delta, Delta::Applied { old: Some(old), new } if old.meta().generation == new.meta().generation)
}

/// The target of a workload whose fields have to be compared with what was written.
fn news_of_fields<K: Slim>(delta: &Delta<K>) -> Option<Location> {
    let object = match delta {
        Delta::Applied { old, new } => Some(new).filter(|new| new.has_news_of_fields(old.as_deref())),
        Delta::Gone { old } => Some(old).filter(|old| old.owned().may_have_drifted()),
        Delta::Undecodable { .. } | Delta::UndecodableGone { .. } | Delta::Listed => None,
    };
    object.map(|object| Location::home(object.meta().namespace().into()))
}

/// Lists a kind again, because more of its objects are accepted than before.
struct Relister(Box<dyn Fn() + Send + Sync>);

/// The relisters of the workloads.
type Relisters = Arc<RwLock<Vec<Relister>>>;

/// Receives each change.
trait Changed: Fn(Change) + Clone + Send + Sync + 'static {}

impl<F: Fn(Change) + Clone + Send + Sync + 'static> Changed for F {}

/// Starts watches, and collects their ends.
struct Starter<'a, F> {
    clients: &'a Clients,
    scope: &'a Scope,
    telemetry: &'a Telemetry,
    listed: Arc<Notify>,
    changed: F,
    ends: Vec<BoxFuture<'static, ClusterError>>,
}

impl<F> Starter<'_, F> {
    /// Watches a kind in the projects that are served.
    fn in_projects<K: Watched>(
        &mut self,
        kind: &'static str,
        store: &Store<K>,
        changed: impl Fn(Delta<K>) + Send + Sync + 'static,
    ) {
        let scope = self.scope.clone();
        let serves = move |meta: &ObjectMeta| scope.serves(meta.namespace.as_deref().unwrap_or_default());
        self.start(kind, store, serves, changed);
    }

    /// Watches all objects of a kind.
    fn in_cluster<K: Watched>(
        &mut self,
        kind: &'static str,
        store: &Store<K>,
        changed: impl Fn(Delta<K>) + Send + Sync + 'static,
    ) {
        self.start(kind, store, |_: &ObjectMeta| true, changed);
    }

    fn start<K: Watched>(
        &mut self,
        kind: &'static str,
        store: &Store<K>,
        accepts: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static,
        changed: impl Fn(Delta<K>) + Send + Sync + 'static,
    ) -> Relister {
        let listed = Arc::clone(&self.listed);
        let mut watch = Watch::start(
            kind,
            self.clients,
            WatchOptions::default(),
            store.clone(),
            self.telemetry.clone(),
            accepts,
            move |delta| {
                let is_list = matches!(delta, Delta::Listed);
                changed(delta);
                if is_list {
                    listed.notify_one();
                }
            },
        );
        let relister = watch.relister();
        self.ends.push(Box::pin(async move { watch.ended().await }));
        Relister(Box::new(relister))
    }
}
