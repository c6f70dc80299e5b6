//! The bounds of the API's connections, and the answer to those for which there is no place.
//!
//! A request that runs is bounded by none of them: its author may wait for a long rollout.

use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http_front::{ConnectionLimits, Front, Refused};
use tokio::net::TcpListener;

use super::problem::Problem;

const LIMITS: ConnectionLimits = ConnectionLimits {
    // Operators, their scripts and what watches over them are tens.
    at_once: 256,
    refused_at_once: 64,
    head: Duration::from_secs(15),
    write: Duration::from_secs(30),
};

/// Serves `router` until `stop` is ready and the requests that run then are answered.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let front = Front {
        router,
        limits: LIMITS,
        refuse,
    };
    front.serve(listener, || (), stop).await;
}

fn refuse(refused: Refused<'_>) -> Response {
    let detail = format!(
        "all {} connections are in use; nothing was done: try again in a few seconds, and close \
         connections that you no longer need",
        refused.at_once
    );
    Problem::busy("too many connections at once", detail).into_response()
}
