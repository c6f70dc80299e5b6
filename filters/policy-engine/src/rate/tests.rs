//! Rates, through every change of the rate and of the clock.

use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_800_000_000 * SECOND;

/// How many of the calls at these times are let in.
fn admitted(rate: Rate, state: &mut BucketState, times: impl Iterator<Item = u64>) -> u64 {
    let mut count = 0;
    for now in times {
        match rate.admit(*state, UnixNanos(now)) {
            Admission::Admitted(time) => {
                *state = BucketState::Own(time);
                count += 1;
            }
            Admission::Refused { restated, .. } => {
                *state = restated.map_or(*state, BucketState::Own);
            }
        }
    }
    count
}

#[test]
fn it_admits_exactly_the_burst_at_once() {
    for (requests, window, burst) in [
        (2, 60_000, 2),
        (60, 60_000, 10),
        (7, 1000, 3),
        (1000, 1000, 1000),
        (1, 3_600_000, 5),
    ] {
        let rate = Rate::new(requests, window, burst).unwrap();
        let calls = std::iter::repeat_n(START, 5000);
        assert_eq!(admitted(rate, &mut BucketState::Fresh, calls), burst);
    }
}

#[test]
fn it_admits_exactly_the_burst_and_the_rate_within_a_window() {
    for (requests, window_ms, burst) in [
        (2, 60_000, 2),
        (60, 60_000, 10),
        (7, 1000, 3),
        (13, 1000, 13),
        (1000, 1000, 2),
    ] {
        let rate = Rate::new(requests, window_ms, burst).unwrap();
        let window = window_ms * 1_000_000;
        let step = window / 10_007;
        let calls = (0..=window / step)
            .map(|call| START + call * step)
            .chain([START + window]);
        assert_eq!(
            admitted(rate, &mut BucketState::Fresh, calls),
            burst + requests,
            "{requests} per {window_ms} ms, burst {burst}"
        );
    }
}

#[test]
fn it_says_when_to_try_again() {
    let rate = Rate::new(2, 60_000, 2).unwrap();
    let mut state = BucketState::Fresh;
    assert_eq!(admitted(rate, &mut state, [START, START].into_iter()), 2);
    let later = START + 4 * SECOND;
    assert_eq!(
        rate.admit(state, UnixNanos(later)),
        Admission::Refused {
            retry_after: Duration::from_secs(26),
            restated: None,
        }
    );
    assert!(matches!(
        rate.admit(state, UnixNanos(later + 26 * SECOND)),
        Admission::Admitted(_)
    ));
    assert!(matches!(
        rate.admit(state, UnixNanos(later + 26 * SECOND - 1)),
        Admission::Refused { .. }
    ));
}

/// A bucket of `old` that has just been emptied at `START`.
fn emptied(old: Rate) -> BucketState {
    let mut state = BucketState::Fresh;
    admitted(old, &mut state, std::iter::repeat_n(START, 5000));
    state
}

fn rate(requests: u64, window_ms: u64, burst: u64) -> Rate {
    Rate::new(requests, window_ms, burst).unwrap()
}

#[test]
fn it_lets_a_looser_rate_take_hold_at_once() {
    // Seen: one call a minute, raised to 1,000 a second, went on refusing for the old minute.
    let state = emptied(rate(1, 60_000, 1));
    let calls = |now| std::iter::repeat_n(now, 5000);
    let raised = rate(1000, 1000, 1000);
    assert_eq!(admitted(raised, &mut state.clone(), calls(START)), 999);
    let later = START + SECOND / 1000;
    assert_eq!(admitted(raised, &mut state.clone(), calls(later)), 999);
    // Nothing is owed but the one call: by the new rate it is back after a second.
    let mut state = state;
    let secondly = rate(1, 1000, 1);
    let now = START + 30 * SECOND;
    let Admission::Refused {
        retry_after,
        restated: Some(time),
    } = secondly.admit(state, UnixNanos(now))
    else {
        panic!("half a call is owed");
    };
    assert_eq!(retry_after, Duration::from_millis(500));
    state = BucketState::Own(time);
    let waited = now + SECOND / 2;
    assert_eq!(admitted(secondly, &mut state, calls(waited)), 1);
}

#[test]
fn it_lets_a_stricter_rate_take_hold_at_once() {
    let mut state = emptied(rate(1000, 1000, 1000));
    let slow = rate(2, 60_000, 2);
    let calls = |now| std::iter::repeat_n(now, 10);
    assert_eq!(admitted(slow, &mut state, calls(START)), 0);
    assert_eq!(
        admitted(slow, &mut state, calls(START + 30 * SECOND - 1)),
        0
    );
    assert_eq!(admitted(slow, &mut state, calls(START + 30 * SECOND)), 1);
}

