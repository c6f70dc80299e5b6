//! `/api/v1/config/snapshot`: the resources as Envoy gets them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::nodes::word;
use super::problem::Problem;
use crate::descriptors;
use crate::gateway::Gateway;

/// All that Envoys are meant to have.
#[derive(Serialize, ToSchema)]
pub(super) struct EnvoySnapshot {
    generation: String,
    revision: u64,
    resources: Vec<EnvoyResource>,
}

/// A resource as Envoy gets it.
#[derive(Serialize, ToSchema)]
pub(super) struct EnvoyResource {
    r#type: &'static str,
    name: String,
    /// The hash of its content.
    version: String,
    /// The resource itself, in protobuf's JSON.
    #[schema(value_type = Object)]
    content: Value,
}

/// Shows the resources that Envoys are meant to have, as they get them.
#[utoipa::path(get, path = "/api/v1/config/snapshot", operation_id = "get_config_snapshot",
    tag = "envoys", responses((status = 200, description = "All of them", body = EnvoySnapshot)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
) -> Result<Json<EnvoySnapshot>, Problem> {
    let current = gateway.current();
    let resources = current.snapshot.resources().map(|resource| {
        Ok(EnvoyResource {
            r#type: word(resource.resource_type()),
            name: resource.name().to_string(),
            version: resource.version().to_string(),
            content: descriptors::to_json(resource.any())?,
        })
    });
    let resources = resources.collect::<Result<_, descriptors::DecodeError>>();
    Ok(Json(EnvoySnapshot {
        generation: current.generation().to_string(),
        revision: current.revision.0,
        resources: resources.map_err(|error| Problem::internal(&error))?,
    }))
}
