//! The way in: snapshots are handed out here, and answers are read here.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use crate::{
    ConnectionState, Crashes, Distribution, Generation, Newcomers, NodeId, NodeState, NodeSummary,
    RejectedContent, RejectionChange, ResourceState, Tally,
    clock::DeadlineClock,
    fleet::{
        Admission, Brief, FirstRequest, Fleet, Identity, Node, SharedSession, StreamEnd,
        TooManyStreams, lock,
    },
    session::{Rejection, Standing, StreamId},
};

/// Hands snapshots to Envoys, and tells what they answered. Clones share one state.
#[derive(Clone, Debug)]
pub struct Publisher {
    fleet: Arc<Mutex<Fleet>>,
    /// Counts whatever [`Publisher::nodes`] shows.
    changes: watch::Sender<u64>,
    /// Counts the rarer changes that [`Publisher::summaries`] shows.
    standings: watch::Sender<u64>,
    closing: watch::Sender<Closing>,
    clock: DeadlineClock,
    time_of_day: Arc<Mutex<TimeOfDay>>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether streams are to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    No,
    Yes,
}

impl Publisher {
    /// A publisher that has nothing to give yet: Envoys wait until the first
    /// [`Publisher::distribute`].
    pub fn new() -> Self {
        Self::with_clock(DeadlineClock::default())
    }

    /// A publisher that measures deadlines by `clock`.
    pub fn with_clock(clock: DeadlineClock) -> Self {
        Self {
            fleet: Arc::default(),
            changes: watch::Sender::new(0),
            standings: watch::Sender::new(0),
            closing: watch::Sender::new(Closing::No),
            time_of_day: Arc::new(Mutex::new(TimeOfDay::read(&clock))),
            clock,
        }
    }

    /// The clock that deadlines are measured by.
    pub fn clock(&self) -> &DeadlineClock {
        &self.clock
    }

    /// Hands out what `distribution` says; returns at once.
    pub fn distribute(&self, distribution: Distribution) {
        self.fleet().distribute(distribution, self.clock.now());
        self.tell_standing();
    }

    /// Says what those Envoys get that connect from now on, and those that have been waiting with
    /// nothing. Where none was waiting nothing has changed, so whoever offers anew at each change
    /// of [`Publisher::standings`] is not woken by the offer itself.
    pub fn offer(&self, newcomers: Newcomers) {
        let has_assigned = self.fleet().offer(newcomers, self.clock.now());
        if has_assigned {
            self.tell_standing();
        }
    }

    /// Lets Envoys have again what they crashed with: an operator wants it to be tried.
    pub fn forgive_crashes(&self) {
        self.fleet().forgive_crashes();
    }

    /// Takes over what an Envoy rejected before this process started.
    pub fn remember(&self, node: &str, contents: impl IntoIterator<Item = RejectedContent>) {
        let rejections = contents.into_iter().map(|content| {
            let rejection = Rejection {
                version: content.version,
                message: content.message,
            };
            ((content.resource_type, content.name), rejection)
        });
        self.fleet()
            .remember(NodeId::new(node), rejections.collect());
    }

    /// Takes the changes of the Envoys' rejections since the last call, to be stored.
    pub fn take_rejection_changes(&self) -> Vec<RejectionChange> {
        self.fleet().take_changes()
    }

    /// How the connected Envoys that are to have `generation` have answered; a count that is kept,
    /// not a walk.
    pub fn tally(&self, generation: &Generation) -> Tally {
        self.fleet().tally(generation)
    }

    /// How often so far an Envoy crashed so often with a generation that it is kept from it;
    /// [`NodeSummary::crashes`] says which.
    pub fn crash_loops(&self) -> u64 {
        self.fleet().crash_loops()
    }

    /// How often so far an Envoy rejected something, or what it is to have as a whole. While this
    /// and [`Publisher::crash_loops`] stay the same, nobody has said anything new against a
    /// generation.
    pub fn rejections(&self) -> u64 {
        self.fleet().rejections()
    }

