//! The end of a stream whose server is frozen: another server may lead, and the Envoy is to find
//! it.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tonic::Status;

use super::ending::random_part;
use crate::Publisher;

/// How long a stream goes on at a frozen server, at least: as long as another one takes to begin
/// to lead, so that an Envoy that comes again finds it.
const SHORTEST: Duration = Duration::from_secs(10);
/// By how much more it goes on at most. An Envoy chooses among the servers at random, and each end
/// is another chance; several ends in a minute would be noise where no other server leads.
const SPREAD: Duration = Duration::from_secs(20);

/// Says when one conversation ends because its server is frozen.
pub(super) struct Recall {
    frozen: watch::Receiver<bool>,
    /// Nothing while the server is not frozen.
    pub(super) at: Option<Instant>,
}

impl Recall {
    pub(super) fn of(publisher: &Publisher) -> Self {
        let mut recall = Self {
            frozen: publisher.frozen(),
            at: None,
        };
        recall.plan(publisher.clock().now());
        recall
    }

    /// Waits until the server freezes or thaws; never returns once the publisher is gone.
    pub(super) async fn changed(&mut self) {
        if self.frozen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Takes in whether the server is frozen.
    pub(super) fn plan(&mut self, now: Instant) {
        let is_frozen = *self.frozen.borrow_and_update();
        self.at = is_frozen.then(|| now + SHORTEST + random_part(SPREAD));
    }

    pub(super) fn is_frozen(&self) -> bool {
        *self.frozen.borrow()
    }

    /// The end of the stream, once its time has come.
    pub(super) fn due(&self, now: Instant) -> Option<Status> {
        self.at.filter(|at| *at <= now)?;
        Some(Status::unavailable(
            "this control plane has lost its store, and another one may lead: reconnect",
        ))
    }

    /// The answer to an Envoy that has other contents than this server would give it.
    pub(super) fn leave_it_alone() -> Status {
        Status::unavailable(
            "this control plane has lost its store, and the envoy has contents that it does not \
             know: keep them, and reconnect",
        )
    }
}
