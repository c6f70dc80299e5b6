//! How many steps a computation took, for tests that bound its work without a clock.
//!
//! Code that looks at a caller's bytes says so by [`count`]. In a build without the feature
//! `counted`, which only tests ask for, that is nothing at all. With it, `taken_by` tells how
//! many steps a computation took, so that a test can say: each byte is looked at so many times,
//! however the bytes were cut.
//!
//! A benchmark is built with what the tests of its crate ask for, but optimised, and would measure
//! the counter, too: so nothing counts in a build without debug assertions. A test that asks how
//! many steps were taken does not compile there.

#[cfg(all(feature = "counted", debug_assertions))]
mod counted;

#[cfg(all(feature = "counted", debug_assertions))]
pub use counted::{paused_at, taken_by, taken_here};

/// Whether steps are counted in this build.
pub const IS_COUNTING: bool = cfg!(all(feature = "counted", debug_assertions));

/// Counts `steps`: bytes looked at, or values compared.
#[inline(always)]
pub fn count(steps: usize) {
    #[cfg(all(feature = "counted", debug_assertions))]
    counted::count(steps);
    #[cfg(not(all(feature = "counted", debug_assertions)))]
    let _ = steps;
}
