//! One HTTP request: resolve, vet, connect, ask, read.

use super::address::{Allowed, Forbidden};
use super::credentials::Credentials;
use super::endpoint::{Endpoint, Reply};
use super::error::ProbeError;
use super::rate::Rate;
use super::redact::{redact, secrets};
use super::resolve::Resolver;
use super::share::Recent;
use super::tls::configuration;
use bytes::{Bytes, BytesMut};
use futures::future::join_all;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

/// The longest time from the first packet to the last.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait for room in the rate limit, within that time.
const LONGEST_QUEUE: Duration = Duration::from_secs(5);
/// The largest answer of an HTTP service.
const LARGEST: usize = 1024 * 1024;
/// The largest answers of all pods that are asked together.
const LARGEST_TOGETHER: usize = 8 * LARGEST;

/// Sends requests. Clones share the rate limits and the last answers.
#[derive(Clone, Debug)]
pub struct Prober {
    pub(super) credentials: Credentials,
    forbidden: Arc<Forbidden>,
    rate: Rate,
    recent: Recent,
    resolver: Resolver,
}

/// What is sent.
pub(super) struct Ask {
    pub method: Method,
    /// Path and query, behind the prefix of the endpoint.
    pub path: String,
    /// Content type and body.
    pub body: Option<(&'static str, String)>,
    /// Further headers.
    pub headers: BTreeMap<&'static str, String>,
    /// The largest answer.
    pub largest: usize,
}

impl Ask {
    fn get(path: &str) -> Self {
        let (path, headers) = (path.to_owned(), BTreeMap::new());
        Self { method: Method::GET, path, body: None, headers, largest: LARGEST }
    }
}

impl Prober {
    /// With credentials from a folder, these addresses refused, and names resolved like this.
    pub fn new(credentials: Credentials, forbidden: Forbidden, resolver: Resolver) -> Self {
        Self {
            credentials,
            forbidden: Arc::new(forbidden),
            rate: Rate::default(),
            recent: Recent::default(),
            resolver,
        }
    }

    /// Sends a GET request to an endpoint.
    pub async fn get(&self, endpoint: &Endpoint, path: &str) -> Result<Reply, ProbeError> {
        self.ask(endpoint, Ask::get(path)).await
    }

    /// Sends a GET request to each of these pods, and returns what each of them answered: one that is silent says nothing about the others. The
    /// answers are bounded together: they are in memory at the same time.
    pub async fn get_pods<'a>(
        &self,
        pods: impl Iterator<Item = (&'a String, &SocketAddr)>,
        path: &str,
    ) -> Vec<(&'a str, Result<Reply, ProbeError>)> {
        let room = &AtomicUsize::new(LARGEST_TOGETHER);
        let asked = pods.map(|(pod, address)| async move {
            (pod.as_str(), self.get_pod(pod, *address, path, room).await)
        });
        join_all(asked).await
    }

    async fn get_pod(
        &self,
        pod: &str,
        address: SocketAddr,
        path: &str,
        room: &AtomicUsize,
    ) -> Result<Reply, ProbeError> {
        let Some(ip) = self.forbidden.vet(address.ip(), &Allowed::default()) else {
            return Err(ProbeError::Address { host: pod.to_owned(), address: address.ip().to_string() });
        };
        let address = SocketAddr::new(ip, address.port());
        let begun = Instant::now();
        let request = Request::get(path).header(HOST, address.to_string()).header(USER_AGENT, "towpath");
        let request = request.body(Full::default()).map_err(|_| ProbeError::Url(path.to_owned()))?;
        let stream = in_time(pod, begun, false, connect(pod, &[address])).await?;
        let limit = Limit { each: LARGEST, room: Some(room) };
        in_time(pod, begun, true, send(pod, stream, request, limit, begun)).await
    }

