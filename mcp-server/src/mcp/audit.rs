//! The audit log: one line for each call that says who called what, and how it ended.
//!
//! It holds nothing that a caller wrote: no arguments, and no messages, which may quote them.

use std::time::{Duration, Instant};

use crate::call::Call;

/// The target of these lines, by which a log's filter knows them.
pub const TARGET: &str = "audit";

/// The line of a call, which is written however the call ends: a call that is dropped before
/// [`Line::end`] was given up.
pub(super) struct Line<'a> {
    call: &'a Call,
    name: &'a str,
    begun: Instant,
    has_ended: bool,
}

impl<'a> Line<'a> {
    /// The line of a call that begins now, of the tool, resource or prompt of this name.
    pub(super) fn begin(call: &'a Call, name: &'a str) -> Self {
        Self {
            call,
            name,
            begun: Instant::now(),
            has_ended: false,
        }
    }

    /// Writes how the call has ended: the code of its failure, or the bytes of its result.
    pub(super) fn end(mut self, took: Duration, ended: Result<usize, &str>) {
        self.has_ended = true;
        match ended {
            Ok(bytes) => self.write("ok", None, took, bytes),
            Err(code) => self.write("failed", Some(code), took, 0),
        }
    }

    fn write(&self, outcome: &str, code: Option<&str>, took: Duration, bytes: usize) {
        tracing::info!(
            target: TARGET,
            // The line says itself whose call it is.
            parent: None,
            call = self.name,
            call_id = self.call.request_id.0,
            who = self.call.principal.owner().unwrap_or("anonymous"),
            session = self.call.session.as_deref(),
            outcome,
            code,
            ms = took.as_secs_f64() * 1e3,
            bytes,
            "call"
        );
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.write("given_up", None, self.begun.elapsed(), 0);
        }
    }
}
