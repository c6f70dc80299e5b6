//! Keeps probing every endpoint of the document's servers, and tells Envoys at once which of them
//! get no requests.
//!
//! Each endpoint is probed by a task of its own, so a silent one delays nobody's next question.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_document::{EndpointUrl, GatewayDocument, Server, ServerName};
use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::Gateway;
use super::endpoint_table::{EndpointState, EndpointTable, Noted, ProbedEndpoint};
use super::watcher::Watching;
use crate::catalogue::{has_endpoint, with_causes};

/// The probes under way at once of endpoints that answered last: each takes milliseconds, so these
/// are thousands in a second.
const MOST_AT_ONCE: usize = 64;

/// The probes under way at once of endpoints that failed last. They have places of their own: were
/// there hundreds of silent ones, those that are well would have to wait for them otherwise.
const MOST_UNWELL_AT_ONCE: usize = 16;

/// How long Envoys wait for the first look at endpoints: one that is silent is found down within
/// two probes.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// How often endpoints are probed.
#[derive(Debug, Clone, Copy)]
pub struct ProbeSchedule {
    /// The time between two probes of an endpoint.
    pub between: Duration,
    /// The time before the next probe where the last one raised a doubt.
    pub in_doubt: Duration,
}

/// The places for probes under way.
struct Places {
    well: Semaphore,
    unwell: Semaphore,
}

/// Probes every endpoint of the document in force, each in its own time. Never returns.
pub async fn watch_endpoints(gateway: Arc<Gateway>, schedule: ProbeSchedule) {
    let places = Arc::new(Places {
        well: Semaphore::new(MOST_AT_ONCE),
        unwell: Semaphore::new(MOST_UNWELL_AT_ONCE),
    });
    let mut documents = gateway.documents();
    let mut watched: BTreeMap<(ServerName, String), Watching> = BTreeMap::new();
    loop {
        let document = Arc::clone(&documents.borrow_and_update());
        gateway.follow_endpoints(&document);
        watched.retain(|(name, url), _| {
            let server = document.servers.get(name);
            server.is_some_and(|server| has_endpoint(server, url))
        });
        for (name, server) in &document.servers {
            for endpoint in server.all_endpoints() {
                let key = (name.clone(), endpoint.as_str().to_owned());
                watched.entry(key).or_insert_with(|| {
                    let probed = Probed {
                        gateway: Arc::clone(&gateway),
                        server: name.clone(),
                        endpoint: endpoint.clone(),
                    };
                    Watching(tokio::spawn(probed.watch(Arc::clone(&places), schedule)))
                });
            }
        }
        if documents.changed().await.is_err() {
            return;
        }
    }
}

/// Waits until it is known which endpoints are down, for a while: an Envoy that comes back to a
/// control plane that has just begun to lead would be given those again that are dead.
pub async fn first_look(gateway: &Gateway) {
    let mut written = gateway.written.subscribe();
    let known = async {
        while !gateway.endpoint_table().is_known() {
            if written.changed().await.is_err() {
                return;
            }
        }
    };
    // What is silent for longer is found out while Envoys are served.
    let _ = tokio::time::timeout(FIRST_LOOK, known).await;
}

/// An endpoint that is probed.
struct Probed {
    gateway: Arc<Gateway>,
    server: ServerName,
    endpoint: EndpointUrl,
}

impl Probed {
    /// Asks for a sign of life, as Envoy would ask: with the same credential and the same trust.
    async fn probe(&self) -> Result<Duration, String> {
        let document = Arc::clone(&self.gateway.latest().document);
        let Some(server) = document.servers.get(&self.server) else {
            return Err("it is in the document no longer".to_owned());
        };
        let client = self.gateway.client_towards(server).await;
        let client = client.map_err(|error| with_causes(&error))?;
        client.probe(&self.endpoint).await
    }

    async fn watch(self, places: Arc<Places>, schedule: ProbeSchedule) {
        // A fleet of servers that is registered at once is not asked at once.
        tokio::time::sleep(spread(schedule.in_doubt)).await;
        let mut has_failed = false;
        loop {
            let places = if has_failed {
                &places.unwell
            } else {
                &places.well
            };
            let outcome = {
                // Never closed.
                let _place = places.acquire().await;
                self.probe().await
            };
            let noted = self
                .gateway
                .note_probe(&self.server, &self.endpoint, outcome);
            has_failed = noted.as_ref().is_some_and(|noted| noted.has_failed);
            let wait = match noted {
                Some(noted) if noted.is_doubtful => schedule.in_doubt,
                _ => schedule.between,
            };
            tokio::time::sleep(spread(wait)).await;
        }
    }
}

impl Gateway {
    /// The findings of probes about one endpoint of a server.
    #[must_use]
    pub fn probed(&self, server: &ServerName, url: &str) -> Option<ProbedEndpoint> {
        self.endpoint_table().get(server, url).cloned()
    }

    pub(super) fn endpoint_table(&self) -> MutexGuard<'_, EndpointTable> {
        self.endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The server with those endpoints first that are not known to be down.
    pub(super) fn with_well_endpoints_first(&self, name: &ServerName, server: &Server) -> Server {
        let table = self.endpoint_table();
        let mut server = server.clone();
        server.endpoints.sort_by_key(|endpoint| {
            let known = table.get(name, endpoint.place.as_str());
            known.is_some_and(|known| known.state == EndpointState::Down)
        });
        server
    }

    fn follow_endpoints(&self, document: &GatewayDocument) {
        let mut table = self.endpoint_table();
        if table.follow(document) {
            // With the table in hand, so that what is told last is what is known last.
            self.publisher.mark_endpoints(table.marks());
        }
    }

    /// Takes in the outcome of a probe, and tells whoever is to know.
    fn note_probe(
        &self,
        server: &ServerName,
        endpoint: &EndpointUrl,
        outcome: Result<Duration, String>,
    ) -> Option<Noted> {
        let reason = outcome.as_ref().err().cloned();
        let now = OffsetDateTime::now_utc();
        let noted = {
            let mut table = self.endpoint_table();
            let noted = table.note(server, endpoint.as_str(), outcome, now)?;
            if noted.changes_marks {
                self.publisher.mark_endpoints(table.marks());
            }
            noted
        };
        if let Some(state) = noted.change {
            let state = match state {
                EndpointState::Down => "down",
                EndpointState::Up | EndpointState::Unknown => "up",
            };
            match &reason {
                Some(reason) => {
                    tracing::warn!(%server, %endpoint, reason, "the endpoint is down");
                }
                None => tracing::info!(%server, %endpoint, "the endpoint is up"),
            }
            let data = json!({"server": server.as_str(), "endpoint": endpoint.as_str(),
                "state": state, "reason": reason});
            self.events.publish("endpoint", data);
            // Whoever looks at the servers' states looks again.
            self.written.send_modify(|count| *count += 1);
        }
        Some(noted)
    }
}

/// A time around this one: from three quarters of it to five, by chance, so that what began
/// together does not go on together.
fn spread(time: Duration) -> Duration {
    // The standard library seeds each hasher by chance; nothing here has to be hard to guess.
    let drawn = RandomState::new().hash_one(()) % 1_000;
    time * (750 + u32::try_from(drawn / 2).unwrap_or_default()) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_spreads_a_time_by_a_quarter_of_it_either_way() {
        let time = Duration::from_secs(4);
        for _ in 0..1000 {
            let spread = spread(time);
            assert!((Duration::from_secs(3)..=Duration::from_secs(5)).contains(&spread));
        }
    }
}
