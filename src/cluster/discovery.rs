//! From a kind to its place in the API: the default kinds by a table, any other one by discovery, once.

use super::cache::Cache;
use crate::content::object::kinds;
use kube::core::{ApiResource, GroupVersionKind};

/// Kinds that were looked up.
#[derive(Clone, Debug)]
pub struct Resources(Cache<(String, String), Option<ApiResource>>);

impl Default for Resources {
    fn default() -> Self {
        Self(Cache::new(500))
    }
}

impl Resources {
    /// The resource of a kind; none when the API server does not serve it in namespaces.
    pub async fn find(
        &self,
        client: &kube::Client,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<ApiResource>, kube::Error> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        if let Some(plural) = kinds::plural(api_version, kind) {
            return Ok(Some(ApiResource::from_gvk_with_plural(&gvk, plural)));
        }
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(Some(known)) = self.0.get(&key) {
            return Ok(Some(known));
        }
        match kube::discovery::pinned_kind(client, &gvk).await {
            Ok((resource, capabilities)) => {
                let namespaced = capabilities.scope == kube::discovery::Scope::Namespaced;
                let found = namespaced.then_some(resource);
                self.0.put(key, found.clone());
                Ok(found)
            }
            Err(kube::Error::Discovery(_)) => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }
}
