//! Rollouts, in waves or to everyone at once, as operators see and steer them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use envoy_reports::TrafficCounts;
use gateway_document::Reach;
use serde::{Deserialize, Serialize};
use store::{RevisionNumber, StoredRollout, StoredWave, UsualCounts};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::oneshot;
use utoipa::ToSchema;
use xds::{Generation, NodeId};

use super::Gateway;
use super::author::Author;

/// How many rollouts that have ended are shown; the store keeps as many.
const MOST_ENDED: usize = 100;

/// A rollout of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Its name: the revision and the beginning of the generation's name.
    pub id: String,
    /// The revision that is rolled out.
    pub revision: RevisionNumber,
    /// The generation that is rolled out.
    pub generation: Generation,
    /// How far the rollout is.
    pub state: RolloutState,
    /// Whether an operator has paused it.
    pub is_paused: bool,
    /// Whether an operator wants the wave in hand to begin, or to end as soon as its Envoys have
    /// acknowledged if it has begun.
    pub is_promoted: bool,
    /// The position of the wave in hand, from 0.
    pub wave: usize,
    /// Its waves, the last of which reaches everyone.
    pub waves: Vec<RolloutWave>,
    /// When the wave in hand has been watched for long enough; nothing while its Envoys have not
    /// all acknowledged, and after that time.
    pub soak_until: Option<OffsetDateTime>,
    /// The time at which it began.
    pub began_at: OffsetDateTime,
    /// When it ended; nothing while it goes on.
    pub ended_at: Option<OffsetDateTime>,
    /// Why it was taken back; empty if it was not.
    pub reason: String,
    /// Why the wave in hand may not end, whatever its soak: what its Envoys have still to report,
    /// which of them it waits for to come back, or that none is there for it; empty where it may.
    pub gate: String,
    /// The numbers of each Envoy before it was given the generation, where gates compare with them.
    pub usual: BTreeMap<NodeId, TrafficCounts>,
}

/// A wave of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutWave {
    /// Its reach as the document says it.
    pub reach: String,
    /// How long it is watched, in milliseconds.
    pub soak_ms: u64,
    /// The Envoys that it has given the generation to.
    pub nodes: Arc<BTreeSet<NodeId>>,
}

impl RolloutWave {
    /// The one wave of a rollout that is not watched. Its Envoys are not listed: they are all that
    /// are there, at each of the last hundred changes.
    pub(super) fn everyone() -> Self {
        Self {
            reach: Reach::ALL.to_string(),
            soak_ms: 0,
            nodes: Arc::default(),
        }
    }
}

/// How a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// No Envoy is connected that the wave in hand could reach, or some may still come back to a
    /// control plane that has just started.
    WaitingForEnvoys,
    /// The wave in hand has not been acknowledged by all its Envoys.
    RollingOut,
    /// The Envoys of the wave in hand have acknowledged, and are watched.
    Soaking,
    /// Every wave has acknowledged it.
    Accepted,
    /// Its Envoys have gone back to the generation before it.
    TakenBack,
    /// It was rejected, and Envoys that run it keep it until an operator decides: going back may
    /// allow more.
    Kept,
    /// An operator ended it, and its Envoys have gone back.
    Aborted,
    /// A later change took its place.
    Superseded,
}

impl Rollout {
    /// The name of the rollout of a generation, which is the same after every restart. The same
    /// generation comes again under the same revision only where a server's list goes to another
    /// one and back: that rollout takes the name, and the place, of the earlier one.
    pub(super) fn id_of(revision: RevisionNumber, generation: &Generation) -> String {
        let name = generation.as_str();
        let beginning = name.get(..8).unwrap_or(name);
        format!("{revision}-{beginning}")
    }

