//! How many steps a computation took, for tests that bound its work without a clock.
//!
//! Code that looks at a caller's bytes says so by [`count`]. In a build without the feature
//! `counted`, which only tests ask for, that is nothing at all. With it, `taken_by` tells how
//! many steps a computation took, so that a test can say: each byte is looked at so many times,
//! however the bytes were cut.

#[cfg(feature = "counted")]
mod counted;

#[cfg(feature = "counted")]
pub use counted::{paused_at, taken_by, taken_here};

/// Counts `steps`: bytes looked at, or values compared.
#[inline(always)]
pub fn count(steps: usize) {
    #[cfg(feature = "counted")]
    counted::count(steps);
    #[cfg(not(feature = "counted"))]
    let _ = steps;
}
