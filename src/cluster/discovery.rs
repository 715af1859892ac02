//! Finds the resource of a kind: a well-known kind in a table, any other kind by discovery.
//!
//! Invariant: an answer is remembered only until the API server contradicts it ([`Resources::forget`]): a kind may be deleted, come back
//! with another plural, or lose a version. That a kind is not served is never remembered.

use super::cache::Cache;
use kube::core::{ApiResource, GroupVersionKind, Status};

/// The resource in URLs of a well-known kind, by `apiVersion` and kind.
pub type Table = fn(&str, &str) -> Option<&'static str>;

/// Kinds that were looked up. Clones share them.
#[derive(Clone, Debug)]
pub struct Resources {
    table: Table,
    discovered: Cache<(String, String), ApiResource>,
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
        if let Some(known) = self.discovered.get(&key) {
            return Ok(Some(known));
        }
        match kube::discovery::pinned_kind(client, &gvk).await {
            Ok((resource, capabilities)) => {
                let namespaced = capabilities.scope == kube::discovery::Scope::Namespaced;
                let found = namespaced.then_some(resource);
                if let Some(found) = &found {
                    self.discovered.insert(key, found.clone());
                }
                Ok(found)
            }
            Err(kube::Error::Discovery(_)) => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Forgets a kind after the API server answered that the path of its resource does not exist.
    pub fn forget(&self, api_version: &str, kind: &str) {
        self.discovered.remove(&(api_version.to_owned(), kind.to_owned()));
    }
}

/// Whether an answer says that a path is not served: unlike for an object that does not exist, it is plain text and names no object.
pub fn is_unserved(error: &kube::Error) -> bool {
    let names_none = |status: &Status| status.details.as_ref().is_none_or(|details| details.name.is_empty());
    matches!(error, kube::Error::Api(status) if status.code == 404 && names_none(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_not_found_that_names_no_object_means_that_the_kind_is_not_served() {
        let api = |status: Status| kube::Error::Api(status.boxed());
        let plain = Status::failure("404 page not found", "Failed to parse error data").with_code(404);
        assert!(is_unserved(&api(plain)));
        let named: Status = serde_json::from_value(serde_json::json!({
            "status": "Failure", "reason": "NotFound", "code": 404, "details": { "name": "web", "kind": "widgets" },
        }))
        .unwrap();
        assert!(!is_unserved(&api(named)));
        assert!(!is_unserved(&api(
            Status::failure("conversion webhook failed", "InternalError").with_code(500)
        )));
    }

    #[test]
    fn a_kind_is_remembered_until_it_is_forgotten() {
        let resources = Resources::new(|_, _| None);
        let gvk = GroupVersionKind::gvk("example.com", "v1", "Widget");
        let key = ("example.com/v1".to_owned(), "Widget".to_owned());
        resources.discovered.insert(key.clone(), ApiResource::from_gvk_with_plural(&gvk, "widgets"));
        resources.forget("example.com/v1", "Gadget");
        assert!(resources.discovered.get(&key).is_some());
        resources.forget("example.com/v1", "Widget");
        assert!(resources.discovered.get(&key).is_none());
    }
}
