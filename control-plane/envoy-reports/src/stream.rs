//! One stream of reports: where the counters of its Envoy stood in the message before.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// How many counters of one Envoy are followed: those of 16,384 tools and reasons, which a filter
/// has at most, and of some thousand listeners and servers. A counter takes forty bytes at most; an
/// Envoy whose filter counted a hundred tools takes a few kilobytes.
const MOST_COUNTERS: usize = 20_000;
/// How many counters of a stream are in no budget, so that Envoys with some tens of tools are
/// counted whatever others report: with all streams that there may be, eighty megabytes.
const OWN_COUNTERS: usize = 256;
/// How many counters of all streams together there may be besides: three thousand Envoys with
/// hundreds each, or a hundred with as many as one may have. They take eighty megabytes.
const MOST_SHARED_COUNTERS: usize = 2 << 20;

/// The counters that streams may follow besides their own.
#[derive(Debug)]
pub(crate) struct SharedCounters {
    free: usize,
}

impl Default for SharedCounters {
    fn default() -> Self {
        Self {
            free: MOST_SHARED_COUNTERS,
        }
    }
}

/// The counters of one stream, by a hash of their names.
///
/// All that have the name of a statistic which is kept are followed, also where nobody watches it
/// yet: a tool that is published later is counted from where its counter stood.
#[derive(Debug)]
pub(crate) struct StreamCounters {
    last: HashMap<u64, u64>,
    hasher: RandomState,
    /// How many of them are shared ones.
    shared: usize,
    /// Whether a counter was left out, because there was no room for it.
    pub(crate) has_left_out: bool,
    /// Whether no message has been read to its end.
    is_first: bool,
}

impl StreamCounters {
    pub(crate) fn new() -> Self {
        Self {
            last: HashMap::new(),
            hasher: RandomState::new(),
            shared: 0,
            has_left_out: false,
            is_first: true,
        }
    }

    /// By how much a counter has grown since the message before. In the first message nothing has:
    /// it says where the counters stand. One that appears later has begun since, and one that fell
    /// has begun anew. One for which there is no room does not grow.
    pub(crate) fn growth(&mut self, name: &str, value: u64, shared: &mut SharedCounters) -> u64 {
        let key = self.hasher.hash_one(name);
        if let Some(last) = self.last.get_mut(&key) {
            let before = std::mem::replace(last, value);
            return value.checked_sub(before).unwrap_or(value);
        }
        if !self.has_room(shared) {
            self.has_left_out = true;
            return 0;
        }
        self.last.insert(key, value);
        if self.is_first { 0 } else { value }
    }

    /// Whether one more may be followed; a shared one is taken for it if need be.
    fn has_room(&mut self, shared: &mut SharedCounters) -> bool {
        if self.last.len() < OWN_COUNTERS {
            return true;
        }
        let has_room = self.last.len() < MOST_COUNTERS && shared.free > 0;
        if has_room {
            shared.free -= 1;
            self.shared += 1;
        }
        has_room
    }

    /// Follows none any longer, and gives back what is shared.
    pub(crate) fn end(&mut self, shared: &mut SharedCounters) {
        shared.free += std::mem::take(&mut self.shared);
        self.last = HashMap::new();
    }

    /// Whether the message that is being read is the first.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Takes note that a message has been read to its end.
    pub(crate) fn end_of_message(&mut self) {
        self.is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_where_the_first_message_stands() {
        let mut counters = StreamCounters::new();
        let shared = &mut SharedCounters::default();
        assert_eq!(counters.growth("a", 100, shared), 0);
        counters.end_of_message();
        assert_eq!(counters.growth("a", 103, shared), 3);
        assert_eq!(counters.growth("a", 103, shared), 0);
        assert_eq!(counters.growth("b", 4, shared), 4);
        assert_eq!(counters.growth("a", 2, shared), 2, "it began anew");
    }

    #[test]
    fn it_follows_a_bounded_number_of_counters() {
        let shared = &mut SharedCounters::default();
        let counters = followed(2 * MOST_COUNTERS, shared);
        assert_eq!(counters.last.len(), MOST_COUNTERS);
        assert!(counters.has_left_out);
        assert!(!followed(MOST_COUNTERS, shared).has_left_out);
    }

    #[test]
    fn it_follows_a_bounded_number_of_counters_of_all_streams_together() {
        let shared = &mut SharedCounters::default();
        let mut all: Vec<StreamCounters> = Vec::new();
        while shared.free > 0 {
            all.push(followed(MOST_COUNTERS, shared));
        }
        let followed_in_all: usize = all.iter().map(|counters| counters.last.len()).sum();
        assert_eq!(
            followed_in_all,
            MOST_SHARED_COUNTERS + all.len() * OWN_COUNTERS
        );
        // A newcomer has its own, and more when another has ended.
        let mut newcomer = followed(OWN_COUNTERS, shared);
        assert!(!newcomer.has_left_out);
        newcomer.end_of_message();
        assert_eq!(newcomer.growth("one more", 7, shared), 0);
        assert!(newcomer.has_left_out);
        all.remove(0).end(shared);
        assert_eq!(newcomer.growth("another", 7, shared), 7);
        all.push(newcomer);
        all.iter_mut().for_each(|counters| counters.end(shared));
        assert_eq!(shared.free, MOST_SHARED_COUNTERS);
    }

    /// The counters of a stream that has named so many.
    fn followed(most: usize, shared: &mut SharedCounters) -> StreamCounters {
        let mut counters = StreamCounters::new();
        for number in 0..most {
            counters.growth(&number.to_string(), 1, shared);
        }
        counters
    }
}
