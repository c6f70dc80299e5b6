//! Mends, at its door, the answers of rmcp's transport that differ from the specification.
//!
//! - `Content-Type` is compared without case, and `Accept: */*` accepts.
//! - Two `MCP-Protocol-Version` headers are a mismatch (-32020): a proxy might have gone by the
//!   other one.
//! - A body that cannot be read is 400 with -32700 or -32600, not 415; so is a revision that nobody
//!   knows (-32022), by whatever method.
//! - A cursor that is no string is -32602; rmcp reads it as none.
//! - News of tasks for a client that has not said it can follow them is -32021; rmcp knows no such
//!   news.
//! - A refusal is JSON-RPC, never plain text.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use http_front::BodyReader;
use request_envelope::refusal::{
    self, HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, MISSING_CAPABILITY,
    PARSE_ERROR, UNSUPPORTED_VERSION,
};
use request_envelope::{Envelope, PROTOCOL_VERSION};
use rmcp::model::{ClientCapabilities, ProtocolVersion};
use serde_json::{Value, json};

use super::{account, bodies};

/// Refusals of the transport are a sentence; what is longer is a result and passes untouched.
const LONGEST_REFUSAL: usize = 64 << 10;

/// Answers a request by way of `next`, with the repairs above.
pub(super) async fn repair<F: Future<Output = Response>>(
    reader: &BodyReader,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    if request.method() != Method::POST {
        let headers = request.headers();
        let refused = two_versions(headers, &Envelope::default());
        return match refused.or_else(|| unknown_version(headers)) {
            Some(refused) => refused,
            None => speak_json_rpc(next(request).await, &Value::Null, None).await,
        };
    }
    let (mut parts, body) = request.into_parts();
    let read = match reader.read(body).await {
        Ok(read) => read,
        Err(unread) => {
            let (_, method) = request_envelope::read_begun(&unread.begun);
            account::note_method(&parts.extensions, &method);
            return bodies::answer(&unread, parts.uri.path(), &parts.headers);
        }
    };
    let body = &read.bytes;
    let envelope = Envelope::read(body);
    account::note_method(&parts.extensions, &envelope.method);
    if let Some(refused) = two_versions(&parts.headers, &envelope)
        .or_else(|| malformed_cursor(&envelope))
        .or_else(|| news_for_the_unable(&envelope))
    {
        return refused;
    }
    normalise(&mut parts.headers);
    let envelope = Arc::new(envelope);
    parts.extensions.insert(Arc::clone(&envelope));
    // A call may go on when its response has begun, or is no more than "accepted".
    parts.extensions.insert(read.place.clone());
    let said = Said::by(&parts.headers);
    let response = next(Request::from_parts(parts, Body::from(body.clone()))).await;
    if response.status().is_success() {
        return response;
    }
    repair_refusal(response, &said, body, &envelope.id).await
}

fn two_versions(headers: &HeaderMap, envelope: &Envelope) -> Option<Response> {
    (headers.get_all(PROTOCOL_VERSION).iter().count() > 1).then(|| {
        refusal::answer(
            StatusCode::BAD_REQUEST,
            HEADER_MISMATCH,
            "the request has more than one `MCP-Protocol-Version` header; send one",
            None,
            &envelope.id,
        )
    })
}

/// The refusal of a request without a body, whose revision the transport does not look at.
fn unknown_version(headers: &HeaderMap) -> Option<Response> {
    let named = headers.get(PROTOCOL_VERSION)?;
    let Ok(version) = named.to_str() else {
        let (status, words) = (StatusCode::BAD_REQUEST, "`MCP-Protocol-Version` is no text");
        return Some(refusal::answer(
            status,
            INVALID_REQUEST,
            words,
            None,
            &Value::Null,
        ));
    };
    (!is_known(version)).then(|| {
        let words = format!("there is no revision `{version}` of MCP in `MCP-Protocol-Version`");
        refuse_version(version, &words, &Value::Null)
    })
}

fn is_known(version: &str) -> bool {
    let mut known = ProtocolVersion::KNOWN_VERSIONS.iter();
    known.any(|known| known.as_str() == version)
}

