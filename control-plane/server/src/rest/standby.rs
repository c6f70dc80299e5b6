//! The answers of a control plane that stands by: that it lives, and where the one is that leads.
//!
//! It answers no question itself: what Envoys run and what is desired the leader alone knows.
//! Clients are sent on to it, and most follow by themselves.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
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
        .fallback(send_on)
        .layer(from_fn_with_state(Arc::new(allowed_hosts), guard::check))
        .with_state(leader)
}

async fn is_alive(State(leader): State<watch::Receiver<String>>) -> Json<Value> {
    Json(json!({"status": "ok", "leader": *leader.borrow()}))
}

/// Sends requests of the API on to the leader, with their method and body. What is asked of this
/// very process, such as its readiness, it cannot answer well.
async fn send_on(State(leader): State<watch::Receiver<String>>, uri: Uri) -> Response {
    let leader = leader.borrow().clone();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let is_of_api = path.starts_with("/api/") || uri.path() == "/docs";
    let location = HeaderValue::try_from(format!("http://{leader}{path}"));
    let (status, location) = match location {
        Ok(location) if is_of_api => (StatusCode::TEMPORARY_REDIRECT, Some(location)),
        _ => (StatusCode::SERVICE_UNAVAILABLE, None),
    };
    let mut answer = Problem::new(
        status,
        "urn:portcullis:standing-by",
        "this control plane stands by",
        format!("nothing was changed; `{leader}` leads: send it there"),
    )
    .into_response();
    if let Some(location) = location {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}
