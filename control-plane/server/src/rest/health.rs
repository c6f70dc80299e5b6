//! `/healthz`: whether this process serves. What it configures has health of its own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::gateway::Gateway;

pub(super) async fn get(State(gateway): State<Arc<Gateway>>) -> Result<Json<Value>, Problem> {
    // Without its store it could take no change.
    gateway
        .store()
        .head()
        .await
        .map_err(|error| Problem::store(&error))?;
    Ok(Json(json!({"status": "ok"})))
}
