//! The watches that fill the stores.
//!
//! Invariant: the workloads of target namespaces are listed once the targets are known.

use super::change::{Change, application_of, gone, key, object};
use super::{Scope, Stores, targets};
use crate::cluster::client::Clients;
use crate::cluster::error::ClusterError;
use crate::cluster::slim::Slim;
use crate::cluster::store::{Delta, Store};
use crate::cluster::telemetry::Telemetry;
use crate::cluster::watch::{Watch, WatchOptions, Watched};
use kube::core::ObjectMeta;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Notify;

/// The running watches; dropping it ends them.
pub struct Watches {
    ends: Vec<futures::future::BoxFuture<'static, ClusterError>>,
}

impl Watches {
    /// Waits for the first watch that ends; none should.
    pub async fn ended(&mut self) -> ClusterError {
        futures::future::select_all(std::mem::take(&mut self.ends)).await.0
    }
}

impl Stores {
    /// Starts every watch; returns when all first lists are complete.
    pub async fn start(
        &self,
        clients: &Clients,
        scope: &Scope,
        telemetry: &Telemetry,
        changed: impl Fn(Change) + Clone + Send + Sync + 'static,
    ) -> Watches {
        let listed = Arc::new(Notify::new());
        let mut watches = Watches { ends: Vec::new() };
        let relisters: Arc<RwLock<Vec<Relister>>> = Arc::default();
        let starter = Starter { clients, telemetry, listed: &listed };
        let serves = {
            let scope = scope.clone();
            move |meta: &ObjectMeta| scope.serves(meta.namespace.as_deref().unwrap_or_default())
        };
        let (notify, requirements) = (changed.clone(), self.requirements.clone());
        starter.start(&mut watches, "Release", &self.releases, serves.clone(), move |delta| {
            requirements.track_release(&delta);
            if let Some((namespace, name)) = key(&delta) {
                notify(Change::Release(namespace, name));
            }
        });
        let (notify, targets, again) = (changed.clone(), self.targets.clone(), Arc::clone(&relisters));
        starter.start(&mut watches, "Environment", &self.environments, serves.clone(), move |delta| {
            let relist = || {
                for relist in again.read().unwrap_or_else(PoisonError::into_inner).iter() {
                    (relist.0)();
                }
            };
            let matters = targets::track(&targets, relist, &delta);
            if let Some((namespace, name)) = key(&delta) {
                notify(Change::Environment(namespace, name, matters));
            }
        });
        let notify = changed.clone();
        starter.start(&mut watches, "RollbackPolicy", &self.policies, serves.clone(), move |delta| {
            if let Some((namespace, name)) = key(&delta) {
                notify(Change::Policy(namespace, name));
            }
        });
        let notify = changed.clone();
        let every = |_: &ObjectMeta| true;
        starter.start(&mut watches, "CheckProvider", &self.providers, every, move |delta| {
            if let Some((_, name)) = key(&delta) {
                notify(Change::Provider(name));
            }
        });
        let (notify, requirements) = (changed.clone(), self.requirements.clone());
        starter.start(&mut watches, "Promotion", &self.promotions, serves.clone(), move |delta| {
            requirements.track_promotion(&delta);
            if let Some((project, name)) = key(&delta) {
                let promotion = object(&delta);
                notify(Change::Promotion {
                    project,
                    name,
                    release: promotion.map(|promotion| promotion.spec.release.to_string()),
                    environment: promotion.map(|promotion| promotion.spec.environment.to_string()),
                    application: promotion.map(|promotion| application_of(promotion).to_owned()),
                    gone: gone(&delta),
                });
            }
        });
        self.watch_consent(&starter, &mut watches, scope, changed.clone());
        let notify = changed.clone();
        starter.start(
            &mut watches,
            "Namespace",
            &self.namespaces,
            |_: &ObjectMeta| true,
            move |delta| {
                if let Some(object) = object(&delta) {
                    notify(Change::Namespace(object.metadata.name().to_owned()));
                }
            },
        );
        // Nothing starts before the admission policies were seen.
        let policies_are_known =
            || !scope.admission || (self.admission_policies.is_ready() && self.admission_bindings.is_ready());
        while !self.own_are_ready() || !policies_are_known() {
            listed.notified().await;
        }
        macro_rules! workloads {
            ($($kind:literal => $store:ident),*) => { $(
                let (notify, targets) = (changed.clone(), self.targets.clone());
                let accepts = move |meta: &ObjectMeta| targets.contains(meta.namespace.as_deref().unwrap_or_default());
                let relister = starter.start(&mut watches, $kind, &self.$store, accepts, move |delta| {
                    if let Some(object) = object(&delta) {
                        notify(Change::Workload(object.metadata.namespace().to_owned()));
                    }
                    if let Some(namespace) = news_of_fields(&delta) {
                        notify(Change::Fields(namespace));
                    }
                });
                relisters.write().unwrap_or_else(PoisonError::into_inner).push(relister);
            )* };
        }
        workloads!("Deployment" => deployments, "StatefulSet" => stateful_sets, "DaemonSet" => daemon_sets,
            "ReplicaSet" => replica_sets, "Pod" => pods, "Job" => jobs);
        while !self.are_ready() {
            listed.notified().await;
        }
        watches
    }
}

