//! The mark that a request has its line in the audit log, and of the error that cut it off.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Tells all who handle a request whether the audit log has a line of it, and whether its client
/// was sent an error before it had ended. Clones are of the same request.
#[derive(Debug, Clone, Default)]
pub struct AuditMark(Arc<Marks>);

#[derive(Debug, Default)]
struct Marks {
    has_line: AtomicBool,
    cut_off_with: OnceLock<i64>,
}

impl AuditMark {
    /// Remembers that the line has been written.
    pub fn set(&self) {
        self.0.has_line.store(true, Ordering::Release);
    }

    /// Whether the line has been written.
    pub fn is_set(&self) -> bool {
        self.0.has_line.load(Ordering::Acquire)
    }

    /// Remembers that the client is sent an error of this code while the request still runs, whose
    /// line says so when it comes.
    pub fn cut_off(&self, code: i64) {
        let _ = self.0.cut_off_with.set(code);
    }

    /// The code of the error that the client was sent while the request still ran.
    pub fn cut_off_with(&self) -> Option<i64> {
        self.0.cut_off_with.get().copied()
    }
}
