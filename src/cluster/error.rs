//! Failures of the cluster layer, one variant per operation that failed.
//!
//! Invariant: an error never carries the body of an object; a [`Refusal`] comes from the client stack and is distinct
//! from an answer of the API server, so that "the request was not sent" is never taken for "the server refused".

use crate::api::EnvironmentId;
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
    #[error("{:?} and {:?} do not form a deployer identity: {reason}", .of.project.as_str(), .of.environment.as_str())]
    InvalidIdentity { of: EnvironmentId, reason: &'static str },
    /// The lease settings contradict each other.
    #[error("the lease settings are not usable: {0}")]
    InvalidLease(&'static str),
    /// A background task ended that must run as long as the process.
    #[error("the background task {task} ended: {reason}")]
    TaskEnded { task: String, reason: String },
}

/// Why the client stack did not send a request, or stopped waiting for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A write was attempted while this replica does not lead. Nothing was sent.
    #[error("not sent: this replica does not hold the lease, and only the leader writes")]
    NotLeading,
    /// The path has an empty or a dot segment: an invalid name got into the URL. Nothing was sent.
    #[error("not sent: the request path has an empty or dot segment")]
    MalformedPath,
    /// No complete answer in time. A write may or may not have happened.
    #[error("no complete answer within {} ms; a write may or may not have happened", .0.as_millis())]
    Unanswered(Duration),
    /// The process is shutting down and takes no further requests.
    #[error("not sent: the client is shutting down")]
    Closed,
}

/// Returns the [`Refusal`] behind an error of a kube call, if the client stack refused it and not the API server.
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

/// Describes an error of a kube call by code and reason, which are safe to log. The message is left out: it may quote an
/// admission webhook or the object.
pub fn brief(error: &kube::Error) -> String {
    if let Some(refusal) = refusal(error) {
        return refusal.to_string();
    }
    match status_of(error) {
        Some(status) => format!("{} {}", status.code, status.reason),
        None => "no answer".to_owned(),
    }
}

/// Describes an error of a kube call for a person who looks after the object: in the words of the API server. Equal failures have equal
/// words, and values of the object, which may be secret, are left out. Not for logs.
pub fn words(error: &kube::Error) -> String {
    match status_of(error) {
        Some(status) if !status.message.is_empty() => {
            let lines = status.message.lines().map(|line| line.split(", got ").next().unwrap_or_default());
            lines.map(without_sources).collect::<Vec<_>>().join("\n")
        }
        Some(_) | None => brief(error),
    }
}

/// The line without the own side of connections, whose port is another one each time: `10.0.0.1:40714->10.0.0.2:443`.
fn without_sources(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.split_once("->") {
        Some((from, to)) if from.contains(':') && to.contains(':') => to,
        Some(_) | None => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The API server's answer behind an error, if there was one.
pub fn status_of(error: &kube::Error) -> Option<&kube::core::Status> {
    if let kube::Error::Api(status) = error { Some(status) } else { None }
}

/// The status code of the API server's answer, if there was one.
///
/// Use this instead of `Status::is_not_found` and similar methods: in kube 5.0.0 they check the code only if the reason is
/// unknown, so they do not recognise the plain-text 404 of a kind that is not served (yet).
pub fn code_of(error: &kube::Error) -> Option<u16> {
    status_of(error).map(|status| status.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_regardless_of_the_reason() {
        let status =
            kube::core::Status::failure("404 page not found", "Failed to parse error data").with_code(404);
        assert!(!status.is_not_found(), "once kube fixes this, code_of can be removed");
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
    fn equal_failures_have_equal_words_without_values() {
        let words = |message: &str| {
            let status = kube::core::Status::failure(message, "InternalError").with_code(500);
            words(&kube::Error::Api(status.boxed()))
        };
        let reset = |port: u16| {
            words(&format!("Post \"https://x/y\": read tcp 10.0.0.1:{port}->10.0.0.2:443: reset"))
        };
        assert_eq!(reset(40714), reset(40715));
        assert_eq!(reset(1), "Post \"https://x/y\": read tcp 10.0.0.2:443: reset");
        assert_eq!(
            words(".data.port: expected string, got &value.valueUnstructured{Value:80443}"),
            ".data.port: expected string"
        );
        assert_eq!(words(""), "500 InternalError");
    }

    #[test]
    fn the_message_of_an_api_error_is_not_in_its_brief() {
        let status = kube::core::Status::failure("quota of planted-secret", "Forbidden").with_code(403);
        assert_eq!(brief(&kube::Error::Api(status.boxed())), "403 Forbidden");
    }
}
