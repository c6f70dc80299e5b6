//! The state of the gateway: what is in force, what is tried, and what is known of servers and
//! Envoys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use gateway_document::{GatewayDocument, ServerName};
use store::{Input, RevisionNumber};
use time::OffsetDateTime;
use xds::{Generation, ResourceType, Snapshot};

use super::acceptance::{Marks, Rejections};
use super::loosening::may_loosen;
use crate::envoy::ModuleFile;
use crate::generation::{Built, Lists};

/// Everything that the gateway knows.
#[derive(Debug)]
pub struct State {
    /// The newest revision that is stored. It is not the one in force where Envoys rejected it.
    pub head: RevisionNumber,
    /// The generation that the connected Envoys are meant to have.
    pub current: Arc<Built>,
    /// The generation that Envoys accepted last: newcomers get it, and a rejected one is taken back
    /// to it.
    pub accepted: Option<Arc<Built>>,
    /// Those accepted before it, the newest first.
    pub earlier: Vec<Arc<Built>>,
    /// Those that were handed out since and never accepted, as far as an Envoy may run one of them.
    pub unaccepted: Vec<Arc<Built>>,
    /// Whether an Envoy may run, since before this process started, a generation that was never
    /// accepted and refuses what `accepted` may allow. Such an Envoy may still be on its way back.
    pub may_run_stricter: bool,
    /// How far the judgement of `current` is.
    pub stage: Stage,
    /// When `current` was handed out.
    pub began: Instant,
    /// The accepted generation to go back to, while `current` is being judged.
    pub way_back: Option<WayBack>,
    /// Knowledge of Envoys beyond their answers to `current`.
    pub marks: Marks,
    /// The rejection of the last generation that was rejected, until a later change.
    pub rejection: Option<Rejection>,
    /// The inputs that the next generation must not be made from.
    pub withheld: BTreeSet<Input>,
    /// The lists of servers, of the document in force and of others.
    pub lists: Lists,
    /// The filter module that the next generation is made with.
    pub module: ModuleFile,
    /// How the last attempt to list each server of the document ended.
    pub attempts: BTreeMap<ServerName, ListState>,
}

impl State {
    /// Makes `good` the accepted generation again, where a later one turned out bad.
    pub(super) fn no_longer_accept(&mut self, good: &Arc<Built>) {
        let is_another = |accepted: &Arc<Built>| !Arc::ptr_eq(accepted, good);
        if self.accepted.as_ref().is_some_and(is_another) {
            self.accepted = Some(Arc::clone(good));
            self.earlier.retain(is_another);
        }
    }

    /// Forgets how servers answered that have moved, or that `document` no longer has.
    pub(super) fn forget_attempts(&mut self, document: &GatewayDocument, moved: &[ServerName]) {
        self.attempts
            .retain(|name, _| document.servers.contains_key(name) && !moved.contains(name));
    }
}

/// The accepted generation while another one is being judged.
#[derive(Debug, Clone)]
pub struct WayBack {
    /// Its snapshot, with today's endpoints.
    pub snapshot: Arc<Snapshot>,
    /// Whether it may allow what the one being judged refuses.
    pub may_allow_more: bool,
}

impl WayBack {
    /// The way back to `accepted` from `current`, and from the `unaccepted` ones before it.
    #[must_use]
    pub fn new(current: &Built, unaccepted: &[Arc<Built>], accepted: &Built) -> Self {
        let endpoints = current.snapshot.of_type(ResourceType::Endpoints);
        let accepted_endpoints = endpoints
            .filter(|resource| {
                accepted
                    .snapshot
                    .get(ResourceType::Endpoints, resource.name())
                    .is_some()
            })
            .cloned();
        Self {
            snapshot: Arc::new(accepted.snapshot.with_endpoints(accepted_endpoints)),
            may_allow_more: may_loosen(current, accepted)
                || unaccepted.iter().any(|built| may_loosen(built, accepted)),
        }
    }
}

/// How far the judgement of a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its Envoys are being heard.
    Open,
    /// It is the accepted one.
    Accepted,
    /// It was rejected, and there is nothing to go back to.
    Rejected,
    /// It was rejected, and Envoys that run it keep it: going back would allow more than it does,
    /// which only an operator may do.
    Kept,
}

/// How the last attempt to list a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListState {
    /// The server answered when it was asked last.
    Up {
        /// Time of that answer.
        at: OffsetDateTime,
    },
    /// The server did not answer when it was asked last.
    Down {
        /// Time since which it has not answered.
        since: OffsetDateTime,
        /// A sentence that says what happened, and what to do about it.
        reason: String,
    },
}

/// A generation that Envoys rejected, and how.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// The revision that it was made from.
    pub revision: RevisionNumber,
    /// The name of the generation that they were sent.
    pub generation: Generation,
    /// When they had answered.
    pub at: OffsetDateTime,
    /// The resources that each of them rejected.
    pub nodes: Rejections,
    /// Whether Envoys that run it keep it, until an operator decides.
    pub is_kept: bool,
    /// Whether it has been counted who was alone with it.
    pub is_counted: bool,
    /// The snapshot that they were sent, to recognise answers that come later.
    pub snapshot: Arc<Snapshot>,
}
