//! The watch over a program that runs: whether it still does the work that it is there for.

use std::time::Duration;

use tokio::time::sleep;

use crate::Readiness;

/// So many checks fail in a row when a program no longer works. On a busy machine one or two fail
/// for a moment; each more is a pause in which a program that does nothing stands in the way.
const FAILURES: u32 = 3;

/// A check that a program passes while it works, and the pause between two of them.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) check: Readiness,
    pub(crate) pause: Duration,
}

impl Watch {
    /// Returns why the program no longer works. One that has not passed the check since its start
    /// is still coming up, or is watched at the wrong place: it is left alone.
    pub(crate) async fn until_broken(&self) -> String {
        let (mut has_worked, mut failures) = (false, 0);
        loop {
            match self.check.check().await {
                Ok(()) => (has_worked, failures) = (true, 0),
                Err(reason) if has_worked => {
                    failures += 1;
                    if failures == FAILURES {
                        return reason;
                    }
                }
                Err(_) => {}
            }
            sleep(self.pause).await;
        }
    }
}
