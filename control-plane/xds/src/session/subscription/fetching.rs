//! Modules that Envoys fetch by themselves.
//!
//! An Envoy that does not have the code of a filter rejects the filter and fetches the code
//! meanwhile (`nack_on_code_cache_miss`); the filter that it has serves on. So such a rejection is
//! no answer: the filter is sent again, after pauses that grow, until it is acknowledged or has
//! been rejected too often. The bytes differ each time, because Envoy acknowledges those that it
//! has rejected without a look at them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Subscription;
use crate::Resource;
use crate::session::memory::Fetch;

/// A small module is there after one pause of this length.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The pauses double: seven add up to 2.5 s, in which a megabyte comes over a slow line and is
/// compiled, and which is less than the deadline for an answer.
const MOST_ATTEMPTS: u32 = 7;
/// The pauses after that, where the Envoy has no earlier version of the filter: it answers nobody
/// until it has one, and what kept it from the code may be over in a minute.
const LONG_PAUSE: Duration = Duration::from_secs(5);

impl Subscription {
    /// Whether a rejected filter is to be sent again, because its code may be there by then.
    pub(super) fn awaits_code(&mut self, resource: &Arc<Resource>, now: Instant) -> bool {
        if !resource.runs_fetched_code() || !self.is_last_sent(resource) {
            return false;
        }
        let fetch = self.fetches.entry(Arc::clone(resource.name()));
        let fetch = fetch.or_insert_with(|| Fetch {
            version: resource.version().clone(),
            attempts: 0,
            due: None,
        });
        if fetch.version != *resource.version() {
            fetch.version = resource.version().clone();
            fetch.attempts = 0;
        }
        let tracked = self.tracked.get(resource.name());
        let has_one = tracked.is_some_and(|tracked| tracked.acked.is_some());
        let pause = match fetch.attempts {
            few if few < MOST_ATTEMPTS => FIRST_PAUSE * 2_u32.pow(few),
            _ if has_one => return false,
            _ => LONG_PAUSE,
        };
        fetch.due = Some(now + pause);
        fetch.attempts = fetch.attempts.saturating_add(1);
        true
    }

    /// Forgets that the code of a filter was being fetched.
    pub(super) fn has_code(&mut self, name: &str) {
        self.fetches.remove(name);
    }

    /// Has the filters sent again whose pause is over.
    pub(super) fn ask_again(&mut self, now: Instant) {
        for (name, fetch) in &mut self.fetches {
            if fetch.due.take_if(|due| *due <= now).is_none() {
                continue;
            }
            let Some(tracked) = self.tracked.get_mut(name) else {
                continue;
            };
            if tracked.sent.as_ref() == Some(&fetch.version) {
                tracked.repeat();
                self.pending.insert(Arc::clone(name));
            }
        }
    }

    /// When the next filter is to be sent again.
    pub(in crate::session) fn next_fetch(&self) -> Option<Instant> {
        self.fetches.values().filter_map(|fetch| fetch.due).min()
    }

    /// The filter as it is sent again; as it is, where its code was never missing.
    pub(super) fn as_sent_again(&self, resource: Arc<Resource>) -> Arc<Resource> {
        match self.fetches.get(resource.name()) {
            Some(fetch) if fetch.version == *resource.version() => {
                let again = resource.fetched_again(fetch.attempts);
                again.map_or(resource, Arc::new)
            }
            _ => resource,
        }
    }
}
