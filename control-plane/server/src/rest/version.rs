//! `/api/v1/version`: what is in force, and what it is made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::shown::{self, Shown};
use crate::gateway::Gateway;

/// The versions in force, and what they are made from.
#[derive(Serialize, ToSchema)]
pub(super) struct Version {
    /// The version of this program.
    version: &'static str,
    /// The operator's revision in force.
    revision: u64,
    /// The newest revision that is stored; another one, where Envoys rejected it or have not been
    /// given it yet.
    newest_revision: u64,
    /// The generation that the Envoys are meant to have: revision, catalogue and module together.
    generation: String,
    /// The generation that they all accepted last.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_generation: Option<String>,
    /// SHA-256 of the filter module.
    module: String,
    /// SHA-256 of each server's list; nothing for one that was never listed.
    catalogue: BTreeMap<String, Option<String>>,
}

/// Shows what is in force, and what it is made from.
#[utoipa::path(get, path = "/api/v1/version", operation_id = "get_version_in_force",
    tag = "revisions", responses((status = 200, description = "The versions", body = Version)))]
pub(super) async fn get(State(gateway): State<Arc<Gateway>>) -> Result<Shown, Problem> {
    shown::glance(move || Shown::json(&version(&gateway))).await
}

fn version(gateway: &Gateway) -> Version {
    // Copied out: there may be many servers, and writers wait for who reads.
    let (current, accepted, newest) = {
        let state = gateway.read();
        let accepted = state.accepted.clone();
        (Arc::clone(&state.current), accepted, state.desired.head)
    };
    let catalogue = current.document.servers.keys().map(|server| {
        let hash = current
            .lists
            .get(server)
            .map(|list| list.stored.hash.to_string());
        (server.to_string(), hash)
    });
    Version {
        version: env!("CARGO_PKG_VERSION"),
        revision: current.revision.0,
        newest_revision: newest.0,
        generation: current.generation().to_string(),
        accepted_generation: accepted.map(|accepted| accepted.generation().to_string()),
        module: current.module.sha256.clone(),
        catalogue: catalogue.collect(),
    }
}
