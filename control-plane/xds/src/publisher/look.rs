//! A closer look at one Envoy, when the table is free again.

use std::{sync::Arc, time::Instant};

use super::TimeOfDay;
use crate::{
    ConnectionState, Crashes, Generation, NodeState, ResourceState,
    fleet::{Identity, Node, SharedSession, lock},
};

/// One Envoy as the fleet's table has it, to be looked at closer without the table.
pub(super) struct Look {
    pub(super) identity: Arc<Identity>,
    session: SharedSession,
    since: Instant,
    streams: usize,
    desired: Option<Generation>,
    crashes: Option<Crashes>,
}

impl Look {
    pub(super) fn at(node: &Node) -> Self {
        Self {
            identity: Arc::clone(&node.identity),
            session: Arc::clone(&node.session),
            since: node.since,
            streams: node.streams(),
            desired: node.desired().cloned(),
            crashes: node.crashes(),
        }
    }

    pub(super) fn state(self, times: TimeOfDay) -> NodeState {
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
