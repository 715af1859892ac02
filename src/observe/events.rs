//! Reads Events: of some things that controllers do, nothing else tells.
//!
//! Invariant: nothing watches Events. They are read when an object stands still or is missing, and not while all is well.

use crate::api::Location;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};

/// The Events of a target namespace that these parameters select. None if the identity may not read Events.
pub async fn events(
    client: &kube::Client,
    target: &Location,
    selected: &ListParams,
) -> Option<Vec<DynamicObject>> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Event"), "events");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &target.namespace, &resource);
    Some(api.list(selected).await.ok()?.items)
}
