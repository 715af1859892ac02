//! What can go wrong on the way to the outside, one variant per operation that failed.
//!
//! Invariant: an error never carries the body of an object; a [`Refusal`] is the client stack's own "no", told apart
//! from what the API server answered, so that nobody mistakes "we did not ask" for "the server said no".

use std::time::Duration;

/// A failure of one of the handles in this layer.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig or in-cluster configuration cannot be turned into a connection.
    #[error("cannot build the client: {0}")]
    BuildClient(#[source] kube::Error),
    /// The configuration asks for something that this client does not do.
    #[error("the client configuration is not supported: {0}")]
    UnsupportedConfig(&'static str),
    /// Project and environment do not form the name of a ServiceAccount.
    #[error("{project:?} and {environment:?} do not form a deployer identity: {reason}")]
    InvalidIdentity { project: String, environment: String, reason: &'static str },
    /// The lease settings contradict each other.
    #[error("the lease settings are not usable: {0}")]
    InvalidLease(&'static str),
    /// A background task that must run for as long as the process ended.
    #[error("the background task {task} ended: {reason}")]
    TaskEnded { task: String, reason: String },
}

/// Why the client stack did not send a request, or stopped waiting for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A write was tried while this replica does not lead. Nothing was sent.
    #[error("not sent: this replica does not hold the lease, and only the leader writes")]
    NotLeading,
    /// The path has an empty or a dot segment: a name got into the URL that is not a name. Nothing was sent.
    #[error("not sent: the request path has an empty or dot segment")]
    MalformedPath,
    /// No complete answer in time. A write may or may not have happened.
    #[error("no complete answer within {} ms; a write may or may not have happened", .0.as_millis())]
    Unanswered(Duration),
    /// The process is shutting down and takes no further requests.
    #[error("not sent: the client is shutting down")]
    Closed,
}

/// The [`Refusal`] behind an error of a kube call, if the stack and not the API server refused it.
pub fn refusal(error: &kube::Error) -> Option<Refusal> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(*refusal);
        }
        cause = error.source();
    }
    None
}

/// An error of a kube call in a few words that are safe to log: code and reason, never the message, which may quote
/// what an admission webhook or the object had to say.
pub fn brief(error: &kube::Error) -> String {
    if let Some(refusal) = refusal(error) {
        return refusal.to_string();
    }
    match status_of(error) {
        Some(status) => format!("{} {}", status.code, status.reason),
        None => "no answer".to_owned(),
    }
}

/// The API server's answer behind an error, if there was one.
pub fn status_of(error: &kube::Error) -> Option<&kube::core::Status> {
    if let kube::Error::Api(status) = error { Some(status) } else { None }
}

/// The status code of the API server's answer, if there was one.
///
/// Ask this rather than `Status::is_not_found` and its like: in kube 5.0.0 those look at the code only for reasons that
/// are themselves unknown, so the plain-text 404 of a kind that is not served (yet) is not "not found" to them.
pub fn code_of(error: &kube::Error) -> Option<u16> {
    status_of(error).map(|status| status.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_whatever_the_reason() {
        let status =
            kube::core::Status::failure("404 page not found", "Failed to parse error data").with_code(404);
        assert!(!status.is_not_found(), "once kube mends this, code_of may go");
        assert_eq!(code_of(&kube::Error::Api(status.boxed())), Some(404));
    }

    #[test]
    fn a_refusal_is_found_behind_a_kube_error() {
        let error = kube::Error::Service(Box::new(Refusal::NotLeading));
        assert_eq!(refusal(&error), Some(Refusal::NotLeading));
        assert_eq!(refusal(&kube::Error::TlsRequired), None);
        assert_eq!(brief(&error), Refusal::NotLeading.to_string());
    }

    #[test]
    fn the_message_of_an_api_error_is_not_in_its_brief() {
        let status = kube::core::Status::failure("quota of planted-secret", "Forbidden").with_code(403);
        assert_eq!(brief(&kube::Error::Api(status.boxed())), "403 Forbidden");
    }
}