    /// Whether a connected Envoy that is to have `generation` has not answered all of it; a look at
    /// this Envoy alone.
    pub fn is_waited_for(&self, node: &NodeId, generation: &Generation) -> bool {
        self.fleet().is_waited_for(node, generation)
    }

    /// Every Envoy that is connected or was lately, in short.
    pub fn summaries(&self) -> Vec<NodeSummary> {
        let briefs = self.fleet().briefs();
        briefs.into_iter().map(Brief::into_summary).collect()
    }

    /// Every Envoy that is connected or was lately, with each of its resources.
    pub fn nodes(&self) -> Vec<NodeState> {
        self.states(|_| true).collect()
    }

    /// Those Envoys of [`Publisher::nodes`] whose name `is_meant`, each worked out when it is asked
    /// for.
    pub(crate) fn states(
        &self,
        is_meant: impl Fn(&NodeId) -> bool,
    ) -> impl Iterator<Item = NodeState> {
        let times = self.time_of_day();
        // Names are compared and the answer is built when the fleet is free again: that takes as
        // long as whoever asks makes it take, and as there are resources.
        let looks: Vec<Look> = self.fleet().nodes().map(Look::at).collect();
        looks
            .into_iter()
            .filter(move |look| is_meant(&look.identity.id))
            .map(move |look| look.state(times))
    }

    /// Tells when anything that [`Publisher::nodes`] answers may have changed.
    pub fn changes(&self) -> Changes {
        Changes(self.changes.subscribe())
    }

    /// Tells when anything that [`Publisher::summaries`] answers may have changed.
    pub fn standings(&self) -> Changes {
        Changes(self.standings.subscribe())
    }

    /// Ends every stream, and those to come.
    pub(crate) fn close(&self) {
        self.closing.send_replace(Closing::Yes);
    }

    pub(crate) fn closing(&self) -> watch::Receiver<Closing> {
        self.closing.subscribe()
    }

    pub(crate) fn connect(
        &self,
        identity: Identity,
        first: FirstRequest,
    ) -> Result<Admission, TooManyStreams> {
        let admission = self.fleet().connect(identity, first, self.clock.now())?;
        self.tell_standing();
        Ok(admission)
    }

    pub(crate) fn report(&self, id: &NodeId, stream: StreamId, standing: Standing) {
        self.fleet().report(id, stream, standing);
        self.tell_standing();
    }

    pub(crate) fn disconnect(&self, id: &NodeId, stream: StreamId, end: StreamEnd) {
        self.fleet().disconnect(id, stream, end, self.clock.now());
        self.tell_standing();
    }

    /// A session took something in.
    pub(crate) fn tell_change(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn tell_standing(&self) {
        self.standings.send_modify(|count| *count += 1);
        self.tell_change();
    }

    /// The times of every look, so that two looks tell the same time of one event.
    fn time_of_day(&self) -> TimeOfDay {
        let mut known = lock(&self.time_of_day);
        let now = TimeOfDay::read(&self.clock);
        if known.is_off(now) {
            *known = now;
        }
        *known
    }

    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        lock(&self.fleet)
    }
}

/// Wakes when an Envoy connected, left, or answered; level-triggered, so several changes may wake
/// once.
#[derive(Clone, Debug)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Waits for the next change since the last call; never returns once the publisher is gone.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// By how much the time of day may differ from what a clock tells: less than people look at, more
/// than a correction by NTP's slewing makes in an hour.
const MOST_DRIFT: Duration = Duration::from_secs(1);

/// Turns the monotonic times of sessions into times of day.
#[derive(Clone, Copy, Debug)]
struct TimeOfDay {
    monotonic: Instant,
    of_day: SystemTime,
}

impl TimeOfDay {
    fn read(clock: &DeadlineClock) -> Self {
        Self {
            monotonic: clock.now(),
            of_day: SystemTime::now(),
        }
    }

    fn time_of_day(self, instant: Instant) -> SystemTime {
        match instant.checked_duration_since(self.monotonic) {
            Some(after) => self.of_day + after,
            None => self.of_day - self.monotonic.saturating_duration_since(instant),
        }
    }

