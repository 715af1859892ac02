//! Finds the resource of a kind: a well-known kind in a table, any other kind by discovery, once.

use super::cache::Cache;
use kube::core::{ApiResource, GroupVersionKind};

/// The resource in URLs of a well-known kind, by `apiVersion` and kind.
pub type Table = fn(&str, &str) -> Option<&'static str>;

/// Kinds that were looked up. Clones share them.
#[derive(Clone, Debug)]
pub struct Resources {
    table: Table,
    discovered: Cache<(String, String), Option<ApiResource>>,
}

impl Resources {
    /// Never looks up the kinds of `table`.
    pub fn new(table: Table) -> Self {
        Self { table, discovered: Cache::new(500) }
    }

    /// Returns the resource of a kind; `None` when the API server does not serve it in namespaces.
    pub async fn find(
        &self,
        client: &kube::Client,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<ApiResource>, kube::Error> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        if let Some(plural) = (self.table)(api_version, kind) {
            return Ok(Some(ApiResource::from_gvk_with_plural(&gvk, plural)));
        }
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(Some(known)) = self.discovered.get(&key) {
            return Ok(Some(known));
        }
        match kube::discovery::pinned_kind(client, &gvk).await {
            Ok((resource, capabilities)) => {
                let namespaced = capabilities.scope == kube::discovery::Scope::Namespaced;
                let found = namespaced.then_some(resource);
                self.discovered.insert(key, found.clone());
                Ok(found)
            }
            Err(kube::Error::Discovery(_)) => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }
}