impl Stores {
    /// Watches approvals, recalls, freezes and admission policies.
    fn watch_consent(
        &self,
        starter: &Starter<'_>,
        watches: &mut Watches,
        scope: &Scope,
        changed: impl Fn(Change) + Clone + Send + Sync + 'static,
    ) {
        let serves = {
            let scope = scope.clone();
            move |meta: &ObjectMeta| scope.serves(meta.namespace.as_deref().unwrap_or_default())
        };
        let notify = changed.clone();
        starter.start(watches, "Approval", &self.approvals, serves.clone(), move |delta| {
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
        let notify = changed.clone();
        starter.start(watches, "Recall", &self.recalls, serves.clone(), move |delta| {
            if let Some((project, name)) = key(&delta) {
                let recall = object(&delta);
                let is_news = !matches!(&delta, Delta::Applied { old: Some(old), new }
                    if old.metadata.generation == new.metadata.generation);
                notify(Change::Recall {
                    project,
                    name,
                    application: recall.map(|recall| recall.spec.application.to_string()),
                    digests: recall.map(|recall| recall.spec.digests.clone()).unwrap_or_default(),
                    is_news,
                });
            }
        });
        let notify = changed.clone();
        starter.start(watches, "ChangeFreeze", &self.freezes, serves, move |delta| {
            if let Some((project, _)) = key(&delta) {
                notify(Change::Freeze(Some(project)));
            }
        });
        let notify = changed.clone();
        let every = |_: &ObjectMeta| true;
        starter.start(watches, "ClusterChangeFreeze", &self.cluster_freezes, every, move |delta| {
            if !matches!(delta, Delta::Listed) {
                notify(Change::Freeze(None));
            }
        });
        if !scope.admission {
            return;
        }
        let is_ours =
            |meta: &ObjectMeta| meta.name.as_deref().is_some_and(|name| name.starts_with("towpath-"));
        let notify = changed.clone();
        let policies = &self.admission_policies;
        starter.start(watches, "ValidatingAdmissionPolicy", policies, is_ours, move |delta| {
            if !matches!(delta, Delta::Listed) {
                notify(Change::Admission);
            }
        });
        let bindings = &self.admission_bindings;
        starter.start(watches, "ValidatingAdmissionPolicyBinding", bindings, is_ours, move |delta| {
            if !matches!(delta, Delta::Listed) {
                changed(Change::Admission);
            }
        });
    }
}

/// The namespace of a workload whose fields have to be compared with what was written.
fn news_of_fields<K: Slim>(delta: &Delta<K>) -> Option<String> {
    let object = match delta {
        Delta::Applied { old, new } => Some(new).filter(|new| new.has_news_of_fields(old.as_deref())),
        Delta::Gone { old } => Some(old).filter(|old| old.owned().may_have_drifted()),
        Delta::Undecodable { .. } | Delta::UndecodableGone { .. } | Delta::Listed => None,
    };
    object.map(|object| object.meta().namespace().to_owned())
}

/// Lists a kind again, because more of its objects are accepted than before.
struct Relister(Box<dyn Fn() + Send + Sync>);

struct Starter<'a> {
    clients: &'a Clients,
    telemetry: &'a Telemetry,
    listed: &'a Arc<Notify>,
}

impl Starter<'_> {
    fn start<K: Watched>(
        &self,
        watches: &mut Watches,
        kind: &'static str,
        store: &Store<K>,
        accepts: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static,
        changed: impl Fn(Delta<K>) + Send + Sync + 'static,
    ) -> Relister {
        let listed = Arc::clone(self.listed);
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
        watches.ends.push(Box::pin(async move { watch.ended().await }));
        Relister(Box::new(relister))
    }
}
