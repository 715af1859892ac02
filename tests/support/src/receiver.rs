//! An HTTP server that keeps what it gets.

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// One request.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// Headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: String,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Shared {
    got: Vec<Received>,
    answer: (StatusCode, HeaderMap),
}

/// A server; it runs until the run ends.
#[derive(Clone, Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Receiver {
    /// Starts one on loopback, which accepts everything.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let shared = Shared { got: Vec::new(), answer: (StatusCode::OK, HeaderMap::new()) };
        let receiver = Self { address: listener.local_addr()?, shared: Arc::new(Mutex::new(shared)) };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(receiver)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers this from now on, with one header.
    pub fn answers(&self, status: u16, header: Option<(&'static str, String)>) -> Result<()> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse()?);
        }
        self.lock().answer = (StatusCode::from_u16(status)?, headers);
        Ok(())
    }

    /// What it got and accepted.
    pub fn got(&self) -> Vec<Received> {
        self.lock().got.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(
    State(server): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut shared = server.lock();
    let answer = shared.answer.clone();
    if answer.0.is_success() {
        shared.got.push(Received { path: uri.to_string(), headers, body });
    }
    answer
}
