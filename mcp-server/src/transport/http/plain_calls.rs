//! Answers plain calls of tools without rmcp; every other request goes on to it.
//!
//! Plain is a call in a session-based revision whose head and body leave nothing to decide. What is
//! in any way unusual, or wrong, is rmcp's: it alone refuses. `Host` and `Origin` are judged by
//! rmcp too, once for each pair.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::BodyExt as _;
use rmcp::model::{JsonObject, ProtocolVersion, RequestId};
use serde::Deserialize;

use super::Mcp;
use super::envelope::{Envelope, PROTOCOL_VERSION};
use crate::call::Revision;
use crate::mcp::{Incoming, McpServer, PlainCall};

/// Pairs of `Host` and `Origin` that are remembered as allowed; a server is called by few names.
const KNOWN_NAMES: usize = 64;

/// The beginning of headers that repeat parts of the body, which rmcp compares.
const MCP_HEADERS: &str = "mcp-";
const SESSION_HEADER: &str = "mcp-session-id";

/// The way past rmcp.
#[derive(Clone)]
pub(super) struct ShortWay {
    server: McpServer,
    mcp: Mcp,
    heard: Arc<Mutex<Vec<Names>>>,
}

/// The `Host` and the `Origin` of a request.
type Names = (HeaderValue, Option<HeaderValue>);

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
}

impl ShortWay {
    pub(super) fn new(server: McpServer, mcp: Mcp) -> Self {
        Self {
            server,
            mcp,
            heard: Arc::default(),
        }
    }

    async fn hears(&self, names: Names) -> bool {
        let is_known = |heard: &Vec<Names>| heard.contains(&names);
        if is_known(&self.heard.lock().unwrap_or_else(PoisonError::into_inner)) {
            return true;
        }
        let mut get = Request::new(Body::empty());
        get.headers_mut().insert(HOST, names.0.clone());
        if let Some(origin) = &names.1 {
            get.headers_mut().insert(ORIGIN, origin.clone());
        }
        let is_heard = super::hears(&self.mcp, get).await;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if is_heard && heard.len() < KNOWN_NAMES {
            heard.push(names);
        }
        is_heard
    }
}

/// Middleware: answers a plain call, and passes on everything else as it came.
pub(super) async fn answer(
    State(way): State<ShortWay>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_call = request
        .extensions()
        .get::<Envelope>()
        .is_some_and(|envelope| envelope.method == "tools/call");
    let plain_head = plain_head(request.method(), request.uri(), request.headers());
    let (true, Some((revision, names))) = (is_call, plain_head) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return next.run(Request::from_parts(parts, Body::empty())).await;
    };
    let body = body.to_bytes();
    if let Some(call) = plain_body(&body, revision)
        && way.server.takes_plainly(&call.tool)
        && way.hears(names).await
        && let Some(incoming) = parts.extensions.get::<Incoming>()
        && let Ok(answer) = way.server.answer_plainly(incoming.clone(), call).await
    {
        let mut response = Response::new(Body::from(answer));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        return response;
    }
    request = Request::from_parts(parts, Body::from(body));
    next.run(request).await
}

