//! `/health`: what this server can do now, and which part of it is down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::allowed_names::AllowedNames;
use crate::config::PostgresConfig;
use crate::health::Health;
use crate::services::Services;

/// A service that has not answered by then is down.
const DEADLINE: Duration = Duration::from_secs(2);

/// Questions within this time share one look, so that a flood of them costs the services nothing.
const FRESH: Duration = Duration::from_secs(1);

/// The last look at the services, and how to take a new one.
#[derive(Debug)]
pub(super) struct HealthDoor {
    services: Arc<Services>,
    last: Mutex<Option<(Instant, Report)>>,
}

#[derive(Debug, Clone, Serialize)]
struct Report {
    status: Status,
    version: &'static str,
    /// The services that are down, by name.
    down: Vec<String>,
    services: BTreeMap<String, ServiceReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// Every service behind the tools answers.
    Up,
    /// Something is down; tools that need no part of it work.
    Degraded,
    /// No service behind the tools answers.
    Down,
}

#[derive(Debug, Clone, Serialize)]
struct ServiceReport {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    detail: String,
}

impl HealthDoor {
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self {
            services,
            last: Mutex::new(None),
        }
    }

    async fn report(&self) -> Report {
        // Held across the look: those who ask meanwhile wait for it instead of taking their own.
        let mut last = self.last.lock().await;
        if let Some((taken, report)) = &*last
            && taken.elapsed() < FRESH
        {
            return report.clone();
        }
        let services = self.look().await;
        let down = services
            .iter()
            .filter(|(_, found)| found.status != Status::Up);
        let down: Vec<String> = down.map(|(name, _)| name.clone()).collect();
        let report = Report {
            status: match down.len() {
                0 => Status::Up,
                count if count == services.len() => Status::Down,
                _ => Status::Degraded,
            },
            down,
            version: env!("CARGO_PKG_VERSION"),
            services,
        };
        *last = Some((Instant::now(), report.clone()));
        report
    }

    async fn look(&self) -> BTreeMap<String, ServiceReport> {
        let services = &self.services;
        let databases = join_all(services.databases.all().map(|database| async {
            (door_name(database.name()), bounded(database.health()).await)
        }));
        let (databases, connect, master, registry) = tokio::join!(
            databases,
            bounded(services.spark.health()),
            bounded(services.jobs.master_health()),
            bounded(services.jobs.registry_health()),
        );
        let others = [
            ("spark_connect", connect),
            ("spark_master", master),
            ("job_registry", registry),
        ];
        let others = others.map(|(name, report)| (name.to_owned(), report));
        databases
            .into_iter()
            .chain(others)
            .filter_map(|(name, report)| Some((name, report?)))
            .collect()
    }
}

/// The name of a database among the services: `postgres`, or `postgres:<name>` for a further one.
fn door_name(database: &str) -> String {
    match database {
        PostgresConfig::FIRST => "postgres".to_owned(),
        further => format!("postgres:{further}"),
    }
}

/// The report of a look, or that it took too long; `None` where there is nothing to look at.
async fn bounded<H: Into<Option<Health>>>(look: impl Future<Output = H>) -> Option<ServiceReport> {
    let found = match tokio::time::timeout(DEADLINE, look).await {
        Ok(found) => found.into()?,
        Err(_) => Health::Down {
            reason: format!("no answer within {} s", DEADLINE.as_secs()),
        },
    };
    Some(match found {
        Health::Up { latency, detail } => ServiceReport {
            status: Status::Up,
            latency_ms: Some((latency.as_secs_f64() * 1e6).round() / 1e3),
            detail,
        },
        Health::Down { reason } => ServiceReport {
            status: Status::Down,
            latency_ms: None,
            detail: reason,
        },
    })
}

/// 200 as long as some tool can work, else 503. What is behind the server, and in which version, is
/// told to nobody whose `Host` or `Origin` is not allowed.
pub(super) async fn answer(
    State((door, allowed_names)): State<(Arc<HealthDoor>, AllowedNames)>,
    request: Request,
) -> Response {
    let names = allowed_names.check(request.uri(), request.headers()).await;
    let report = door.report().await;
    let status = match report.status {
        Status::Up | Status::Degraded => StatusCode::OK,
        Status::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    if names.is_ok() {
        (status, Json(report)).into_response()
    } else {
        (status, Json(json!({"status": report.status}))).into_response()
    }
}
