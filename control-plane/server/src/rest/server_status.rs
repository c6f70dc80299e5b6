//! The state of a registered server, which is shown with what the document says of it.

use std::sync::Arc;

use gateway_document::{EndpointUrl, ServerName};
use serde::Serialize;
use serde_json::Value;
use store::ReviewState;
use utoipa::ToSchema;

use crate::catalogue::KnownList;
use crate::gateway::{EndpointState, Gateway, ServerState, definition_hash};
use crate::timestamp::timestamp;

/// Whether a server answers, and what it lists.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerStatus {
    /// Every endpoint of the server, and whether it answers.
    endpoints: Vec<EndpointStatus>,
    /// `up`, `down`, or `unknown` until it was asked for the first time.
    state: &'static str,
    /// Since when that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The reason why it is down, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The particulars of its list; kept while it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<CatalogueStatus>,
    /// The definitions of a pinned server's tools that it lists and that are not in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reviews: Vec<ToolReview>,
}

/// Whether an endpoint of a server answers, and what requests it gets.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointStatus {
    /// The URL of the endpoint.
    url: String,
    /// `up`, `down`, or `unknown` until it was probed often enough.
    state: &'static str,
    /// Since when that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The reason why the last probe failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The time that a probe of it takes from the control plane, averaged over a minute or so; the
    /// `ETag` does not change with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    /// Whether Envoys send it no requests because it is down. Where all endpoints are down, those
    /// that were well last get requests all the same.
    out: bool,
    /// The eighths that it gets of the requests that its weight gives it: fewer than 8 where it
    /// takes much longer than another endpoint.
    share: u32,
}

/// The list that a server answered.
#[derive(Serialize, ToSchema)]
pub(super) struct CatalogueStatus {
    /// The revision of MCP in which it was asked for.
    protocol: String,
    /// The hash of the list.
    hash: String,
    /// The number of its tools that are in force.
    tools: usize,
    /// The version that the server says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The capabilities that the server declares.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<String>>,
    /// The reason why none of its tools is offered: the server is not what `requires` wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    unmet: Option<String>,
}

/// A definition of a pinned server's tool that is not in force.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolReview {
    /// The server's own name of the tool.
    tool: String,
    /// The state: `unreviewed`, or `rejected`.
    state: &'static str,
    /// Whether another definition of the tool is in force; without one, the tool is withheld.
    in_force: bool,
    /// When it was seen first, or rejected.
    since: String,
    /// The SHA-256 of the definition.
    definition: String,
    /// The one who rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Why it was rejected, in the words of who did.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The state of the server of that name, if the document that changes are made to has it.
pub(super) fn of(gateway: &Gateway, name: &str) -> Option<Value> {
    let name: ServerName = name.parse().ok()?;
    // Copied out: a list may be long, and writers wait for who reads.
    let (desired, attempts) = {
        let known = gateway.read();
        (known.desired.clone(), Arc::clone(&known.attempts))
    };
    let state = gateway.server_state(&attempts, &name);
    let server = desired.built.document.servers.get(&name)?;
    let word = state.word();
    let (since, reason) = match state {
        ServerState::Unknown => (None, None),
        ServerState::Up { since } => (Some(timestamp(since)), None),
        ServerState::Down { since, reason } => (Some(timestamp(since)), Some(reason)),
    };
    let list = desired.lists.get(&name).map(|list| &**list);
    let endpoints = server.all_endpoints();
    let status = ServerStatus {
        endpoints: endpoints.map(|url| endpoint(gateway, &name, url)).collect(),
        state: word,
        since,
        reason,
        catalogue: list.map(|list| CatalogueStatus {
            protocol: list.stored.protocol.clone(),
            hash: list.stored.hash.to_string(),
            tools: list.stored.tools.len(),
            version: list.about.version.clone(),
            capabilities: list
                .about
                .capabilities
                .as_ref()
                .map(|all| all.iter().cloned().collect()),
            unmet: list.unmet(server),
        }),
        reviews: list.map_or_else(Vec::new, reviews),
    };
    serde_json::to_value(status).ok()
}

fn reviews(list: &KnownList) -> Vec<ToolReview> {
    let reviews = list.stored.reviews.iter();
    let listed = reviews.filter(|review| review.state != ReviewState::Approved);
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    listed
        .map(|review| ToolReview {
            tool: review.tool.name.clone(),
            state: review.state.as_str(),
            in_force: list.has_in_force(&review.tool.name),
            since: timestamp(review.at),
            definition: definition_hash(&review.tool.json),
            by: given(&review.author),
            reason: given(&review.reason),
        })
        .collect()
}

fn endpoint(gateway: &Gateway, server: &ServerName, url: &EndpointUrl) -> EndpointStatus {
    let probed = gateway.probed(server, url.as_str()).unwrap_or_default();
    // A tenth of a millisecond is more than chance leaves of it.
    let tenths = |latency: std::time::Duration| (latency.as_secs_f64() * 10_000.0).round() / 10.0;
    EndpointStatus {
        url: url.to_string(),
        state: match probed.state {
            EndpointState::Unknown => "unknown",
            EndpointState::Up => "up",
            EndpointState::Down => "down",
        },
        since: probed.since.map(timestamp),
        reason: probed.reason,
        latency_ms: probed.latency.map(tenths),
        out: probed.is_out,
        share: probed.share,
    }
}

/// A status without what changes all the time: by this it is told whether it is another one.
pub(super) fn lasting(status: &Value) -> Value {
    let mut status = status.clone();
    let endpoints = status["endpoints"].as_array_mut();
    for endpoint in endpoints.into_iter().flatten() {
        if let Value::Object(fields) = endpoint {
            fields.remove("latency_ms");
        }
    }
    status
}
