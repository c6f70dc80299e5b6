//! The mark that a request has its line in the audit log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells all who handle a request whether the audit log has a line of it. Clones are of the same
/// request.
#[derive(Debug, Clone, Default)]
pub struct AuditMark(Arc<AtomicBool>);

impl AuditMark {
    /// Remembers that the line has been written.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the line has been written.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
