//! The bound of answers that wait for their clients, and what a caller hears whose answer has no
//! room.

use std::sync::Arc;

use axum::body::Bytes;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_front::AnswerLimits;
use request_envelope::Envelope;
use request_envelope::refusal::{self, INTERNAL_ERROR, RETRY_AFTER};
use serde_json::Value;

/// The bounds of the answers of one server.
pub(super) const LIMITS: AnswerLimits = AnswerLimits {
    // Ordinary answers are smaller; and as many of these as there are connections are 128 MiB.
    uncounted: 64 << 10,
    // Some 25 answers of the largest size: no more clients than that are slow at once.
    budget: 256 << 20,
};

/// A request whose answer may have no room.
#[derive(Debug, Clone, Default)]
pub(super) struct Asker {
    envelope: Arc<Envelope>,
    is_stateless: bool,
}

impl Asker {
    /// The sender of the request with this envelope and these headers.
    pub(super) fn of(envelope: Option<Arc<Envelope>>, headers: &HeaderMap) -> Self {
        Self {
            envelope: envelope.unwrap_or_default(),
            is_stateless: request_envelope::is_stateless(headers),
        }
    }

    fn is_call(&self) -> bool {
        self.envelope.method == "tools/call"
    }

    /// The answer in the place of one that has no room. A call has been made, so that its status
    /// invites no client to repeat it; and on the revisions with sessions clients end theirs with
    /// any other status than 200.
    pub(super) fn refuse(&self) -> Response {
        let may_fail = self.is_stateless || self.envelope.id.is_null();
        let status = match may_fail && !self.is_call() {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::OK,
        };
        let mut response = refusal::in_json(status, &self.message());
        if !self.is_call() {
            let seconds = HeaderValue::from_static(RETRY_AFTER);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    /// The same as an event of a stream.
    pub(super) fn refuse_in_event(&self) -> Bytes {
        Bytes::from(format!("data: {}\n\n", self.message()))
    }

    fn message(&self) -> Value {
        if self.is_call() {
            return refusal::failed_call(
                &self.envelope.id,
                "the call was made, but there is no room for its answer: too many large answers \
                 of this server wait for their clients; call again in a few seconds or with a \
                 smaller limit what only reads, and look at what a change has done before you \
                 repeat it",
            );
        }
        refusal::error(
            INTERNAL_ERROR,
            "too many large answers of this server wait for their clients; try again in a few \
             seconds",
            None,
            &self.envelope.id,
        )
    }
}
