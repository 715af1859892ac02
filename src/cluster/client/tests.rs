//! The stack over a stubbed transport, and over a real connection where the connection matters.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::{Instant, advance, sleep};
use tower::{ServiceExt, service_fn};

use super::*;
use crate::api::EnvironmentId;
use crate::cluster::error::{Refusal, refusal};
use crate::cluster::fence::Term;

/// A stubbed API server: what it was asked, and how it answers.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<http::request::Parts>>>);

impl Seen {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn header(&self, name: &str) -> Option<String> {
        let parts = self.0.lock().unwrap();
        Some(parts.last()?.headers.get(name)?.to_str().unwrap().to_owned())
    }
}

fn clients<F, A>(options: ClientOptions, fence: &Fence, seen: &Seen, answer: F) -> Clients
where
    F: Fn(usize) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send,
{
    let seen = seen.clone();
    let transport = service_fn(move |request: Request<Guarded>| {
        let (seen, answer) = (seen.clone(), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            seen.0.lock().unwrap().push(parts);
            body.collect().await?;
            Ok::<_, BoxError>(answer(seen.count()).await)
        }
    });
    Clients::over(transport, "default", options, fence.clone(), Telemetry::default())
}

fn object() -> Response<Full<Bytes>> {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}).to_string();
    Response::new(Full::new(body.into()))
}

fn failure(code: u16) -> Response<Full<Bytes>> {
    let body = json!({"kind": "Status", "status": "Failure", "code": code, "reason": "Stub", "message": ""});
    Response::builder().status(code).body(Full::new(body.to_string().into())).unwrap()
}

fn lead(fence: &Fence, seconds: u64) {
    let now = Instant::now();
    let renew_by = now + Duration::from_secs(seconds);
    fence.grant(Term { epoch: 1, renew_by, expires: renew_by + Duration::from_secs(1) });
}

fn maps(client: kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client, "shop")
}

fn prod() -> EnvironmentId {
    EnvironmentId { project: "shop".into(), environment: "prod".into() }
}

async fn write(client: kube::Client) -> kube::Result<ConfigMap> {
    maps(client).patch("x", &PatchParams::apply("towpath"), &Patch::Apply(json!({}))).await
}

