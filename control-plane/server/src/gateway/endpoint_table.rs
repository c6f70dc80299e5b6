//! The findings of probes about every server's endpoints, and what follows from them: which of them
//! get no requests, and which get fewer. Pure: the outcome of a probe and the time come in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway_document::{Balancing, EndpointHealth, GatewayDocument, Server, ServerName};
use time::OffsetDateTime;
use xds::{EndpointMark, EndpointMarks};

/// The failed probes in a row after which an endpoint is down. One may be a connection that the
/// server had closed already; with three, calls would fail for longer.
const DOWN_AFTER: u32 = 2;

/// The good probes in a row after which an endpoint that was down is up again: a server that starts
/// may answer once and then stop.
const UP_AFTER: u32 = 2;

/// The measurements after which the latency of an endpoint counts: the first ones hold the time
/// that connections take.
const COUNTS_AFTER: u32 = 4;

/// The latency below which endpoints are alike. On one network such differences are noise, and
/// moving requests for them would help nobody.
const ALIKE_BELOW: Duration = Duration::from_millis(5);

/// The share that a new measurement has in the latency: one in so many. A single slow answer moves
/// it by an eighth; a lasting change is followed within a minute of usual probes.
const DAMPING: u32 = 8;

const FULL_SHARE: u32 = EndpointMark::FULL_SHARE;

/// The findings of probes about every endpoint.
#[derive(Debug, Default)]
pub(super) struct EndpointTable(BTreeMap<ServerName, ServerEndpoints>);

/// The endpoints of one server.
#[derive(Debug, Default)]
struct ServerEndpoints {
    /// The findings about each endpoint, by its URL.
    probed: BTreeMap<String, ProbedEndpoint>,
    /// The URLs that may have requests, as far as the document is concerned.
    able: BTreeSet<String>,
    /// Whether the time that endpoints take decides about their shares.
    shares_by_latency: bool,
}

/// Whether an endpoint answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EndpointState {
    /// It has not been probed often enough.
    #[default]
    Unknown,
    /// It answered the last probes.
    Up,
    /// It did not answer the last probes.
    Down,
}

/// The findings of probes about one endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProbedEndpoint {
    /// Whether it answers its probes.
    pub state: EndpointState,
    /// Since when that is so.
    pub since: Option<OffsetDateTime>,
    /// How long it takes to answer, damped.
    pub latency: Option<Duration>,
    /// Why the last probe failed, if it did.
    pub reason: Option<String>,
    /// Whether it gets no requests because it is down. The last endpoints of a server that may have
    /// requests keep them all the same.
    pub is_out: bool,
    /// The eighths that it gets of the requests that its weight gives it.
    pub share: u32,
    /// The name by which its cluster knows it.
    host: String,
    failures: u32,
    successes: u32,
}

/// The consequences of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    /// The state that the endpoint has come to, if that is another one.
    pub(super) change: Option<EndpointState>,
    /// Whether Envoys are to treat endpoints otherwise from now on.
    pub(super) changes_marks: bool,
    /// Whether the next probe is to come soon, because this one raised a doubt.
    pub(super) is_doubtful: bool,
    /// Whether the last probe failed.
    pub(super) has_failed: bool,
}

impl EndpointTable {
    /// Brings the table to the servers of a document: forgets endpoints that are gone. Tells
    /// whether Envoys are to treat endpoints otherwise from now on.
    pub(super) fn follow(&mut self, document: &GatewayDocument) -> bool {
        let before = self.marks();
        self.0.retain(|name, _| document.servers.contains_key(name));
        for (name, server) in &document.servers {
            self.0.entry(name.clone()).or_default().follow(server);
        }
        self.marks() != before
    }

    /// Takes in the outcome of a probe: how long the answer took, or why there was none. Nothing of
    /// an endpoint that is gone.
    pub(super) fn note(
        &mut self,
        server: &ServerName,
        url: &str,
        outcome: Result<Duration, String>,
        now: OffsetDateTime,
    ) -> Option<Noted> {
        let endpoints = self.0.get_mut(server)?;
        let marks = |endpoints: &ServerEndpoints| -> Vec<(bool, u32)> {
            let all = endpoints.probed.values();
            all.map(|endpoint| (endpoint.is_out, endpoint.share))
                .collect()
        };
        let before = marks(endpoints);
        let endpoint = endpoints.probed.get_mut(url)?;
        let had = endpoint.state;
        endpoint.note(outcome, now);
        let (state, has_failed) = (endpoint.state, endpoint.failures > 0);
        let is_doubtful = match state {
            EndpointState::Up => has_failed,
            EndpointState::Down => endpoint.successes > 0,
            EndpointState::Unknown => true,
        };
        endpoints.settle_who_is_out();
        if endpoints.shares_by_latency {
            endpoints.adjust_share(url);
        }
        Some(Noted {
            change: (had != state).then_some(state),
            changes_marks: marks(endpoints) != before,
            is_doubtful,
            has_failed,
        })
    }

    /// The marks that Envoys are to be given of endpoints at the moment.
    pub(super) fn marks(&self) -> EndpointMarks {
        let mut marks = EndpointMarks::default();
        for (server, endpoints) in &self.0 {
            for endpoint in endpoints.probed.values() {
                if endpoint.is_out {
                    marks.set(server.as_str(), &endpoint.host, EndpointMark::Out);
                } else if endpoint.share != FULL_SHARE {
                    let mark = EndpointMark::Share(endpoint.share);
                    marks.set(server.as_str(), &endpoint.host, mark);
                }
            }
        }
        marks
    }

    /// The findings about one endpoint.
    pub(super) fn get(&self, server: &ServerName, url: &str) -> Option<&ProbedEndpoint> {
        self.0.get(server)?.probed.get(url)
    }