fn refuse_version(requested: &str, words: &str, id: &Value) -> Response {
    let known = ProtocolVersion::KNOWN_VERSIONS.iter();
    let supported: Vec<&str> = known.map(ProtocolVersion::as_str).collect();
    let data = json!({"supported": supported, "requested": requested});
    let status = StatusCode::BAD_REQUEST;
    refusal::answer(status, UNSUPPORTED_VERSION, words, Some(data), id)
}

fn malformed_cursor(envelope: &Envelope) -> Option<Response> {
    envelope.has_malformed_cursor.then(|| {
        let message = "`cursor` is no string; leave it out to start with the first page";
        refusal::answer(StatusCode::OK, INVALID_PARAMS, message, None, &envelope.id)
    })
}

fn news_for_the_unable(envelope: &Envelope) -> Option<Response> {
    envelope.wants_tasks_unable.then(|| {
        let needed = ClientCapabilities::builder().enable_tasks().build();
        refusal::answer(
            StatusCode::BAD_REQUEST,
            MISSING_CAPABILITY,
            "`taskIds` is for clients that say in `_meta` that they can follow tasks",
            Some(json!({"requiredCapabilities": needed})),
            &envelope.id,
        )
    })
}

/// Spells what the transport compares by letter in the way it expects.
fn normalise(headers: &mut HeaderMap) {
    if let Some(media_type) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        && let Ok(lower) = HeaderValue::from_str(&media_type.trim().to_ascii_lowercase())
    {
        headers.insert(CONTENT_TYPE, lower);
    }
    let accepts_all = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            range
                .split(';')
                .next()
                .is_some_and(|range| range.trim() == "*/*")
        });
    if accepts_all {
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
    }
}

/// The headers of a request by which its refusal is repaired.
struct Said {
    is_json: bool,
    version: Option<HeaderValue>,
}

impl Said {
    fn by(headers: &HeaderMap) -> Self {
        let media_type = headers.get(CONTENT_TYPE);
        Self {
            is_json: media_type
                .is_some_and(|value| value.as_bytes().starts_with(b"application/json")),
            version: headers.get(PROTOCOL_VERSION).cloned(),
        }
    }
}

async fn repair_refusal(response: Response, said: &Said, body: &[u8], id: &Value) -> Response {
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && said.is_json {
        let (code, message) = match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Ok(_) => (
                INVALID_REQUEST,
                "the body is JSON, but not one JSON-RPC 2.0 message",
            ),
            Err(_) => (PARSE_ERROR, "the body is not JSON"),
        };
        return refusal::answer(StatusCode::BAD_REQUEST, code, message, None, id);
    }
    let version = said.version.as_ref();
    let version = version.and_then(|value| value.to_str().ok());
    let unknown = version.filter(|version| !is_known(version));
    speak_json_rpc(response, id, unknown).await
}

/// Turns a plain-text refusal into JSON-RPC with the same status.
async fn speak_json_rpc(response: Response, id: &Value, unknown_version: Option<&str>) -> Response {
    let status = response.status();
    let plain = response
        .headers()
        .get(CONTENT_TYPE)
        .is_none_or(|value| value.as_bytes().starts_with(b"text/plain"));
    if status.is_success() || !plain {
        return response;
    }
    let allow = response.headers().get(ALLOW).cloned();
    let text = match Limited::new(response.into_body(), LONGEST_REFUSAL)
        .collect()
        .await
    {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    let text = if text.is_empty() {
        status.to_string()
    } else {
        text
    };
    let mut refused = match unknown_version {
        Some(requested) if status == StatusCode::BAD_REQUEST => {
            refuse_version(requested, &text, id)
        }
        _ if status.is_server_error() => refusal::answer(status, INTERNAL_ERROR, &text, None, id),
        _ => refusal::answer(status, INVALID_REQUEST, &text, None, id),
    };
    if let Some(allow) = allow {
        refused.headers_mut().insert(ALLOW, allow);
    }
    refused
}
