//! One stream of reports: where the counters of its Envoy stood in the message before.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// How many counters of one Envoy are followed: those of 16,384 tools and reasons, which a filter
/// has at most, and of some thousand listeners and servers. A counter takes some thirty bytes; an
/// Envoy whose filter counted a hundred tools takes a few kilobytes.
const MOST_COUNTERS: usize = 20_000;

/// The counters of one stream, by a hash of their names.
#[derive(Debug)]
pub(crate) struct StreamCounters {
    last: HashMap<u64, u64>,
    hasher: RandomState,
    /// Whether no message has been read to its end.
    is_first: bool,
}

impl StreamCounters {
    pub(crate) fn new() -> Self {
        Self {
            last: HashMap::new(),
            hasher: RandomState::new(),
            is_first: true,
        }
    }

    /// By how much a counter has grown since the message before. In the first message nothing has:
    /// it says where the counters stand. One that appears later has begun since, and one that fell
    /// has begun anew.
    pub(crate) fn growth(&mut self, name: &str, value: u64) -> u64 {
        let key = self.hasher.hash_one(name);
        let is_full = self.last.len() >= MOST_COUNTERS;
        let before = match self.last.get_mut(&key) {
            Some(last) => std::mem::replace(last, value),
            None if is_full => return 0,
            None => {
                self.last.insert(key, value);
                if self.is_first { value } else { 0 }
            }
        };
        value.checked_sub(before).unwrap_or(value)
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
        assert_eq!(counters.growth("a", 100), 0);
        counters.end_of_message();
        assert_eq!(counters.growth("a", 103), 3);
        assert_eq!(counters.growth("a", 103), 0);
        assert_eq!(counters.growth("b", 4), 4);
        assert_eq!(counters.growth("a", 2), 2, "it began anew");
    }

    #[test]
    fn it_follows_a_bounded_number_of_counters() {
        let mut counters = StreamCounters::new();
        counters.end_of_message();
        let grown: u64 = (0..2 * MOST_COUNTERS)
            .map(|number| counters.growth(&number.to_string(), 1))
            .sum();
        assert_eq!(grown, MOST_COUNTERS as u64);
        assert_eq!(counters.last.len(), MOST_COUNTERS);
    }
}
