//! A watch over a stubbed API server that follows a script. Time is paused, so a minute of silence takes none.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tower::{BoxError, service_fn};

use super::*;
use crate::cluster::client::{ClientOptions, Guarded};
use crate::cluster::fence::Fence;
use crate::cluster::slim::Deployment;

/// What the stub answers to one request.
enum Answer {
    /// A list of these objects.
    List(Vec<Value>),
    /// A watch that tells these events and ends after so many seconds.
    Events(Vec<Value>, u64),
    /// A watch that says nothing, ever.
    Silence,
    /// An error with this code.
    Error(u16),
}

type Chunk = Result<Frame<Bytes>, Infallible>;

fn respond(answer: Answer) -> Response<StreamBody<BoxStream<'static, Chunk>>> {
    let chunk = |value: Value| Ok(Frame::data(Bytes::from(format!("{value}\n"))));
    let (code, body): (u16, BoxStream<'static, Chunk>) = match answer {
        Answer::List(items) => {
            let list = json!({"apiVersion": "apps/v1", "kind": "DeploymentList",
                "metadata": {"resourceVersion": "100"}, "items": items});
            (200, stream::iter([chunk(list)]).boxed())
        }
        Answer::Events(events, seconds) => {
            let end = stream::once(sleep(Duration::from_secs(seconds))).filter_map(|()| async { None });
            (200, stream::iter(events.into_iter().map(chunk).collect::<Vec<_>>()).chain(end).boxed())
        }
        Answer::Silence => (200, stream::pending().boxed()),
        Answer::Error(code) => {
            let status =
                json!({"kind": "Status", "status": "Failure", "code": code, "reason": "Stub", "message": ""});
            (code, stream::iter([chunk(status)]).boxed())
        }
    };
    Response::builder().status(code).body(StreamBody::new(body)).unwrap()
}

/// The requests that the stub got: `list`, or `watch` with the version it went on from.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn lists(&self) -> usize {
        self.all().iter().filter(|request| *request == "list").count()
    }
}

fn clients(asked: &Asked, script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Clients {
    let (asked, script) = (asked.clone(), Arc::new(script));
    let transport = service_fn(move |request: Request<Guarded>| {
        let query = request.uri().query().unwrap_or_default();
        let version =
            query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion=")).unwrap_or_default();
        let asking =
            if query.contains("watch=true") { format!("watch {version}") } else { "list".to_owned() };
        let mut all = asked.0.lock().unwrap();
        all.push(asking.clone());
        let nth = all.iter().filter(|request| request.split(' ').next() == asking.split(' ').next()).count();
        let response = respond(script(&asking, nth));
        async move { Ok::<_, BoxError>(response) }
    });
    Clients::over(transport, "default", ClientOptions::default(), Fence::new(), Telemetry::default())
}

fn deployment(namespace: &str, name: &str, version: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1},
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": version.to_string()}})
}

fn event(type_: &str, object: Value) -> Value {
    json!({"type": type_, "object": object})
}

fn describe(delta: &Delta<Deployment>) -> String {
    match delta {
        Delta::Applied { old: None, new } => format!("new {}", new.metadata.name()),
        Delta::Applied { old: Some(_), new } => format!("changed {}", new.metadata.name()),
        Delta::Gone { old } => format!("gone {}", old.metadata.name()),
        Delta::Undecodable { new } => format!("undecodable {}", new.name),
        Delta::UndecodableGone { old } => format!("undecodable gone {}", old.name),
        Delta::Listed => "listed".to_owned(),
    }
}

struct Watching {
    store: Store<Deployment>,
    watch: Watch,
    deltas: mpsc::UnboundedReceiver<String>,
}

impl Watching {
    fn start(clients: &Clients, accepts: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static) -> Self {
        let (sender, deltas) = mpsc::unbounded_channel();
        let changed = move |delta: Delta<Deployment>| {
            let _ = sender.send(describe(&delta));
        };
        let options = WatchOptions::default();
        let store = Store::new();
        let telemetry = Telemetry::default();
        let watch = Watch::start("Deployment", clients, options, store.clone(), telemetry, accepts, changed);
        Self { store, watch, deltas }
    }