    /// Whether it is watched on its way: it has several waves, or a soak.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.waves.len() > 1 || self.waves.iter().any(|wave| wave.soak_ms > 0)
    }

    /// Whether it goes on.
    #[must_use]
    pub fn is_going_on(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Ends it now; `reason` says why it was taken back, and is empty if it was not.
    pub(super) fn end(&mut self, ending: RolloutState, reason: &str) {
        self.state = ending;
        self.ended_at = Some(OffsetDateTime::now_utc());
        self.soak_until = None;
        self.gate.clear();
        reason.clone_into(&mut self.reason);
    }

    /// The form in which the store keeps it.
    pub(super) fn to_stored(&self) -> StoredRollout {
        let waves = self.waves.iter().map(|wave| StoredWave {
            reach: wave.reach.clone(),
            soak_ms: wave.soak_ms,
            nodes: wave
                .nodes
                .iter()
                .map(|node| node.as_str().to_owned())
                .collect(),
        });
        let state = serde_json::to_value(self.state).ok();
        let state = state.and_then(|state| Some(state.as_str()?.to_owned()));
        let wave = u32::try_from(self.wave).unwrap_or(u32::MAX);
        StoredRollout {
            id: self.id.clone(),
            revision: self.revision,
            generation: self.generation.as_str().to_owned(),
            wave,
            state: state.unwrap_or_default(),
            is_paused: self.is_paused,
            promoted_wave: self.is_promoted.then_some(wave),
            reason: self.reason.clone(),
            began_at: self.began_at,
            ended_at: self.ended_at,
            waves: waves.collect(),
            usual: self.usual.iter().map(usual_to_stored).collect(),
        }
    }

    /// A rollout as it was stored. One whose state this version does not know counts as superseded.
    pub(super) fn from_stored(stored: StoredRollout) -> Self {
        let waves = stored.waves.into_iter().map(|wave| RolloutWave {
            reach: wave.reach,
            soak_ms: wave.soak_ms,
            nodes: Arc::new(wave.nodes.iter().map(|node| NodeId::new(node)).collect()),
        });
        let state = serde_json::from_value(stored.state.into());
        Self {
            id: stored.id,
            revision: stored.revision,
            generation: Generation::new(&stored.generation),
            state: state.unwrap_or(RolloutState::Superseded),
            is_paused: stored.is_paused,
            is_promoted: stored.promoted_wave == Some(stored.wave),
            wave: usize::try_from(stored.wave).unwrap_or(usize::MAX),
            waves: waves.collect(),
            soak_until: None,
            began_at: stored.began_at,
            ended_at: stored.ended_at,
            reason: stored.reason,
            gate: String::new(),
            usual: stored.usual.iter().map(usual_from_stored).collect(),
        }
    }
}

fn usual_to_stored((node, counts): (&NodeId, &TrafficCounts)) -> UsualCounts {
    UsualCounts {
        node: node.as_str().to_owned(),
        requests: counts.requests,
        failures: counts.failures(),
        refusals: counts.refusals,
    }
}

fn usual_from_stored(stored: &UsualCounts) -> (NodeId, TrafficCounts) {
    let counts = TrafficCounts {
        requests: stored.requests,
        failed_answers: stored.failures,
        refusals: stored.refusals,
        ..TrafficCounts::default()
    };
    (NodeId::new(&stored.node), counts)
}

/// The rollouts that are shown, the newest first: the one that goes on, and the last that ended.
#[derive(Debug, Clone, Default)]
pub struct Rollouts(VecDeque<Rollout>);

impl Rollouts {
    pub(super) fn new(rollouts: impl IntoIterator<Item = Rollout>) -> Self {
        Self(rollouts.into_iter().collect())
    }

    /// Every rollout, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Rollout> {
        self.0.iter()
    }

    /// The rollout of that name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rollout> {
        self.iter().find(|rollout| rollout.id == id)
    }

    /// The rollout that goes on, if one does.
    #[must_use]
    pub fn in_hand(&self) -> Option<&Rollout> {
        self.0.front().filter(|rollout| rollout.is_going_on())
    }

    pub(super) fn in_hand_mut(&mut self) -> Option<&mut Rollout> {
        self.0.front_mut().filter(|rollout| rollout.is_going_on())
    }

    /// The newest rollout of a generation, which becomes the newest of all: another one may have
    /// begun and ended since. Nothing where it is too old to be known.
    pub(super) fn renew(&mut self, generation: &Generation) -> Option<&mut Rollout> {
        let place = self.iter().position(|it| it.generation == *generation)?;
        if place > 0 {
            let mut rollout = self.0.remove(place)?;
            // As the store orders them, and tells them apart by microseconds.
            let after = self.0.front()?.began_at + time::Duration::MICROSECOND;
            rollout.began_at = after.max(OffsetDateTime::now_utc());
            self.0.push_front(rollout);
        }
        self.0.front_mut()
    }

    /// Puts a rollout that begins in front of the others.
    pub(super) fn begin(&mut self, rollout: Rollout) {
        self.0.retain(|other| other.id != rollout.id);
        self.0.push_front(rollout);
        self.0.truncate(MOST_ENDED + 1);
    }
}

