//! `/healthz` and `/readyz`: whether this process lives, and whether it serves. What it configures
//! has health of its own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::gateway::Gateway;

/// The word of a process that lives.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Always `ok`; what is not is an error.
    status: &'static str,
}

/// Tells whether this process lives and its store can be read.
#[utoipa::path(get, path = "/healthz", operation_id = "get_health", tag = "health",
    responses((status = 200, description = "It lives", body = Health)))]
pub(super) async fn healthz(State(gateway): State<Arc<Gateway>>) -> Result<Json<Health>, Problem> {
    // Without its store it could take no change.
    let head = gateway.store().head().await;
    head.map_err(|error| Problem::store(&error))?;
    Ok(Json(Health { status: "ok" }))
}

/// Tells whether this process takes changes: it lives, and it is not ending.
#[utoipa::path(get, path = "/readyz", operation_id = "get_readiness", tag = "health",
    responses((status = 200, description = "It takes changes", body = Health)))]
pub(super) async fn readyz(state: State<Arc<Gateway>>) -> Result<Json<Health>, Problem> {
    if state.events().newest().borrow().is_last {
        return Err(Problem::busy(
            "the control plane is ending",
            "ask another one, or this one when it has started again",
        ));
    }
    healthz(state).await
}
