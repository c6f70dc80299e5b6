//! Does what operators want of the rollout in hand.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::acceptance::Outcome;
use super::super::author::Author;
use super::super::rollouts::{RolloutVerb, SteerError, SteerRequest};
use super::RolloutActor;
use super::cause::Cause;
use super::facts::Fact;
use super::watched::Watched;

/// The answer to an operator, to be sent when what follows from it has happened.
pub(super) type Answered = (
    oneshot::Sender<Result<(), SteerError>>,
    Result<(), SteerError>,
);

impl RolloutActor {
    /// Does what operators want.
    pub(super) async fn obey(&mut self) -> Vec<Answered> {
        let requests = std::mem::take(&mut self.gateway.write().steering);
        let mut answered = Vec::new();
        for request in requests {
            let result = self.obey_one(&request).await;
            answered.push((request.answer, result));
        }
        answered
    }

    async fn obey_one(&mut self, request: &SteerRequest) -> Result<(), SteerError> {
        {
            let state = self.gateway.read();
            let rollout = state.rollouts.get(&request.id);
            let rollout = rollout.ok_or_else(|| SteerError::Unknown(request.id.clone()))?;
            if !rollout.is_going_on() {
                return Err(SteerError::Ended(request.id.clone()));
            }
        }
        let steer = match request.verb {
            RolloutVerb::Abort { may_loosen } => {
                return self.abort(&request.author, may_loosen).await;
            }
            RolloutVerb::Pause => |watched: &mut Watched| watched.waves.is_paused = true,
            RolloutVerb::Resume => |watched: &mut Watched| watched.waves.is_paused = false,
            RolloutVerb::Promote => |watched: &mut Watched| {
                watched.waves.promote();
                // It waits for nobody.
                watched.next_try = None;
            },
        };
        match &mut self.watched {
            Some(watched) => steer(watched),
            None => return Err(SteerError::Unwatched(request.id.clone())),
        }
        self.show();
        self.keep_rollout().await;
        self.put_on_record(&request.author).await;
        Ok(())
    }

    /// Takes the Envoys back because an operator wants it.
    async fn abort(&mut self, author: &Author, may_loosen: bool) -> Result<(), SteerError> {
        let (current, accepted) = {
            let state = self.gateway.read();
            (Arc::clone(&state.current), state.accepted.clone())
        };
        let cause = Cause::Aborted {
            by: author.clone(),
            may_loosen,
        };
        let is_forbidden = |good| self.has_to_stay(&current, good, &cause);
        if accepted.as_deref().is_some_and(is_forbidden) {
            return Err(SteerError::WouldLoosen {
                revision: current.revision,
            });
        }
        self.fall_back(&current, accepted.as_ref(), &cause).await;
        if !self.is_answered {
            self.answer(&current, Outcome::Aborted, &[]);
        }
        Ok(())
    }

    async fn put_on_record(&self, author: &Author) {
        let entry = author.deed_on_rollout(self.gateway.current().revision);
        self.store(Fact::Wish(&entry)).await;
    }
}
