//! `/api/v1/config/snapshot`: the resources as Envoy gets them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::nodes::word;
use super::problem::Problem;
use crate::descriptors;
use crate::gateway::Gateway;

#[derive(Serialize)]
pub(super) struct Snapshot {
    generation: String,
    revision: u64,
    resources: Vec<Resource>,
}

#[derive(Serialize)]
struct Resource {
    r#type: &'static str,
    name: String,
    /// The hash of its content.
    version: String,
    /// The resource itself, in protobuf's JSON.
    content: Value,
}

pub(super) async fn get(State(gateway): State<Arc<Gateway>>) -> Result<Json<Snapshot>, Problem> {
    let current = gateway.current();
    let resources = current.snapshot.resources().map(|resource| {
        Ok(Resource {
            r#type: word(resource.resource_type()),
            name: resource.name().to_string(),
            version: resource.version().to_string(),
            content: descriptors::to_json(resource.any())?,
        })
    });
    let resources = resources.collect::<Result<_, descriptors::DecodeError>>();
    Ok(Json(Snapshot {
        generation: current.generation().to_string(),
        revision: current.revision.0,
        resources: resources.map_err(|error| Problem::internal(&error))?,
    }))
}
