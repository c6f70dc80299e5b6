//! The state of the gateway: what is desired, what is tried, what was accepted, and what is known
//! of servers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use gateway_document::{GatewayDocument, ServerName};
use store::{Input, RevisionNumber};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use xds::{Generation, NodeId, Snapshot};

use super::acceptance::{Outcome, Rejections};
use super::desired::Desired;
use super::report::{WaitingWrite, WriteReport};
use super::rollouts::{Rollouts, SteerRequest};
use crate::generation::Built;

/// Everything that the gateway knows and shows.
#[derive(Debug)]
pub struct State {
    /// The state that changes and lists replace; `current` follows when the actor takes it.
    pub desired: Desired,
    /// The generation that the connected Envoys are meant to have.
    pub current: Arc<Built>,
    /// The generation that Envoys accepted last: newcomers get it, and a rejected one is taken back
    /// to it.
    pub accepted: Option<Arc<Built>>,
    /// The generations that were accepted before the accepted one, the newest first: where that
    /// turns out bad, Envoys go back to the first of them.
    pub earlier: Vec<Arc<Built>>,
    /// How far the judgement of `current` is.
    pub stage: Stage,
    /// The rejection of the last generation that was rejected, until a later change.
    pub rejection: Option<Rejection>,
    /// The inputs that the next generation must not be made from.
    pub withheld: BTreeSet<Input>,
    /// How the last attempt to list each server of the document ended.
    pub attempts: Arc<BTreeMap<ServerName, ListState>>,
    /// The rollouts: the one that goes on, and the last that ended.
    pub rollouts: Rollouts,
    /// The wishes of operators about the rollout in hand, until the actor does it.
    pub(super) steering: Vec<SteerRequest>,
    waiting: Vec<WaitingWrite>,
    /// The newest revision whose judgement was told.
    answered: RevisionNumber,
}

impl State {
    /// The state of a gateway that has just been started.
    pub(super) fn new(
        desired: Desired,
        current: Arc<Built>,
        accepted: Option<Arc<Built>>,
        earlier: Vec<Arc<Built>>,
        stage: Stage,
        withheld: BTreeSet<Input>,
        rollouts: Rollouts,
    ) -> Self {
        Self {
            current,
            answered: desired.head,
            desired,
            accepted,
            earlier,
            stage,
            rejection: None,
            withheld,
            attempts: Arc::default(),
            rollouts,
            steering: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Forgets how servers answered that were asked with the change, or that `document` no longer
    /// has; and why one did not that `document` describes anew.
    pub(super) fn forget_attempts(&mut self, document: &GatewayDocument, asked: &[ServerName]) {
        let before = &self.desired.built.document.servers;
        Arc::make_mut(&mut self.attempts).retain(|name, attempt| {
            let server = document.servers.get(name);
            let is_same = server == before.get(name);
            let is_down = matches!(attempt, ListState::Down { .. });
            server.is_some() && !asked.contains(name) && (is_same || !is_down)
        });
    }

    /// Whether nobody will be told any more how `revision` is judged.
    pub(super) fn is_answered(&self, revision: RevisionNumber) -> bool {
        revision <= self.answered
    }

    /// Lets the author of a write wait until it is judged, or a later one is in its place.
    pub(super) fn wait_for(&mut self, built: &Arc<Built>) -> oneshot::Receiver<WriteReport> {
        let (answer, judged) = oneshot::channel();
        // Authors who have hung up may be many: what is in hand may be watched for hours.
        self.waiting.retain(|write| !write.answer.is_closed());
        self.waiting.push(WaitingWrite {
            revision: built.revision,
            superseded: WriteReport::new(built, Outcome::Superseded, Vec::new()),
            answer,
        });
        judged
    }

    /// Takes the writes of these revisions that wait, now that the last of them is judged.
    pub(super) fn take_waiting(
        &mut self,
        revisions: RangeInclusive<RevisionNumber>,
    ) -> Vec<WaitingWrite> {
        self.answered = self.answered.max(*revisions.end());
        self.waiting
            .extract_if(.., |write| revisions.contains(&write.revision))
            .collect()
    }

    /// Whether Envoys have rejected `built` and it is still to go out of the desired state.
    pub(super) fn is_being_taken_back(&self, built: &Built) -> bool {
        let is_rejected = self.rejection.as_ref().is_some_and(|rejection| {
            !rejection.is_kept && Arc::ptr_eq(&rejection.snapshot, &built.snapshot)
        });
        let is_current = Arc::ptr_eq(&self.current.snapshot, &built.snapshot);
        is_rejected && (self.stage == Stage::Open || !is_current)
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
    /// It was rejected, and Envoys that run it keep it: going back may allow more than it does,
    /// which only an operator may do.
    Kept,
}

/// How the last attempt to list a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListState {
    /// The server answered when it was asked last.
    Up {
        /// Time since which it has answered.
        since: OffsetDateTime,
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
    /// The Envoys that were given it, where these were not all of them.
    pub asked: Option<BTreeSet<NodeId>>,
    /// Whether Envoys that run it keep it, until an operator decides.
    pub is_kept: bool,
    /// Whether it has been counted who was alone with it.
    pub is_counted: bool,
    /// The snapshot that they were sent, to recognise answers that come later.
    pub snapshot: Arc<Snapshot>,
}
