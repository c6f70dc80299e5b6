//! The way in: snapshots are handed out here, and answers are read here.

mod look;
mod time_of_day;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use envoy_reports::Reports;
use look::Look;
use time_of_day::TimeOfDay;
use tokio::sync::watch;

use crate::{
    Attendance, Distribution, EndpointMarks, Generation, Newcomers, NodeId, NodeSelector,
    NodeState, NodeSummary, RejectedContent, RejectionChange, ResourceType, SecretTable, Snapshot,
    StreamEnd, Tally,
    clock::DeadlineClock,
    fleet::{Admission, Brief, FirstRequest, Fleet, Identity, Node, TooManyStreams, lock},
    session::{OwnContents, Rejection, Standing, StreamId},
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
    frozen: watch::Sender<bool>,
    clock: DeadlineClock,
    time_of_day: Arc<Mutex<TimeOfDay>>,
    reports: Reports,
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
    /// Those that are open end one after the other within this time, and new ones at once.
    Within(Duration),
}

/// The time between the ends of two streams when all are to end. A server that takes a fleet over
/// gives a thousand Envoys everything in about a second, on two cores and beside other work.
const BETWEEN_ENDS: Duration = Duration::from_millis(10);

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
            frozen: watch::Sender::new(false),
            time_of_day: Arc::new(Mutex::new(TimeOfDay::read(&clock))),
            reports: {
                let clock = clock.clone();
                Reports::new(move || clock.now())
            },
            clock,
        }
    }

    /// The clock that deadlines are measured by.
    pub fn clock(&self) -> &DeadlineClock {
        &self.clock
    }

    /// The reports of Envoys on their traffic, by the metrics service.
    pub fn reports(&self) -> &Reports {
        &self.reports
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

    /// Says what is known of endpoints at the moment: it is laid over whatever Envoys have and are
    /// given, at once, and belongs to no generation.
    pub fn mark_endpoints(&self, marks: EndpointMarks) {
        let has_assigned = self.fleet().mark_endpoints(marks, self.clock.now());
        if has_assigned {
            self.tell_standing();
        }
    }

    /// A snapshot as Envoys that are to have it get it at the moment.
    pub fn live(&self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        self.fleet().live(snapshot)
    }

    /// The snapshot that an Envoy of a group gets if it connects now, as it was handed out; none
    /// where it would wait.
    pub fn for_group(&self, group: &NodeSelector) -> Option<Arc<Snapshot>> {
        self.fleet().for_group(group)
    }

    /// Hands out secrets in the place of all that there were; returns at once. Each Envoy that has
    /// to do with one of them is sent it, whatever generation it has and whatever is being tried.
    pub fn supply(&self, secrets: SecretTable) {
        if self.fleet().supply(secrets) {
            self.tell_change();
        }
    }

    /// The names of all secrets that Envoys need for what they are to have, now or when they come.
    pub fn secret_names(&self) -> BTreeSet<Arc<str>> {
        self.fleet().secret_names()
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
                run_on: content.run_on,
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

    /// Everybody who is connected or was lately, for one who begins to keep count of them.
    pub fn attendance(&self) -> Attendance {
        self.fleet().attendance()
    }

    /// Those who came, went or were forgotten since the last call of this or of
    /// [`Publisher::attendance`], for the one who keeps count of them. What it costs grows with
    /// these, and not with the fleet.
    pub fn attendance_news(&self) -> Attendance {
        self.fleet().attendance_news()
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

    /// Those Envoys of [`Publisher::nodes`] that have one of these names. What it costs grows with
    /// their resources, and not with those of the fleet.
    pub fn nodes_named(&self, names: &BTreeSet<NodeId>) -> Vec<NodeState> {
        self.states(|id| names.contains(id)).collect()
    }

    /// Whether an Envoy has, or is being sent, a resource of these types that `snapshot` has and
    /// `other` has not, or has otherwise. One that is away for the moment runs on with what it has.
    /// What it costs grows with the resources in which the two differ, and not with those that
    /// Envoys have.
    pub fn is_run(
        &self,
        snapshot: &Arc<Snapshot>,
        other: &Arc<Snapshot>,
        types: &[ResourceType],
    ) -> bool {
        let own = OwnContents::of(snapshot, other, types);
        if own.is_empty() {
            return false;
        }
        let sessions: Vec<_> = self
            .fleet()
            .nodes()
            .map(|node| Arc::clone(&node.session))
            .collect();
        sessions
            .iter()
            .any(|session| lock(session).runs_one_of(&own))
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

    /// Leaves Envoys with what they have, because another server may be theirs by now. Each stream
    /// ends after some seconds, so that its Envoy finds the other one; an Envoy that was given
    /// other contents there is turned away, and one that has nothing gets what it would have got,
    /// but for what is still to be judged. Nothing is to be handed out until [`Publisher::thaw`].
    pub fn freeze(&self) {
        self.fleet().offer_nothing_to_judge();
        self.frozen.send_replace(true);
    }

    /// Serves Envoys as before [`Publisher::freeze`].
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    /// Whether it is frozen at present.
    pub fn is_frozen(&self) -> bool {
        *self.frozen.borrow()
    }

    pub(crate) fn frozen(&self) -> watch::Receiver<bool> {
        self.frozen.subscribe()
    }

    /// Ends every stream within `most`, or earlier where they are few, and those to come at once.
    /// Tells when the last one ends.
    pub(crate) fn close(&self, most: Duration) -> Duration {
        let open: usize = self.fleet().nodes().map(Node::streams).sum();
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        let within = BETWEEN_ENDS.saturating_mul(open).min(most);
        self.closing.send_replace(Closing::Within(within));
        self.reports.close();
        within
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
        let now = self.clock.now();
        self.fleet().report(id, stream, standing, now);
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

#[cfg(test)]
mod tests;
