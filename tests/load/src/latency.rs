//! Percentiles of measured times.

use std::time::Duration;

/// The `percent`-th percentile by the nearest-rank method; zero of nothing. Sorts its input.
pub fn percentile(times: &mut [Duration], percent: f64) -> Duration {
    times.sort_unstable();
    let rank = (percent / 100.0 * times.len() as f64).ceil() as usize;
    times
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_nearest_rank() {
        let mut times: Vec<_> = (1..=200).rev().map(Duration::from_micros).collect();
        assert_eq!(percentile(&mut times, 50.0), Duration::from_micros(100));
        assert_eq!(percentile(&mut times, 99.0), Duration::from_micros(198));
        assert_eq!(percentile(&mut times, 100.0), Duration::from_micros(200));
        assert_eq!(percentile(&mut [], 50.0), Duration::ZERO);
    }
}
