//! Endpoints and secrets for an Envoy of which nobody says what it is to have: after a restart it
//! may run this or that, and follows the servers of either.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DeltaResponse, Session, plan};
use crate::{ResourceType, Snapshot};

impl Session {
    /// Changes the endpoints and secrets that the Envoy gets as long as it is assigned nothing.
    pub(crate) fn supply(&mut self, supplies: Arc<Snapshot>, ack_deadline: Duration) {
        if self.snapshot.is_some() {
            return;
        }
        for (resource_type, subscription) in &mut self.subscriptions {
            if !resource_type.belongs_to_generations() {
                subscription.compare(*resource_type, &supplies);
            }
        }
        self.supplies = Some(supplies);
        self.ack_deadline = ack_deadline;
    }

    /// The snapshot that says what the Envoy gets of a type.
    pub(super) fn source_of(&self, resource_type: ResourceType) -> Option<&Arc<Snapshot>> {
        let supplies = self.supplies.as_ref();
        let supplies = supplies.filter(|_| !resource_type.belongs_to_generations());
        self.snapshot.as_ref().or(supplies)
    }

    /// The endpoints and secrets that may go out now.
    pub(super) fn poll_supplies(&mut self, now: Instant) -> Vec<DeltaResponse> {
        let mut responses = Vec::new();
        if let Some(supplies) = self.supplies.clone() {
            while let Some(step) = plan::next_supply(&self.subscriptions, &supplies) {
                responses.push(self.take(step, &supplies, now));
            }
        }
        responses
    }
}
