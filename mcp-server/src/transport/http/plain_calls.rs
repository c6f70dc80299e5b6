//! Answers plain calls of tools without rmcp; every other request goes on to it.
//!
//! Plain is a call whose head and body leave nothing to decide, in a session-based revision or in
//! one whose requests say in their head what their body has. What is in any way unusual, or wrong,
//! is rmcp's: it alone refuses. `Host` and `Origin` are judged by rmcp too, once for each pair.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt as _;
use request_envelope::{Envelope, PROTOCOL_VERSION};
use rmcp::model::{ClientCapabilities, JsonObject, ProtocolVersion, RequestId, RequestMetaObject};
use serde::{Deserialize, Deserializer};

use super::allowed_names::{AllowedNames, Names};
use crate::call::Revision;
use crate::mcp::{Incoming, McpServer, PlainCall};

/// The beginning of MCP's headers, some of which repeat parts of the body.
const MCP_HEADERS: &str = "mcp-";
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The method whose requests may be plain.
const CALL: &str = "tools/call";

/// The beginning of a header's value that stands for other bytes.
const ENCODED: &str = "=?";

/// The way past rmcp.
pub(super) struct ShortWay {
    server: McpServer,
    allowed_names: AllowedNames,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    jsonrpc: String,
    id: RequestId,
    method: String,
    params: Params,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    name: String,
    arguments: JsonObject,
    #[serde(rename = "_meta", default, deserialize_with = "present")]
    meta: Option<RequestMetaObject>,
}

/// A member that is there, be it null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A head that leaves nothing to decide.
struct PlainHead<'a> {
    version: ProtocolVersion,
    /// The tool, where the revision has it in the head.
    tool: Option<&'a str>,
    names: Names,
}

impl ShortWay {
    pub(super) fn new(server: McpServer, allowed_names: AllowedNames) -> Self {
        Self {
            server,
            allowed_names,
        }
    }
}

/// Answers a plain call, and passes on everything else as it came.
pub(super) async fn answer<F: Future<Output = Response>>(
    way: &ShortWay,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let is_call = request
        .extensions()
        .get::<Arc<Envelope>>()
        .is_some_and(|envelope| envelope.method == CALL);
    if !is_call {
        return next(request).await;
    }
    let (parts, body) = request.into_parts();
    let Some(head) = plain_head(&parts.method, &parts.uri, &parts.headers) else {
        return next(Request::from_parts(parts, body)).await;
    };
    let Ok(body) = body.collect().await else {
        return next(Request::from_parts(parts, Body::empty())).await;
    };
    let body = body.to_bytes();
    if let Some(call) = plain_body(&body, &head)
        && way.server.takes_plainly(&call.tool)
        && way.allowed_names.include(head.names).await
        && let Some(incoming) = parts.extensions.get::<Incoming>()
        && let Ok(answer) = way.server.answer_plainly(incoming.clone(), call).await
    {
        let mut response = Response::new(Body::from(answer.message));
        if answer.refuses_request {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        return response;
    }
    request = Request::from_parts(parts, Body::from(body));
    next(request).await
}

/// The facts of a request's head, if it is plain.
fn plain_head<'a>(method: &Method, uri: &Uri, headers: &'a HeaderMap) -> Option<PlainHead<'a>> {
    if method != Method::POST || uri.path() != "/mcp" || uri.authority().is_some() {
        return None;
    }
    let version = only(headers, &PROTOCOL_VERSION)?;
    let version = ProtocolVersion::KNOWN_VERSIONS
        .iter()
        .find(|known| known.as_str() == version)?;
    let accept = only(headers, &ACCEPT)?;
    let accepts = |kind: &str| accept.contains(kind);
    let is_json = only(headers, &CONTENT_TYPE)? == "application/json";
    if !accepts("application/json") || !accepts("text/event-stream") || !is_json {
        return None;
    }
    let has_session = version.has_initialize();
    let tool = match has_session {
        true => None,
        false if only(headers, &METHOD)? != CALL => return None,
        false => Some(only(headers, &NAME).filter(|name| !name.starts_with(ENCODED))?),
    };
    let usual: &[HeaderName] = match has_session {
        true => &[PROTOCOL_VERSION, SESSION_ID],
        false => &[PROTOCOL_VERSION, METHOD, NAME],
    };
    let is_unusual =
        |name: &&HeaderName| name.as_str().starts_with(MCP_HEADERS) && !usual.contains(name);
    if headers.keys().find(is_unusual).is_some() {
        return None;
    }
    let origin = match headers.get_all(ORIGIN).iter().count() {
        0 => None,
        _ => Some(only_value(headers, &ORIGIN)?.clone()),
    };
    Some(PlainHead {
        version: version.clone(),
        tool,
        names: (only_value(headers, &HOST)?.clone(), origin),
    })
}

/// The text of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    only_value(headers, name)?.to_str().ok()
}

fn only_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The call of a body that is plain: nothing that is not known, nothing left out, no wish to hear
/// of progress, and in it what its head says.
fn plain_body(body: &[u8], head: &PlainHead<'_>) -> Option<PlainCall> {
    let message: Message = serde_json::from_slice(body).ok()?;
    let params = message.params;
    let capabilities = match (head.tool, params.meta) {
        (None, None) => ClientCapabilities::default(),
        (Some(tool), Some(meta)) => {
            let is_whole = meta.missing_required_keys(&head.version).is_empty()
                && meta.get_progress_token().is_none()
                && meta.protocol_version().as_ref() == Some(&head.version);
            let capabilities = meta.client_capabilities();
            capabilities.filter(|_| is_whole && tool == params.name)?
        }
        _ => return None,
    };
    (message.jsonrpc == "2.0" && message.method == CALL).then(|| PlainCall {
        id: message.id,
        revision: Revision::named(Some(head.version.clone())),
        capabilities,
        tool: params.name,
        arguments: params.arguments,
    })
}

#[cfg(test)]
mod tests;
