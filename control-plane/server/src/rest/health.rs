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

/// Tells that this process lives, whatever its store does: Envoys are served without.
#[utoipa::path(get, path = "/healthz", operation_id = "get_health", tag = "health",
    responses((status = 200, description = "It lives", body = Health)))]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Tells whether this process takes changes: its store can be read, and it is not ending.
#[utoipa::path(get, path = "/readyz", operation_id = "get_readiness", tag = "health",
    responses((status = 200, description = "It takes changes", body = Health)))]
pub(super) async fn readyz(State(gateway): State<Arc<Gateway>>) -> Result<Json<Health>, Problem> {
    if gateway.events().newest().borrow().is_last {
        return Err(Problem::busy(
            "the control plane is ending",
            "ask another one, or this one when it has started again",
        ));
    }
    let head = gateway.store().head().await;
    head.map_err(|error| Problem::store(&error))?;
    Ok(healthz().await)
}