    /// Sends a request, unless an equal one was just sent.
    pub(super) async fn ask(&self, endpoint: &Endpoint, ask: Ask) -> Result<Reply, ProbeError> {
        let form = ask.body.as_ref().map(|(_, form)| form.clone());
        let key = (endpoint.clone(), ask.path.clone(), form);
        let (prober, endpoint) = (self.clone(), endpoint.clone());
        self.recent.once(key, async move { prober.answer(&endpoint, ask).await }).await
    }

    pub(super) async fn answer(&self, endpoint: &Endpoint, ask: Ask) -> Result<Reply, ProbeError> {
        let bad = || ProbeError::Url(endpoint.url.clone());
        let base: Uri = endpoint.url.parse().map_err(|_| bad())?;
        let host = base.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        let is_secure = match base.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(bad()),
        };
        // A port that is no number must not become the default one.
        let address = base.authority().and_then(|it| it.as_str().rsplit('@').next()).unwrap_or_default();
        let has_port = base.host().is_some_and(|host| address.trim_end_matches(':').len() > host.len());
        if has_port && base.port_u16().is_none() {
            return Err(bad());
        }
        let port = base.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let request = self.request(endpoint, &base, &ask)?;
        let tls = is_secure.then(|| configuration(&endpoint.tls, &self.credentials)).transpose()?;
        let secrets = request.headers().get(AUTHORIZATION).map(secrets).unwrap_or_default();
        let limit = Limit { each: ask.largest, room: None };
        let entered = Instant::now();
        let room = self.rate.slot(&endpoint.name, endpoint.rate);
        tokio::time::timeout(LONGEST_QUEUE, room).await.map_err(|_| ProbeError::Rate {
            provider: endpoint.name.clone(),
            limit: endpoint.rate,
            within: LONGEST_QUEUE,
        })?;
        let begun = Instant::now();
        let answer = async {
            let addresses = self.resolve(&host, port, &endpoint.allowed).await?;
            let stream = connect(&host, &addresses).await?;
            match tls {
                None => send(&host, stream, request, limit, begun).await,
                Some(config) => {
                    let name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
                    let stream = TlsConnector::from(config).connect(name, stream).await;
                    let stream = stream
                        .map_err(|error| ProbeError::Tls { host: host.clone(), why: error.to_string() })?;
                    send(&host, stream, request, limit, begun).await
                }
            }
        };
        in_time(&host, entered, false, answer).await.map(|reply| redact(reply, &secrets))
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        base: &Uri,
        ask: &Ask,
    ) -> Result<Request<Full<Bytes>>, ProbeError> {
        let authority = base.authority().map(ToString::to_string).unwrap_or_default();
        let path = format!("{}{}", base.path().trim_end_matches('/'), ask.path);
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let body = ask.body.as_ref().map(|(_, text)| Bytes::from(text.clone())).unwrap_or_default();
        let request = Request::builder().method(ask.method.clone()).uri(path).body(Full::new(body));
        let mut request = request.map_err(|_| ProbeError::Url(ask.path.clone()))?;
        let headers = request.headers_mut();
        let own = ask.headers.iter().map(|(name, value)| (*name, value));
        for (name, value) in endpoint.headers.iter().map(|(name, value)| (name.as_str(), value)).chain(own) {
            let known = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) = known.ok_or_else(|| ProbeError::Header(name.to_owned()))?;
            headers.insert(name, value);
        }
        headers.insert(USER_AGENT, HeaderValue::from_static("towpath"));
        headers.insert(
            HOST,
            HeaderValue::try_from(authority).map_err(|_| ProbeError::Url(endpoint.url.clone()))?,
        );
        if let Some((content_type, _)) = ask.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(auth) = &endpoint.auth {
            headers.insert(AUTHORIZATION, self.credentials.header(auth)?);
        }
        Ok(request)
    }

    /// The addresses of a name that may be dialled. The connection goes to one of them: a name that resolves to another address a moment
    /// later makes no difference.
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
        allowed: &Allowed,
    ) -> Result<Vec<SocketAddr>, ProbeError> {
        let found = self.resolver.resolve(host, port).await;
        let found = found.map_err(|_| ProbeError::Resolve(host.to_owned()))?;
        let vetted = found.iter().filter_map(|address| self.forbidden.vet(address.ip(), allowed));
        let vetted: Vec<SocketAddr> = vetted.map(|ip| SocketAddr::new(ip, port)).collect();
        match (vetted.is_empty(), found.first()) {
            (false, _) => Ok(vetted),
            (true, Some(refused)) => {
                Err(ProbeError::Address { host: host.to_owned(), address: refused.ip().to_string() })
            }
            (true, None) => Err(ProbeError::Resolve(host.to_owned())),
        }
    }
}

