//! Candidates against a stubbed API server with one Lease, with versions and watches. Time is paused.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use tower::{BoxError, service_fn};

use super::*;
use crate::cluster::client::{ClientOptions, Clients, Guarded};

type Chunk = Result<Frame<Bytes>, Infallible>;
type Answered = Response<StreamBody<BoxStream<'static, Chunk>>>;

/// The API server: one Lease.
#[derive(Clone)]
struct Server {
    lease: Arc<Mutex<(Option<Value>, u64)>>,
    changes: broadcast::Sender<Value>,
}

/// How one candidate reaches the server.
#[derive(Clone, Default)]
struct Line {
    is_cut: Arc<AtomicBool>,
    loses_answers: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn new() -> Self {
        Self { lease: Arc::default(), changes: broadcast::Sender::new(64) }
    }

    fn holder(&self) -> Option<String> {
        let stored = self.lease.lock().unwrap();
        Some(stored.0.as_ref()?["spec"]["holderIdentity"].as_str()?.to_owned())
    }

    fn store(&self, type_: &str, lease: Option<Value>) -> Option<Value> {
        let mut stored = self.lease.lock().unwrap();
        stored.1 += 1;
        let version = stored.1.to_string();
        let versioned = lease.map(|mut lease| {
            lease["metadata"]["resourceVersion"] = json!(version);
            lease
        });
        let shown = versioned.clone().or_else(|| stored.0.clone());
        stored.0.clone_from(&versioned);
        let _ = self.changes.send(json!({"type": type_, "object": shown}));
        versioned
    }

    fn answer(&self, method: &Method, query: &str, body: &[u8]) -> Answered {
        let current = self.lease.lock().unwrap().0.clone();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        let sent = || serde_json::from_slice::<Value>(body).unwrap();
        match (method.as_str(), current) {
            ("GET", _) if query.contains("watch=true") => self.watch(query),
            ("GET", Some(lease)) => plain(200, lease),
            ("GET" | "PUT", None) => plain(404, failure(404)),
            ("POST", Some(_)) => plain(409, failure(409)),
            ("POST", None) => plain(201, self.store("ADDED", Some(sent())).unwrap()),
            ("PUT", Some(lease)) if version(&lease) != version(&sent()) => plain(409, failure(409)),
            ("PUT", Some(_)) => plain(200, self.store("MODIFIED", Some(sent())).unwrap()),
            (other, _) => panic!("unexpected request: {other}"),
        }
    }

    fn watch(&self, query: &str) -> Answered {
        assert!(query.contains("fieldSelector=metadata.name%3Dtowpath"), "only the one Lease: {query}");
        let asked: u64 =
            query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion=")).unwrap().parse().unwrap();
        let stored = self.lease.lock().unwrap();
        let missed = (stored.1 > asked).then(|| json!({"type": "MODIFIED", "object": stored.0}));
        let changes = stream::unfold(self.changes.subscribe(), |mut changes| async move {
            Some((changes.recv().await.ok()?, changes))
        });
        let events = stream::iter(missed).chain(changes).map(chunk);
        let whole = events.take_until(Box::pin(sleep(Duration::from_secs(WATCH_SECONDS.into()))));
        Response::new(StreamBody::new(whole.boxed()))
    }

    fn clients(&self, line: &Line, fence: &Fence) -> Clients {
        let (server, line) = (self.clone(), line.clone());
        let transport = service_fn(move |request: Request<Guarded>| {
            let (server, line) = (server.clone(), line.clone());
            async move {
                line.requests.fetch_add(1, Ordering::SeqCst);
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                if line.is_cut.load(Ordering::SeqCst) {
                    return std::future::pending().await;
                }
                let answer = server.answer(&parts.method, parts.uri.query().unwrap_or_default(), &body);
                if line.loses_answers.load(Ordering::SeqCst) && parts.method != Method::GET {
                    return Err(BoxError::from("connection reset"));
                }
                Ok(answer.map(|body| StreamBody::new(cut_by(&line, body).boxed())))
            }
        });
        Clients::over(transport, "default", ClientOptions::default(), fence.clone(), Telemetry::default())
    }
}

/// A cut line delivers nothing, on open streams as well.
fn cut_by(line: &Line, body: StreamBody<BoxStream<'static, Chunk>>) -> impl Stream<Item = Chunk> + use<> {
    let is_cut = Arc::clone(&line.is_cut);
    body.filter(move |_| std::future::ready(!is_cut.load(Ordering::SeqCst)))
}

fn chunk(value: Value) -> Chunk {
    Ok(Frame::data(Bytes::from(format!("{value}\n"))))
}

fn plain(code: u16, value: Value) -> Answered {
    Response::builder().status(code).body(StreamBody::new(stream::iter([chunk(value)]).boxed())).unwrap()
}

fn failure(code: u16) -> Value {
    let reason = if code == 404 { "NotFound" } else { "Conflict" };
    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": ""})
}

