//! The audit log: one line for each call that says who called what, and how it ended.
//!
//! It holds nothing that a caller wrote: no arguments, and no messages, which may quote them.

use std::time::Duration;

use crate::call::Call;

/// The target of these lines, by which a log's filter knows them.
pub const TARGET: &str = "audit";

/// The end of a call.
pub(super) struct Ended<'a> {
    /// The tool, resource or prompt, by its name.
    pub(super) name: &'a str,
    /// The code of its failure.
    pub(super) code: Option<&'a str>,
    pub(super) took: Duration,
    /// The bytes of its result.
    pub(super) bytes: usize,
}

/// Writes the line of a call that has ended.
pub(super) fn write(call: &Call, ended: &Ended<'_>) {
    tracing::info!(
        target: TARGET,
        call = ended.name,
        call_id = call.request_id.0,
        who = call.principal.owner().unwrap_or("anonymous"),
        session = call.session.as_deref(),
        outcome = if ended.code.is_none() { "ok" } else { "failed" },
        code = ended.code,
        ms = ended.took.as_secs_f64() * 1e3,
        bytes = ended.bytes,
        "call"
    );
}
