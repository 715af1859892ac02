//! Classifies a request by its method, path and query: the only code that distinguishes a read from a write.
//!
//! Invariant: a request that is not recognised is a write. Only an exact match makes a request exempt from the fence.

use http::{Method, Request, Uri};

use crate::cluster::error::Refusal;

/// What a request does to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Get or list.
    Read,
    /// A stream of changes.
    Watch,
    /// A POST that stores nothing (SubjectAccessReview, TokenReview).
    Review,
    /// A write that the API server does not store.
    DryRun,
    /// Changes the cluster.
    Write,
    /// Gets or changes the Lease of leader election.
    Lease,
}

/// Marks the requests of the client for the Lease. Only that client can set it, and it applies only to Leases.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeaseRequest;

/// A classified request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Label of the request metric.
    pub verb: &'static str,
    /// What it does.
    pub effect: Effect,
}

impl Call {
    /// Classifies `request`; rejects a path with a segment that is not a name.
    pub fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let uri = request.uri();
        if !is_well_formed(uri.path()) {
            return Err(Refusal::MalformedPath);
        }
        let mut effect = effect(request.method(), uri);
        if matches!(effect, Effect::Read | Effect::Write) && is_lease_request(request) {
            effect = Effect::Lease;
        }
        Ok(Self { verb: verb(effect, request.method()), effect })
    }
}

fn verb(effect: Effect, method: &Method) -> &'static str {
    match effect {
        Effect::Watch => "watch",
        Effect::Read => "get",
        Effect::Review => "review",
        Effect::DryRun => "dry-run",
        Effect::Lease => "lease",
        Effect::Write if method == Method::POST => "post",
        Effect::Write if method == Method::PUT => "put",
        Effect::Write if method == Method::PATCH => "patch",
        Effect::Write if method == Method::DELETE => "delete",
        Effect::Write => "other",
    }
}

fn is_lease_request<B>(request: &Request<B>) -> bool {
    request.extensions().get::<LeaseRequest>().is_some()
        && request.uri().path().starts_with("/apis/coordination.k8s.io/v1/namespaces/")
}

fn effect(method: &Method, uri: &Uri) -> Effect {
    if method == Method::GET || method == Method::HEAD {
        return match query_values(uri, "watch").last() {
            Some("true" | "1") => Effect::Watch,
            Some(_) | None => Effect::Read,
        };
    }
    if method == Method::POST && is_review(uri.path()) {
        return Effect::Review;
    }
    // `kube::Api::delete` sends dryRun in its body, which is not read here: such a call counts as a write.
    let mut dry_run = query_values(uri, "dryRun").peekable();
    if dry_run.peek().is_some() && dry_run.all(|value| value == "All") {
        Effect::DryRun
    } else {
        Effect::Write
    }
}

fn is_review(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["apis", "authorization.k8s.io", "v1", resource] => {
            matches!(
                *resource,
                "subjectaccessreviews" | "selfsubjectaccessreviews" | "selfsubjectrulesreviews"
            )
        }
        ["apis", "authorization.k8s.io", "v1", "namespaces", _, "localsubjectaccessreviews"] => true,
        ["apis", "authentication.k8s.io", "v1", resource] => {
            matches!(*resource, "tokenreviews" | "selfsubjectreviews")
        }
        _ => false,
    }
}

/// Values of one query parameter, in order. Compared raw: an encoded value is not recognised, so the request counts as a write.
fn query_values<'a>(uri: &'a Uri, name: &'a str) -> impl Iterator<Item = &'a str> {
    uri.query().unwrap_or_default().split('&').filter_map(move |pair| match pair.split_once('=') {
        Some((key, value)) if key == name => Some(value),
        Some(_) | None => None,
    })
}

/// kube does not encode names in URLs, so `../ns` and `a%2fb` would address another object.
fn is_well_formed(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|segment| !matches!(segment, "" | "." | "..") && !segment.contains('%'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: Method, uri: &str) -> Result<Call, Refusal> {
        Call::of(&Request::builder().method(method).uri(uri).body(()).unwrap())
    }

    #[test]
    fn requests_are_told_apart() {
        let deployments = "/apis/apps/v1/namespaces/shop/deployments";
        for (method, uri, verb, effect) in [
            (Method::GET, deployments.to_owned(), "get", Effect::Read),
            (Method::GET, format!("{deployments}?&watch=true&timeoutSeconds=50"), "watch", Effect::Watch),
            (Method::GET, format!("{deployments}?&watch=false"), "get", Effect::Read),
            (Method::PATCH, format!("{deployments}/web?&fieldManager=towpath"), "patch", Effect::Write),
            (
                Method::PATCH,
                format!("{deployments}/web?&dryRun=All&fieldManager=towpath"),
                "dry-run",
                Effect::DryRun,
            ),
            (Method::PATCH, format!("{deployments}/web?dryRun="), "patch", Effect::Write),
            (Method::PATCH, format!("{deployments}/web?dryRun=All&dryRun="), "patch", Effect::Write),
            (Method::PATCH, format!("{deployments}/web?xdryRun=All"), "patch", Effect::Write),
            (Method::POST, deployments.to_owned(), "post", Effect::Write),
            (Method::PUT, format!("{deployments}/web"), "put", Effect::Write),
            (Method::DELETE, format!("{deployments}/web?watch=true"), "delete", Effect::Write),
            (
                Method::POST,
                "/apis/authorization.k8s.io/v1/subjectaccessreviews".to_owned(),
                "review",
                Effect::Review,
            ),
            (
                Method::PUT,
                "/apis/authorization.k8s.io/v1/subjectaccessreviews".to_owned(),
                "put",
                Effect::Write,
            ),
            (Method::POST, "/api/v1/namespaces/x/subjectaccessreviews".to_owned(), "post", Effect::Write),
        ] {
            assert_eq!(call(method, &uri), Ok(Call { verb, effect }), "{uri}");
        }
    }

    #[test]
    fn only_a_marked_request_for_a_lease_is_the_leases() {
        let lease = "/apis/coordination.k8s.io/v1/namespaces/towpath-system/leases/towpath-controller";
        let marked = |method, uri: &str| {
            let request =
                Request::builder().method(method).uri(uri).extension(LeaseRequest).body(()).unwrap();
            Call::of(&request).unwrap().effect
        };
        assert_eq!(marked(Method::PUT, lease), Effect::Lease);
        assert_eq!(marked(Method::GET, lease), Effect::Lease);
        assert_eq!(marked(Method::PUT, "/api/v1/namespaces/shop/configmaps/x"), Effect::Write);
        assert_eq!(call(Method::PUT, lease).unwrap().effect, Effect::Write);
    }

    #[test]
    fn a_path_that_is_not_made_of_names_is_refused() {
        for path in
            ["/api/v1/namespaces/../secrets", "/api/v1//pods", "/api/v1/pods/", "/api/v1/a%2fb", "/api/./v1"]
        {
            assert_eq!(call(Method::GET, path), Err(Refusal::MalformedPath), "{path}");
        }
    }
}
