//! The state of a registered server, which is shown with what the document says of it.

use gateway_document::ServerName;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::timestamp::timestamp;
use crate::gateway::{Gateway, ListState};

/// Whether a server answers, and what it lists.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerStatus {
    /// Every URL at which the server is reached.
    endpoints: Vec<String>,
    /// `up`, `down`, or `unknown` until it was asked for the first time.
    state: &'static str,
    /// The time when it last answered, or since when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The reason why it is down, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The particulars of its list; kept while it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<CatalogueStatus>,
}

/// The list that a server answered.
#[derive(Serialize, ToSchema)]
pub(super) struct CatalogueStatus {
    /// The revision of MCP in which it was asked for.
    protocol: String,
    /// The hash of the list.
    hash: String,
    /// The number of its tools.
    tools: usize,
}

/// The state of the server of that name, if the document that changes are made to has it.
pub(super) fn of(gateway: &Gateway, name: &str) -> Option<Value> {
    let name: ServerName = name.parse().ok()?;
    let known = gateway.read();
    let server = known.desired.built.document.servers.get(&name)?;
    let (state, since, reason) = match known.attempts.get(&name) {
        None => ("unknown", None, None),
        Some(ListState::Up { at }) => ("up", Some(timestamp(*at)), None),
        Some(ListState::Down { since, reason }) => {
            ("down", Some(timestamp(*since)), Some(reason.clone()))
        }
    };
    let status = ServerStatus {
        endpoints: server.all_endpoints().map(ToString::to_string).collect(),
        state,
        since,
        reason,
        catalogue: known.desired.lists.get(&name).map(|list| CatalogueStatus {
            protocol: list.stored.protocol.clone(),
            hash: list.stored.hash.to_string(),
            tools: list.tools.len(),
        }),
    };
    serde_json::to_value(status).ok()
}
