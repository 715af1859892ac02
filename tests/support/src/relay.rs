//! Stands between a controller and the API server, numbers the writes, and says when the controller is to die.
//!
//! Plain HTTP on loopback towards the controller, TLS towards the API server; headers, bodies and watches pass as they are.
//! One relay per process of the controller: once its moment has come it lets nothing through any more, so nothing of the dead
//! process arrives behind its successor's back but what was on its way already.

use crate::shift;
use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::serve::ListenerExt;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use serde_json::{Value, json};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

/// Larger than anything that the API server takes.
const LARGEST: usize = 4 << 20;

/// When a controller dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kill {
    /// At which write, from 1.
    pub write: usize,
    /// On which side of it.
    pub side: Side,
}

/// On which side of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The API server never sees it.
    Before,
    /// The API server has answered, and the controller never sees the answer.
    After,
}

impl fmt::Display for Kill {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        write!(formatter, "killed {side} write {}", self.write)
    }
}

/// A running relay; it ends when dropped.
pub struct Relay {
    shared: Arc<Shared>,
    url: String,
    task: JoinHandle<()>,
}

struct Shared {
    server: Authority,
    upstream: BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>,
    kill: Mutex<Option<Kill>>,
    writes: Mutex<Vec<String>>,
    due: watch::Sender<bool>,
    /// What every pod has written, where no kubelet tells it, and what was asked for.
    log: Mutex<(Option<String>, Vec<String>)>,
    /// The resource that the controller may not read.
    forbidden: Mutex<Option<String>>,
    /// By how many seconds the clock of the server seems to be ahead.
    ahead: i64,
}

impl Relay {
    /// Relays to the server of `config`, with the credentials of the client.
    pub async fn start(config: &kube::Config) -> Result<Self> {
        Self::with_clock(config, 0).await
    }

    /// The same; the clock of the server seems to be so many seconds ahead.
    pub async fn with_clock(config: &kube::Config, ahead: i64) -> Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let mut bare = kube::Config::new(config.cluster_url.clone());
        bare.root_cert.clone_from(&config.root_cert);
        let client =
            Client::builder(TokioExecutor::new()).build(bare.rustls_https_connector_with_connector(tcp)?);
        let upstream =
            client.map_response(|answer: Response<_>| answer.map(Body::new)).map_err(BoxError::from);
        let shared = Arc::new(Shared {
            server: config.cluster_url.authority().cloned().context("no address of the API server")?,
            upstream: BoxCloneSyncService::new(upstream),
            kill: Mutex::default(),
            writes: Mutex::default(),
            due: watch::Sender::new(false),
            log: Mutex::default(),
            forbidden: Mutex::default(),
            ahead,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let router = Router::new().fallback(relay).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { shared, url, task })
    }

    /// What the controller's kubeconfig names as its server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Counts from here on, and kills when it comes to that.
    pub fn arm(&self, kill: Option<Kill>) {
        self.shared.writes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.shared.kill.lock().unwrap_or_else(PoisonError::into_inner) = kill;
    }

    /// Refuses every request for the resource, as the API server does without the right; grants it again with None.
    pub fn forbids(&self, resource: Option<&str>) {
        *self.shared.forbidden.lock().unwrap_or_else(PoisonError::into_inner) = resource.map(str::to_owned);
    }

    /// Answers every request for a log with this text: a played node has none.
    pub fn tells_log(&self, text: &str) {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(text.to_owned());
    }

    /// The logs that were asked for, as path and query.
    pub fn logs(&self) -> Vec<String> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// The writes so far, in the order in which they came.
    pub fn writes(&self) -> Vec<String> {
        self.shared.writes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when the controller is to be killed; never, if it is not.
    pub async fn due(&self) {
        let mut due = self.shared.due.subscribe();
        if due.wait_for(|due| *due).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.due.send_replace(true);
        self.task.abort();
    }
}

async fn relay(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    // In a task of its own: a write that is on its way when the controller dies is finished all the same.
    let passed = tokio::spawn(async move { shared.pass(request).await }).await;
    match passed.map_err(anyhow::Error::from).flatten() {
        Ok(answer) => answer,
        Err(error) => {
            let mut answer = Response::new(Body::from(format!("{error:#}")));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            answer
        }
    }
}

impl Shared {
    async fn pass(&self, request: Request<Body>) -> Result<Response<Body>> {
        if request.method() == Method::GET {
            self.unless_due().await;
            if self.is_forbidden(request.uri()) {
                return forbidden();
            }
            if let Some(log) = self.log_of(request.uri()) {
                return Ok(Response::new(Body::from(log)));
            }
            return self.forward(request).await;
        }
        let (head, body) = request.into_parts();
        let body = Bytes::from(shift::text(to_bytes(body, LARGEST).await?.to_vec(), -self.ahead));
        // Behind the last byte: what came in part was never asked.
        self.unless_due().await;
        let side =
            persists(&head.method, &head.uri, &body).then(|| self.count(&head.method, &head.uri)).flatten();
        if side == Some(Side::Before) {
            return self.die().await;
        }
        let answer = self.forward(Request::from_parts(head, Body::from(body))).await?;
        if side == Some(Side::After) {
            to_bytes(answer.into_body(), LARGEST).await?;
            return self.die().await;
        }
        Ok(answer)
    }

