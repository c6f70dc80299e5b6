//! `/metrics`, on a listener of its own: only where the operator has named its address.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;

use super::connections;
use crate::config::Config;
use crate::metrics::Observed;
use crate::services::Services;

/// The media type of what Prometheus reads (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The jobs are left out when their registry has not counted them by then.
const COUNTING: Duration = Duration::from_secs(2);

/// Connections of the few that read metrics.
const READERS: usize = 8;

/// Listens where the operator wants metrics to be read, if anywhere, until `stop` fires.
///
/// # Errors
/// When the address cannot be bound.
pub(super) async fn open(
    config: &Config,
    services: Arc<Services>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Some(address) = config.metrics_address else {
        return Ok(());
    };
    let listener = http_front::listen(address).with_context(|| {
        format!("cannot listen on `{address}`; set MCP_METRICS_ADDRESS to a free address")
    })?;
    tracing::info!(address = %listener.local_addr()?, "metrics");
    let router = Router::new()
        .route("/metrics", get(answer))
        .with_state(services);
    let uncounted = Gauge::default();
    tokio::spawn(connections::serve(
        listener, router, READERS, uncounted, stop,
    ));
    Ok(())
}

async fn answer(State(services): State<Arc<Services>>) -> Response {
    let counting = tokio::time::timeout(COUNTING, services.jobs.count_all_by_state());
    let mut pools = Vec::new();
    for database in services.databases.all() {
        let name = database.name();
        pools.extend(
            database
                .pools()
                .into_iter()
                .map(|pool| (name.to_owned(), pool)),
        );
    }
    let observed = Observed {
        calls: services.calls.counts(),
        pools,
        results: services.kept_results.counts(),
        result_bytes: services.kept_results.bytes(),
        jobs: counting.await.ok().and_then(Result::ok),
    };
    match services.metrics.write(observed) {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
