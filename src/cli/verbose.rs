//! `-v`: what is asked of the API server, on stderr, at the levels of kubectl.
//!
//! Invariant: no header is written, so no token is.

use crate::view::screen::printable;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use kube::client::Body;
use std::io::{self, Write};
use std::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt};

/// Method, URL, code and time of each request.
const REQUESTS: u8 = 6;
/// Bodies, cut to [`LONGEST`].
const BODIES: u8 = 8;
/// Whole bodies.
const WHOLE: u8 = 9;
/// The longest part of a body that is shown, in bytes.
const LONGEST: usize = 1024;

/// What an answer holds.
pub type Reply = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

/// Writes what is asked of an API server.
#[derive(Clone, Debug)]
pub struct Verbose {
    /// The level of kubectl.
    pub level: u8,
    /// The address of the API server, without a slash at its end.
    pub server: String,
}

impl<S, B> Layer<S> for Verbose
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Service = BoxCloneSyncService<Request<Body>, Response<Reply>, BoxError>;

    fn layer(&self, inner: S) -> Self::Service {
        let own = self.clone();
        let service =
            tower::service_fn(move |request: Request<Body>| own.clone().send(inner.clone(), request));
        BoxCloneSyncService::new(service)
    }
}

impl Verbose {
    async fn send<S, B>(self, inner: S, request: Request<Body>) -> Result<Response<Reply>, BoxError>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let asked = format!("{} {}{}", request.method(), self.server, request.uri());
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        if self.level >= BODIES && !body.is_empty() {
            say(&format!("Request Body: {}", self.shown(&body)));
        }
        let begun = Instant::now();
        let answer = inner.oneshot(Request::from_parts(parts, Body::from(body.to_vec()))).await;
        if self.level >= REQUESTS {
            let took = begun.elapsed().as_millis();
            say(&match &answer {
                Ok(response) => format!("{asked} {} in {took} milliseconds", response.status()),
                Err(error) => format!("{asked} failed in {took} milliseconds: {error}"),
            });
        }
        // An answer may be a stream without an end: it is shown as it arrives.
        let level = self.level;
        Ok(answer?.map(|body| {
            let shown = body.map_err(Into::into).map_frame(move |frame| {
                if let Some(data) = frame.data_ref().filter(|_| level >= BODIES) {
                    say(&format!("Response Body: {}", self.shown(data)));
                }
                frame
            });
            shown.boxed_unsync()
        }))
    }

    fn shown(&self, body: &[u8]) -> String {
        let limit = if self.level >= WHOLE { body.len() } else { LONGEST };
        let text = String::from_utf8_lossy(body.get(..limit).unwrap_or(body));
        match body.len().saturating_sub(limit) {
            0 => printable(&text),
            more => format!("{} [{more} bytes more]", printable(&text)),
        }
    }
}

/// Without stderr, the lines are dropped.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_and_says_how_much_more_there_is() {
        let shown = |level: u8, body: &str| Verbose { level, server: String::new() }.shown(body.as_bytes());
        assert_eq!(shown(8, "{}"), "{}");
        assert_eq!(shown(8, &"a".repeat(LONGEST + 7)), format!("{} [7 bytes more]", "a".repeat(LONGEST)));
        assert_eq!(shown(9, &"a".repeat(LONGEST + 7)).len(), LONGEST + 7);
        assert_eq!(shown(8, "a\u{1b}[31m"), "a\u{fffd}[31m");
    }
}
