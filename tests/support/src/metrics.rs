//! Metrics for checks: one exporter that stories set values on, and one real Prometheus that scrapes it, for all stories of a run.

use crate::installation::{SOON, control_plane};
use crate::project::Project;
use anyhow::{Context, Result, anyhow, ensure};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use control_plane::{Prometheus, eventually};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

/// Values by series, as they are exposed.
type Values = Arc<Mutex<BTreeMap<String, f64>>>;

/// A counter that grows evenly.
#[derive(Clone, Copy)]
struct Counter {
    /// Its value at a time.
    value: f64,
    since: Instant,
    /// How much it grows in a second from then on.
    rate: f64,
}

impl Counter {
    fn now(&self) -> f64 {
        (self.value + self.rate * self.since.elapsed().as_secs_f64()).floor()
    }
}

/// Counters by series.
type Counters = Arc<Mutex<BTreeMap<String, Counter>>>;

/// The exporter and the Prometheus.
pub struct Metrics {
    values: Values,
    counters: Counters,
    prometheus: Prometheus,
}

static SHARED: OnceCell<Result<Metrics, String>> = OnceCell::const_new();

/// Started at the first call.
pub async fn metrics() -> Result<&'static Metrics> {
    let shared = SHARED.get_or_init(async || start().await.map_err(|error| format!("{error:#}"))).await;
    shared.as_ref().map_err(|error| anyhow!("no Prometheus: {error}"))
}

async fn start() -> Result<Metrics> {
    let (values, counters) = (Values::default(), Counters::default());
    let (shown, counted) = (Arc::clone(&values), Arc::clone(&counters));
    let text = async move || {
        let values = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = counted.lock().unwrap_or_else(PoisonError::into_inner);
        let values = values.iter().map(|(series, value)| format!("{series} {value}\n"));
        let counters = counters.iter().map(|(series, counter)| format!("{series} {}\n", counter.now()));
        values.chain(counters).collect::<String>()
    };
    let address = serve("127.0.0.1:0", Router::new().route("/metrics", get(text))).await?;
    let rules = json!([
        { "alert": "ErrorsHigh", "expr": "errors > 0.5", "labels": { "severity": "page" } },
        { "alert": "SlowAnswers", "expr": "latency > 0.5", "labels": { "severity": "page" } },
        { "alert": "QueueGrows", "expr": "queue > 0.5", "for": "10m", "labels": { "severity": "ticket" } },
    ]);
    let prometheus = Prometheus::start(control_plane().await?.as_ref(), &[address], &rules).await?;
    Ok(Metrics { values, counters, prometheus })
}

/// Serves until the run ends.
pub async fn serve(address: &str, router: Router) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// A server that answers every request with this status and body, at an address that is not a loopback address.
pub async fn answers(status: u16, body: &'static str) -> Result<SocketAddr> {
    let status = StatusCode::from_u16(status)?;
    let address = serve("0.0.0.0:0", Router::new().fallback(async move || (status, body))).await?;
    Ok(SocketAddr::new(own_address()?, address.port()))
}

/// An address of this machine that others could reach.
fn own_address() -> Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // Nothing is sent: the kernel only chooses the address that it would send from.
    socket.connect("192.0.2.1:9").context("this machine has no route")?;
    Ok(socket.local_addr()?.ip())
}

impl Metrics {
    /// Sets the gauge `errors` of the namespace of prod, and waits until Prometheus knows.
    pub async fn errors(&self, project: &Project, value: f64) -> Result<()> {
        self.gauge(project, "errors", value).await
    }

    /// The same for any gauge.
    pub async fn gauge(&self, project: &Project, gauge: &str, value: f64) -> Result<()> {
        self.gauge_in(project, "prod", gauge, value).await
    }

    /// The same for any gauge of any environment.
    pub async fn gauge_in(
        &self,
        project: &Project,
        environment: &str,
        gauge: &str,
        value: f64,
    ) -> Result<()> {
        self.known(format!("{gauge}{{namespace=\"{}\"}}", project.target(environment)), value).await
    }

    /// The same for any gauge of one application.
    pub async fn gauge_of(&self, project: &Project, gauge: &str, app: &str, value: f64) -> Result<()> {
        self.known(format!("{gauge}{{namespace=\"{}\",app=\"{app}\"}}", project.target("prod")), value).await
    }

    async fn known(&self, series: String, value: f64) -> Result<()> {
        self.set(&series, value);
        eventually("Prometheus to know", SOON, async || {
            let found = self.query(&series).await?;
            Ok((found == Some(value)).then_some(()))
        })
        .await
    }

    /// Waits until an alert fires for the namespace of prod.
    pub async fn fires(&self, project: &Project, alert: &str) -> Result<()> {
        let target = project.target("prod");
        self.answered(&format!(
            "ALERTS{{alertname=\"{alert}\",alertstate=\"firing\",namespace=\"{target}\"}}"
        ))
        .await
    }

    /// Waits until a query has an answer.
    pub async fn answered(&self, query: &str) -> Result<()> {
        let what = format!("an answer to {query}");
        eventually(&what, SOON, async || Ok(self.query(query).await?.map(drop))).await
    }

    /// Lets a counter grow by so much in each second from now on.
    pub fn counts(&self, series: &str, rate: f64) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let value = counters.get(series).map_or(0.0, Counter::now);
        counters.insert(series.to_owned(), Counter { value, since: Instant::now(), rate });
    }

    /// Sets a series.
    fn set(&self, series: &str, value: f64) {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).insert(series.to_owned(), value);
    }

    /// The URL of Prometheus.
    pub fn url(&self) -> String {
        self.prometheus.url()
    }

    async fn query(&self, query: &str) -> Result<Option<f64>> {
        let found = self::query(&self.url(), query).await?;
        let value = found.first().and_then(|first| first["value"][1].as_str());
        Ok(value.and_then(|value| value.parse().ok()))
    }
}

/// The series that a Prometheus answers to an instant query, each with its labels and value.
pub async fn query(prometheus: &str, query: &str) -> Result<Vec<Value>> {
    let url = format!("{prometheus}/api/v1/query?query={}", encoded(query));
    let text = tokio::task::spawn_blocking(move || fetch(&url)).await??;
    let answer: Value = serde_json::from_str(&text)?;
    ensure!(answer["status"] == "success", "{query}: {text}");
    answer["data"]["result"].as_array().cloned().context("no result")
}

/// Creates a CheckProvider that serves a project.
pub async fn provider(project: &Project, kind: &str, url: &str) -> Result<String> {
    provider_called(project, kind, kind, url).await
}

/// The same for one of several of a kind. Its name begins with that of the project.
pub async fn provider_called(project: &Project, name: &str, kind: &str, url: &str) -> Result<String> {
    let name = format!("{}-{name}", project.name);
    let provider = json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "CheckProvider",
        "metadata": { "name": name },
        "spec": { (kind): { "url": url }, "projects": [project.name], "allowAddresses": ["127.0.0.0/8"] },
    });
    project
        .send(Method::POST, "/apis/towpath.dev/v1alpha1/checkproviders", "application/json", provider)
        .await?;
    Ok(name)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The body of the answer to a GET request, without a library.
pub fn fetch(url: &str) -> Result<String> {
    use std::io::{Read, Write};
    let rest = url.strip_prefix("http://").context("no http")?;
    let (host, path) = rest.split_once('/').context("no path")?;
    let mut stream = std::net::TcpStream::connect(host)?;
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").context("no body")?.1.to_owned())
}
