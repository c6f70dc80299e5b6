//! Listeners: where clients connect, and what is read of a request.

use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access_log::AccessLog;
use super::client_times::ClientTimes;
use super::cors::McpCors;
use super::listener_tls::ListenerTls;
use crate::names::{ListenerName, Selector, ServerName};
use crate::route_path::RoutePath;
use crate::span::Span;

/// An address that clients connect to. `/mcp` is every server of the listener as one;
/// `/servers/{name}/mcp` is one of them alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Unique in the document.
    pub name: ListenerName,
    /// IP address and port to bind.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The servers that it offers; `*` is all of them.
    #[serde(default = "every_server")]
    pub servers: Vec<Selector<ServerName>>,
    /// The server whose HTTP+SSE pair of MCP 2024-11-05 this listener offers at `/sse` and
    /// `/messages`, which are its paths at the server, too; without it, there is nothing at them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_streams: Option<ServerName>,
    /// Host names that clients may address it by, on any port; `*` is any. The default is loopback,
    /// which protects a local gateway from web pages that rebind their name to it.
    #[serde(default = "loopback_hosts")]
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call it; `*` as the port is any port, `*` alone is any origin.
    /// A request without the header, as from anything but a browser, passes.
    #[serde(default = "loopback_origins")]
    pub allowed_origins: Vec<String>,
    /// The longest request body that is read, in bytes.
    #[serde(default = "one_mebibyte")]
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub max_body_bytes: u32,
    /// The deepest nesting of JSON that is read.
    #[serde(default = "usual_depth")]
    #[schemars(range(min = 8, max = 256))]
    pub max_depth: u32,
    /// How long a server may say nothing to a request, where no rule gives its tool a `timeout`;
    /// then the gateway answers in its place. A stream of server events may be silent for an hour.
    #[serde(default = "longer_than_most_tools")]
    pub idle_timeout: Span,
    /// TLS for clients; without it, they are spoken to in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// The connections that clients may have open at each Envoy; those beyond are closed at once.
    /// Without it, any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_connections: Option<u32>,
    /// How long clients may take.
    #[serde(default, skip_serializing_if = "ClientTimes::is_usual")]
    pub client_times: ClientTimes,
    /// A path at which Envoy itself says whether it takes requests: 200, or 503 while it drains.
    /// Whoever asks there reaches no server, and need not name an allowed host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_path: Option<RoutePath>,
    /// Lets browsers on pages of `allowed_origins` call the MCP endpoints; without it they have no
    /// way to ask whether they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<McpCors>,
    /// The line that is written of each request; without it, one of the usual fields, which says
    /// nothing of tools and decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
}

impl Listener {
    /// `mcp` on 127.0.0.1:10000, with every server.
    #[must_use]
    pub(crate) fn standard() -> Self {
        Self {
            name: "mcp".parse().expect("a valid name"),
            address: (Ipv4Addr::LOCALHOST, 10_000).into(),
            servers: every_server(),
            event_streams: None,
            allowed_hosts: loopback_hosts(),
            allowed_origins: loopback_origins(),
            max_body_bytes: one_mebibyte(),
            max_depth: usual_depth(),
            idle_timeout: longer_than_most_tools(),
            tls: None,
            max_connections: None,
            client_times: ClientTimes::default(),
            health_check_path: None,
            cors: None,
            access_log: None,
        }
    }
}

fn every_server() -> Vec<Selector<ServerName>> {
    vec![Selector::All]
}

fn loopback_hosts() -> Vec<String> {
    ["127.0.0.1", "localhost", "::1"].map(str::to_owned).into()
}

fn loopback_origins() -> Vec<String> {
    ["http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*"]
        .map(str::to_owned)
        .into()
}

fn one_mebibyte() -> u32 {
    1 << 20
}

fn usual_depth() -> u32 {
    128
}

/// With less, answers that are sent when they are whole would be cut off: the data server gives a
/// Spark statement ten minutes. With more, clients of a server that hangs would have given up.
fn longer_than_most_tools() -> Span {
    Span::from_seconds(15 * 60)
}
