//! Reads the bodies of requests: each within a time and a size, all together within a budget.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::response::Response;
use bytes::BytesMut;
use http::header::{CONNECTION, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::MAX_REQUEST_BYTES;
use super::refusal::{self, INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, Unserved};
use crate::call::spell_time;

/// Bounds of one body, and of all that are in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// Bytes of one body.
    pub(super) largest: usize,
    /// The time from the end of a request's head to the end of its body.
    pub(super) time: Duration,
    /// Bytes of each body that the budget does not count.
    pub(super) uncounted: usize,
    /// Bytes of all bodies beyond that.
    pub(super) budget: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            largest: MAX_REQUEST_BYTES,
            // The largest body over a line of 2 Mbit/s takes 17 s.
            time: Duration::from_secs(30),
            // Ordinary calls are smaller, so that large ones never crowd them out; and as many of
            // these as there are connections are 32 MiB.
            uncounted: 64 << 10,
            // 64 bodies of the largest size, in a process that otherwise needs less than this.
            budget: 256 << 20,
        }
    }
}

/// Reads bodies within their limits. Cheap to clone; clones share the budget.
#[derive(Debug, Clone)]
pub(super) struct BodyReader {
    limits: BodyLimits,
    budget: Arc<Semaphore>,
}

/// A whole body, and its part of the budget for as long as it lives.
#[derive(Debug)]
pub(super) struct ReadBody {
    pub(super) bytes: Bytes,
    _part_of_budget: Option<OwnedSemaphorePermit>,
}

/// A body that was not read to its end.
#[derive(Debug)]
pub(super) struct BegunBody {
    pub(super) reason: UnreadBody,
    /// The part of it that has come.
    pub(super) begun: BytesMut,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnreadBody {
    #[error("the request is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body of the request was not complete within {}; send it at once", spell_time(*.0))]
    Late(Duration),
    #[error("too many large requests are in the server; try again in a few seconds")]
    OverBudget,
    #[error("the request's body broke off")]
    BrokenOff,
}

impl BegunBody {
    /// The answer to the request at `path` with these headers; its connection ends with it, because
    /// the rest of the body is still to come.
    pub(super) fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        let message = self.reason.to_string();
        let unserved = Unserved {
            path,
            headers,
            begun: &self.begun,
        };
        let wrong = |status, code| refusal::answer(status, code, &message, None, &Value::Null);
        let mut response = match self.reason {
            UnreadBody::TooLarge(_) => wrong(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST),
            UnreadBody::BrokenOff => wrong(StatusCode::BAD_REQUEST, PARSE_ERROR),
            UnreadBody::Late(_) => {
                unserved.answer(StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, &message)
            }
            UnreadBody::OverBudget => {
                unserved.answer(StatusCode::SERVICE_UNAVAILABLE, INTERNAL_ERROR, &message)
            }
        };
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        response
    }
}

impl BodyReader {
    pub(super) fn new(limits: BodyLimits) -> Self {
        Self {
            limits,
            budget: Arc::new(Semaphore::new(limits.budget)),
        }
    }

    /// Reads `body` to its end.
    ///
    /// # Errors
    /// [`UnreadBody`], and what has come.
    pub(super) async fn read(&self, body: Body) -> Result<ReadBody, BegunBody> {
        let BodyLimits { largest, time, .. } = self.limits;
        let mut bytes = BytesMut::new();
        let is_too_large = |announced| announced > largest;
        let read = if usize::try_from(body.size_hint().lower()).is_ok_and(is_too_large) {
            Err(UnreadBody::TooLarge(largest))
        } else {
            let read = timeout(time, self.collect(body, &mut bytes)).await;
            read.unwrap_or(Err(UnreadBody::Late(time)))
        };
        match read {
            Ok(part_of_budget) => Ok(ReadBody {
                bytes: bytes.freeze(),
                _part_of_budget: part_of_budget,
            }),
            Err(reason) => Err(BegunBody {
                reason,
                begun: bytes,
            }),
        }
    }

