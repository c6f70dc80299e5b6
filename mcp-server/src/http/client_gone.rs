//! Notices that a client closed its connection before it had the whole answer.
//!
//! rmcp cancels a call for that only on protocol 2026-07-28, where the specification demands it. An abandoned query costs the database the
//! same on older revisions, and this server keeps no answer for a client to come back for; so the call is cancelled there too.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Among a request's extensions: fires when its client has gone.
#[derive(Debug, Clone)]
pub(super) struct ClientGone(pub(super) CancellationToken);

/// Middleware: puts a [`ClientGone`] into the request, and fires it when the answer is dropped before its end.
pub(super) async fn watch(mut request: Request, next: Next) -> Response {
    let gone = CancellationToken::new();
    request.extensions_mut().insert(ClientGone(gone.clone()));
    let guard = gone.drop_guard();
    let response = next.run(request).await;
    if response.body().is_end_stream() {
        guard.disarm();
        return response;
    }
    response.map(|body| {
        Body::new(Watched {
            body,
            guard: Some(guard),
        })
    })
}

struct Watched {
    body: Body,
    guard: Option<DropGuard>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if (frame.is_none() || self.body.is_end_stream())
            && let Some(guard) = self.guard.take()
        {
            guard.disarm();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
