//! How an Envoy runs what it acknowledged: since when, how its last stream ended, and whether it is
//! on its way back.

use std::time::Instant;

use super::FirstRequest;
use crate::{Departure, Generation, Ran, StreamEnd, session::Process};

/// The knowledge of an Envoy beyond its streams: they end while it runs on, and it comes back while
/// it does not run yet.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The generation that it acknowledged in full last.
    generation: Option<Generation>,
    /// Since when its process has run that, on whatever streams, as far as this one has seen.
    since: Option<Instant>,
    /// Whether its process ran before it first came, and has acknowledged nothing else since.
    ran_before: bool,
    /// How its last stream ended, while none is open.
    departure: Option<Departure>,
    /// When it opened a stream first, or anew, until it acknowledges something in full.
    on_its_way_since: Option<Instant>,
}

impl Run {
    /// Takes in that it has acknowledged all of a generation.
    pub(super) fn acknowledge(&mut self, generation: &Generation, now: Instant) {
        let goes_on = self.since.is_some() && self.generation.as_ref() == Some(generation);
        if !goes_on {
            self.ran_before &= self.generation.is_none();
            self.since = Some(now);
            self.generation = Some(generation.clone());
        }
        self.on_its_way_since = None;
    }

    /// Takes in that its last stream has ended.
    pub(super) fn end(&mut self, by: StreamEnd, now: Instant) {
        let ran = self.generation.clone().zip(self.since);
        self.departure = Some(Departure {
            by,
            ran: ran.map(|(generation, since)| Ran {
                generation,
                lasted: now.saturating_duration_since(since),
                may_have_begun_earlier: self.ran_before,
            }),
        });
    }

    /// Takes in that it has opened a stream, whether the end of the one before was noticed or not.
    /// One that opens another before it acknowledges anything came back the first time.
    pub(super) fn come_back(&mut self, process: Process, first: FirstRequest, now: Instant) {
        let departure = self.departure.take();
        let has_left = departure.is_some_and(|departure| departure.by == StreamEnd::ByEnvoy);
        let is_first = self.generation.is_none() && self.on_its_way_since.is_none();
        self.ran_before |= is_first && first.reports_resources;
        // A stream that this process ended says nothing of the Envoy's.
        if process == Process::Fresh || (has_left && !first.reports_resources) {
            self.since = None;
            self.ran_before = false;
        }
        self.on_its_way_since.get_or_insert(now);
    }

    pub(super) fn departure(&self) -> Option<&Departure> {
        self.departure.as_ref()
    }

    /// When it came, if it has acknowledged nothing in full to this process, or came back, if it
    /// had acknowledged `desired` before it left and has not done so again.
    pub(super) fn on_its_way_since(&self, desired: Option<&Generation>) -> Option<Instant> {
        let is_new_or_had_it = self.generation.is_none() || self.generation.as_ref() == desired;
        self.on_its_way_since.filter(|_| is_new_or_had_it)
    }
}