    async fn collect(
        &self,
        mut body: Body,
        bytes: &mut BytesMut,
    ) -> Result<Option<OwnedSemaphorePermit>, UnreadBody> {
        let mut part: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| UnreadBody::BrokenOff)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > self.limits.largest {
                return Err(UnreadBody::TooLarge(self.limits.largest));
            }
            let counted = length.saturating_sub(self.limits.uncounted);
            let taken = part.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            if counted > taken {
                let more = self.take(counted - taken)?;
                match &mut part {
                    Some(part) => part.merge(more),
                    None => part = Some(more),
                }
            }
            bytes.extend_from_slice(&data);
        }
        Ok(part)
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, UnreadBody> {
        let bytes = u32::try_from(bytes).map_err(|_| UnreadBody::OverBudget)?;
        let budget = Arc::clone(&self.budget);
        budget
            .try_acquire_many_owned(bytes)
            .map_err(|_| UnreadBody::OverBudget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt as _, stream};

    fn reader() -> BodyReader {
        BodyReader::new(BodyLimits {
            largest: 100,
            time: Duration::from_millis(50),
            uncounted: 10,
            budget: 100,
        })
    }

    fn pieces(
        sizes: &[usize],
    ) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> + use<> {
        let pieces: Vec<_> = sizes
            .iter()
            .map(|size| Ok(vec![b' '; *size].into()))
            .collect();
        stream::iter(pieces)
    }

    #[tokio::test]
    async fn it_refuses_a_body_that_is_never_complete() {
        let begun = Body::from_stream(pieces(&[5]).chain(stream::pending()));
        for body in [
            Body::from_stream(pieces(&[]).chain(stream::pending())),
            begun,
        ] {
            let late = reader().read(body).await.expect_err("it never ends");
            assert_eq!(late.reason, UnreadBody::Late(Duration::from_millis(50)));
            let answer = late.answer("/mcp", &HeaderMap::new());
            assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
            assert_eq!(answer.headers()[CONNECTION], "close");
        }
    }

    /// The status of the answer for want of room to a body that begins so, and its message.
    async fn answer_to(begun: &str, revision: &str, path: &str) -> (StatusCode, Value) {
        let mut headers = HeaderMap::new();
        let revision = revision.parse().expect("a header");
        headers.insert("mcp-protocol-version", revision);
        let unread = BegunBody {
            reason: UnreadBody::OverBudget,
            begun: begun.as_bytes().into(),
        };
        let answer = unread.answer(path, &headers);
        assert_eq!(answer.headers()["retry-after"], "5");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("whole");
        let message = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        (status, message)
    }

    #[tokio::test]
    async fn it_lets_the_session_of_a_caller_live_whose_id_has_come() {
        let call = r#"{"id":7,"method":"tools/call","params":{"#;
        let (status, message) = answer_to(call, "2025-06-18", "/mcp").await;
        assert_eq!((status, &message["id"]), (StatusCode::OK, &Value::from(7)));
        assert_eq!(message["result"]["isError"], Value::Bool(true));
        let list = r#"{"id":7,"method":"tools/list","params":{"#;
        let (status, message) = answer_to(list, "2025-06-18", "/mcp").await;
        assert_eq!(
            (status, &message["error"]["code"]),
            (StatusCode::OK, &Value::from(INTERNAL_ERROR))
        );
        for (begun, revision, path, id) in [
            // It stands alone, and HTTP says what happened.
            (call, "2026-07-28", "/mcp", Value::from(7)),
            // The answer goes to a stream.
            (call, "2025-06-18", "/messages", Value::from(7)),
            // Nobody would hear it.
            (
                r#"{"method":"tools/call","#,
                "2025-06-18",
                "/mcp",
                Value::Null,
            ),
        ] {
            let (status, message) = answer_to(begun, revision, path).await;
            assert_eq!(
                (status, &message["id"]),
                (StatusCode::SERVICE_UNAVAILABLE, &id)
            );
            assert_eq!(message["error"]["code"], Value::from(INTERNAL_ERROR));
        }
    }

    #[tokio::test]
    async fn it_refuses_a_large_body_as_soon_as_it_is_announced_or_seen() {
        let seen = Body::from_stream(pieces(&[60, 41]).chain(stream::pending()));
        for body in [Body::from(vec![b' '; 101]), seen] {
            let refused = reader().read(body).await.expect_err("too large");
            assert_eq!(refused.reason, UnreadBody::TooLarge(100));
        }
        let whole = reader().read(Body::from_stream(pieces(&[60, 40]))).await;
        assert_eq!(whole.expect("as large as allowed").bytes.len(), 100);
    }

    #[tokio::test]
    async fn it_bounds_the_bytes_of_all_bodies_and_still_reads_small_ones() {
        let reader = reader();
        let large = reader.read(Body::from_stream(pieces(&[40, 40, 20]))).await;
        let large = large.expect("90 bytes of the budget");
        let refused = reader.read(Body::from_stream(pieces(&[15, 6]))).await;
        let refused = refused.expect_err("11 more");
        assert_eq!(refused.reason, UnreadBody::OverBudget);
        for _ in 0..20 {
            let small = reader.read(Body::from_stream(pieces(&[10]))).await;
            assert_eq!(small.expect("small").bytes.len(), 10);
        }
        drop(large);
        let read = reader.read(Body::from_stream(pieces(&[100]))).await;
        assert_eq!(read.expect("all was given back").bytes.len(), 100);
        assert_eq!(reader.budget.available_permits(), 100);
    }
}