#[test]
fn it_lets_a_lower_burst_take_hold_at_once() {
    let mut state = emptied(rate(60, 60_000, 60));
    let lower = rate(60, 60_000, 5);
    let calls = |now| std::iter::repeat_n(now, 100);
    assert_eq!(admitted(lower, &mut state, calls(START)), 0);
    assert_eq!(admitted(lower, &mut state, calls(START + 2 * SECOND)), 2);
    assert_eq!(admitted(lower, &mut state, calls(START + 60 * SECOND)), 5);
}

#[test]
fn it_forgives_a_clock_that_goes_back() {
    let hour = 3600 * SECOND;
    let mut state = emptied(rate(1, 1000, 1));
    let Admission::Refused {
        retry_after,
        restated: Some(time),
    } = rate(1, 1000, 1).admit(state, UnixNanos(START - hour))
    else {
        panic!("one call is owed");
    };
    assert_eq!(retry_after, Duration::from_secs(1));
    state = BucketState::Own(time);
    let calls = std::iter::repeat_n(START - hour + SECOND, 3);
    assert_eq!(admitted(rate(1, 1000, 1), &mut state, calls), 1);
}

#[test]
fn it_refuses_rates_that_mean_nothing() {
    assert!(Rate::new(0, 1000, 1).is_err());
    assert!(Rate::new(1, 0, 1).is_err());
    assert!(Rate::new(1, 1000, 0).is_err());
    assert!(Rate::new(u64::MAX, 1, 1).is_err());
    assert!(Rate::new(1, u64::MAX, 1).is_err());
    assert!(Rate::new(1, 1000, u64::MAX).is_err());
}

proptest! {
    #[test]
    fn it_never_admits_more_than_the_burst_and_the_rate(
        requests in 1u64..100, window_ms in 1u64..5000, burst in 1u64..50,
        gaps in proptest::collection::vec(0u64..50_000_000, 1..400),
    ) {
        let rate = Rate::new(requests, window_ms, burst).unwrap();
        let mut now = START;
        let times: Vec<u64> = gaps.iter().map(|gap| { now += gap; now }).collect();
        let elapsed = u128::from(now - START);
        let count = admitted(rate, &mut BucketState::Fresh, times.into_iter());
        let interval = u128::from(window_ms) * 1_000_000 / u128::from(requests);
        prop_assert!(u128::from(count) <= u128::from(burst) + elapsed / interval);
    }

    /// Rates change between calls, and the clock may go back: whatever happened before, a
    /// caller who waits as long as it was told is let in, and is told no longer than it takes
    /// one call to come back.
    #[test]
    fn it_tells_the_truth_about_retrying_through_every_change_of_the_rate(
        steps in proptest::collection::vec(
            (1u64..2000, 1u64..100_000, 1u64..50, -1_000_000_000i64..60_000_000_000, 0u32..60),
            1..12,
        ),
    ) {
        let mut now = START;
        let mut state = BucketState::Fresh;
        for (requests, window_ms, burst, gap, calls) in steps {
            let Ok(rate) = Rate::new(requests, window_ms, burst) else { continue };
            now = now.saturating_add_signed(gap);
            let times = std::iter::repeat_n(now, calls as usize);
            let passed = admitted(rate, &mut state, times);
            // A changed rate holds from its first call on.
            prop_assert!(passed <= burst, "{} of {}", passed, burst);
            match rate.admit(state, UnixNanos(now)) {
                Admission::Admitted(_) => {}
                Admission::Refused { retry_after, restated } => {
                    state = restated.map_or(state, BucketState::Own);
                    let wait = u64::try_from(retry_after.as_nanos()).unwrap();
                    prop_assert!(wait <= rate.interval, "{} {}", wait, rate.interval);
                    let early = rate.admit(state, UnixNanos(now + wait - 1));
                    prop_assert!(!matches!(early, Admission::Admitted(_)));
                    let then = rate.admit(state, UnixNanos(now + wait));
                    prop_assert!(matches!(then, Admission::Admitted(_)));
                }
            }
        }
    }

    /// After a change nobody waits longer, and nobody gets more, than the new rate says.
    #[test]
    fn it_admits_by_the_new_rate_alone_after_a_change(
        old in (1u64..2000, 1u64..100_000, 1u64..50),
        new in (1u64..2000, 1u64..100_000, 1u64..50),
        used in 0usize..60, pause in 0u64..60_000_000_000,
    ) {
        let rates = (Rate::new(old.0, old.1, old.2), Rate::new(new.0, new.1, new.2));
        let (Ok(old), Ok(new)) = rates else {
            return Ok(());
        };
        let mut state = BucketState::Fresh;
        admitted(old, &mut state, std::iter::repeat_n(START, used));
        let changed = START + pause;
        // One call per interval of the new rate, and a first one at once.
        let times = (0..100).map(|call| changed + call * new.interval);
        let passed = admitted(new, &mut state, times);
        prop_assert!(passed >= 99, "{passed}");
        let later = changed + 99 * new.interval;
        let at_once = admitted(new, &mut state, std::iter::repeat_n(later, 5000));
        prop_assert!(at_once <= new.tolerance / new.interval);
    }
}
