//! The facts that a transport knows of a request beside its JSON.

use std::sync::Arc;

use rmcp::model::Extensions;

use super::{RawResult, WayBack};
use crate::call::{AuditMark, Claimant, CorrelationId, Deadline, Principal};

/// The facts that a transport knows of a request beside its JSON. The default is a request of a
/// transport that knows nothing.
#[derive(Debug, Clone, Default)]
pub struct Incoming {
    /// The id of the call; a new one is made where the transport has none.
    pub id: CorrelationId,
    /// The caller, as far as the transport can trust what it hears.
    pub principal: Principal,
    /// The caller on whose account places are taken.
    pub claimant: Claimant,
    /// Whether the audit log has a line of the request.
    pub audit: AuditMark,
    /// The session that the request belongs to. No other caller has requests in it.
    pub session: Option<String>,
    /// Until when the request must be answered.
    pub deadline: Option<Deadline>,
    /// Whether every answer travels as a server-sent event, or as a line.
    pub takes_short_answers: bool,
    /// The place for a result's bytes, where the transport puts them into the answer itself.
    pub raw_result: Option<Arc<RawResult>>,
    /// The way to the client once the request has been answered.
    pub way_back: WayBack,
}

/// Finds what the transport knows of a request among the request's extensions.
pub type FindIncoming = fn(&Extensions) -> Option<Incoming>;