/// How much of an answer is read.
#[derive(Clone, Copy)]
struct Limit<'a> {
    /// Bytes of this answer.
    each: usize,
    /// What is left for all answers that are asked for together.
    room: Option<&'a AtomicUsize>,
}

impl Limit<'_> {
    /// Takes the room for some bytes, if it is there.
    fn has_room_for(&self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        self.room.is_none_or(|room| room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok())
    }
}

pub(super) async fn connect(host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, ProbeError> {
    let stream = TcpStream::connect(addresses).await;
    let stream = stream
        .map_err(|error| ProbeError::Connect { host: host.to_owned(), why: error.kind().to_string() })?;
    // Without it, a request may wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn send(
    host: &str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    limit: Limit<'_>,
    begun: Instant,
) -> Result<Reply, ProbeError> {
    let broken = |error: hyper::Error| ProbeError::Protocol { host: host.to_owned(), why: error.to_string() };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with this request, whatever the server does.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response: Response<Incoming> = sender.send_request(request).await.map_err(broken)?;
    let status = response.status().as_u16();
    let headers = of_answer(response.headers());
    let mut incoming = response.into_body();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(broken)?;
        let Some(data) = frame.data_ref() else { continue };
        if body.len().saturating_add(data.len()) > limit.each {
            return Err(ProbeError::TooLarge { host: host.to_owned(), limit: limit.each });
        }
        if !limit.has_room_for(data.len()) {
            return Err(ProbeError::TooLargeTogether { limit: LARGEST_TOGETHER });
        }
        body.extend_from_slice(data);
    }
    Ok(Reply { status, headers, body: body.freeze(), took: begun.elapsed() })
}

/// The headers of an answer. The values of one that is repeated are joined by commas, as HTTP defines it.
fn of_answer(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let readable = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.to_string(), value.to_str().ok()?.to_owned()))
    };
    for (name, value) in headers.iter().filter_map(readable) {
        all.entry(name).and_modify(|known| known.extend([", ", value.as_str()])).or_insert(value);
    }
    all
}

/// Waits until the time of a request is over.
pub(super) async fn in_time<T>(
    host: &str,
    begun: Instant,
    connected: bool,
    answer: impl Future<Output = Result<T, ProbeError>>,
) -> Result<T, ProbeError> {
    let timeout = || ProbeError::Timeout { host: host.to_owned(), after: TIMEOUT, connected };
    let left = TIMEOUT.saturating_sub(begun.elapsed());
    tokio::time::timeout(left, answer).await.unwrap_or_else(|_| Err(timeout()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Fifty pods with an answer of a megabyte each.
    #[tokio::test]
    async fn the_answers_of_pods_that_are_asked_together_are_bounded_together() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGEST}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&vec![b'x'; LARGEST]).await;
            }
        });
        let room = AtomicUsize::new(LARGEST_TOGETHER);
        let ask = || async {
            let stream = connect("web", &[address]).await?;
            let request = Request::get("/").header(HOST, "web").body(Full::default()).unwrap();
            send("web", stream, request, Limit { each: LARGEST, room: Some(&room) }, Instant::now()).await
        };
        for number in 0..8 {
            assert_eq!(ask().await.unwrap().body.len(), LARGEST, "{number}");
        }
        let error = ask().await.unwrap_err();
        assert!(matches!(error, ProbeError::TooLargeTogether { limit: 8_388_608 }), "{error}");
    }
}