    fn is_forbidden(&self, uri: &Uri) -> bool {
        let resource = self.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
        resource.as_deref().is_some_and(|resource| uri.path().split('/').any(|part| part == resource))
    }

    fn log_of(&self, uri: &Uri) -> Option<String> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let text = log.0.clone().filter(|_| uri.path().ends_with("/log"))?;
        log.1.push(uri.to_string());
        Some(text)
    }

    /// Counts a write; gives the side on which the controller dies of it.
    fn count(&self, method: &Method, uri: &Uri) -> Option<Side> {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        writes.push(format!("{method} {}", uri.path()));
        let kill = *self.kill.lock().unwrap_or_else(PoisonError::into_inner);
        kill.filter(|kill| kill.write == writes.len()).map(|kill| kill.side)
    }

    /// Says that the time has come; the process that waits for this answer is killed until then.
    async fn die(&self) -> Result<Response<Body>> {
        self.due.send_replace(true);
        std::future::pending().await
    }

    async fn unless_due(&self) {
        if *self.due.borrow() {
            std::future::pending::<()>().await;
        }
    }

    async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>> {
        let mut uri = request.uri().clone().into_parts();
        uri.scheme = Some(Scheme::HTTPS);
        uri.authority = Some(self.server.clone());
        *request.uri_mut() = Uri::from_parts(uri)?;
        request.headers_mut().remove(HOST);
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch="));
        if self.ahead != 0 {
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let mut upstream = self.upstream.clone();
        let answer = upstream.ready().await.map_err(anyhow::Error::from_boxed)?.call(request).await;
        let mut answer = answer.map_err(anyhow::Error::from_boxed)?;
        // Those are between two neighbours.
        answer.headers_mut().remove(CONNECTION);
        answer.headers_mut().remove(TRANSFER_ENCODING);
        if self.ahead == 0 {
            return Ok(answer);
        }
        shift::date(answer.headers_mut(), self.ahead);
        let (head, body) = answer.into_parts();
        let body = match is_watch {
            true => shift::lines(body, self.ahead),
            false => shift::body(body, self.ahead).await?,
        };
        Ok(Response::from_parts(head, body))
    }
}

/// What the API server answers without a right.
fn forbidden() -> Result<Response<Body>> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "forbidden",
    });
    let answer = Response::builder().status(StatusCode::FORBIDDEN).header(CONTENT_TYPE, "application/json");
    Ok(answer.body(Body::from(status.to_string()))?)
}

/// Whether the request leaves something behind that a person or a later controller could miss: no dry run, no Event, no
/// Lease, no question to the authorizer.
fn persists(method: &Method, uri: &Uri, body: &Bytes) -> bool {
    let is_write = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
    let asks_dry_run = uri.query().is_some_and(|query| query.contains("dryRun="));
    let deletes_dry_run = *method == Method::DELETE
        && serde_json::from_slice::<Value>(body).is_ok_and(|options| !options["dryRun"].is_null());
    let passing = ["/apis/coordination.k8s.io/", "/apis/events.k8s.io/", "/apis/authorization.k8s.io/"];
    let is_passing =
        passing.iter().any(|group| uri.path().starts_with(group)) || uri.path().contains("/events");
    is_write && !asks_dry_run && !deletes_dry_run && !is_passing
}

#[test]
fn what_leaves_nothing_behind_is_no_write() {
    let nothing = Bytes::new();
    let table = [
        (Method::PATCH, "/apis/apps/v1/namespaces/a/deployments/web?fieldManager=towpath", true),
        (Method::PATCH, "/apis/apps/v1/namespaces/a/deployments/web?fieldManager=towpath&dryRun=All", false),
        (Method::POST, "/apis/towpath.dev/v1alpha1/namespaces/a/contents?", true),
        (Method::POST, "/apis/authorization.k8s.io/v1/subjectaccessreviews", false),
        (Method::POST, "/api/v1/namespaces/a/events", false),
        (Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", false),
        (Method::DELETE, "/api/v1/namespaces/a/configmaps/b", true),
        (Method::GET, "/api/v1/namespaces/a/configmaps/b", false),
    ];
    for (method, uri, wanted) in table {
        let found = persists(&method, &Uri::from_static(uri), &nothing);
        assert_eq!(found, wanted, "{method} {uri}");
    }
    let dry = Bytes::from_static(br#"{"dryRun":["All"]}"#);
    assert!(!persists(&Method::DELETE, &Uri::from_static("/api/v1/namespaces/a/pods/b"), &dry));
}
