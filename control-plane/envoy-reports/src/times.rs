//! The times of a server's answers in the last minute.

use crate::minute::{SLOTS, Slot};

/// The times within which servers answered, in milliseconds; each between two bounds of Envoy's
/// histograms, where in between is a guess.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResponseTimes {
    /// Half of the answers took no longer.
    pub p50_ms: f64,
    /// Nine of ten answers took no longer.
    pub p90_ms: f64,
    /// 99 of a hundred answers took no longer.
    pub p99_ms: f64,
}

/// A distribution of the last minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distribution {
    bounds: Vec<f64>,
    /// For each part of the minute, the newest first: how many values were between a bound and the
    /// one before.
    slots: [Vec<u64>; SLOTS],
    newest: Slot,
}

impl Distribution {
    /// Takes in values, as how many were at or below each bound. Where an Envoy has other bounds
    /// than the one before, its own hold from then on.
    pub(crate) fn add(&mut self, values: &[(f64, u64)], now: Slot) {
        self.move_on(now);
        if !self
            .bounds
            .iter()
            .copied()
            .eq(values.iter().map(|(bound, _)| *bound))
        {
            self.bounds = values.iter().map(|(bound, _)| *bound).collect();
            self.slots = <[Vec<u64>; SLOTS]>::default();
        }
        let slot = &mut self.slots[0];
        slot.resize(values.len(), 0);
        let mut below = 0;
        for (sum, (_, count)) in slot.iter_mut().zip(values) {
            *sum = sum.saturating_add(count.saturating_sub(below));
            below = *count;
        }
    }

    /// The times of the last minute; nothing where there were none.
    pub(crate) fn times(&self, now: Slot) -> Option<ResponseTimes> {
        let mut moved = self.clone();
        moved.move_on(now);
        let mut counts = vec![0_u64; moved.bounds.len()];
        for slot in &moved.slots {
            for (sum, count) in counts.iter_mut().zip(slot) {
                *sum = sum.saturating_add(*count);
            }
        }
        let all: u64 = counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count));
        if all == 0 {
            return None;
        }
        let quantile = |share: f64| quantile(&moved.bounds, &counts, share * as_float(all));
        Some(ResponseTimes {
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
        })
    }

    fn move_on(&mut self, now: Slot) {
        let by = now.after(self.newest).min(SLOTS);
        self.slots.rotate_right(by % SLOTS);
        for slot in &mut self.slots[..by] {
            slot.clear();
        }
        self.newest = self.newest.max(now);
    }
}

/// The value that `rank` of the values are at or below, evenly spread between two bounds.
fn quantile(bounds: &[f64], counts: &[u64], rank: f64) -> f64 {
    let mut below = 0.0;
    let mut lower = 0.0;
    for (bound, count) in bounds.iter().zip(counts) {
        let within = as_float(*count);
        if within > 0.0 && below + within >= rank {
            return lower + (bound - lower) * ((rank - below) / within);
        }
        below += within;
        lower = *bound;
    }
    lower
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_tells_within_what_time_answers_came_in_the_last_minute() {
        let at = |seconds| Slot::at(Duration::from_secs(seconds));
        let mut times = Distribution::default();
        assert_eq!(times.times(at(0)), None);
        times.add(&[(1.0, 0), (2.0, 50), (10.0, 100)], at(0));
        let told = times.times(at(0)).unwrap();
        assert_eq!((told.p50_ms, told.p90_ms), (2.0, 8.4));
        assert!((told.p99_ms - 9.84).abs() < 1e-9);
        // Of another Envoy, in the same parts.
        times.add(&[(1.0, 300), (2.0, 300), (10.0, 300)], at(30));
        assert!(times.times(at(30)).unwrap().p50_ms < 1.0);
        assert_eq!(times.times(at(65)).unwrap().p99_ms, 0.99);
        assert_eq!(times.times(at(90)), None);
        // Other bounds.
        times.add(&[(5.0, 1)], at(90));
        assert_eq!(times.times(at(90)).unwrap().p50_ms, 2.5);
    }
}
