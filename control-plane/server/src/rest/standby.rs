//! The answers of a control plane that stands by: that it lives, and who leads.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::guard::{self, AllowedHosts};
use super::problem::Problem;

/// The API of a control plane that stands by. `leader` is the name of the one that leads.
pub fn standby_router(leader: watch::Receiver<String>, allowed_hosts: AllowedHosts) -> Router {
    Router::new()
        .route("/healthz", get(is_alive))
        .fallback(refuse)
        .layer(from_fn_with_state(Arc::new(allowed_hosts), guard::check))
        .with_state(leader)
}

async fn is_alive(State(leader): State<watch::Receiver<String>>) -> Json<Value> {
    Json(json!({"status": "ok", "leader": *leader.borrow()}))
}

async fn refuse(State(leader): State<watch::Receiver<String>>) -> Problem {
    let leader = leader.borrow();
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "urn:portcullis:standing-by",
        "this control plane stands by",
        format!("nothing was changed; `{}` leads: send it there", *leader),
    )
}
