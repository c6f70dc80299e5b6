//! The numbers of each Envoy.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::counts::TrafficCounts;

/// How many Envoys are known. Each takes a kilobyte; past it, the one that has been gone for the
/// longest time is forgotten.
const MOST_ENVOYS: usize = 16_384;
/// How many streams may be open under one name: an Envoy has one, and two for moments.
const MOST_STREAMS: usize = 8;
/// How often a mark is set from which the latest counts are measured, and how many marks are kept:
/// together five minutes, long enough for a rate of an Envoy with few calls, and short enough to
/// say what is usual now.
const BETWEEN_MARKS: Duration = Duration::from_secs(30);
const MARKS: usize = 10;

/// The numbers of one Envoy, since this process first heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvoyNumbers {
    /// When it reported last.
    pub heard_at: Instant,
    /// How many messages it has sent in which something was counted: the first of a stream says
    /// where its counters stand.
    pub reports: u64,
    /// The numbers of things that it has counted.
    pub counts: TrafficCounts,
    /// The numbers of the last five minutes, or since it was heard of first.
    pub lately: TrafficCounts,
    /// The number of the configuration in force at each listener, by the listener's label.
    pub configurations: BTreeMap<String, u64>,
}

/// An Envoy as the table has it.
#[derive(Debug)]
pub(crate) struct Envoy {
    pub(crate) heard_at: Instant,
    pub(crate) reports: u64,
    pub(crate) counts: TrafficCounts,
    pub(crate) configurations: BTreeMap<String, u64>,
    streams: usize,
    /// Earlier counts, the oldest first.
    marks: VecDeque<(Instant, TrafficCounts)>,
}

/// Every Envoy that reports, by its `node.id`.
#[derive(Debug, Default)]
pub(crate) struct Envoys(BTreeMap<String, Envoy>);

/// More streams are open than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyStreams;

impl Envoy {
    fn new(now: Instant) -> Self {
        Self {
            heard_at: now,
            reports: 0,
            counts: TrafficCounts::default(),
            configurations: BTreeMap::new(),
            streams: 0,
            marks: [(now, TrafficCounts::default())].into(),
        }
    }

    /// Takes note of a message.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        let is_due = self
            .marks
            .back()
            .is_none_or(|(at, _)| now.duration_since(*at) >= BETWEEN_MARKS);
        if is_due {
            if self.marks.len() == MARKS {
                self.marks.pop_front();
            }
            self.marks.push_back((now, self.counts));
        }
    }

    fn numbers(&self) -> EnvoyNumbers {
        let first = self.marks.front().map(|(_, counts)| *counts);
        EnvoyNumbers {
            heard_at: self.heard_at,
            reports: self.reports,
            counts: self.counts,
            lately: self.counts.since(&first.unwrap_or_default()),
            configurations: self.configurations.clone(),
        }
    }
}

impl Envoys {
    /// Takes in a new stream of the Envoy of that name.
    pub(crate) fn connect(&mut self, id: &str, now: Instant) -> Result<(), TooManyStreams> {
        if !self.0.contains_key(id) && self.0.len() >= MOST_ENVOYS {
            let gone = self.0.iter().filter(|(_, envoy)| envoy.streams == 0);
            let oldest = gone.min_by_key(|(_, envoy)| envoy.heard_at);
            let oldest = oldest.map(|(id, _)| id.clone()).ok_or(TooManyStreams)?;
            self.0.remove(&oldest);
        }
        let envoy = self
            .0
            .entry(id.to_owned())
            .or_insert_with(|| Envoy::new(now));
        if envoy.streams >= MOST_STREAMS {
            return Err(TooManyStreams);
        }
        envoy.streams += 1;
        Ok(())
    }

    /// Takes note of the end of a stream.
    pub(crate) fn disconnect(&mut self, id: &str) {
        if let Some(envoy) = self.0.get_mut(id) {
            envoy.streams = envoy.streams.saturating_sub(1);
        }
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Envoy> {
        self.0.get_mut(id)
    }

    pub(crate) fn numbers(&self, id: &str) -> Option<EnvoyNumbers> {
        self.0.get(id).map(Envoy::numbers)
    }

    /// How many Envoys report at present.
    pub(crate) fn reporting(&self) -> usize {
        self.0.values().filter(|envoy| envoy.streams > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_a_bounded_number_of_envoys_and_forgets_those_that_are_gone_first() {
        let mut envoys = Envoys::default();
        let begin = Instant::now();
        for number in 0..MOST_ENVOYS {
            let at = begin + Duration::from_secs(number as u64);
            envoys.connect(&number.to_string(), at).unwrap();
        }
        assert_eq!(envoys.connect("one more", begin), Err(TooManyStreams));
        envoys.disconnect("7");
        envoys.disconnect("5");
        envoys.connect("one more", begin).unwrap();
        assert!(envoys.numbers("5").is_none() && envoys.numbers("7").is_some());
        assert_eq!(envoys.reporting(), MOST_ENVOYS - 1);
        for _ in 1..MOST_STREAMS {
            envoys.connect("9", begin).unwrap();
        }
        assert_eq!(envoys.connect("9", begin), Err(TooManyStreams));
    }

    #[test]
    fn it_measures_the_last_five_minutes_from_marks() {
        let begin = Instant::now();
        let mut envoy = Envoy::new(begin);
        for seconds in (5..=1200).step_by(5) {
            envoy.counts.requests += 1;
            envoy.heard(begin + Duration::from_secs(seconds));
        }
        let numbers = envoy.numbers();
        assert_eq!(numbers.counts.requests, 240);
        assert!((54..=60).contains(&numbers.lately.requests), "{numbers:?}");
        assert_eq!(envoy.marks.len(), MARKS);
    }
}
