//! Servers that misbehave: every request ends, with an error that says why and holds no credential.

use super::{Allowed, Auth, Credentials, Endpoint, Forbidden, Post, ProbeError, Prober, Resolver, TlsFiles};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that counts its connections and answers each with this.
async fn counting(address: &str, answer: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4096]).await;
            reply(stream, &answer).await;
        }
    });
    (address, count)
}

fn with_body(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A server that does this with every connection, after it has read the request.
async fn server<F: Future<Output = ()> + Send + 'static>(serve: fn(TcpStream, String) -> F) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            tokio::spawn(serve(stream, request));
        }
    });
    address
}

async fn reply(mut stream: TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes()).await;
}

fn endpoint(url: String) -> Endpoint {
    Endpoint {
        name: "metrics".into(),
        url,
        allowed: Allowed::parse(&["127.0.0.0/8".to_owned()]).unwrap(),
        tls: TlsFiles::default(),
        auth: None,
        headers: BTreeMap::new(),
        rate: 100,
    }
}

fn prober() -> Prober {
    Prober::new(Credentials::below("/nonexistent".into()), Forbidden::default(), Resolver::default())
}

async fn asked(address: SocketAddr) -> Result<u16, ProbeError> {
    prober().get(&endpoint(format!("http://{address}")), "/x").await.map(|reply| reply.status)
}

#[tokio::test]
async fn an_answer_is_read_and_a_redirect_is_not_followed() {
    let fine = server(|stream, request| async move {
        let seen =
            request.starts_with("GET /prefix/x HTTP/1.1\r\n") && request.contains("x-scope-orgid: team\r\n");
        let status = if seen { "200 OK" } else { "400 Bad Request" };
        reply(stream, &format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi")).await;
    })
    .await;
    let mut endpoint = endpoint(format!("http://{fine}/prefix/"));
    endpoint.headers.insert("X-Scope-OrgID".into(), "team".into());
    let answer = prober().get(&endpoint, "/x").await.unwrap();
    assert_eq!((answer.status, &*answer.body, answer.headers["x-a"].as_str()), (200, &b"hi"[..], "b"));
    let twice = server(|stream, _| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: no-store\r\nCache-Control: private\r\n\r\n";
        reply(stream, head).await;
    })
    .await;
    let answer = prober().get(&self::endpoint(format!("http://{twice}")), "/").await.unwrap();
    assert_eq!(answer.headers["cache-control"], "no-store, private");
    let (target, seen) = counting("127.0.0.1:0", with_body("200 OK", "")).await;
    let head = format!("302 Found\r\nLocation: http://{target}/");
    let (moved, asks) = counting("127.0.0.1:0", with_body(&head, "")).await;
    assert_eq!(asked(moved).await.unwrap(), 302);
    assert_eq!((asks.load(Ordering::Relaxed), seen.load(Ordering::Relaxed)), (1, 0));
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_off() {
    let endless = server(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    })
    .await;
    let error = asked(endless).await.unwrap_err();
    assert!(matches!(error, ProbeError::TooLarge { limit: 1_048_576, .. }), "{error}");
    let headers = server(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-Header: 0123456789012345678901234567890123456789\r\n").await.is_ok() {}
    })
    .await;
    assert!(matches!(asked(headers).await.unwrap_err(), ProbeError::Protocol { .. }));
}

