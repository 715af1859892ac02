//! One client stack for the whole process, and cheap `kube::Client`s over it, one per purpose.
//!
//! Invariants: every request of the process goes through the one stack (bounds, fence, deadlines, counters
//! apply together); the identity of a client is fixed when it is created and cannot be changed by a request.

mod call;
mod connect;
mod guarded;
mod identity;
mod options;
mod retry;
mod stack;
mod warnings;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, Request, Response};
use hyper::body::Body as HttpBody;
use kube::client::Body;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service};

pub use call::{Call, Effect};
pub use guarded::Guarded;
pub use identity::Identity;
pub use options::ClientOptions;
pub use stack::Reply;
pub use warnings::Warnings;

use super::error::ClusterError;
use super::fence::Fence;
use super::pulse::Pulse;
use super::server_time::ServerTime;
use super::telemetry::Telemetry;
use call::LeaseRequest;
use stack::Stack;

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// Creates the clients of the process. Clones share the stack.
#[derive(Clone)]
pub struct Clients {
    stack: BoxCloneSyncService<Request<Body>, Response<Reply>, BoxError>,
    time: ServerTime,
    default_namespace: Arc<str>,
}

impl Clients {
    /// The stack over connections to the API server of `config`.
    pub fn new(
        config: &kube::Config,
        options: ClientOptions,
        fence: Fence,
        telemetry: Telemetry,
    ) -> Result<Self, ClusterError> {
        let transport = connect::connect(config, &options)?;
        Ok(Self::over(transport, &config.default_namespace, options, fence, telemetry))
    }

    /// The stack over any transport.
    pub fn over<T, B>(
        transport: T,
        default_namespace: &str,
        options: ClientOptions,
        fence: Fence,
        telemetry: Telemetry,
    ) -> Self
    where
        T: Service<Request<Guarded>, Response = Response<B>, Error = BoxError>
            + Clone
            + Send
            + Sync
            + 'static,
        T::Future: Send,
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let time = ServerTime::default();
        Self {
            stack: BoxCloneSyncService::new(Stack::new(transport, options, fence, telemetry, time.clone())),
            time,
            default_namespace: default_namespace.into(),
        }
    }

    /// The time of the API server, as its answers tell.
    pub fn server_time(&self) -> ServerTime {
        self.time.clone()
    }

    /// A client with the operator's own rights.
    pub fn operator(&self) -> kube::Client {
        self.client(Purpose::default())
    }

    /// A client with the operator's own rights whose watches update `pulse`.
    pub fn watching(&self, pulse: &Pulse) -> kube::Client {
        self.client(Purpose { pulse: Some(pulse.clone()), ..Purpose::default() })
    }

    /// A client for the lease: it may write to Leases while this replica does not lead, and does not wait for a slot.
    pub fn lease(&self) -> kube::Client {
        self.client(Purpose { lease: true, ..Purpose::default() })
    }

    /// A client that impersonates `identity`. Create one per use: it costs a task and a channel, which end when it is dropped.
    pub fn identity(&self, identity: &Identity) -> Result<kube::Client, ClusterError> {
        Ok(self.client(Purpose { impersonate: Some(identity.header()?), ..Purpose::default() }))
    }

    /// Like [`Clients::identity`]; collects the API server's warnings in `warnings`.
    pub fn identity_noting(
        &self,
        identity: &Identity,
        warnings: &Warnings,
    ) -> Result<kube::Client, ClusterError> {
        Ok(self.client(Purpose {
            impersonate: Some(identity.header()?),
            warnings: Some(warnings.clone()),
            ..Purpose::default()
        }))
    }

    fn client(&self, purpose: Purpose) -> kube::Client {
        kube::Client::new(PurposeService { stack: self.stack.clone(), purpose }, &*self.default_namespace)
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clients")
    }
}

/// What distinguishes one client from another.
#[derive(Clone, Default)]
struct Purpose {
    impersonate: Option<HeaderValue>,
    lease: bool,
    warnings: Option<Warnings>,
    pulse: Option<Pulse>,
}

/// The stack as seen by one client.
#[derive(Clone)]
struct PurposeService {
    stack: BoxCloneSyncService<Request<Body>, Response<Reply>, BoxError>,
    purpose: Purpose,
}

impl Service<Request<Body>> for PurposeService {
    type Response = Response<Reply>;
    type Error = BoxError;
    type Future =
        <BoxCloneSyncService<Request<Body>, Response<Reply>, BoxError> as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.stack.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().remove(IMPERSONATE_USER);
        if let Some(user) = &self.purpose.impersonate {
            request.headers_mut().insert(IMPERSONATE_USER, user.clone());
        }
        if self.purpose.lease {
            request.extensions_mut().insert(LeaseRequest);
        }
        if let Some(warnings) = &self.purpose.warnings {
            request.extensions_mut().insert(warnings.clone());
        }
        if let Some(pulse) = &self.purpose.pulse {
            request.extensions_mut().insert(pulse.clone());
        }
        self.stack.call(request)
    }
}

#[cfg(test)]
mod tests;