    /// Whether every endpoint has been looked at that others could stand in for.
    pub(super) fn is_known(&self) -> bool {
        let several = self.0.values().filter(|server| server.able.len() > 1);
        let mut all = several.flat_map(|server| server.probed.values());
        all.all(|endpoint| endpoint.state != EndpointState::Unknown)
    }

    /// Since when all endpoints of a server are down, and why, where they are.
    pub(super) fn all_down(&self, server: &ServerName) -> Option<(OffsetDateTime, String)> {
        let probed = &self.0.get(server)?.probed;
        if !probed
            .values()
            .all(|endpoint| endpoint.state == EndpointState::Down)
        {
            return None;
        }
        let last = probed.values().max_by_key(|endpoint| endpoint.since)?;
        let reason = last.reason.clone().unwrap_or_default();
        Some((last.since?, reason))
    }
}

impl ServerEndpoints {
    fn follow(&mut self, server: &Server) {
        let url = server.url.iter().map(|url| (url, EndpointHealth::Healthy));
        let several = server.endpoints.iter();
        let all: Vec<_> = url
            .chain(several.map(|endpoint| (&endpoint.place, endpoint.health)))
            .collect();
        self.probed
            .retain(|known, _| all.iter().any(|(url, _)| url.as_str() == known));
        for (url, _) in &all {
            self.probed
                .entry(url.as_str().to_owned())
                .or_insert_with(|| ProbedEndpoint {
                    host: url.authority().to_string(),
                    share: FULL_SHARE,
                    ..ProbedEndpoint::default()
                });
        }
        let able = all.iter().filter(|(_, health)| {
            matches!(health, EndpointHealth::Healthy | EndpointHealth::Degraded)
        });
        self.able = able.map(|(url, _)| url.as_str().to_owned()).collect();
        // Where a hash or chance alone decides, the operator wants nothing else to.
        self.shares_by_latency = server.upstream.balancing == Balancing::LeastRequest;
        if !self.shares_by_latency {
            for endpoint in self.probed.values_mut() {
                endpoint.share = FULL_SHARE;
            }
        }
        self.settle_who_is_out();
    }

    /// Takes out what is down, unless nothing would be left: then those stay that were well last.
    /// A fault between the control plane and the servers looks as if all of them were down, and
    /// Envoys may reach them.
    fn settle_who_is_out(&mut self) {
        let is_down = |url: &String| {
            let endpoint = self.probed.get(url);
            endpoint.is_some_and(|endpoint| endpoint.state == EndpointState::Down)
        };
        let down: BTreeSet<String> = self
            .able
            .iter()
            .filter(|url| is_down(url))
            .cloned()
            .collect();
        let out = if down.len() < self.able.len() {
            down
        } else {
            let were_out = self.probed.iter().filter(|(_, endpoint)| endpoint.is_out);
            let were_out: BTreeSet<String> = were_out.map(|(url, _)| url.clone()).collect();
            if self.able.is_subset(&were_out) {
                BTreeSet::new()
            } else {
                were_out
            }
        };
        for (url, endpoint) in &mut self.probed {
            endpoint.is_out = out.contains(url);
        }
    }

    /// Moves the share of an endpoint by one step, if it takes so much longer than the fastest, or
    /// no longer does. Between the two bounds of a step lies a third: a latency that swings around
    /// one of them moves nothing to and fro.
    fn adjust_share(&mut self, url: &str) {
        let measured = self.probed.values().filter_map(ProbedEndpoint::measured);
        let Some(best) = measured.min() else {
            return;
        };
        let Some(endpoint) = self.probed.get_mut(url) else {
            return;
        };
        let Some(own) = endpoint.measured() else {
            return;
        };
        let share = endpoint.share;
        let deserved = best.max(ALIKE_BELOW).as_secs_f64() / own.max(ALIKE_BELOW).as_secs_f64();
        let eighths = deserved * f64::from(FULL_SHARE);
        if share > 1 && eighths < f64::from(share) * 0.6 {
            endpoint.share = share / 2;
        } else if share < FULL_SHARE && eighths > f64::from(share * 2) * 0.8 {
            endpoint.share = share * 2;
        }
    }
}

impl ProbedEndpoint {
    fn note(&mut self, outcome: Result<Duration, String>, now: OffsetDateTime) {
        match outcome {
            Ok(latency) => {
                self.failures = 0;
                self.successes = self.successes.saturating_add(1);
                self.reason = None;
                self.latency = Some(match self.latency {
                    Some(known) if self.state != EndpointState::Down => {
                        (known * (DAMPING - 1) + latency) / DAMPING
                    }
                    _ => latency,
                });
                let is_enough = match self.state {
                    EndpointState::Down => self.successes >= UP_AFTER,
                    EndpointState::Unknown => true,
                    EndpointState::Up => false,
                };
                if is_enough {
                    self.become_state(EndpointState::Up, now);
                }
            }
            Err(reason) => {
                self.successes = 0;
                self.failures = self.failures.saturating_add(1);
                self.reason = Some(reason);
                if self.failures >= DOWN_AFTER && self.state != EndpointState::Down {
                    self.become_state(EndpointState::Down, now);
                }
            }
        }
    }

    fn become_state(&mut self, state: EndpointState, now: OffsetDateTime) {
        self.state = state;
        self.since = Some(now);
    }

    /// Its latency, once that counts.
    fn measured(&self) -> Option<Duration> {
        let counts = self.state == EndpointState::Up && self.successes >= COUNTS_AFTER;
        self.latency.filter(|_| counts)
    }
}

#[cfg(test)]
mod tests;
