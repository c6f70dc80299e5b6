//! How many steps a computation took, for tests that bound its work without a clock.
//!
//! Code that looks at a caller's bytes says so by [`count`]. In a build without the feature
//! `counted`, which only tests ask for, that is nothing at all. With it, `taken_by` tells how
//! many steps a computation took, so that a test can say: each byte is looked at so many times,
//! however the bytes were cut.

#[cfg(feature = "counted")]
thread_local! {
    static TAKEN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts `steps`: bytes looked at, or values compared.
#[inline(always)]
pub fn count(steps: usize) {
    #[cfg(feature = "counted")]
    TAKEN.with(|taken| taken.set(taken.get().saturating_add(steps as u64)));
    #[cfg(not(feature = "counted"))]
    let _ = steps;
}

/// Runs a computation, and tells how many steps it took on this thread.
#[cfg(feature = "counted")]
pub fn taken_by<T>(computation: impl FnOnce() -> T) -> (T, u64) {
    let before = TAKEN.with(std::cell::Cell::get);
    let result = computation();
    (result, TAKEN.with(std::cell::Cell::get) - before)
}

#[cfg(all(test, feature = "counted"))]
mod tests {
    use super::*;

    #[test]
    fn it_counts_the_steps_of_one_computation() {
        count(5);
        let (inner, outer) = taken_by(|| {
            count(2);
            taken_by(|| count(3)).1
        });
        assert_eq!((inner, outer), (3, 5));
    }
}
