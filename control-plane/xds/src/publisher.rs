use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use tokio::sync::watch;

use crate::{Ads, Generation, NodeState, Snapshot};

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
    current: Arc<Mutex<Option<Arc<Snapshot>>>>,
    changes: watch::Sender<u64>,
}

impl Publisher {
    /// A publisher that has nothing to give yet: Envoys wait until the first [`Publisher::publish`].
    pub fn new(options: Options) -> Self {
        let _ = options;
        Self {
            current: Arc::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Gives `snapshot` to every connected Envoy; returns at once.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// Tells which generation the Envoys accepted before this process started, so that a new Envoy is given that one
    /// when the next is rejected.
    pub fn restore_accepted(&self, snapshot: Arc<Snapshot>) {
        self.publish(snapshot);
    }

    /// The snapshot that was published last.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The newest snapshot that every Envoy which it was given to has acknowledged in full.
    pub fn last_accepted(&self) -> Option<Arc<Snapshot>> {
        None
    }

    /// Waits until every connected Envoy has acknowledged or rejected all of `generation` that it subscribes to, or
    /// until `deadline` has passed; then tells where each Envoy that was given it stands.
    pub async fn settled(&self, generation: &Generation, deadline: Duration) -> Vec<NodeState> {
        let _ = (generation, deadline);
        self.nodes()
    }

    /// Every Envoy that is connected or was lately.
    pub fn nodes(&self) -> Vec<NodeState> {
        Vec::new()
    }

    /// The gRPC service to mount; [`crate::serve`] does so.
    pub fn service(&self) -> AggregatedDiscoveryServiceServer<Ads> {
        AggregatedDiscoveryServiceServer::new(Ads::new(self.clone()))
    }

    /// Tells when anything that [`Publisher::nodes`] or [`Publisher::last_accepted`] answers may have changed.
    pub fn changes(&self) -> Changes {
        Changes(self.changes.subscribe())
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
