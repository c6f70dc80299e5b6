//! The management API: HTTP in, the gateway's words out.
//!
//! One file per resource. Errors are problem documents (RFC 9457); each fault of what was sent
//! comes with its path and with what to do about it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use http_front::BodyReader;

use crate::gateway::Gateway;

mod bodies;
mod body;
mod change_headers;
mod config;
mod guard;
mod health;
mod index;
mod nodes;
mod problem;
mod query;
mod sent_back;
mod servers;
mod serving;
mod snapshot;
mod standby;
mod tool_policy;
mod tools;
mod version;

pub use guard::{AllowedHosts, InvalidHost};
pub use serving::serve;
pub use standby::standby_router;

/// Every route of the management API.
pub fn router(gateway: Arc<Gateway>, allowed_hosts: AllowedHosts) -> Router {
    Router::new()
        .route("/healthz", get(health::get))
        .route("/api/v1", get(index::get))
        .route("/api/v1/config", get(config::get).put(config::put))
        .route("/api/v1/config/schema", get(config::schema))
        .route("/api/v1/config/snapshot", get(snapshot::get))
        .route("/api/v1/version", get(version::get))
        .route("/api/v1/nodes", get(nodes::get))
        .route("/api/v1/servers", get(servers::get))
        .route("/api/v1/tools", get(tools::get))
        .route(
            "/api/v1/tools/{name}/policy",
            get(tool_policy::get)
                .put(tool_policy::put)
                .delete(tool_policy::delete),
        )
        .route_layer(from_fn(query::refuse))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        // The bodies have their own bounds.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(
            BodyReader::new(bodies::LIMITS),
            bodies::read,
        ))
        .layer(from_fn_with_state(Arc::new(allowed_hosts), guard::check))
        .with_state(gateway)
}