    async fn next(&mut self) -> String {
        timeout(Duration::from_secs(600), self.deltas.recv())
            .await
            .expect("a delta within ten minutes")
            .unwrap()
    }

    async fn until(&mut self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        while all.last().is_none_or(|described| described != last) {
            all.push(self.next().await);
        }
        all
    }
}

#[tokio::test(start_paused = true)]
async fn objects_come_from_the_list_and_then_from_the_watch() {
    let asked = Asked::default();
    let clients = clients(&asked, |asking, nth| match (asking, nth) {
        ("list", _) => Answer::List(vec![deployment("shop", "web", 7), deployment("shop", "api", 8)]),
        (_, 1) => Answer::Events(
            vec![
                event("MODIFIED", deployment("shop", "web", 101)),
                event("DELETED", deployment("shop", "api", 102)),
            ],
            1,
        ),
        (_, _) => Answer::Events(vec![event("ADDED", deployment("shop", "job", 103))], 50),
    });
    let mut watching = Watching::start(&clients, |_| true);
    assert_eq!(
        watching.until("new job").await,
        ["new web", "new api", "listed", "changed web", "gone api", "new job"]
    );
    assert!(watching.store.is_ready());
    assert_eq!(watching.store.all().len(), 2);
    assert_eq!(asked.all(), ["list", "watch 100", "watch 102"], "an orderly end is no reason to list again");
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_object_does_not_affect_others() {
    let unfit = |version| {
        let mut object = deployment("shop", "odd", version);
        object["spec"]["replicas"] = json!("many");
        object
    };
    let clients = clients(&Asked::default(), move |asking, _| match asking {
        "list" => Answer::List(vec![unfit(7), deployment("shop", "web", 8)]),
        _ => Answer::Events(
            vec![event("MODIFIED", unfit(101)), event("MODIFIED", deployment("shop", "odd", 102))],
            50,
        ),
    });
    let mut watching = Watching::start(&clients, |_| true);
    assert_eq!(watching.until("listed").await, ["undecodable odd", "new web", "listed"]);
    assert_eq!(watching.until("new odd").await, ["undecodable odd", "new odd"]);
    assert_eq!(watching.store.undecodable("shop", "odd"), None, "fixed");
}

#[tokio::test(start_paused = true)]
async fn an_unusable_version_leads_to_a_new_list() {
    for code in [410, 504] {
        let asked = Asked::default();
        let clients = clients(&asked, move |asking, nth| match (asking, nth) {
            ("list", 1) => Answer::List(vec![deployment("shop", "web", 7)]),
            ("list", _) => Answer::List(vec![deployment("shop", "api", 8)]),
            (_, 1) => Answer::Error(code),
            (_, _) => Answer::Events(vec![], 50),
        });
        let mut watching = Watching::start(&clients, |_| true);
        assert_eq!(
            watching.until("gone web").await,
            ["new web", "listed", "new api", "gone web"],
            "an object that was deleted in between is gone"
        );
        assert_eq!(asked.all()[..3], ["list", "watch 100", "list"], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_stream_is_noticed_within_a_minute_and_an_idle_one_is_left_alone() {
    let asked = Asked::default();
    let frozen = clients(&asked, |asking, nth| match (asking, nth) {
        ("list", 1) => Answer::List(vec![]),
        ("list", _) => Answer::List(vec![deployment("shop", "web", 7)]),
        (_, _) => Answer::Silence,
    });
    let start = Instant::now();
    Watching::start(&frozen, |_| true).until("new web").await;
    assert!(start.elapsed() <= Duration::from_secs(66), "{:?}", start.elapsed());
    let asked = Asked::default();
    let idle = clients(&asked, |asking, _| match asking {
        "list" => Answer::List(vec![]),
        _ => Answer::Events(vec![event("BOOKMARK", deployment("", "", 200))], 50),
    });
    let mut watching = Watching::start(&idle, |_| true);
    watching.until("listed").await;
    assert!(timeout(Duration::from_secs(600), watching.deltas.recv()).await.is_err());
    assert_eq!(asked.lists(), 1);
    assert!(asked.all().len() <= 14, "ten minutes are twelve watches: {:?}", asked.all());
    assert_eq!(asked.all()[2], "watch 200", "from the bookmark on");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_becomes_accepted_is_listed() {
    let asked = Asked::default();
    let clients = clients(&asked, |asking, _| match asking {
        "list" => Answer::List(vec![deployment("shop", "web", 7), deployment("other", "api", 8)]),
        _ => Answer::Events(vec![event("MODIFIED", deployment("other", "db", 101))], 50),
    });
    let wide = Arc::new(AtomicBool::new(false));
    let accepts = {
        let wide = Arc::clone(&wide);
        move |meta: &ObjectMeta| wide.load(Ordering::SeqCst) || meta.namespace.as_deref() == Some("shop")
    };
    let mut watching = Watching::start(&clients, accepts);
    assert_eq!(watching.until("listed").await, ["new web", "listed"]);
    wide.store(true, Ordering::SeqCst);
    watching.watch.relister()();
    assert_eq!(watching.until("new db").await, ["new api", "listed", "new db"], "web did not change");
    wide.store(false, Ordering::SeqCst);
    watching.watch.relister()();
    assert_eq!(watching.until("listed").await, ["gone api", "gone db", "listed"], "and others are removed");
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_is_asked_with_growing_pauses_and_recovers() {
    let asked = Asked::default();
    let start = Instant::now();
    let clients = clients(&asked, move |asking, _| match asking {
        "list" if start.elapsed() < Duration::from_secs(120) => Answer::Error(403),
        "list" => Answer::List(vec![deployment("shop", "web", 7)]),
        _ => Answer::Events(vec![], 50),
    });
    Watching::start(&clients, |_| true).until("new web").await;
    assert!(start.elapsed() <= Duration::from_secs(135), "{:?}", start.elapsed());
    assert!((10..=30).contains(&asked.lists()), "{} lists in two minutes", asked.lists());
}

#[tokio::test(start_paused = true)]
async fn a_successful_list_does_not_shorten_the_pauses_of_a_failing_watch() {
    let asked = Asked::default();
    let clients = clients(&asked, |asking, _| match asking {
        "list" => Answer::List(vec![]),
        _ => Answer::Error(410),
    });
    let mut watching = Watching::start(&clients, |_| true);
    let listed = async { while watching.deltas.recv().await.is_some() {} };
    assert!(timeout(Duration::from_secs(120), listed).await.is_err());
    assert!((10..=30).contains(&asked.lists()), "{} lists in two minutes", asked.lists());
}

#[tokio::test(start_paused = true)]
async fn repeated_requests_for_a_list_let_each_list_end() {
    let asked = Asked::default();
    let clients = clients(&asked, |asking, _| match asking {
        "list" => Answer::List(vec![deployment("shop", "web", 7)]),
        _ => Answer::Events(vec![], 50),
    });
    let mut watching = Watching::start(&clients, |_| true);
    for _ in 0..100 {
        watching.watch.relister()();
    }
    watching.until("listed").await;
    watching.until("listed").await;
    assert!(timeout(Duration::from_secs(10), watching.deltas.recv()).await.is_err());
    assert_eq!(asked.lists(), 2, "the first, and one for all the requests");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_watch_is_reported() {
    let clients = clients(&Asked::default(), |asking, _| match asking {
        "list" => Answer::List(vec![deployment("shop", "web", 7)]),
        _ => Answer::Events(vec![], 50),
    });
    let changed = |_: Delta<Deployment>| panic!("a fault in a callback");
    let options = WatchOptions::default();
    let mut watch =
        Watch::start("Deployment", &clients, options, Store::new(), Telemetry::default(), |_| true, changed);
    let ended = watch.ended().await.to_string();
    assert_eq!(ended, "the background task watch of Deployment ended: it panicked");
}