    /// Whether the time of day was set, or stood still, since this clock was read.
    fn is_off(self, now: Self) -> bool {
        let told = self.time_of_day(now.monotonic);
        let ahead = told.duration_since(now.of_day).unwrap_or_default();
        let behind = now.of_day.duration_since(told).unwrap_or_default();
        ahead.max(behind) > MOST_DRIFT
    }
}

/// One Envoy as the fleet's table has it, to be looked at closer without the table.
struct Look {
    identity: Arc<Identity>,
    session: SharedSession,
    since: Instant,
    streams: usize,
    desired: Option<Generation>,
    crashes: Option<Crashes>,
}

impl Look {
    fn at(node: &Node) -> Self {
        Self {
            identity: Arc::clone(&node.identity),
            session: Arc::clone(&node.session),
            since: node.since,
            streams: node.streams(),
            desired: node.desired().cloned(),
            crashes: node.crashes(),
        }
    }

    fn state(self, times: TimeOfDay) -> NodeState {
        let since = times.time_of_day(self.since);
        let connection = if self.streams > 0 {
            ConnectionState::Connected { since }
        } else {
            ConnectionState::Gone { since }
        };
        let session = lock(&self.session);
        let resources = session
            .positions()
            .into_iter()
            .map(|position| ResourceState {
                resource_type: position.resource_type,
                name: position.name,
                desired: position.desired,
                sent: position.sent,
                acked: position.acked,
                state: position.state,
                since: position
                    .since
                    .map_or(since, |since| times.time_of_day(since)),
            })
            .collect();
        NodeState {
            id: self.identity.id.clone(),
            description: Arc::clone(&self.identity.description),
            user_agent: self.identity.user_agent.clone(),
            connection,
            streams: self.streams,
            desired: self.desired,
            in_force: session.in_force().cloned(),
            crashes: self.crashes,
            resources,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::{
        ResourceType,
        fixtures::{cluster, snapshot},
    };

    #[test]
    fn it_tells_the_same_time_of_an_event_at_every_look() {
        let publisher = Publisher::new();
        let identity = Identity {
            id: NodeId::new("one"),
            description: Arc::default(),
            user_agent: String::new(),
        };
        let first = FirstRequest {
            resource_type: ResourceType::Cluster,
            reports_resources: false,
        };
        let _admission = publisher.connect(identity, first).expect("it is the first");
        let looks: Vec<_> = (0..100).map(|_| publisher.nodes()).collect();
        assert!(looks.iter().all(|look| *look == looks[0]));
    }

    #[test]
    fn it_follows_a_time_of_day_that_is_set() {
        let clock = TimeOfDay::read(&DeadlineClock::default());
        let later = |of_day: Duration| TimeOfDay {
            monotonic: clock.monotonic + Duration::from_secs(60),
            of_day: clock.of_day + of_day,
        };
        assert!(!clock.is_off(later(Duration::from_millis(60_100))));
        assert!(clock.is_off(later(Duration::from_secs(3600))));
        assert!(clock.is_off(later(Duration::from_secs(50))));
    }

    #[tokio::test]
    async fn it_wakes_nobody_by_an_offer_that_gives_no_envoy_anything() {
        let publisher = Publisher::new();
        let offered = snapshot("one", [cluster("c", 1)]);
        let mut standings = publisher.standings();
        publisher.offer(Newcomers::all(Arc::clone(&offered)));
        assert_eq!(standings.changed().now_or_never(), None);
        publisher.offer(Newcomers::default());
        let identity = Identity {
            id: NodeId::new("waiting"),
            description: Arc::default(),
            user_agent: String::new(),
        };
        let first = FirstRequest {
            resource_type: ResourceType::Cluster,
            reports_resources: false,
        };
        let _admission = publisher.connect(identity, first).expect("it is the first");
        assert_eq!(standings.changed().now_or_never(), Some(()));
        publisher.offer(Newcomers::all(Arc::clone(&offered)));
        assert_eq!(standings.changed().now_or_never(), Some(()));
        publisher.offer(Newcomers::all(offered));
        assert_eq!(standings.changed().now_or_never(), None);
    }
}
