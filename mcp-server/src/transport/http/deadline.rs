//! The time that the gateway gives a request, and what is answered shortly before it is over.
//!
//! Envoy tells its upstream in a header after how many milliseconds it will cut the request. A call
//! that ends by itself before that has an answer that a model reads; a stream that has begun has no
//! status left to say anything with, so it ends with a JSON-RPC error.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Method};
use request_envelope::Envelope;
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep};

use super::account;
use crate::call::{AuditMark, Deadline, spell_time};

/// Envoy's name for the milliseconds after which it gives up on an upstream.
const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// The share of the time that is kept for the way back, and the most of it. A fifth of 100 ms is
/// what a busy machine needs to answer; of a long call it would be waste.
const SHARE_KEPT: u32 = 5;
const MOST_KEPT: Duration = Duration::from_secs(1);

/// The code of a stream that ends before its answer; the gateway's own for a time-out.
const TIMED_OUT: i64 = 50400;

/// Among a request's extensions: until when it must be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestDeadline {
    /// When a call ends itself.
    pub(super) call: Deadline,
    /// When a stream ends that its call has not ended.
    stream: Instant,
}

impl RequestDeadline {
    fn of(headers: &HeaderMap, now: Instant) -> Option<Self> {
        let text = headers.get(EXPECTED_TIMEOUT)?.to_str().ok()?;
        let given = Duration::from_millis(text.parse().ok().filter(|millis| *millis > 0)?);
        let kept = (given / SHARE_KEPT).min(MOST_KEPT);
        Some(Self {
            call: Deadline {
                given,
                at: now.checked_add(given - kept)?,
            },
            stream: now.checked_add(given - kept / 2)?,
        })
    }

    /// Lets an event stream end in time; other responses are whole when they come.
    fn bound(self, response: Response, id: &Value, audit: AuditMark) -> Response {
        let is_stream = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        if !is_stream {
            return response;
        }
        response.map(|body| {
            Body::new(EndingStream {
                body: Some(body),
                over: Box::pin(tokio::time::sleep_until(self.stream)),
                last: Some(last_event(id, self.call.given)),
                audit,
            })
        })
    }
}

/// Puts a [`RequestDeadline`] into the request, and ends an event stream that would
/// outlast it.
///
/// A stream that is no answer has no deadline: it ends where it is cut.
pub(super) async fn keep<F: Future<Output = Response>>(
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    if request.method() != Method::POST {
        return next(request).await;
    }
    let Some(deadline) = RequestDeadline::of(request.headers(), Instant::now()) else {
        return next(request).await;
    };
    let id = request
        .extensions()
        .get::<Arc<Envelope>>()
        .map_or(Value::Null, |envelope| envelope.id.clone());
    let audit = account::audit_mark(request.extensions());
    request.extensions_mut().insert(deadline);
    deadline.bound(next(request).await, &id, audit)
}

fn last_event(id: &Value, given: Duration) -> Bytes {
    let message = format!(
        "the answer was not complete within the {} that the gateway gives it",
        spell_time(given)
    );
    let error =
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": TIMED_OUT, "message": message}});
    Bytes::from(format!("data: {error}\n\n"))
}

/// An event stream that ends with one more event if it is not over in time.
struct EndingStream {
    body: Option<Body>,
    over: Pin<Box<Sleep>>,
    last: Option<Bytes>,
    audit: AuditMark,
}

impl HttpBody for EndingStream {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        std::task::ready!(self.over.as_mut().poll(cx));
        // The line of what still runs is written when that ends, and says what its client heard.
        self.audit.cut_off(TIMED_OUT);
        // Dropping the body tells rmcp that nobody listens any more, so that it cancels the work.
        self.body = None;
        Poll::Ready(
            self.last
                .take()
                .map(|last| Ok(http_body::Frame::data(last))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;
    use http::HeaderValue;
    use http_body_util::BodyExt as _;

    #[track_caller]
    fn check(header: &str, call_ms: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED_TIMEOUT, header.parse().expect("a header value"));
        let now = Instant::now();
        let deadline = RequestDeadline::of(&headers, now);
        let left = deadline.map(|deadline| deadline.call.at - now);
        assert_eq!(left, call_ms.map(Duration::from_millis), "{header}");
    }

    #[test]
    fn it_ends_a_call_a_fifth_before_the_gateway_does_but_never_more_than_a_second() {
        check("100", Some(80));
        check("5000", Some(4000));
        check("30000", Some(29_000));
        check("0", None);
        check("-5", None);
        check("soon", None);
    }

    #[tokio::test]
    async fn it_ends_a_stream_that_has_begun_with_an_error_that_carries_the_callers_id() {
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED_TIMEOUT, HeaderValue::from_static("50"));
        let deadline = RequestDeadline::of(&headers, Instant::now()).expect("a deadline");
        let first = futures::stream::iter([Ok::<_, std::io::Error>("data: {\"a\":1}\n\n")]);
        let endless = Body::from_stream(first.chain(futures::stream::pending()));
        let mut response = Response::new(endless);
        let stream = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(CONTENT_TYPE, stream);
        let audit = AuditMark::default();
        let body = deadline.bound(response, &json!(7), audit.clone());
        let body = body.into_body();
        let body = body.collect().await.expect("it ends").to_bytes();
        let text = std::str::from_utf8(&body).expect("UTF-8");
        let last = text.trim_end().rsplit("data: ").next().expect("an event");
        let last: Value = serde_json::from_str(last).expect("JSON");
        assert!(text.starts_with("data: {\"a\":1}\n\n"), "{text}");
        let error = &last["error"]["code"];
        assert_eq!((&last["id"], error), (&json!(7), &json!(TIMED_OUT)));
        assert_eq!(audit.cut_off_with(), Some(TIMED_OUT));
    }
}
