//! What the gateway knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_document::{GatewayDocument, ServerName};
use store::RevisionNumber;
use time::OffsetDateTime;
use xds::Generation;

use super::verdict::Rejections;

use crate::generation::{Built, Lists};

/// What the gateway knows.
#[derive(Debug)]
pub struct State {
    /// The newest revision that is stored. It is not the one in force where Envoys rejected it.
    pub head: RevisionNumber,
    /// What the Envoys are meant to have.
    pub current: Arc<Built>,
    /// What they all accepted last, and what they are taken back to.
    pub accepted: Option<Arc<Built>>,
    /// The rejection that took them back, until a later change.
    pub rejection: Option<Rejection>,
    /// What is known of servers' lists, of the document in force and others.
    pub lists: Lists,
    /// How the last attempt to list each server of the document ended.
    pub attempts: BTreeMap<ServerName, ListState>,
}

impl State {
    /// Forgets how servers answered that have moved, or that `document` no longer has.
    pub(super) fn forget_attempts(&mut self, document: &GatewayDocument, moved: &[ServerName]) {
        self.attempts
            .retain(|name, _| document.servers.contains_key(name) && !moved.contains(name));
    }
}

/// How the last attempt to list a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListState {
    /// It answered.
    Up {
        /// When.
        at: OffsetDateTime,
    },
    /// It did not.
    Down {
        /// Since when.
        since: OffsetDateTime,
        /// What happened, and what to do about it.
        reason: String,
    },
}

/// What Envoys rejected.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// The revision that it was made from.
    pub revision: RevisionNumber,
    /// What they were sent.
    pub generation: Generation,
    /// When they had answered.
    pub at: OffsetDateTime,
    /// What each of them rejected.
    pub nodes: Rejections,
}
