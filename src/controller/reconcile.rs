//! The reconcile of each kind is one recipe: observe, decide, act.

use super::queue::{Key, Kind};
use crate::act::{ActError, Status, Subject, act, reject};
use crate::api::{
    Approval, ApprovalStatus, CheckProvider, CheckProviderStatus, Environment, EnvironmentStatus, Promotion,
    PromotionStatus, Recall, RecallStatus, Release, ReleaseStatus, RollbackPolicy, RollbackPolicyStatus,
};
use crate::cluster::Undecodable;
use crate::decide;
use crate::decide::decision::{Decision, NoStatus};
use crate::decide::world::{
    ApprovalWorld, EnvironmentWorld, FreezesWorld, PolicyWorld, PromotionWorld, ProviderWorld, RecallWorld,
    ReleaseWorld,
};
use crate::observe;
use crate::observe::ObserveError;
use crate::process::Handles;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Resource;
use kube::core::ObjectMeta;
use std::future::Future;
use std::time::Duration;

/// When to reconcile again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// When something changes.
    OnChange,
    /// After this time, too.
    In(Duration),
}

/// A pass that did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// While reading.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// While writing.
    #[error(transparent)]
    Act(#[from] ActError),
}

/// A kind that is reconciled: what is observed of an object, and what is decided about it.
trait Reconciled: Resource<DynamicType = ()> {
    type World: Send;
    type Status: Status + Send + Sync;

    /// The world of an object; none when it does not exist, has ended, or cannot be decoded.
    fn observe(
        handles: &Handles,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Self::World>, ObserveError>> + Send;

    /// Why the object cannot be decoded, if it cannot.
    fn undecodable(handles: &Handles, key: &Key) -> Option<Undecodable>;

    /// What names the object in a request, at the version that was observed.
    fn identity(world: &Self::World) -> ObjectMeta;

    fn decide(world: &Self::World, now: Timestamp) -> Decision<Self::Status>;

    /// What this process need not remember once the world was observed.
    fn forget(_handles: &Handles, _world: &Self::World) {}
}

macro_rules! reconciled {
    ($kind:ty, $module:ident, $store:ident, $world:ty, $status:ty, $identity:expr $(, $forget:item)?) => {
        impl Reconciled for $kind {
            type World = $world;
            type Status = $status;

            async fn observe(handles: &Handles, key: &Key) -> Result<Option<$world>, ObserveError> {
                observe::$module::observe(handles, &key.namespace, &key.name).await
            }

            fn undecodable(handles: &Handles, key: &Key) -> Option<Undecodable> {
                handles.stores.$store.undecodable(&key.namespace, &key.name)
            }

            fn identity(world: &$world) -> ObjectMeta {
                $identity(world)
            }

            fn decide(world: &$world, now: Timestamp) -> Decision<$status> {
                decide::$module::decide(world, now)
            }

            $($forget)?
        }
    };
}

reconciled!(Release, release, releases, ReleaseWorld, ReleaseStatus, |world: &ReleaseWorld| {
    world.release.identity()
});
reconciled!(
    Environment,
    environment,
    environments,
    EnvironmentWorld,
    EnvironmentStatus,
    |world: &EnvironmentWorld| { world.environment.metadata.clone() },
    fn forget(handles: &Handles, world: &EnvironmentWorld) {
        if world.contents.is_some() {
            handles.caches.trimmed.remove(&world.project.id(&world.environment));
        }
    }
);
reconciled!(Promotion, promotion, promotions, PromotionWorld, PromotionStatus, |world: &PromotionWorld| {
    world.promotion.metadata.clone()
});
reconciled!(Approval, approval, approvals, ApprovalWorld, ApprovalStatus, |world: &ApprovalWorld| {
    world.approval.metadata.clone()
});

reconciled!(RollbackPolicy, policy, policies, PolicyWorld, RollbackPolicyStatus, |world: &PolicyWorld| {
    world.policy.metadata.clone()
});
reconciled!(
    CheckProvider,
    provider,
    providers,
    ProviderWorld,
    CheckProviderStatus,
    |world: &ProviderWorld| { world.provider.metadata.clone() }
);
reconciled!(Recall, recall, recalls, RecallWorld, RecallStatus, |world: &RecallWorld| {
    world.recall.metadata.clone()
});

/// The ConfigMap with the freezes that are in force, one for the installation.
impl Reconciled for ConfigMap {
    type World = FreezesWorld;
    type Status = NoStatus;

    async fn observe(handles: &Handles, _: &Key) -> Result<Option<FreezesWorld>, ObserveError> {
        observe::freezes::observe(handles).await.map(Some)
    }

    fn undecodable(_: &Handles, _: &Key) -> Option<Undecodable> {
        None
    }

    fn identity(_: &FreezesWorld) -> ObjectMeta {
        ObjectMeta::default()
    }

    fn decide(world: &FreezesWorld, now: Timestamp) -> Decision<NoStatus> {
        decide::freezes::decide(world, now)
    }
}

/// One pass over one object.
pub async fn reconcile(handles: &Handles, key: &Key) -> Result<Again, ReconcileError> {
    match key.kind {
        Kind::Release => pass::<Release>(handles, key).await,
        Kind::Environment => pass::<Environment>(handles, key).await,
        Kind::Promotion => pass::<Promotion>(handles, key).await,
        Kind::Approval => pass::<Approval>(handles, key).await,
        Kind::Policy => pass::<RollbackPolicy>(handles, key).await,
        Kind::Provider => pass::<CheckProvider>(handles, key).await,
        Kind::Recall => pass::<Recall>(handles, key).await,
        Kind::Freezes => pass::<ConfigMap>(handles, key).await,
    }
}

/// The recipe: observe, decide, act.
async fn pass<K: Reconciled>(handles: &Handles, key: &Key) -> Result<Again, ReconcileError> {
    let Some(world) = K::observe(handles, key).await? else {
        let identity = ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.to_string()),
            ..ObjectMeta::default()
        };
        reject(handles, &Subject::of::<K>(identity), K::undecodable(handles, key)).await?;
        return Ok(Again::OnChange);
    };
    K::forget(handles, &world);
    let decision = K::decide(&world, handles.clock.now());
    handles.metrics.decision(key.kind.as_str());
    let wake_at = decision.wake_at;
    tracing::debug!(
        kind = key.kind.as_str(),
        namespace = key.namespace.as_str(),
        name = key.name,
        memory = decision.memory.is_some(),
        actions = decision.actions.len(),
        report = decision.report.is_some(),
        "decided"
    );
    let at_once = act(handles, &Subject::of::<K>(K::identity(&world)), decision).await?;
    Ok(match (at_once, wake_at) {
        (true, _) => Again::In(Duration::ZERO),
        (false, Some(at)) => Again::In(until(at, handles.clock.now())),
        (false, None) => Again::OnChange,
    })
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO).max(Duration::from_millis(5))
}
