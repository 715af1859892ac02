//! The connections: one pool over rustls, from kube's configuration.
//!
//! Invariant: TCP_NODELAY is on (without it the first request of each connection waits 50 ms for an acknowledgement),
//! and the token file, client certificate and authority of the configuration are kube's own, reloading included.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::ConfigExt;
use tower::{BoxError, Service, ServiceBuilder};

use super::guarded::Guarded;
use super::options::ClientOptions;
use crate::cluster::error::ClusterError;

/// How long an unused connection stays open.
const IDLE: Duration = Duration::from_secs(60);
/// How often the kernel probes a silent connection.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A service that sends requests to the API server of `config`.
pub(super) fn connect(
    config: &kube::Config,
    options: &ClientOptions,
) -> Result<
    impl Service<Request<Guarded>, Response = Response<Incoming>, Error = BoxError, Future: Send>
    + Clone
    + Send
    + Sync
    + use<>,
    ClusterError,
> {
    if config.proxy_url.is_some() {
        return Err(ClusterError::UnsupportedConfig("it names a proxy"));
    }
    if config.auth_info.impersonate.is_some() {
        return Err(ClusterError::UnsupportedConfig(
            "it impersonates, and the name that Towpath impersonates is derived from project and environment",
        ));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_connect_timeout(Some(options.connect_timeout));
    let tls = config.rustls_https_connector_with_connector(tcp).map_err(ClusterError::BuildClient)?;
    let client: Client<_, Guarded> = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(options.reads + options.writes)
        .build(tls);
    Ok(ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(ClusterError::BuildClient)?)
        .layer(config.extra_headers_layer().map_err(ClusterError::BuildClient)?)
        .map_err(BoxError::from)
        .service(client))
}