#[tokio::test(start_paused = true)]
async fn without_a_term_only_what_changes_nothing_is_sent() {
    let (fence, seen) = (Fence::new(), Seen::default());
    let clients = clients(ClientOptions::default(), &fence, &seen, |_| async { object() });
    let identity = Identity::new(prod()).unwrap();
    for client in [clients.operator(), clients.identity(&identity).unwrap(), clients.lease()] {
        assert_eq!(refusal(&write(client.clone()).await.unwrap_err()), Some(Refusal::NotLeading));
        let deleted = maps(client).delete("x", &DeleteParams::default()).await;
        assert_eq!(refusal(&deleted.unwrap_err()), Some(Refusal::NotLeading));
    }
    assert_eq!(seen.count(), 0, "none of them was sent");
    maps(clients.operator()).get("x").await.unwrap();
    let dry = PatchParams { dry_run: true, ..PatchParams::apply("towpath") };
    maps(clients.operator()).patch("x", &dry, &Patch::Apply(json!({}))).await.unwrap();
    let review = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let review = Request::post(review).body(b"{}".to_vec()).unwrap();
    clients.operator().request_text(review).await.unwrap();
    let lease = "/apis/coordination.k8s.io/v1/namespaces/towpath-system/leases/x";
    let put = || Request::put(lease).body(b"{}".to_vec()).unwrap();
    clients.lease().request_text(put()).await.unwrap();
    assert!(clients.operator().request_text(put()).await.is_err(), "a Lease is the lease client's alone");
    assert_eq!(seen.count(), 4);
    lead(&fence, 10);
    write(clients.operator()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_write_gets_its_permit_after_it_waited_for_a_slot() {
    let (fence, seen) = (Fence::new(), Seen::default());
    let options = ClientOptions { writes: 1, ..ClientOptions::default() };
    let clients = clients(options, &fence, &seen, |_| async {
        sleep(Duration::from_secs(5)).await;
        object()
    });
    lead(&fence, 60);
    let first = tokio::spawn(write(clients.operator()));
    while seen.count() == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn(write(clients.operator()));
    advance(Duration::from_secs(1)).await;
    fence.revoke();
    first.await.unwrap().unwrap();
    assert_eq!(refusal(&second.await.unwrap().unwrap_err()), Some(Refusal::NotLeading));
    assert_eq!(seen.count(), 1);
    fence.idle().await;
}

#[tokio::test(start_paused = true)]
async fn concurrent_writes_are_limited_and_reads_have_their_own_limit() {
    let (fence, seen, busy) = (Fence::new(), Seen::default(), Arc::new(AtomicUsize::new(0)));
    let most = Arc::new(AtomicUsize::new(0));
    let clients = clients(ClientOptions::default(), &fence, &seen, {
        let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
        move |_| {
            let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
            async move {
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_secs(1)).await;
                busy.fetch_sub(1, Ordering::SeqCst);
                object()
            }
        }
    });
    lead(&fence, 600);
    let writes = futures::future::join_all((0..40).map(|_| write(clients.operator())));
    assert!(writes.await.iter().all(Result::is_ok));
    assert_eq!(most.swap(0, Ordering::SeqCst), 8);
    let api = maps(clients.operator());
    let reads = futures::future::join_all((0..40).map(|_| api.get("x")));
    assert!(reads.await.iter().all(Result::is_ok));
    assert_eq!(most.load(Ordering::SeqCst), 32);
}

#[tokio::test(start_paused = true)]
async fn a_read_is_retried_and_a_write_is_not() {
    let (fence, seen) = (Fence::new(), Seen::default());
    let clients = clients(ClientOptions::default(), &fence, &seen, |nth| async move {
        if nth < 3 { failure(503) } else { object() }
    });
    lead(&fence, 600);
    maps(clients.operator()).get("x").await.unwrap();
    assert_eq!(seen.count(), 3);
    seen.0.lock().unwrap().clear();
    assert!(matches!(write(clients.operator()).await, Err(kube::Error::Api(status)) if status.code == 503));
    assert_eq!(seen.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_answer_ends_a_call_at_its_deadline_and_a_write_no_later_than_its_term() {
    let (fence, seen) = (Fence::new(), Seen::default());
    let clients = clients(ClientOptions::default(), &fence, &seen, |_| std::future::pending());
    lead(&fence, 600);
    let start = Instant::now();
    let error = write(clients.operator()).await.unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::Unanswered(Duration::from_secs(10))));
    lead(&fence, 3);
    let error = write(clients.operator()).await.unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::Unanswered(Duration::from_secs(4))), "a second past renew_by");
    assert_eq!((start.elapsed(), seen.count()), (Duration::from_secs(14), 2));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_the_body_of_a_plain_call_but_not_of_a_watch() {
    let transport = service_fn(|_: Request<Guarded>| async {
        let line = json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"resourceVersion": "7"}}});
        let chunks = futures::stream::unfold(0, move |nth| {
            let line = format!("{line}\n");
            async move {
                sleep(Duration::from_secs(20)).await;
                Some((Ok::<_, Infallible>(Frame::data(Bytes::from(line))), nth + 1))
            }
        });
        Ok::<_, BoxError>(Response::new(StreamBody::new(chunks.boxed())))
    });
    let clients =
        Clients::over(transport, "default", ClientOptions::default(), Fence::new(), Telemetry::default());
    let post = Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews").body(vec![]).unwrap();
    let error = clients.operator().request_text(post).await.unwrap_err();
    assert!(matches!(refusal(&error), Some(Refusal::Unanswered(_))));
    let pulse = Pulse::new();
    let watch = maps(clients.watching(&pulse)).watch(&Default::default(), "1").await.unwrap();
    let mut watch = std::pin::pin!(futures::TryStreamExt::into_stream(watch));
    for _ in 0..3 {
        advance(Duration::from_secs(1)).await;
        watch.next().await.unwrap().unwrap();
        assert_eq!(pulse.age(), Duration::ZERO, "a bookmark counts as bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_cannot_change_the_identity_of_its_client() {
    let (fence, seen) = (Fence::new(), Seen::default());
    let warnings = Warnings::new();
    let clients = clients(ClientOptions::default(), &fence, &seen, |_| async {
        let mut response = object();
        response.headers_mut().insert("warning", HeaderValue::from_static("299 - \"old API\""));
        response
    });
    let forged = || {
        let request = Request::get("/api/v1/namespaces/shop/configmaps/x");
        request.header("Impersonate-User", "admin").body(vec![]).unwrap()
    };
    clients.operator().request_text(forged()).await.unwrap();
    assert_eq!(seen.header("impersonate-user"), None);
    let identity = Identity::new(prod()).unwrap();
    clients.identity_noting(&identity, &warnings).unwrap().request_text(forged()).await.unwrap();
    assert_eq!(
        seen.header("impersonate-user").as_deref(),
        Some("system:serviceaccount:towpath-deployers:shop.prod")
    );
    assert_eq!(seen.header("impersonate-group"), None);
    assert_eq!(warnings.take(), ["old API"], "and not those of the other client's call");
}

#[tokio::test(start_paused = true)]
async fn a_request_with_an_invalid_name_is_not_sent() {
    let (fence, seen) = (Fence::new(), Seen::default());
    let clients = clients(ClientOptions::default(), &fence, &seen, |_| async { object() });
    lead(&fence, 600);
    for name in ["../secrets/x", "a/../../b", "x/"] {
        let error = maps(clients.operator()).get(name).await.unwrap_err();
        assert_eq!(refusal(&error), Some(Refusal::MalformedPath), "{name}");
    }
    assert_eq!(seen.count(), 0);
}

/// A real HTTP server that counts the requests that arrived whole.
async fn server() -> (kube::Config, Arc<AtomicUsize>) {
    let whole = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&whole);
    let answer = move |body: axum::body::Bytes| {
        let counter = Arc::clone(&counter);
        async move {
            assert!(!body.is_empty());
            counter.fetch_add(1, Ordering::SeqCst);
            (StatusCode::OK, object().into_body().collect().await.unwrap().to_bytes())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    (kube::Config::new(url.parse().unwrap()), whole)
}

#[tokio::test]
async fn a_term_that_ends_while_connecting_aborts_the_write() {
    let (config, whole) = server().await;
    let fence = Fence::new();
    lead(&fence, 600);
    let transport = connect::connect(&config, &ClientOptions::default()).unwrap();
    let request = |pass| {
        let body = Guarded::new(Body::from(b"{}".to_vec()), Some(Arc::new(pass)));
        Request::builder()
            .method(Method::PATCH)
            .uri("/api/v1/namespaces/shop/configmaps/x")
            .body(body)
            .unwrap()
    };
    transport.clone().oneshot(request(fence.permit().unwrap())).await.unwrap();
    assert_eq!(whole.load(Ordering::SeqCst), 1);
    let late = fence.permit().unwrap();
    fence.revoke();
    let error = transport.clone().oneshot(request(late)).await.unwrap_err();
    assert_eq!(refusal(&kube::Error::Service(error)), Some(Refusal::NotLeading));
    lead(&fence, 600);
    transport.oneshot(request(fence.permit().unwrap())).await.unwrap();
    assert_eq!(whole.load(Ordering::SeqCst), 2, "the one in between never arrived");
}

#[tokio::test]
async fn the_whole_stack_works_over_a_real_connection() {
    let (config, whole) = server().await;
    let fence = Fence::new();
    let clients =
        Clients::new(&config, ClientOptions::default(), fence.clone(), Telemetry::default()).unwrap();
    lead(&fence, 600);
    maps(clients.operator()).create(&PostParams::default(), &ConfigMap::default()).await.unwrap();
    write(clients.identity(&Identity::new(prod()).unwrap()).unwrap()).await.unwrap();
    assert_eq!(whole.load(Ordering::SeqCst), 2);
    let dead = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let clients = Clients::new(&dead, ClientOptions::default(), fence, Telemetry::default()).unwrap();
    assert!(maps(clients.operator()).list(&ListParams::default()).await.is_err());
}

#[test]
fn a_configuration_that_bypasses_the_stack_is_rejected() {
    let mut config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    config.auth_info.impersonate = Some("admin".to_owned());
    let made = Clients::new(&config, ClientOptions::default(), Fence::new(), Telemetry::default());
    assert!(matches!(made, Err(ClusterError::UnsupportedConfig(_))));
}