#[tokio::test]
async fn a_server_that_resets_or_talks_nonsense_is_an_error() {
    let silent = server(|stream, _| async move { drop(stream) }).await;
    let nonsense = server(|stream, _| async move { reply(stream, "SSH-2.0-OpenSSH_9.9\r\n").await }).await;
    let half = server(|stream, _| async move {
        reply(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    })
    .await;
    for address in [silent, nonsense, half] {
        let error = asked(address).await.unwrap_err();
        assert!(matches!(error, ProbeError::Protocol { .. }), "{error}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = asked(closed).await.unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let hangs = server(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(stream);
    })
    .await;
    let begun = std::time::Instant::now();
    let error = asked(hangs).await.unwrap_err();
    assert!(matches!(error, ProbeError::Timeout { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_prometheus_that_answers_anything_else_is_an_error() {
    let html = server(|stream, _| async move {
        reply(stream, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>").await;
    })
    .await;
    let busy = server(|stream, _| async move {
        reply(stream, "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let refuses = server(|stream, _| async move {
        let body = r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error: unexpected }"}"#;
        reply(stream, &format!("HTTP/1.1 400 Bad\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    })
    .await;
    let text = server(|stream, _| async move {
        let body = r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#;
        reply(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    })
    .await;
    let ask = async |address: SocketAddr| {
        prober().query(&endpoint(format!("http://{address}")), "up", 60).await.unwrap_err()
    };
    let error = ask(html).await;
    assert!(
        error.to_string().contains("does not answer like a Prometheus") && !error.is_refusal(),
        "{error}"
    );
    assert_eq!(ask(busy).await.retry_after(), Some(Duration::from_secs(7)));
    let error = ask(refuses).await;
    assert!(error.is_refusal() && error.to_string().contains("1:5: parse error"), "{error}");
    assert!(ask(text).await.to_string().contains("the result is a string"));
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_dialled() {
    let closed = |url: &str| Endpoint { allowed: Allowed::default(), ..endpoint(url.to_owned()) };
    for url in [
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://2130706433:1",
        "http://0x7f.1:1",
        "http://127.1:1",
        "http://0:1",
        "http://[::1]:1",
        "http://[::ffff:127.0.0.1]:1",
        "http://[0:0:0:0:0:ffff:7f00:1]:1",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]:1",
        "http://[64:ff9b::7f00:1]:1",
        "https://127.0.0.1:1",
    ] {
        let error = prober().get(&closed(url), "/").await.unwrap_err();
        assert!(matches!(error, ProbeError::Address { .. } | ProbeError::Resolve(_)), "{url}: {error}");
    }
    for url in
        ["", "x", "file:///etc/passwd", "ftp://a", "gopher://127.0.0.1:1", "http://", "http:///x", "//a"]
    {
        let error = prober().get(&closed(url), "/").await.unwrap_err();
        assert!(matches!(error, ProbeError::Url(_) | ProbeError::Resolve(_)), "{url}: {error}");
    }
    let pod: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let pods = BTreeMap::from([("web-1".to_owned(), pod), ("web-2".to_owned(), pod)]);
    let answers = prober().get_pods(pods.iter(), "/").await;
    assert_eq!(answers.iter().map(|(pod, _)| *pod).collect::<Vec<_>>(), ["web-1", "web-2"]);
    assert!(answers.iter().all(|(_, answer)| matches!(answer, Err(ProbeError::Address { .. }))));
}

/// A name that resolves to an address that may be asked, and then to one that may not.
#[tokio::test]
async fn a_name_is_vetted_each_time_it_is_resolved() {
    let (good, asks) = counting("127.0.0.2:0", with_body("200 OK", "ok")).await;
    let (bad, seen) = counting(&format!("127.0.0.1:{}", good.port()), with_body("200 OK", "ok")).await;
    let lookups = AtomicUsize::new(0);
    let resolver = Resolver::new(move |host, _| {
        assert_eq!(host, "rebound.example");
        let found = if lookups.fetch_add(1, Ordering::Relaxed) == 0 { good } else { bad };
        async move { Ok(vec![found]) }
    });
    let prober = Prober::new(Credentials::below("/nonexistent".into()), Forbidden::default(), resolver);
    let allowed = Allowed::parse(&["127.0.0.2/32".to_owned()]).unwrap();
    let endpoint = Endpoint { allowed, ..endpoint(format!("http://rebound.example:{}", good.port())) };
    assert_eq!(prober.get(&endpoint, "/1").await.unwrap().status, 200);
    let error = prober.get(&endpoint, "/2").await.unwrap_err();
    assert!(matches!(&error, ProbeError::Address { address, .. } if address == "127.0.0.1"), "{error}");
    assert_eq!((asks.load(Ordering::Relaxed), seen.load(Ordering::Relaxed)), (1, 0));
}

#[tokio::test]
async fn equal_queries_are_sent_once() {
    let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}"#;
    let (address, asks) = counting("127.0.0.1:0", with_body("200 OK", body)).await;
    let (prober, endpoint) = (prober(), endpoint(format!("http://{address}")));
    let ask = async |query: &str| prober.query(&endpoint, query, 60).await.unwrap().samples[0].value;
    assert_eq!(tokio::join!(ask("up"), ask("up")), (3.0, 3.0));
    assert_eq!(ask("up").await, 3.0);
    assert_eq!(asks.load(Ordering::Relaxed), 1);
    ask("down").await;
    assert_eq!(asks.load(Ordering::Relaxed), 2, "another query");
    let newer =
        Endpoint { headers: BTreeMap::from([("X-Scope-OrgID".into(), "b".into())]), ..endpoint.clone() };
    prober.query(&newer, "up", 60).await.unwrap();
    assert_eq!(asks.load(Ordering::Relaxed), 3, "the provider was changed");
}

#[tokio::test]
async fn a_request_waits_for_room_in_the_rate_limit_for_a_limited_time() {
    let (address, asks) = counting("127.0.0.1:0", with_body("200 OK", "")).await;
    let (prober, endpoint) = (prober(), Endpoint { rate: 1, ..endpoint(format!("http://{address}")) });
    let paths: Vec<String> = (0..20).map(|number| format!("/{number}")).collect();
    let begun = std::time::Instant::now();
    let all = futures::future::join_all(paths.iter().map(|path| prober.get(&endpoint, path))).await;
    assert!(begun.elapsed() < Duration::from_secs(15));
    let errors: Vec<String> = all.into_iter().filter_map(|answer| Some(answer.err()?.to_string())).collect();
    let said = "metrics was not asked: its spec.rateLimit of 1 requests per second left no room within 5 s";
    assert!(errors.len() >= 13 && errors.iter().all(|error| error == said), "{errors:?}");
    assert_eq!(asks.load(Ordering::Relaxed) + errors.len(), 20);
}

/// Echoes the whole request: in the body as JSON, and in headers.
async fn echo(stream: TcpStream, request: String) {
    let header = request.lines().find(|line| line.to_lowercase().starts_with("authorization: ")).unwrap();
    let value = header.split_once(": ").unwrap().1;
    let encoded = value.replace('=', "\\u003d").replace('/', "\\/");
    let head = format!("HTTP/1.1 500 Bad\r\nX-Echo: {value}");
    let said = format!(
        r#"{{"errorType":"internal","error":"you sent {value}","raw":"{encoded}","password":"a/s3cret"}}"#
    );
    reply(stream, &format!("{head}\r\nContent-Length: {}\r\n\r\n{said}", said.len())).await;
}

#[tokio::test]
async fn no_answer_and_no_error_holds_a_credential() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "a/s3cret").unwrap();
    let echo = server(echo).await;
    let prober =
        Prober::new(Credentials::below(folder.path().to_owned()), Forbidden::default(), Resolver::default());
    let basic = "bWU6YS9zM2NyZXQ";
    for auth in [Auth::Bearer("token".into()), Auth::Basic("me".into(), "token".into())] {
        let endpoint = Endpoint { auth: Some(auth), ..endpoint(format!("http://{echo}")) };
        let answer = prober.get(&endpoint, "/").await.unwrap();
        assert!(answer.headers["x-echo"].ends_with(" ***"), "{:?}", answer.headers);
        let shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        let error = format!("{0} {0:?}", prober.query(&endpoint, "up", 1).await.unwrap_err());
        assert!(error.contains("you sent ") && error.contains("***"), "{error}");
        for text in [shown, error] {
            assert!(!text.contains("s3cret") && !text.contains(basic), "{text}");
        }
    }
}

/// What a server got for a POST request to this address, and what came of it.
async fn posted(prefix: &str, post: Post, answer: &'static str) -> (String, Result<(), ProbeError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap_or(0);
        reply(stream, answer).await;
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let outcome = prober().post(&endpoint(format!("http://{address}{prefix}")), post).await;
    (serving.await.unwrap(), outcome)
}

#[tokio::test]
async fn a_post_is_sent_as_it_is_and_anything_but_success_is_an_error() {
    let post = |path: &str| Post {
        path: path.to_owned(),
        content_type: "application/json",
        headers: BTreeMap::from([("towpath-id", "a.Failed".to_owned())]),
        body: "{}".to_owned(),
        has_secret_path: path.contains("s3cret"),
    };
    const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    for (prefix, path, wanted) in [
        ("", "", "POST / "),
        ("/", "", "POST / "),
        ("/a/b", "", "POST /a/b "),
        ("", "/s3cret?sig=x", "POST /s3cret?sig=x "),
    ] {
        let (request, outcome) = posted(prefix, post(path), OK).await;
        assert!(outcome.is_ok() && request.starts_with(wanted), "{request} {outcome:?}");
        assert!(
            request.contains("\r\ntowpath-id: a.Failed\r\n") && request.ends_with("\r\n\r\n{}"),
            "{request}"
        );
    }
    for (answer, is_refusal, words) in [
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            false,
            "answers 302: a redirect is not followed",
        ),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", false, "answers 500: oops"),
        ("HTTP/1.1 400 Bad\r\nContent-Length: 6\r\n\r\ns3cret", true, "answers 400: ***"),
        ("HTTP/1.1 429 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", false, "answers 429: "),
    ] {
        let (_, outcome) = posted("", post("/s3cret"), answer).await;
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains(words) && error.is_refusal() == is_refusal, "{error}");
        assert_eq!(error.retry_after(), answer.contains("429").then_some(Duration::from_secs(7)));
    }
}

#[test]
fn the_url_of_a_chat_is_read_from_a_file_and_is_in_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let prober =
        Prober::new(Credentials::below(folder.path().to_owned()), Forbidden::default(), Resolver::default());
    let url = |text: &str| {
        std::fs::write(folder.path().join("url"), text).unwrap();
        prober.url_of("url")
    };
    let found = url("https://hooks.example.com/T0/s3cret?a=b\n").unwrap();
    assert_eq!(found, ("https://hooks.example.com".to_owned(), "/T0/s3cret?a=b".to_owned()));
    for bad in
        ["", "s3cret", "ftp://a/s3cret", "https://me:s3cret@a/b", "https://a/ s3cret", "file:///s3cret"]
    {
        let error = url(bad).unwrap_err().to_string();
        assert!(!error.contains("s3cret") && error.contains("url"), "{error}");
    }
}
