//! The body of a write, which checks its permit again before the first byte is sent.
//!
//! Invariant: a process that was stopped between the fence and the socket (for example while a connection was set
//! up) does not send the write if its term is over when it resumes. The server then sees a truncated request, which it
//! does not execute.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use kube::client::Body;
use tower::BoxError;

use crate::cluster::error::Refusal;
use crate::cluster::fence::Permit;

/// A request body under a permit; without one, a plain body.
pub struct Guarded {
    body: Body,
    permit: Option<Arc<Permit>>,
}

impl Guarded {
    pub(super) fn new(body: Body, permit: Option<Arc<Permit>>) -> Self {
        Self { body, permit }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.permit.as_ref().is_some_and(|permit| !permit.holds()) {
            return Poll::Ready(Some(Err(Refusal::NotLeading.into())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
