//! Tells the user how far things have come.

use std::time::Instant;

use crate::output;

/// Lines with the seconds since the beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepReport {
    began: Instant,
}

impl StepReport {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Tells of a step that is done.
    pub(crate) fn done(self, what: &str) {
        output::tell(format_args!("  {:5.1} s  {what}", self.seconds()));
    }

    pub(crate) fn seconds(self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}
