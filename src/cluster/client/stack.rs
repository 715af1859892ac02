//! The path of one request: classify, wait for a slot, get a permit, send, await the complete answer, count.
//!
//! Invariants: a write gets its permit after it waited for its slot, not before; it is sent at most once; no plain call
//! outlives its deadline, body included; the stack is always ready, since a `kube::Client` stays unusable once the
//! service below it fails to become ready.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Body as HttpBody;
use kube::client::Body;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tower::retry::Retry;
use tower::{BoxError, Service, ServiceExt, service_fn};

use super::call::{Call, Effect};
use super::guarded::Guarded;
use super::options::ClientOptions;
use super::retry::Retries;
use super::warnings::Warnings;
use crate::cluster::error::Refusal;
use crate::cluster::fence::{Fence, Permit};
use crate::cluster::pulse::{Beating, Pulse};
use crate::cluster::server_time::ServerTime;
use crate::cluster::telemetry::Telemetry;

/// The body of an answer: whole for a plain call, a stream for a watch.
pub type Reply = UnsyncBoxBody<Bytes, BoxError>;

/// Everything between `kube::Client` and the connection.
#[derive(Clone)]
pub(super) struct Stack<T> {
    transport: T,
    shared: Arc<Shared>,
}

struct Shared {
    fence: Fence,
    telemetry: Telemetry,
    time: ServerTime,
    options: ClientOptions,
    reads: Semaphore,
    writes: Semaphore,
}

impl<T, B> Stack<T>
where
    T: Service<Request<Guarded>, Response = Response<B>, Error = BoxError> + Clone + Send + Sync + 'static,
    T::Future: Send,
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(
        transport: T,
        options: ClientOptions,
        fence: Fence,
        telemetry: Telemetry,
        time: ServerTime,
    ) -> Self {
        let (reads, writes) = (Semaphore::new(options.reads), Semaphore::new(options.writes));
        Self { transport, shared: Arc::new(Shared { fence, telemetry, time, options, reads, writes }) }
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Reply>, BoxError> {
        let call = Call::of(&request)?;
        match call.effect {
            Effect::Watch => self.counted(call, self.open(request)).await,
            Effect::Read => self.read(call, request).await,
            Effect::Review | Effect::DryRun | Effect::Write | Effect::Lease => {
                let _slot = self.slot(call).await?;
                self.counted(call, self.send(call, request)).await
            }
        }
    }

    /// A read, with retries. Its slot is free while it waits.
    async fn read(&self, call: Call, request: Request<Body>) -> Result<Response<Reply>, BoxError> {
        let attempt = |request| async move {
            let _slot = self.slot(call).await?;
            self.counted(call, self.send(call, request)).await
        };
        // Boxed: otherwise the compiler cannot prove that the future of the policy is `Send`.
        Retry::new(Retries::new(), service_fn(attempt)).oneshot(request).boxed().await
    }

    /// One plain call: returns the complete answer, or an error.
    async fn send(&self, call: Call, request: Request<Body>) -> Result<Response<Reply>, BoxError> {
        let permit = self.permit(call)?;
        let limit = match &permit {
            Some(permit) => self.shared.options.deadline.min(permit.expires() - Instant::now()),
            None => self.shared.options.deadline,
        };
        let warnings = request.extensions().get::<Warnings>().cloned();
        let pulse = request.extensions().get::<Pulse>().cloned();
        let sent = self.shared.time.own();
        let exchange = async {
            let response =
                self.transport.clone().oneshot(request.map(|body| Guarded::new(body, permit))).await?;
            let (parts, body) = response.into_parts();
            let whole = body.collect().await.map_err(Into::into)?.to_bytes();
            Ok::<_, BoxError>(Response::from_parts(parts, whole))
        };
        let response =
            tokio::time::timeout(limit, exchange).await.map_err(|_| Refusal::Unanswered(limit))??;
        self.shared.time.answered(response.headers(), sent);
        if let Some(warnings) = warnings {
            warnings.collect(response.headers());
        }
        if let Some(pulse) = pulse.filter(|_| response.status().is_success()) {
            pulse.beat();
        }
        Ok(response.map(|whole| Full::new(whole).map_err(|never| match never {}).boxed_unsync()))
    }

    /// A watch: the deadline applies until it opens.
    async fn open(&self, request: Request<Body>) -> Result<Response<Reply>, BoxError> {
        let limit = self.shared.options.deadline;
        let pulse = request.extensions().get::<Pulse>().cloned();
        let opening = self.transport.clone().oneshot(request.map(|body| Guarded::new(body, None)));
        let response =
            tokio::time::timeout(limit, opening).await.map_err(|_| Refusal::Unanswered(limit))??;
        Ok(response.map(|body| Beating::new(body, pulse).map_err(Into::into).boxed_unsync()))
    }

    fn permit(&self, call: Call) -> Result<Option<Arc<Permit>>, Refusal> {
        match call.effect {
            Effect::Write => self.shared.fence.permit().map(|permit| Some(Arc::new(permit))),
            Effect::Read | Effect::Watch | Effect::Review | Effect::DryRun | Effect::Lease => Ok(None),
        }
    }

    /// Waits for a slot. The lease needs none, or a burst of writes could delay its renewal.
    async fn slot(&self, call: Call) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        let slots = match call.effect {
            Effect::Watch | Effect::Lease => return Ok(None),
            Effect::Read | Effect::Review => &self.shared.reads,
            Effect::DryRun | Effect::Write => &self.shared.writes,
        };
        slots.acquire().await.map(Some).map_err(|_| Refusal::Closed)
    }

    async fn counted(
        &self,
        call: Call,
        answer: impl Future<Output = Result<Response<Reply>, BoxError>>,
    ) -> Result<Response<Reply>, BoxError> {
        let answer = answer.await;
        let code = match &answer {
            Ok(response) => Cow::Owned(response.status().as_u16().to_string()),
            Err(error) => Cow::Borrowed(match error.downcast_ref::<Refusal>() {
                Some(Refusal::NotLeading) => "not-leading",
                Some(Refusal::Unanswered(_)) => "unanswered",
                Some(Refusal::MalformedPath | Refusal::Closed) => "refused",
                None => "error",
            }),
        };
        self.shared.telemetry.request(call.verb, code);
        answer
    }
}

impl<T, B> Service<Request<Body>> for Stack<T>
where
    T: Service<Request<Guarded>, Response = Response<B>, Error = BoxError> + Clone + Send + Sync + 'static,
    T::Future: Send,
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Reply>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Reply>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.clone().answer(request).boxed()
    }
}
