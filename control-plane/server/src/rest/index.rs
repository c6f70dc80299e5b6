//! `/api/v1`: the resources of the management API.

use std::sync::Arc;

use axum::extract::Extension;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::Problem;
use super::shown::{self, Shown};

/// Every resource of the API.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Index {
    resources: Vec<ApiResource>,
}

/// A resource: its path, and what can be done with it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiResource {
    path: String,
    methods: Vec<String>,
    about: String,
}

/// Lists the resources of the API.
#[utoipa::path(get, path = "/api/v1", operation_id = "get_index", tag = "api",
    responses((status = 200, description = "Every resource", body = Index)))]
pub(super) async fn get(Extension(description): Extension<Arc<Value>>) -> Result<Shown, Problem> {
    shown::aside(move || Shown::json(&index(&description))).await
}

fn index(description: &Value) -> Index {
    let paths = description["paths"].as_object().into_iter().flatten();
    let resources = paths.map(|(path, item)| {
        let operations = item.as_object().into_iter().flatten();
        let about = operations
            .clone()
            .find_map(|(_, operation)| operation["summary"].as_str());
        ApiResource {
            path: path.clone(),
            methods: operations
                .map(|(method, _)| method.to_ascii_uppercase())
                .collect(),
            about: about.unwrap_or_default().to_owned(),
        }
    });
    Index {
        resources: resources.collect(),
    }
}
