use super::*;
use crate::api::Environment;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::convert::Infallible;
use tower::{BoxError, service_fn};

/// What the API server answers.
#[derive(Clone)]
enum Answer {
    /// A list of environments of these names.
    List(&'static [&'static str]),
    /// A watch that tells these events, and ends after so many seconds.
    Events(Vec<Value>, u64),
    Error(u16),
    Broken,
}

type Chunks = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;
type Asked = Arc<Mutex<Vec<&'static str>>>;

fn environment(name: &str) -> Value {
    json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Environment", "spec": { "namespace": "shop-dev" },
        "metadata": { "name": name, "namespace": "shop", "resourceVersion": "7" },
    })
}

fn event(kind: &str, object: Value) -> Value {
    json!({ "type": kind, "object": object })
}

fn body(answer: Answer) -> Result<Response<Chunks>, BoxError> {
    let chunk = |value: Value| Ok(Frame::data(Bytes::from(format!("{value}\n"))));
    let (code, body): (u16, BoxStream<'static, _>) = match answer {
        Answer::List(names) => {
            let items: Vec<Value> = names.iter().map(|name| environment(name)).collect();
            let list = json!({ "apiVersion": "towpath.dev/v1alpha1", "kind": "EnvironmentList",
                "metadata": { "resourceVersion": "100" }, "items": items });
            (200, stream::iter([chunk(list)]).boxed())
        }
        Answer::Events(events, seconds) => {
            let end = stream::once(tokio::time::sleep(Duration::from_secs(seconds)));
            let end = end.filter_map(|()| async { None });
            (200, stream::iter(events.into_iter().map(chunk).collect::<Vec<_>>()).chain(end).boxed())
        }
        Answer::Error(code) => {
            let status = json!({ "kind": "Status", "status": "Failure", "code": code, "reason": "Stub", "message": "no" });
            (code, stream::iter([chunk(status)]).boxed())
        }
        Answer::Broken => return Err("connection refused".into()),
    };
    Ok(Response::builder().status(code).body(StreamBody::new(body))?)
}

/// A reader of an API server that answers the nth list or watch like this.
fn reader(asked: &Asked, script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Reader {
    let (asked, script) = (Arc::clone(asked), Arc::new(script));
    let service = service_fn(move |request: Request<Body>| {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let asking = if is_watch { "watch" } else { "list" };
        let mut all = asked.lock().unwrap();
        all.push(asking);
        let answer = script(asking, all.iter().filter(|other| **other == asking).count());
        async move { body(answer) }
    });
    Reader::new(Client::new(service, "shop"), "shop".into())
}

fn names(live: &Live) -> Vec<String> {
    live.objects::<Environment>().into_iter().filter_map(|it| it.metadata.name.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_or_is_too_old_is_opened_again() {
    for (ended, lists) in [
        (Answer::Events(vec![], 25), 1),
        (Answer::Error(410), 2),
        (
            Answer::Events(
                vec![event(
                    "ERROR",
                    json!({ "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old" }),
                )],
                1,
            ),
            2,
        ),
        (Answer::Error(503), 2),
        (Answer::Broken, 2),
    ] {
        let asked = Asked::default();
        let reader = reader(&asked, move |asking, nth| match (asking, nth) {
            ("list", _) => Answer::List(&["dev"]),
            (_, 1) => ended.clone(),
            (_, _) => Answer::Events(vec![event("ADDED", environment("prod"))], 25),
        });
        let mut live = Live::new(&reader);
        live.watch::<Environment>("");
        while names(&live) != ["dev", "prod"] {
            live.change().await.unwrap();
        }
        let asked = asked.lock().unwrap();
        assert_eq!(asked.iter().filter(|asked| **asked == "list").count(), lists, "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_decoded_does_not_hide_the_others() {
    let mut odd = environment("odd");
    odd["spec"]["namespace"] = json!(["a list"]);
    let reader = reader(&Asked::default(), move |asking, _| match asking {
        "list" => Answer::List(&["dev"]),
        _ => Answer::Events(vec![event("ADDED", odd.clone()), event("ADDED", environment("prod"))], 25),
    });
    let mut live = Live::new(&reader);
    live.watch::<Environment>("");
    while names(&live) != ["dev", "prod"] {
        live.change().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_the_objects_can_no_longer_be_seen() {
    for (answer, word, seconds) in [
        (Answer::Error(403), "you may not read environments", 8),
        (Answer::Error(401), "does not accept the credentials", 8),
        (Answer::Error(404), "install Towpath", 8),
        (Answer::Broken, "cannot reach the cluster", 60),
    ] {
        let reader = reader(&Asked::default(), move |asking, nth| match (asking, nth) {
            ("list", 1) => Answer::List(&["dev"]),
            (_, 1) => Answer::Events(vec![], 1),
            (_, _) => answer.clone(),
        });
        let mut live = Live::new(&reader);
        live.watch::<Environment>("");
        let begun = Instant::now();
        let error = loop {
            if let Err(error) = live.change().await {
                break error;
            }
        };
        assert!(error.to_string().contains(word), "{error}");
        let took = begun.elapsed().as_secs();
        assert!((seconds..seconds + 10).contains(&took), "{took}: {error}");
        assert_eq!(names(&live), ["dev"], "what was seen last stays");
    }
}