/// The revision and the names of a request whose head is plain.
fn plain_head(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<(Revision, Names)> {
    if method != Method::POST || uri.path() != "/mcp" || uri.authority().is_some() {
        return None;
    }
    let revision = only(headers, &PROTOCOL_VERSION)?.to_str().ok()?;
    let revision = ProtocolVersion::KNOWN_VERSIONS
        .iter()
        .find(|known| known.as_str() == revision && known.has_initialize())?;
    let accept = only(headers, &ACCEPT)?.to_str().ok()?;
    let accepts = |kind: &str| accept.contains(kind);
    let is_json = only(headers, &CONTENT_TYPE)?.as_bytes() == b"application/json";
    let repeats_body = headers.keys().any(|name| {
        name.as_str().starts_with(MCP_HEADERS)
            && *name != PROTOCOL_VERSION
            && name.as_str() != SESSION_HEADER
    });
    if !accepts("application/json") || !accepts("text/event-stream") || !is_json || repeats_body {
        return None;
    }
    let origin = match headers.get_all(ORIGIN).iter().count() {
        0 => None,
        _ => Some(only(headers, &ORIGIN)?.clone()),
    };
    let host = only(headers, &HOST)?.clone();
    Some((Revision::named(Some(revision.clone())), (host, origin)))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The call of a body that is plain: no `_meta`, nothing that is not known, nothing left out.
fn plain_body(body: &[u8], revision: Revision) -> Option<PlainCall> {
    let message: Message = serde_json::from_slice(body).ok()?;
    (message.jsonrpc == "2.0" && message.method == "tools/call").then_some(PlainCall {
        id: message.id,
        revision,
        tool: message.params.name,
        arguments: message.params.arguments,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn head(changes: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let usual = [
            ("host", "127.0.0.1:8000"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        for (name, value) in usual.iter().chain(changes) {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[track_caller]
    fn check_head(headers: &HeaderMap, is_plain: bool) {
        let uri = Uri::from_static("/mcp");
        let found = plain_head(&Method::POST, &uri, headers);
        assert_eq!(found.is_some(), is_plain, "{headers:?}");
    }

    #[test]
    fn it_leaves_every_unusual_head_to_rmcp() {
        check_head(&head(&[]), true);
        check_head(
            &head(&[("mcp-session-id", "x"), ("origin", "http://a")]),
            true,
        );
        for change in [
            ("host", "another"),
            ("accept", "*/*"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "execute_query"),
            ("mcp-param-sql", "x"),
        ] {
            check_head(&head(&[change]), false);
        }
        for (name, value) in [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-protocol-version", "2019-01-01"),
            ("content-type", "application/json; charset=utf-8"),
            ("accept", "application/json"),
        ] {
            let mut headers = head(&[]);
            headers.insert(name, HeaderValue::from_static(value));
            check_head(&headers, false);
            headers.remove(name);
            check_head(&headers, false);
        }
        let mut nameless = head(&[]);
        nameless.remove(HOST);
        check_head(&nameless, false);
        for (method, uri) in [
            (Method::GET, "/mcp"),
            (Method::POST, "/mcp/"),
            (Method::POST, "http://evil.example/mcp"),
        ] {
            let uri: Uri = uri.parse().expect("a URI");
            assert!(
                plain_head(&method, &uri, &head(&[])).is_none(),
                "{method} {uri}"
            );
        }
    }

    #[track_caller]
    fn check_body(body: &Value, is_plain: bool) {
        let revision = Revision::named(None);
        let found = plain_body(body.to_string().as_bytes(), revision);
        assert_eq!(found.is_some(), is_plain, "{body}");
    }

    #[test]
    fn it_leaves_every_unusual_body_to_rmcp() {
        let call = |params: Value| {
            let method = "tools/call";
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        };
        check_body(&call(json!({"name": "a", "arguments": {}})), true);
        for params in [
            json!({"name": "a"}),
            json!({"name": "a", "arguments": null}),
            json!({"name": "a", "arguments": []}),
            json!({"name": 1, "arguments": {}}),
            json!({"name": "a", "arguments": {}, "_meta": {"progressToken": 1}}),
            json!({"name": "a", "arguments": {}, "task": {}}),
        ] {
            check_body(&call(params), false);
        }
        for (member, value) in [
            ("jsonrpc", json!("1.0")),
            ("id", json!(1.5)),
            ("id", json!(null)),
            ("method", json!("tools/list")),
            ("result", json!({})),
        ] {
            let mut body = call(json!({"name": "a", "arguments": {}}));
            body[member] = value;
            check_body(&body, false);
        }
        let twice = call(json!({"name": "a", "arguments": {}})).to_string();
        let twice = twice.replacen(r#""id":1"#, r#""id":1,"id":2"#, 1);
        assert!(plain_body(twice.as_bytes(), Revision::named(None)).is_none());
        assert!(plain_body(b"[]", Revision::named(None)).is_none());
    }
}
