//! The paths of a listener that speak MCP.

use crate::document::{GatewayDocument, Listener};
use crate::names::ServerName;

/// The path at which a listener offers all its servers as one.
pub const MCP_PATH: &str = "/mcp";

/// The path at which clients of HTTP+SSE open the stream of their answers.
pub(super) const STREAM_PATH: &str = "/sse";

/// The path to which they post their messages.
pub(super) const MESSAGES_PATH: &str = "/messages";

/// The path at which a listener offers one server alone.
pub(super) fn server_path(server: &ServerName) -> String {
    format!("/servers/{server}/mcp")
}

/// Every path of a listener that speaks MCP.
pub fn endpoint_paths(document: &GatewayDocument, listener: &Listener) -> Vec<String> {
    let alone = document
        .servers_of(listener)
        .map(|(name, _)| server_path(name));
    let old_pair = listener.event_streams.iter();
    let old_pair = old_pair.flat_map(|_| [STREAM_PATH, MESSAGES_PATH].map(str::to_owned));
    std::iter::once(MCP_PATH.to_owned())
        .chain(alone)
        .chain(old_pair)
        .collect()
}
