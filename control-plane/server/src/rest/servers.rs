//! `/api/v1/servers`: the registered servers, and whether they answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::config::timestamp;
use crate::gateway::{Gateway, ListState};

#[derive(Serialize)]
pub(super) struct Servers {
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    name: String,
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
    catalogue: Option<List>,
}

#[derive(Serialize)]
struct List {
    /// The revision of MCP in which it was asked for.
    protocol: String,
    hash: String,
    tools: usize,
}

pub(super) async fn get(State(gateway): State<Arc<Gateway>>) -> Json<Servers> {
    let known = gateway.read();
    let servers = known.current.document.servers.iter().map(|(name, server)| {
        let (state, since, reason) = match known.attempts.get(name) {
            None => ("unknown", None, None),
            Some(ListState::Up { at }) => ("up", Some(timestamp(*at)), None),
            Some(ListState::Down { since, reason }) => {
                ("down", Some(timestamp(*since)), Some(reason.clone()))
            }
        };
        Server {
            name: name.to_string(),
            endpoints: server.all_endpoints().map(ToString::to_string).collect(),
            state,
            since,
            reason,
            catalogue: known.desired.lists.get(name).map(|list| List {
                protocol: list.stored.protocol.clone(),
                hash: list.stored.hash.to_string(),
                tools: list.tools.len(),
            }),
        }
    });
    Json(Servers {
        servers: servers.collect(),
    })
}
