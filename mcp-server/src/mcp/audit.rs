//! The audit log: one line for each call that says who called what, and how it ended.
//!
//! It holds nothing that a caller wrote: no arguments, and no messages, which may quote them. What
//! names nothing that this server has is logged under its method.

use std::time::{Duration, Instant};

use rmcp::model::ErrorData;

use super::Incoming;
use crate::call::{AuditMark, Call, CorrelationId, Principal};

/// The target of these lines, by which a log's filter knows them.
pub const TARGET: &str = "audit";

/// The sender of a request, as its line names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    id: &'a CorrelationId,
    principal: &'a Principal,
    session: Option<&'a str>,
    mark: &'a AuditMark,
}

impl<'a> From<&'a Call> for Sender<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            id: &call.request_id,
            principal: &call.principal,
            session: call.session.as_deref(),
            mark: &call.audit,
        }
    }
}

impl<'a> From<&'a Incoming> for Sender<'a> {
    fn from(incoming: &'a Incoming) -> Self {
        Self {
            id: &incoming.id,
            principal: &incoming.principal,
            session: incoming.session.as_deref(),
            mark: &incoming.audit,
        }
    }
}

/// The ways in which a call ends.
#[derive(Debug, Clone, Copy)]
enum Outcome<'a> {
    /// It has a result of so many bytes.
    Ok(usize),
    /// It has run and failed, with this code.
    Failed(&'a str),
    /// It names something that this server does not have, or not for this caller.
    Unknown(&'a str),
    /// It was not run.
    Refused(&'a str),
    /// Nobody waited for its end.
    GivenUp,
}

impl Outcome<'_> {
    fn word(self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
            Self::Refused(_) => "refused",
            Self::GivenUp => "given_up",
        }
    }
}

/// The line of a call, which is written however the call ends: a call that is dropped before its
/// line has ended was given up.
pub(super) struct Line<'a> {
    sender: Sender<'a>,
    name: &'a str,
    begun: Instant,
    has_ended: bool,
}

impl<'a> Line<'a> {
    /// The line of a call that begins now, of the tool, resource, prompt or method of this name.
    pub(super) fn begin(sender: impl Into<Sender<'a>>, name: &'a str) -> Self {
        Self {
            sender: sender.into(),
            name,
            begun: Instant::now(),
            has_ended: false,
        }
    }

    /// Writes how the call has ended: the code of its failure, or the bytes of its result.
    pub(super) fn end(mut self, took: Duration, ended: Result<usize, &str>) {
        self.has_ended = true;
        self.write(took, ended.map_or_else(Outcome::Failed, Outcome::Ok));
    }

    /// Writes how a request has ended whose method is all that is called.
    ///
    /// # Errors
    /// The error that the client is sent.
    pub(super) fn end_request<T>(mut self, ended: Result<T, NoResult>) -> Result<T, ErrorData> {
        match ended {
            Err(error) => Err(self.end_without_result(error)),
            Ok(result) => {
                self.has_ended = true;
                self.write(self.begun.elapsed(), Outcome::Ok(0));
                Ok(result)
            }
        }
    }

    fn end_without_result(mut self, ended: NoResult) -> ErrorData {
        self.has_ended = true;
        let took = self.begun.elapsed();
        match ended {
            NoResult::Logged(error) => error,
            NoResult::Unknown(error) => {
                self.write(took, Outcome::Unknown(&error.code.0.to_string()));
                error
            }
            NoResult::Refused(error) => {
                self.write(took, Outcome::Refused(&error.code.0.to_string()));
                error
            }
            NoResult::Failed(error) => {
                self.write(took, Outcome::Failed(&error.code.0.to_string()));
                error
            }
        }
    }

    fn write(&self, took: Duration, outcome: Outcome<'_>) {
        let mark = self.sender.mark;
        mark.set();
        // However it ends now, its client has heard of this end alone.
        let cut_off_with = mark.cut_off_with().map(|code| code.to_string());
        let outcome = cut_off_with.as_deref().map_or(outcome, Outcome::Failed);
        let (code, bytes) = match outcome {
            Outcome::Ok(bytes) => (None, bytes),
            Outcome::GivenUp => (None, 0),
            Outcome::Failed(code) | Outcome::Unknown(code) | Outcome::Refused(code) => {
                (Some(code), 0)
            }
        };
        tracing::info!(
            target: TARGET,
            // The line says itself whose call it is.
            parent: None,
            call = self.name,
            call_id = self.sender.id.0,
            who = self.sender.principal.owner().unwrap_or("anonymous"),
            session = self.sender.session,
            outcome = outcome.word(),
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
            self.write(self.begun.elapsed(), Outcome::GivenUp);
        }
    }
}

/// The ways in which a request ends that became no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// It names something that this server does not have, or not for this caller.
    Unknown,
    /// It is one that this server does not take, or for which it has no place.
    Refused,
    /// This server has failed.
    Failed,
}

/// Writes the line of a request that is answered with an error of this code, unless it has one: of
/// errors that are made before a request is looked at, or after it, nobody else knows.
///
/// `method` is one of this server's names ([`super::name_of_method`]).
pub fn write_if_missing(
    incoming: &Incoming,
    method: &'static str,
    took: Duration,
    (how, code): (TurnedAway, i64),
) {
    if incoming.audit.is_set() {
        return;
    }
    let mut line = Line::begin(incoming, method);
    line.has_ended = true;
    let code = &*code.to_string();
    line.write(
        took,
        match how {
            TurnedAway::Unknown => Outcome::Unknown(code),
            TurnedAway::Refused => Outcome::Refused(code),
            TurnedAway::Failed => Outcome::Failed(code),
        },
    );
}

/// An error of JSON-RPC in the place of a result. It goes to the client once the audit log has a
/// line of it.
#[derive(Debug)]
pub(super) enum NoResult {
    /// The request names something that this server does not have, or not for this caller.
    Unknown(ErrorData),
    /// The request is one that this server does not take.
    Refused(ErrorData),
    /// This server has failed before it could do what was asked.
    Failed(ErrorData),
    /// The call has run, and has its line.
    Logged(ErrorData),
}

impl From<ErrorData> for NoResult {
    fn from(error: ErrorData) -> Self {
        Self::Refused(error)
    }
}

impl NoResult {
    /// Writes the line of a request that became no call, under its method's name: it names nothing
    /// that may stand in the log. A call that has run has its line already.
    pub(super) fn logged<'a>(self, sender: impl Into<Sender<'a>>, method: &'a str) -> ErrorData {
        Line::begin(sender, method).end_without_result(self)
    }
}
