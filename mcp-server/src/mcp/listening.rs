//! The ways to clients that have asked to hear of changes, behind the answers to their requests.

use std::fmt::Debug;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, RoleServer};

/// Somebody who hears of changes.
pub trait ChangeListener: Debug + Send + Sync {
    /// Whether nobody hears any more of what it is told.
    fn has_gone(&self) -> bool;

    /// Tells it that the resource of this URI has changed.
    ///
    /// # Errors
    /// [`Gone`].
    fn tell(&self, uri: String) -> BoxFuture<'_, Result<(), Gone>>;
}

/// Nobody hears of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client has gone")]
pub struct Gone;

/// The way to a client once its request has been answered.
#[derive(Debug, Clone, Default)]
pub enum WayBack {
    /// There is no way back.
    #[default]
    None,
    /// The way of the answer, which stays open.
    Peer,
    /// A way of its own, apart from the answer's.
    Listener(Arc<dyn ChangeListener>),
}

impl WayBack {
    /// Whoever is told of changes, if anybody is; `peer` is who asked.
    pub(super) fn listener(self, peer: &Peer<RoleServer>) -> Option<Arc<dyn ChangeListener>> {
        match self {
            Self::None => None,
            Self::Peer => Some(Arc::new(peer.clone())),
            Self::Listener(listener) => Some(listener),
        }
    }
}

impl ChangeListener for Peer<RoleServer> {
    fn has_gone(&self) -> bool {
        self.is_transport_closed()
    }

    fn tell(&self, uri: String) -> BoxFuture<'_, Result<(), Gone>> {
        let told = self.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri));
        told.map(|told| told.map_err(|_| Gone)).boxed()
    }
}