/// One replica.
struct Replica {
    fence: Fence,
    line: Line,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ClusterError>>,
}

impl Replica {
    fn start(server: &Server, identity: &str) -> Self {
        let (fence, line) = (Fence::new(), Line::default());
        let (stop, stopped) = oneshot::channel();
        let config = LeaseConfig {
            namespace: "towpath-system".to_owned(),
            name: "towpath".to_owned(),
            identity: identity.to_owned(),
            duration: Duration::from_secs(15),
            renewal: Duration::from_secs(5),
        };
        let client = server.clients(&line, &fence).lease();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task =
            tokio::spawn(run(client, config, fence.clone(), Telemetry::default(), Timestamp::now, shutdown));
        Self { fence, line, stop: Some(stop), task }
    }

    async fn leads(&self) -> i64 {
        timeout(Duration::from_secs(60), self.fence.changed_from(None)).await.unwrap().unwrap()
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_the_second_follows_until_the_lease_is_released() {
    let server = Server::new();
    let first = Replica::start(&server, "a");
    let epoch = first.leads().await;
    let second = Replica::start(&server, "b");
    sleep(Duration::from_secs(600)).await;
    assert_eq!((first.fence.epoch(), second.fence.epoch()), (Some(epoch), None), "renewals keep the term");
    let (writes, looks) =
        (first.line.requests.load(Ordering::SeqCst), second.line.requests.load(Ordering::SeqCst));
    assert!((115..=125).contains(&writes), "{writes} requests of the leader in ten minutes");
    assert!(looks <= 16, "{looks} requests of the follower in ten minutes");
    let given_up = Instant::now();
    first.stop().await;
    assert!(second.leads().await > epoch);
    assert!(given_up.elapsed() < Duration::from_secs(1), "{:?}", given_up.elapsed());
    second.stop().await;
    assert_eq!(server.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_another_starts() {
    let server = Server::new();
    let first = Replica::start(&server, "a");
    let epoch = first.leads().await;
    let second = Replica::start(&server, "b");
    sleep(Duration::from_secs(12)).await;
    first.line.is_cut.store(true, Ordering::SeqCst);
    assert_eq!(first.fence.changed_from(Some(epoch)).await, None);
    assert_eq!(second.fence.epoch(), None, "not yet");
    let ended = Instant::now();
    let next = second.leads().await;
    assert!(next > epoch && ended.elapsed() >= Duration::from_secs(4), "{:?}", ended.elapsed());
    first.line.is_cut.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(60)).await;
    assert_eq!((first.fence.epoch(), second.fence.epoch()), (None, Some(next)), "it follows now");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_cost_neither_the_term_nor_more_requests() {
    let server = Server::new();
    let first = Replica::start(&server, "a");
    let epoch = first.leads().await;
    sleep(Duration::from_secs(4)).await;
    first.line.loses_answers.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(3)).await;
    first.line.loses_answers.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(first.fence.epoch(), Some(epoch));
    assert!(first.line.requests.load(Ordering::SeqCst) < 30);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_recreated_with_a_greater_epoch() {
    let server = Server::new();
    let first = Replica::start(&server, "a");
    let epoch = first.leads().await;
    sleep(Duration::from_secs(7)).await;
    server.store("DELETED", None);
    sleep(Duration::from_secs(15)).await;
    assert!(first.fence.epoch().unwrap() > epoch);
    assert_eq!(server.holder().as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_released_only_after_the_writes_in_flight() {
    let server = Server::new();
    let first = Replica::start(&server, "a");
    first.leads().await;
    let write = first.fence.permit().unwrap();
    let fence = first.fence.clone();
    let stopping = tokio::spawn(first.stop());
    sleep(Duration::from_secs(2)).await;
    assert_eq!((server.holder().as_deref(), fence.epoch()), (Some("a"), None), "closed, and still held");
    drop(write);
    stopping.await.unwrap();
    assert_eq!(server.holder(), None);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let server = Server::new();
    let good = LeaseConfig {
        namespace: "n".to_owned(),
        name: "towpath".to_owned(),
        identity: unique_identity("pod"),
        duration: Duration::from_secs(3),
        renewal: Duration::from_secs(1),
    };
    assert_ne!(unique_identity("pod"), unique_identity("pod"));
    for config in [
        LeaseConfig { identity: String::new(), ..good.clone() },
        LeaseConfig { duration: Duration::from_millis(1500), ..good.clone() },
        LeaseConfig { renewal: Duration::from_millis(1500), ..good.clone() },
    ] {
        let fence = Fence::new();
        let client = server.clients(&Line::default(), &fence).lease();
        let ran =
            run(client, config, fence, Telemetry::default(), Timestamp::now, std::future::pending()).await;
        assert!(matches!(ran, Err(ClusterError::InvalidLease(_))));
    }
}
