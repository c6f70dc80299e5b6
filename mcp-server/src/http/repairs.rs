//! What rmcp's transport answers otherwise than the specification has it, put right at its door.
//!
//! - `Content-Type` is compared without case, and `Accept: */*` accepts.
//! - Two `MCP-Protocol-Version` headers are a mismatch (-32020): a proxy might have gone by the other one.
//! - A body that cannot be read is 400 with -32700 or -32600, not 415; so is a revision that nobody knows (-32022).
//! - A refusal is JSON-RPC, never plain text.
//! - The end of a session is answered 204: 202 makes Python's client warn its user.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rmcp::model::ProtocolVersion;
use serde::Deserialize;
use serde_json::{Value, json};

use super::MAX_REQUEST_BYTES;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// JSON-RPC and MCP error codes (basic/index, error codes).
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const INTERNAL_ERROR: i64 = -32603;
const HEADER_MISMATCH: i64 = -32020;
const UNSUPPORTED_VERSION: i64 = -32022;

/// Refusals of the transport are a sentence; what is longer is a result and passes untouched.
const LONGEST_REFUSAL: usize = 64 << 10;

/// Middleware: the repairs above.
pub(super) async fn repair(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        let ends_session = request.method() == Method::DELETE;
        let mut response = next.run(request).await;
        if ends_session && response.status() == StatusCode::ACCEPTED {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        return speak_json_rpc(response, &Value::Null, None).await;
    }
    let (mut parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the request is larger than {MAX_REQUEST_BYTES} bytes");
            return refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                INVALID_REQUEST,
                &message,
                None,
                &Value::Null,
            );
        }
        Err(_) => {
            let message = "the request's body broke off";
            return refuse(
                StatusCode::BAD_REQUEST,
                PARSE_ERROR,
                message,
                None,
                &Value::Null,
            );
        }
    };
    if let Some(refusal) = two_versions(&parts.headers, &body) {
        return refusal;
    }
    normalise(&mut parts.headers);
    let headers = parts.headers.clone();
    let response = next
        .run(Request::from_parts(parts, Body::from(body.clone())))
        .await;
    if response.status().is_success() {
        return response;
    }
    repair_refusal(response, &headers, &body).await
}

fn two_versions(headers: &HeaderMap, body: &[u8]) -> Option<Response> {
    (headers.get_all(PROTOCOL_VERSION).iter().count() > 1).then(|| {
        refuse(
            StatusCode::BAD_REQUEST,
            HEADER_MISMATCH,
            "the request has more than one `MCP-Protocol-Version` header; send one",
            None,
            &id_of(body),
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

async fn repair_refusal(response: Response, request: &HeaderMap, body: &[u8]) -> Response {
    let is_json = request
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && is_json {
        let (code, message) = match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Ok(_) => (
                INVALID_REQUEST,
                "the body is JSON, but not one JSON-RPC 2.0 message",
            ),
            Err(_) => (PARSE_ERROR, "the body is not JSON"),
        };
        return refuse(StatusCode::BAD_REQUEST, code, message, None, &id_of(body));
    }
    let version = request
        .get(PROTOCOL_VERSION)
        .and_then(|value| value.to_str().ok());
    let unknown = version.filter(|version| {
        ProtocolVersion::KNOWN_VERSIONS
            .iter()
            .all(|known| known.as_str() != *version)
    });
    speak_json_rpc(response, &id_of(body), unknown).await
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
    let mut refusal = match unknown_version {
        Some(requested) if status == StatusCode::BAD_REQUEST => {
            let supported: Vec<&str> = ProtocolVersion::KNOWN_VERSIONS
                .iter()
                .map(ProtocolVersion::as_str)
                .collect();
            let data = json!({"supported": supported, "requested": requested});
            refuse(status, UNSUPPORTED_VERSION, &text, Some(data), id)
        }
        _ if status.is_server_error() => refuse(status, INTERNAL_ERROR, &text, None, id),
        _ => refuse(status, INVALID_REQUEST, &text, None, id),
    };
    if let Some(allow) = allow {
        refusal.headers_mut().insert(ALLOW, allow);
    }
    refusal
}

fn refuse(
    status: StatusCode,
    code: i64,
    message: &str,
    data: Option<Value>,
    id: &Value,
) -> Response {
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    let body = json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(CONTENT_LENGTH);
    response
}

/// The id of a request, where the body has one that can be told.
fn id_of(body: &[u8]) -> Value {
    #[derive(Deserialize)]
    struct Identified {
        id: Value,
    }
    serde_json::from_slice::<Identified>(body)
        .map(|request| request.id)
        .ok()
        .filter(|id| id.is_string() || id.is_i64() || id.is_u64())
        .unwrap_or(Value::Null)
}
