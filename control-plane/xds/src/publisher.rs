use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use crate::{
    ConnectionState, Generation, NodeId, NodeState, ResourceState, Snapshot,
    fleet::{Admission, Fleet, Identity, Node, lock},
    session::{Session, Standing, StreamId},
};

/// How a [`Publisher`] treats its Envoys.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long an Envoy may take to answer a response before its state is unknown and the next one may go out.
    pub ack_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ack_deadline: Duration::from_secs(5),
        }
    }
}

/// Publishes snapshots to every connected Envoy, and tells what they answered. Clones share one state.
#[derive(Clone, Debug)]
pub struct Publisher {
    options: Options,
    fleet: Arc<Mutex<Fleet>>,
    /// Counts whatever [`Publisher::nodes`] shows.
    changes: watch::Sender<u64>,
    /// Counts the rarer changes that may settle a generation.
    standings: watch::Sender<u64>,
    closing: watch::Sender<Closing>,
}

/// Whether streams are to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    No,
    Yes,
}

impl Publisher {
    /// A publisher that has nothing to give yet: Envoys wait until the first [`Publisher::publish`].
    pub fn new(options: Options) -> Self {
        Self {
            options,
            fleet: Arc::default(),
            changes: watch::Sender::new(0),
            standings: watch::Sender::new(0),
            closing: watch::Sender::new(Closing::No),
        }
    }

    /// Gives `snapshot` to every connected Envoy; returns at once.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.fleet().publish(snapshot);
        self.tell_standing();
    }

    /// Tells which generation the Envoys accepted before this process started, so that a new Envoy is given that one
    /// while the next is judged, or if it is rejected. It is published if nothing is yet.
    pub fn restore_accepted(&self, snapshot: Arc<Snapshot>) {
        self.fleet().restore(snapshot);
        self.tell_standing();
    }

    /// The snapshot that was published last.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.fleet().current().cloned()
    }

    /// The newest snapshot that every Envoy which it was given to has acknowledged in full.
    pub fn last_accepted(&self) -> Option<Arc<Snapshot>> {
        self.fleet().accepted().cloned()
    }

    /// Waits until every connected Envoy has acknowledged or rejected all of `generation` that it subscribes to, or
    /// until `deadline` has passed; then tells where each Envoy that was given it stands.
    ///
    /// A listener or cluster counts with what it names: it is settled when the Envoy has subscribed to that and answered.
    pub async fn settled(&self, generation: &Generation, deadline: Duration) -> Vec<NodeState> {
        let mut standings = Changes(self.standings.subscribe());
        let settled = async {
            while !self.fleet().is_settled(generation) {
                standings.changed().await;
            }
        };
        // Past the deadline the answer is the same question's: where each Envoy stands.
        let _ = tokio::time::timeout(deadline, settled).await;
        let mut nodes = self.nodes();
        nodes.retain(|node| node.desired.as_ref() == Some(generation));
        nodes
    }

    /// Every Envoy that is connected or was lately.
    pub fn nodes(&self) -> Vec<NodeState> {
        let clock = Clock::read();
        self.fleet()
            .nodes()
            .map(|node| node_state(node, clock))
            .collect()
    }

    /// Tells when anything that [`Publisher::nodes`] or [`Publisher::last_accepted`] answers may have changed.
    pub fn changes(&self) -> Changes {
        Changes(self.changes.subscribe())
    }

    /// Ends every stream, and those to come.
    pub(crate) fn close(&self) {
        self.closing.send_replace(Closing::Yes);
    }

    pub(crate) fn closing(&self) -> watch::Receiver<Closing> {
        self.closing.subscribe()
    }

    pub(crate) fn connect(&self, identity: Identity) -> Admission {
        let ack_deadline = self.options.ack_deadline;
        let admission = self.fleet().connect(
            identity,
            |stream, rejections| Session::new(stream, ack_deadline, rejections),
            Instant::now(),
        );
        self.tell_standing();
        admission
    }

    pub(crate) fn report(&self, id: &NodeId, stream: StreamId, standing: Standing) {
        self.fleet().report(id, stream, standing);
        self.tell_standing();
    }

    pub(crate) fn disconnect(&self, id: &NodeId, stream: StreamId) {
        self.fleet().disconnect(id, stream, Instant::now());
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

    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        lock(&self.fleet)
    }
}

/// Wakes when an Envoy connected, left, or answered; level-triggered, so several changes may wake once.
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

/// Turns the monotonic times of sessions into times of day.
#[derive(Clone, Copy)]
struct Clock {
    monotonic: Instant,
    of_day: SystemTime,
}

impl Clock {
    fn read() -> Self {
        Self {
            monotonic: Instant::now(),
            of_day: SystemTime::now(),
        }
    }

    fn time_of_day(self, instant: Instant) -> SystemTime {
        self.of_day - self.monotonic.saturating_duration_since(instant)
    }
}

fn node_state(node: &Node, clock: Clock) -> NodeState {
    let session = lock(&node.session);
    let since = clock.time_of_day(node.since);
    let connection = if node.is_up() {
        ConnectionState::Connected { since }
    } else {
        ConnectionState::Gone { since }
    };
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
                .map_or(since, |since| clock.time_of_day(since)),
        })
        .collect();
    NodeState {
        id: node.identity.id.clone(),
        cluster: node.identity.cluster.clone(),
        user_agent: node.identity.user_agent.clone(),
        connection,
        desired: session.desired().cloned(),
        in_force: session.in_force().cloned(),
        resources,
    }
}
