//! The paths of a listener that speak MCP.

use crate::document::{GatewayDocument, Listener};
use crate::names::ServerName;
use crate::parts::Parts;

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

/// The server that a path offers alone, if it is such a path.
pub(crate) fn server_at(path: &str) -> Option<&str> {
    path.strip_prefix("/servers/")?.strip_suffix("/mcp")
}

/// Whether a path is one of an HTTP+SSE pair.
pub(crate) fn is_of_old_pair(is_it: impl Fn(&str) -> bool) -> bool {
    let mut pairs = OLD_PAIRS.iter();
    pairs.any(|(stream, messages)| is_it(stream) || is_it(messages))
}

/// Whether the listener at this place speaks MCP at a path.
pub(crate) fn speaks_mcp(parts: &Parts<'_>, listener: usize, path: &str) -> bool {
    let found = parts.document.listeners.get(listener);
    let has_old_pairs = found.is_some_and(|listener| listener.event_streams.is_some());
    path == MCP_PATH
        || has_old_pairs && is_of_old_pair(|own| own == path)
        || server_at(path)
            .and_then(|server| parts.document.servers.get_key_value(server))
            .is_some_and(|(server, _)| parts.offers(listener, server))
}

/// Every path of a listener that speaks MCP.
pub fn endpoint_paths(document: &GatewayDocument, listener: &Listener) -> Vec<String> {
    let alone = document
        .servers_of(listener)
        .inspect(|_| step_count::count(1))
        .map(|(name, _)| server_path(name));
    let old_pairs = listener.event_streams.iter().flat_map(|_| OLD_PAIRS);
    let old_pairs = old_pairs.flat_map(|(stream, messages)| [stream, messages].map(str::to_owned));
    std::iter::once(MCP_PATH.to_owned())
        .chain(alone)
        .chain(old_pairs)
        .collect()
}
