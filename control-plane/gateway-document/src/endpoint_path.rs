//! The paths of a listener that speak MCP.

use crate::document::{GatewayDocument, Listener};
use crate::names::ServerName;

/// The path at which a listener offers all its servers as one.
pub const MCP_PATH: &str = "/mcp";

/// Where clients of HTTP+SSE open the stream of their answers, and where a server tells them to
/// post their messages: two forms of the same, since clients and servers are used to either.
pub(crate) const OLD_PAIRS: [(&str, &str); 2] =
    [("/sse", "/messages"), ("/mcp/sse", "/mcp/messages/")];

/// The path at which a listener offers one server alone.
pub(crate) fn server_path(server: &ServerName) -> String {
    format!("/servers/{server}/mcp")
}

/// Every path of a listener that speaks MCP.
pub fn endpoint_paths(document: &GatewayDocument, listener: &Listener) -> Vec<String> {
    let alone = document
        .servers_of(listener)
        .map(|(name, _)| server_path(name));
    let old_pairs = listener.event_streams.iter().flat_map(|_| OLD_PAIRS);
    let old_pairs = old_pairs.flat_map(|(stream, messages)| [stream, messages].map(str::to_owned));
    std::iter::once(MCP_PATH.to_owned())
        .chain(alone)
        .chain(old_pairs)
        .collect()
}
