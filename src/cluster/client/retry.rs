//! Which reads are retried, and after how long.
//!
//! Invariant: only reads are retried; a write is never sent again before its object is read again.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use kube::client::Body;
use tokio::time::{Sleep, sleep};
use tower::BoxError;
use tower::retry::Policy;

use crate::cluster::backoff::Backoff;
use crate::cluster::error::Refusal;

/// Maximum number of attempts of a read.
const ATTEMPTS: u32 = 4;
/// The longest Retry-After that is honoured; an answer with a longer one is returned to the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The retries of one read.
///
/// The delays are those of [`Backoff`] and not of tower, whose backoff has no jitter once it reaches its maximum.
#[derive(Clone)]
pub(super) struct Retries {
    backoff: Backoff,
}

impl Retries {
    pub(super) fn new() -> Self {
        Self { backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(2)) }
    }

    /// The delay before the next attempt, or `None` to return the answer to the caller.
    fn after<B>(&mut self, answer: &Result<Response<B>, BoxError>) -> Option<Duration> {
        if self.backoff.failures() + 1 >= ATTEMPTS {
            return None;
        }
        match answer {
            Ok(response) if is_transient(response.status()) => {
                let delay = self.backoff.next_delay();
                match retry_after(response.headers()) {
                    Some(wait) if wait > LONGEST_WAIT => None,
                    Some(wait) => Some(wait.max(delay)),
                    None => Some(delay),
                }
            }
            Ok(_) => None,
            Err(error) => match error.downcast_ref::<Refusal>() {
                Some(Refusal::NotLeading | Refusal::MalformedPath | Refusal::Closed) => None,
                Some(Refusal::Unanswered(_)) | None => Some(self.backoff.next_delay()),
            },
        }
    }
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Retries {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Request<Body>, answer: &mut Result<Response<B>, BoxError>) -> Option<Sleep> {
        self.after(answer).map(sleep)
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut clone = Request::new(request.body().try_clone()?);
        clone.method_mut().clone_from(request.method());
        clone.uri_mut().clone_from(request.uri());
        *clone.version_mut() = request.version();
        clone.headers_mut().clone_from(request.headers());
        clone.extensions_mut().clone_from(request.extensions());
        Some(clone)
    }
}

fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, wait: Option<&str>) -> Result<Response<()>, BoxError> {
        let mut response = Response::builder().status(status);
        if let Some(wait) = wait {
            response = response.header(RETRY_AFTER, wait);
        }
        Ok(response.body(()).unwrap())
    }

    #[test]
    fn final_answers_are_returned() {
        for status in [200, 400, 403, 404, 409, 410, 422] {
            assert_eq!(Retries::new().after(&answer(status, None)), None, "{status}");
        }
        assert_eq!(Retries::new().after::<()>(&Err(Refusal::NotLeading.into())), None);
    }

    #[test]
    fn transient_answers_are_retried_three_times() {
        let mut retries = Retries::new();
        let delays = (0..10).map_while(|_| retries.after(&answer(503, None))).count();
        assert_eq!(delays, 3);
        assert!(Retries::new().after::<()>(&Err(Refusal::Unanswered(Duration::ZERO).into())).is_some());
    }

    #[test]
    fn retry_after_is_honoured_up_to_ten_seconds() {
        assert_eq!(Retries::new().after(&answer(429, Some("3"))), Some(Duration::from_secs(3)));
        assert_eq!(Retries::new().after(&answer(429, Some("11"))), None);
        assert!(Retries::new().after(&answer(429, Some("soon"))).is_some());
    }
}
