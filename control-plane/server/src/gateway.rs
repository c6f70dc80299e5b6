//! The one gateway that this control plane runs: what is in force, and every way in which that
//! changes.
//!
//! Changes come from operators ([`Gateway::change`]) and from servers' lists
//! ([`Gateway::observe`]); both become a generation and go the same way. One at a time: a change is
//! made to what the one before left, and waits until that is judged. What Envoys say later is
//! followed up by [`Gateway::follow`].
//!
//! Who knows what: `xds` reports facts; `acceptance` judges them and is pure, as are `newcomers`
//! (what an Envoy gets that connects now) and `loosening` (whether a fall-back would allow more);
//! `rollout` and `fall_back` act on the judgement; `handing_out` tells the publisher who gets what.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gateway_document::CheckedDocument;
use store::ConfigStore;
use tokio::sync::{Mutex, watch};
use xds::Publisher;

use crate::catalogue::CatalogueClient;
use crate::generation::Built;

mod acceptance;
mod author;
mod change;
mod fall_back;
mod handing_out;
mod loosening;
mod newcomers;
mod notices;
mod observe;
mod rejections;
mod rollout;
mod start;
mod state;
pub mod tool_policy;
mod watcher;

pub use acceptance::{EnvoyAnswer, EnvoyVerdict, Marks, Outcome, RejectedResource, Rejections};
pub use author::Author;
pub use change::{ChangeError, Edit, Precondition};
pub use rollout::{UnlistedServer, WriteReport};
pub use start::StartError;
pub use state::{ListState, Rejection, Stage, State};
pub use watcher::{RelistSchedule, watch};

/// The gateway as a whole: its document, its servers' lists, and what Envoys run of them.
pub struct Gateway {
    store: Arc<dyn ConfigStore>,
    publisher: Publisher,
    client: CatalogueClient,
    /// Held from a change's first look at the state to the Envoys' answer.
    changing: Arc<Mutex<()>>,
    /// Never held across an await.
    state: RwLock<State>,
    document: watch::Sender<Arc<CheckedDocument>>,
    /// How many crash loops of Envoys have been looked at.
    crash_loops_seen: AtomicU64,
    /// How many rejections of Envoys have been looked at.
    rejections_seen: AtomicU64,
}

impl Gateway {
    /// The generation that Envoys are meant to have now.
    #[must_use]
    pub fn current(&self) -> Arc<Built> {
        Arc::clone(&self.read().current)
    }

    /// A look at everything that is known now. Keep it short: writers wait.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Envoys, and what each was sent and answered.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// The store that outlives this process.
    #[must_use]
    pub fn store(&self) -> &dyn ConfigStore {
        &*self.store
    }

    /// Asks servers for their tools.
    #[must_use]
    pub fn client(&self) -> &CatalogueClient {
        &self.client
    }

    /// The document in force, whenever it changes.
    #[must_use]
    pub fn documents(&self) -> watch::Receiver<Arc<CheckedDocument>> {
        self.document.subscribe()
    }
}
