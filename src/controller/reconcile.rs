//! The reconcile of each kind: observe, decide, act.

use super::queue::{Key, Kind};
use crate::act::{ActError, WithStatus, act, act_alone, reject};
use crate::api::{Approval, Environment, Promotion, Release};
use crate::cluster::Undecodable;
use crate::decide;
use crate::decide::decision::Decision;
use crate::observe;
use crate::observe::ObserveError;
use crate::process::Handles;
use jiff::Timestamp;
use kube::core::ObjectMeta;
use std::time::Duration;

/// When to look again.
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
    /// While looking.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// While writing.
    #[error(transparent)]
    Act(#[from] ActError),
}

/// One pass over one object.
pub async fn reconcile(handles: &Handles, key: &Key) -> Result<Again, ReconcileError> {
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    match key.kind {
        Kind::Release => {
            let Some(world) = observe::release::observe(handles, namespace, name).await? else {
                return gone::<Release>(handles, key, handles.stores.releases.undecodable(namespace, name))
                    .await;
            };
            let decision = decide::release::decide(&world, handles.clock.now());
            finish::<Release>(handles, &world.release.identity(), decision, key).await
        }
        Kind::Approval => {
            let Some(world) = observe::approval::observe(handles, namespace, name).await? else {
                return gone::<Approval>(handles, key, handles.stores.approvals.undecodable(namespace, name))
                    .await;
            };
            let decision = decide::approval::decide(&world, handles.clock.now());
            finish::<Approval>(handles, &world.approval.metadata, decision, key).await
        }
        Kind::Freezes => {
            let world = observe::freezes::observe(handles).await?;
            let decision = decide::freezes::decide(&world, handles.clock.now());
            let wake_at = decision.wake_at;
            handles.metrics.decision(key.kind.as_str());
            act_alone(handles, decision).await?;
            Ok(wake_at.map_or(Again::OnChange, |at| Again::In(until(at, handles.clock.now()))))
        }
        Kind::Environment => {
            let Some(world) = observe::environment::observe(handles, namespace, name).await? else {
                return gone::<Environment>(
                    handles,
                    key,
                    handles.stores.environments.undecodable(namespace, name),
                )
                .await;
            };
            let decision = decide::environment::decide(&world, handles.clock.now());
            finish::<Environment>(handles, &world.environment.metadata, decision, key).await
        }
        Kind::Promotion => {
            let Some(world) = observe::promotion::observe(handles, namespace, name).await? else {
                return gone::<Promotion>(
                    handles,
                    key,
                    handles.stores.promotions.undecodable(namespace, name),
                )
                .await;
            };
            let decision = decide::promotion::decide(&world, handles.clock.now());
            finish::<Promotion>(handles, &world.promotion.metadata, decision, key).await
        }
    }
}

/// Nothing to decide about: the object is gone, has ended, or cannot be decoded, which it is told.
async fn gone<K: WithStatus>(
    handles: &Handles,
    key: &Key,
    fault: Option<Undecodable>,
) -> Result<Again, ReconcileError> {
    reject::<K>(handles, &key.namespace, &key.name, fault).await?;
    Ok(Again::OnChange)
}

async fn finish<K: WithStatus>(
    handles: &Handles,
    object: &ObjectMeta,
    decision: Decision,
    key: &Key,
) -> Result<Again, ReconcileError> {
    handles.metrics.decision(key.kind.as_str());
    let wake_at = decision.wake_at;
    tracing::debug!(
        kind = key.kind.as_str(),
        namespace = key.namespace,
        name = key.name,
        memory = decision.memory.is_some(),
        actions = decision.actions.len(),
        report = decision.report.is_some(),
        "decided"
    );
    let at_once = act::<K>(handles, object, decision).await?;
    Ok(match (at_once, wake_at) {
        (true, _) => Again::In(Duration::ZERO),
        (false, Some(at)) => Again::In(until(at, handles.clock.now())),
        (false, None) => Again::OnChange,
    })
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO).max(Duration::from_millis(5))
}
