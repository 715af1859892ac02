//! Everything that is watched, one watch per kind for the process.
//!
//! Invariant: of workloads only those in target namespaces are kept, so cost follows what Towpath manages. The set of targets
//! grows before the workloads of a new one are listed.

mod scope;
mod targets;

use super::client::Clients;
use super::error::ContextError;
use super::slim;
use super::store::{Delta, Store};
use super::telemetry::Telemetry;
use super::watch::{Watch, WatchOptions, Watched, Whole};
use crate::api::{
    Approval, ChangeFreeze, ClusterChangeFreeze, Environment, KeptRelease, Promotion, RollbackPolicy,
};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::core::ObjectMeta;
pub use scope::Scope;
use std::sync::{Arc, PoisonError, RwLock};
pub use targets::Targets;
use tokio::sync::Notify;

/// What changed, as far as somebody has to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A release: namespace and name.
    Release(String, String),
    /// An environment: namespace, name, and whether its spec changed or it came or went.
    Environment(String, String, bool),
    /// A rollback policy of this namespace.
    Policy(String),
    /// A promotion: namespace, name, and, where it could be read, what it is about.
    Promotion {
        /// Its project.
        project: String,
        /// Its name.
        name: String,
        /// Its release.
        release: Option<String>,
        /// Its environment.
        environment: Option<String>,
        /// Its application; empty while nobody has said which it is.
        application: Option<String>,
        /// Its UID, when it is gone.
        gone: Option<String>,
    },
    /// An approval: namespace and name, and, where it could be read, the release and the environment that it is about.
    Approval {
        /// Its project.
        project: String,
        /// Its name.
        name: String,
        /// Its release.
        release: Option<String>,
        /// Its environment.
        environment: Option<String>,
    },
    /// A freeze of this project, or of every one.
    Freeze(Option<String>),
    /// An admission policy.
    Admission,
    /// A namespace.
    Namespace(String),
    /// A workload, pod or Job in this namespace.
    Workload(String),
}

/// The stores.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Releases, also by their application.
    pub releases: Store<KeptRelease>,
    /// Environments.
    pub environments: Store<Environment>,
    /// Rollback policies.
    pub policies: Store<RollbackPolicy>,
    /// Promotions, also by their application; under the empty one while nobody has said which it is.
    pub promotions: Store<Promotion>,
    /// Approvals.
    pub approvals: Store<Approval>,
    /// Freezes of projects.
    pub freezes: Store<ChangeFreeze>,
    /// Freezes of the cluster.
    pub cluster_freezes: Store<ClusterChangeFreeze>,
    /// Admission policies of ours; empty where the installation does without.
    pub admission_policies: Store<Whole<ValidatingAdmissionPolicy>>,
    /// Their bindings.
    pub admission_bindings: Store<Whole<ValidatingAdmissionPolicyBinding>>,
    /// Namespaces.
    pub namespaces: Store<slim::Namespace>,
    /// Deployments in target namespaces.
    pub deployments: Store<slim::Deployment>,
    /// StatefulSets in target namespaces.
    pub stateful_sets: Store<slim::StatefulSet>,
    /// DaemonSets in target namespaces.
    pub daemon_sets: Store<slim::DaemonSet>,
    /// ReplicaSets in target namespaces.
    pub replica_sets: Store<slim::ReplicaSet>,
    /// Pods in target namespaces.
    pub pods: Store<slim::Pod>,
    /// Jobs in target namespaces.
    pub jobs: Store<slim::Job>,
    targets: Targets,
}

impl Default for Stores {
    fn default() -> Self {
        Self {
            releases: Store::indexed(|release| Some(release.application())),
            environments: Store::default(),
            policies: Store::default(),
            promotions: Store::indexed(|promotion| Some(application_of(promotion))),
            approvals: Store::default(),
            freezes: Store::default(),
            cluster_freezes: Store::default(),
            admission_policies: Store::default(),
            admission_bindings: Store::default(),
            namespaces: Store::default(),
            deployments: Store::default(),
            stateful_sets: Store::default(),
            daemon_sets: Store::default(),
            replica_sets: Store::default(),
            pods: Store::default(),
            jobs: Store::default(),
            targets: Targets::default(),
        }
    }
}

/// The application that a promotion names, in its status or in its spec; empty when it names none.
pub fn application_of(promotion: &Promotion) -> &str {
    let told = promotion.status.as_ref().and_then(|status| status.application.as_deref());
    told.or(promotion.spec.application.as_deref()).unwrap_or_default()
}

/// The running watches; dropping it ends them.
pub struct Watches {
    ends: Vec<futures::future::BoxFuture<'static, ContextError>>,
}

impl Watches {
    /// The first watch that ends; none ever should.
    pub async fn ended(&mut self) -> ContextError {
        futures::future::select_all(std::mem::take(&mut self.ends)).await.0
    }
}

impl Stores {
    /// The target namespaces.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Whether every first list is complete.
    pub fn are_ready(&self) -> bool {
        self.own_are_ready()
            && self.deployments.is_ready()
            && self.stateful_sets.is_ready()
            && self.daemon_sets.is_ready()
            && self.replica_sets.is_ready()
            && self.pods.is_ready()
            && self.jobs.is_ready()
    }

