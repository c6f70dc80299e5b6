//! Whether a registered server answers: by the last attempt to list its tools, and by the probes of
//! its endpoints.

use std::collections::BTreeMap;

use gateway_document::ServerName;
use time::OffsetDateTime;

use super::Gateway;
use super::state::ListState;
#[cfg(doc)]
use super::state::State;

/// Whether a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// It was not asked yet.
    Unknown,
    /// It lists its tools, and an endpoint answers.
    Up {
        /// Since when it does.
        since: OffsetDateTime,
    },
    /// It does not list its tools, or none of its endpoints answers.
    Down {
        /// Since when it does not.
        since: OffsetDateTime,
        /// A sentence that says what happened, and what to do about it.
        reason: String,
    },
}

impl ServerState {
    /// The word for the state, as the API says it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up { .. } => "up",
            Self::Down { .. } => "down",
        }
    }
}

impl Gateway {
    /// Whether a server answers, by the last attempts to list servers ([`State::attempts`]).
    #[must_use]
    pub fn server_state(
        &self,
        attempts: &BTreeMap<ServerName, ListState>,
        name: &ServerName,
    ) -> ServerState {
        match attempts.get(name) {
            Some(ListState::Down { since, reason }) => ServerState::Down {
                since: *since,
                reason: reason.clone(),
            },
            attempt => match (self.endpoint_table().all_down(name), attempt) {
                (Some((since, reason)), _) => ServerState::Down { since, reason },
                (None, Some(ListState::Up { since })) => ServerState::Up { since: *since },
                (None, _) => ServerState::Unknown,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::header::HOST;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use crate::gateway::test_gateway::gateway;
    use crate::rest;

    #[test]
    fn it_holds_up_no_change_while_somebody_counts_the_servers() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let servers = "servers: {s: {url: 'http://127.0.0.1:8000/mcp'}}";
        let gateway = runtime.block_on(gateway(folder.path(), servers));
        let router = rest::router(Arc::clone(&gateway), rest::AllowedHosts::default());
        let latest = gateway.latest();
        let before = Arc::strong_count(&latest);
        // Whoever counts the servers waits here.
        let endpoints = gateway.endpoint_table();
        let request = Request::get("/metrics").header(HOST, "127.0.0.1");
        let request = request.body(Body::empty()).unwrap();
        let answer = runtime.spawn(TowerToHyperService::new(router).call(request));
        let begun = Instant::now();
        // It has copied what Envoys are to have, and what they have.
        while Arc::strong_count(&latest) < before + 2 {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "it copies nothing"
            );
            std::thread::yield_now();
        }
        drop(gateway.write());
        assert!(!answer.is_finished());
        drop(endpoints);
        let answer = runtime.block_on(answer).unwrap().unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }
}
