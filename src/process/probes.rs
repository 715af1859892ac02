//! Probes and metrics over HTTP: `/healthz`, `/readyz`, `/metrics`.
//!
//! Invariant: a standby is as ready as a leader. Ready means that the stores hold their first complete list, so that a
//! replica that takes over can act at once; who leads is a metric, not a probe.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::error::ProcessError;
use super::metrics::Metrics;

/// What the probes report.
#[derive(Clone)]
pub struct Probes {
    metrics: Metrics,
    parts: Arc<[Part]>,
}

/// One thing that must be ready.
pub struct Part {
    name: &'static str,
    is_ready: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Part {
    /// `name` is shown while `is_ready` says no.
    pub fn new(name: &'static str, is_ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { name, is_ready: Box::new(is_ready) }
    }
}

impl Probes {
    /// Probes over `parts`.
    pub fn new(metrics: Metrics, parts: impl IntoIterator<Item = Part>) -> Self {
        Self { metrics, parts: parts.into_iter().collect() }
    }

    /// The parts that are not ready.
    pub fn missing(&self) -> Vec<&'static str> {
        self.parts.iter().filter(|part| !(part.is_ready)()).map(|part| part.name).collect()
    }

    fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

/// Binds `address`.
pub async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, ProcessError> {
    TcpListener::bind(address).await.map_err(|source| ProcessError::Listen { address, source })
}

/// Answers on `listener` until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    probes: Probes,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ProcessError> {
    axum::serve(listener, probes.router()).with_graceful_shutdown(shutdown).await.map_err(ProcessError::Serve)
}

async fn readyz(State(probes): State<Probes>) -> Response {
    let missing = probes.missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", "))).into_response()
}

async fn metrics(State(probes): State<Probes>) -> Response {
    match probes.metrics.render() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Body;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::cluster::Telemetry;
    use crate::process::Observation;

    async fn ask(probes: &Probes, path: &str) -> (StatusCode, String) {
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        let response = probes.clone().router().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_when_every_part_is_and_says_which_is_not() {
        let listed = Arc::new(AtomicBool::new(false));
        let is_ready = {
            let listed = Arc::clone(&listed);
            move || listed.load(Ordering::Relaxed)
        };
        let probes = Probes::new(
            Metrics::new(&Telemetry::default(), Observation::default),
            [Part::new("Pod", is_ready), Part::new("Job", || true)],
        );
        let (status, text) = ask(&probes, "/readyz").await;
        assert_eq!((status, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not ready: Pod\n"));
        assert_eq!(ask(&probes, "/healthz").await.0, StatusCode::OK);
        listed.store(true, Ordering::Relaxed);
        assert_eq!(ask(&probes, "/readyz").await.0, StatusCode::OK);
        assert!(ask(&probes, "/metrics").await.1.ends_with("# EOF\n"));
    }
}
