//! A process whose lease has ended: it hands out nothing, judges nothing and takes nothing back,
//! until the lease is renewed.

use std::convert::Infallible;

use store::RevisionNumber;

use super::super::Gateway;
use super::super::acceptance::Outcome;
use super::super::report::WriteReport;
use super::RolloutActor;
use crate::lease::Lease;

impl RolloutActor {
    /// Waits until this process leads, if its lease has ended.
    pub(super) async fn until_it_leads(&mut self) {
        if self.lease.is_held() {
            return;
        }
        self.lease.held().await;
        if self.waves().is_none() {
            // Meanwhile no newcomer was to judge anything.
            self.offer(self.has_connected());
        }
    }
}

impl Gateway {
    /// Leaves Envoys with what they have whenever the lease has ended, and whoever waits for a
    /// judgement without one.
    pub(super) async fn freeze_without(&self, lease: &Lease) -> Infallible {
        loop {
            lease.ended().await;
            tracing::error!(
                "the lease has ended, and another control plane may lead: nothing is rolled out \
                 or taken back, and Envoys keep what they have, until the configuration store \
                 answers"
            );
            self.publisher.freeze();
            tokio::select! {
                () = lease.held() => {}
                never = self.answer_without_judgement() => match never {},
            }
            self.publisher.thaw();
            tracing::info!("this control plane still leads; it goes on");
        }
    }

    /// Answers every write that its judgement is pending, and gives no operator what it wants of a
    /// rollout.
    pub(super) async fn answer_without_judgement(&self) -> Infallible {
        loop {
            let waiting = {
                let mut state = self.write();
                // Operators are told that nothing of that happens any more.
                state.steering.clear();
                let head = state.desired.head;
                state.take_waiting(RevisionNumber(0)..=head)
            };
            for write in waiting {
                // An error means that its author no longer waits.
                let _ = write.answer.send(WriteReport {
                    outcome: Outcome::Pending,
                    ..write.superseded
                });
            }
            tokio::select! {
                () = self.replaced.notified() => {}
                () = self.steered.notified() => {}
            }
        }
    }
}