/// A wish of an operator about a rollout that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutVerb {
    /// No wave is to end by itself.
    Pause,
    /// Waves are to end by themselves again.
    Resume,
    /// The wave in hand is to begin, or to end as soon as its Envoys have acknowledged if it has
    /// begun.
    Promote,
    /// Its Envoys are to go back.
    Abort {
        /// Whether they may go back although that allows more.
        may_loosen: bool,
    },
}

/// Why a rollout does not do what an operator wants.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SteerError {
    /// There is no rollout of that name.
    #[error("there is no rollout `{0}`: `GET /api/v1/rollouts` lists them")]
    Unknown(String),
    /// The rollout has ended already.
    #[error("the rollout `{0}` has ended: nothing is left to steer")]
    Ended(String),
    /// The rollout has one wave, which nobody watches.
    #[error(
        "the rollout `{0}` reaches everyone at once, and is over when they have answered: all that \
         can be done is to abort it"
    )]
    Unwatched(String),
    /// Going back may allow what Envoys refuse now.
    #[error(
        "going back may allow what revision {revision}, or one before it that Envoys run, \
         refuses: say `{{\"allow_loosening\": true}}` if it is to"
    )]
    WouldLoosen {
        /// The revision that is rolled out.
        revision: RevisionNumber,
    },
    /// The control plane ends.
    #[error("the control plane ends; its next start goes on with the rollout")]
    Ending,
}

/// A verb that waits for the actor.
#[derive(Debug)]
pub(super) struct SteerRequest {
    pub(super) id: String,
    pub(super) verb: RolloutVerb,
    pub(super) author: Author,
    pub(super) answer: oneshot::Sender<Result<(), SteerError>>,
}

impl Gateway {
    /// Has a rollout do what an operator wants, and tells how it stands then.
    ///
    /// # Errors
    /// When there is no such rollout, it has ended, or it must not do that by itself.
    pub async fn steer(
        &self,
        id: &str,
        verb: RolloutVerb,
        author: Author,
    ) -> Result<Rollout, SteerError> {
        let (answer, done) = oneshot::channel();
        self.write().steering.push(SteerRequest {
            id: id.to_owned(),
            verb,
            author,
            answer,
        });
        self.steered.notify_one();
        // The actor answers nothing any more once the process ends.
        done.await.map_err(|_| SteerError::Ending)??;
        let state = self.read();
        let rollout = state.rollouts.get(id).cloned();
        rollout.ok_or_else(|| SteerError::Unknown(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(revision: u64) -> Rollout {
        let generation = Generation::new("0123456789abcdef");
        let at = OffsetDateTime::UNIX_EPOCH;
        Rollout {
            id: Rollout::id_of(RevisionNumber(revision), &generation),
            revision: RevisionNumber(revision),
            generation,
            state: RolloutState::TakenBack,
            is_paused: true,
            is_promoted: true,
            wave: 1,
            waves: vec![RolloutWave {
                reach: "25%".to_owned(),
                soak_ms: 1_000,
                nodes: Arc::new([NodeId::new("a")].into()),
            }],
            soak_until: None,
            began_at: at,
            ended_at: Some(at),
            reason: "why".to_owned(),
            gate: String::new(),
            usual: [(
                NodeId::new("a"),
                TrafficCounts {
                    requests: 9,
                    failed_answers: 2,
                    refusals: 1,
                    ..TrafficCounts::default()
                },
            )]
            .into(),
        }
    }

    #[test]
    fn it_is_the_same_after_it_was_stored() {
        let rollout = rollout(7);
        assert_eq!(rollout.id, "7-01234567");
        assert_eq!(rollout.to_stored().state, "taken_back");
        let kept = serde_json::to_value(RolloutState::Kept).unwrap();
        assert_eq!(kept, store::KEPT);
        assert_eq!(Rollout::from_stored(rollout.to_stored()), rollout);
    }

    #[test]
    fn it_shows_the_one_that_goes_on_and_the_last_hundred_that_have_ended() {
        let mut rollouts = Rollouts::default();
        for revision in 1..=150 {
            rollouts.begin(rollout(revision));
        }
        assert_eq!(rollouts.in_hand(), None);
        rollouts.begin(Rollout {
            ended_at: None,
            ..rollout(151)
        });
        assert_eq!(rollouts.in_hand().unwrap().revision.0, 151);
        let shown: Vec<u64> = rollouts.iter().map(|rollout| rollout.revision.0).collect();
        assert_eq!(shown, (51..=151).rev().collect::<Vec<_>>());
        assert!(rollouts.get("51-01234567").is_some() && rollouts.get("50-01234567").is_none());
    }
}