    fn own_are_ready(&self) -> bool {
        self.releases.is_ready()
            && self.environments.is_ready()
            && self.policies.is_ready()
            && self.promotions.is_ready()
            && self.approvals.is_ready()
            && self.freezes.is_ready()
            && self.cluster_freezes.is_ready()
            && self.namespaces.is_ready()
    }

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
        let tell = changed.clone();
        starter.start(&mut watches, "Release", &self.releases, serves.clone(), move |delta| {
            if let Some((namespace, name)) = place(&delta) {
                tell(Change::Release(namespace, name));
            }
        });
        let (tell, targets, again) = (changed.clone(), self.targets.clone(), Arc::clone(&relisters));
        starter.start(&mut watches, "Environment", &self.environments, serves.clone(), move |delta| {
            let relist = || {
                for relist in again.read().unwrap_or_else(PoisonError::into_inner).iter() {
                    (relist.0)();
                }
            };
            let is_news = targets::track(&targets, relist, &delta);
            if let Some((namespace, name)) = place(&delta) {
                tell(Change::Environment(namespace, name, is_news));
            }
        });
        let tell = changed.clone();
        starter.start(&mut watches, "RollbackPolicy", &self.policies, serves.clone(), move |delta| {
            if let Some((namespace, _)) = place(&delta) {
                tell(Change::Policy(namespace));
            }
        });
        let tell = changed.clone();
        starter.start(&mut watches, "Promotion", &self.promotions, serves.clone(), move |delta| {
            if let Some((project, name)) = place(&delta) {
                let promotion = object(&delta);
                tell(Change::Promotion {
                    project,
                    name,
                    release: promotion.map(|promotion| promotion.spec.release.clone()),
                    environment: promotion.map(|promotion| promotion.spec.environment.clone()),
                    application: promotion.map(|promotion| application_of(promotion).to_owned()),
                    gone: gone(&delta),
                });
            }
        });
        self.watch_consent(&starter, &mut watches, scope, changed.clone());
        let tell = changed.clone();
        starter.start(
            &mut watches,
            "Namespace",
            &self.namespaces,
            |_: &ObjectMeta| true,
            move |delta| {
                if let Some(object) = object(&delta) {
                    tell(Change::Namespace(object.metadata.name().to_owned()));
                }
            },
        );
        // Nothing starts on the word of a policy that nobody has seen.
        let policies_are_known =
            || !scope.admission || (self.admission_policies.is_ready() && self.admission_bindings.is_ready());
        while !self.own_are_ready() || !policies_are_known() {
            listed.notified().await;
        }
        macro_rules! workloads {
            ($($kind:literal => $store:ident),*) => { $(
                let (tell, targets) = (changed.clone(), self.targets.clone());
                let keep = move |meta: &ObjectMeta| targets.holds(meta.namespace.as_deref().unwrap_or_default());
                let relister = starter.start(&mut watches, $kind, &self.$store, keep, move |delta| {
                    if let Some(object) = object(&delta) {
                        tell(Change::Workload(object.metadata.namespace().to_owned()));
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
    /// What people decide, and whether the API server holds them to the rules.
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
        let tell = changed.clone();
        starter.start(watches, "Approval", &self.approvals, serves.clone(), move |delta| {
            if let Some((project, name)) = place(&delta) {
                let approval = object(&delta);
                tell(Change::Approval {
                    project,
                    name,
                    release: approval.map(|approval| approval.spec.release.name.clone()),
                    environment: approval.map(|approval| approval.spec.environment.name.clone()),
                });
            }
        });
        let tell = changed.clone();
        starter.start(watches, "ChangeFreeze", &self.freezes, serves, move |delta| {
            if let Some((project, _)) = place(&delta) {
                tell(Change::Freeze(Some(project)));
            }
        });
        let tell = changed.clone();
        let every = |_: &ObjectMeta| true;
        starter.start(watches, "ClusterChangeFreeze", &self.cluster_freezes, every, move |delta| {
            if !matches!(delta, Delta::Listed) {
                tell(Change::Freeze(None));
            }
        });
        if !scope.admission {
            return;
        }
        let is_ours =
            |meta: &ObjectMeta| meta.name.as_deref().is_some_and(|name| name.starts_with("towpath-"));
        let tell = changed.clone();
        let policies = &self.admission_policies;
        starter.start(watches, "ValidatingAdmissionPolicy", policies, is_ours, move |delta| {
            if !matches!(delta, Delta::Listed) {
                tell(Change::Admission);
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

/// Lists a kind anew, as more of it is kept than before.
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
        keep: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static,
        changed: impl Fn(Delta<K>) + Send + Sync + 'static,
    ) -> Relister {
        let listed = Arc::clone(self.listed);
        let mut watch = Watch::start(
            kind,
            self.clients,
            WatchOptions::default(),
            store.clone(),
            self.telemetry.clone(),
            keep,
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

/// The UID of an object that is gone.
fn gone(delta: &Delta<Promotion>) -> Option<String> {
    match delta {
        Delta::Gone { old } => old.metadata.uid.clone(),
        Delta::Applied { .. } | Delta::Undecodable { .. } | Delta::UndecodableGone { .. } | Delta::Listed => {
            None
        }
    }
}

/// The object that a change is about.
fn object<K>(delta: &Delta<K>) -> Option<&Arc<K>> {
    match delta {
        Delta::Applied { new, .. } => Some(new),
        Delta::Gone { old } => Some(old),
        Delta::Undecodable { .. } | Delta::UndecodableGone { .. } | Delta::Listed => None,
    }
}

fn place<K: Watched>(delta: &Delta<K>) -> Option<(String, String)> {
    if let Delta::Undecodable { new } | Delta::UndecodableGone { old: new } = delta {
        return Some((new.namespace.to_string(), new.name.to_string()));
    }
    let (namespace, name) = object(delta)?.place();
    Some((namespace.to_owned(), name.to_owned()))
}
