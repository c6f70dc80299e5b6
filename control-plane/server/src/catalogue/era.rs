//! The parts that each era of the protocol puts into every request.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// The parts that a conversation puts into every request.
#[derive(Debug, Clone)]
pub(super) enum Era {
    /// Stateless: every request says everything (MCP 2026-07-28).
    Stateless { version: &'static str },
    /// After `initialize`: the negotiated version and, where there is one, the session.
    Session {
        version: Option<HeaderValue>,
        session: Option<HeaderValue>,
    },
}

/// The newest revision of MCP, which is stateless.
pub(super) const NEWEST: &str = "2026-07-28";

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

impl Era {
    /// The newest revision of the protocol.
    pub(super) fn newest() -> Self {
        Self::Stateless { version: NEWEST }
    }

    pub(super) fn headers(&self, method: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        match self {
            Self::Stateless { version } => {
                headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(version));
                headers.insert(METHOD, HeaderValue::from_static(method));
            }
            Self::Session { version, session } => {
                headers.extend(version.clone().map(|version| (PROTOCOL_VERSION, version)));
                headers.extend(session.clone().map(|session| (SESSION, session)));
            }
        }
        headers
    }

    /// The parameters with what the era adds to those of every request.
    pub(super) fn complete(&self, mut params: Value) -> Value {
        if let Self::Stateless { version } = self {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": version,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": client_info(),
            });
        }
        params
    }
}

/// The name that the gateway gives itself to servers.
pub(super) fn client_info() -> Value {
    json!({"name": "portcullis-control-plane", "version": env!("CARGO_PKG_VERSION")})
}
