//! The one gateway that this control plane runs: what is in force, and every way in which that
//! changes.
//!
//! Two parts that never wait for each other. The *desired* state is what Envoys are to have next;
//! operators ([`Gateway::change`]) and servers' lists ([`Gateway::observe`]) replace it, and
//! nothing else happens then. The [`RolloutActor`] takes the newest of it, hands it to the Envoys,
//! judges their answers and takes back what they reject.
//!
//! Who knows what: `xds` reports facts; `acceptance` judges them and is pure, as is `loosening`
//! (whether a fall-back may allow more) and `waves` (who gets a generation first, and when the
//! next ones do); below `rollout_actor`, everything acts on the judgement.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gateway_document::{CheckedDocument, Server};
use store::ConfigStore;
use tokio::sync::{Mutex, Notify, watch};
use xds::Publisher;

use crate::catalogue::{CatalogueClient, ListError};
use crate::generation::Built;
use crate::preflight::Preflight;
use crate::secrets::SecretKeeper;
use endpoint_table::EndpointTable;
use observe::Listings;

mod acceptance;
mod author;
mod change;
#[cfg(test)]
mod connected_envoy;
mod desired;
mod endpoint_probes;
mod endpoint_table;
mod event_watch;
mod events;
mod first_lists;
mod gates;
mod in_force;
mod in_hand;
mod judged_lists;
mod loosening;
mod losses;
mod modules;
mod notices;
mod observe;
mod preflight;
mod preview;
mod rejections;
mod report;
mod review;
pub mod rollback;
mod rollout_actor;
mod rollouts;
mod secret_watch;
mod server_state;
mod start;
mod state;
#[cfg(test)]
pub(crate) mod test_gateway;
pub mod tool_policy;
mod watched_names;
mod watcher;
mod waves;

pub use acceptance::{EnvoyAnswer, EnvoyVerdict, Outcome, RejectedResource, Rejections};
pub use author::Author;
pub use change::{ChangeError, Edit, Precondition};
pub use desired::Desired;
pub use endpoint_probes::{ProbeSchedule, first_look, watch_endpoints};
pub use endpoint_table::{EndpointState, ProbedEndpoint};
pub use event_watch::tell_events;
pub use events::{Event, Events, KINDS as EVENT_KINDS, Newest, Overtaken};
pub use first_lists::UnlistedServer;
pub use in_hand::{Crowded, InHand};
pub use modules::{RemoveError, UploadError, UploadedModule};
pub use preview::Preview;
pub use report::{WayBack, WriteReport};
pub use review::{ReviewError, ToolDefinitions, definition_hash};
pub use rollout_actor::RolloutActor;
pub use rollouts::{Rollout, RolloutState, RolloutVerb, RolloutWave, Rollouts, SteerError};
pub use secret_watch::{UnusableSecret, watch_secrets};
pub use server_state::ServerState;
pub use start::{BreakGlassError, StartError, put_in_force};
pub use state::{ListState, Rejection, Stage, State};
pub use watcher::{RelistSchedule, watch};
pub use waves::selector as group_selector;

/// The gateway as a whole: its document, its servers' lists, and what Envoys run of them.
pub struct Gateway {
    store: Arc<dyn ConfigStore>,
    publisher: Publisher,
    client: CatalogueClient,
    secrets: Arc<SecretKeeper>,
    /// Never held across an await.
    state: RwLock<State>,
    /// Held while the desired state is replaced: from the comparison with the one that it was made
    /// from until it is stored. Documents are read and compiled, servers are listed and Envoys are
    /// waited for without it.
    replacing: Arc<Mutex<()>>,
    /// Held while a module comes or goes: its row in the store, its place on the shelf and its file
    /// change together.
    modules: Mutex<()>,
    /// Wakes the actor when the desired state is another one.
    replaced: Notify,
    /// Wakes the actor when an operator wants something of the rollout in hand.
    steered: Notify,
    document: watch::Sender<Arc<CheckedDocument>>,
    listings: std::sync::Mutex<Listings>,
    /// Held while what servers have listed is made a part of the desired state; meanwhile the lists
    /// of others gather.
    taking_listings: Mutex<()>,
    /// The findings of probes about the servers' endpoints. Never held across an await.
    endpoints: std::sync::Mutex<EndpointTable>,
    /// Counts how often somebody began to write to the state.
    written: watch::Sender<u64>,
    events: Events,
    /// The Envoy that is asked about changes, where there is one.
    preflight: OnceLock<Preflight>,
}

impl Gateway {
    /// The generation that Envoys are meant to have now.
    #[must_use]
    pub fn current(&self) -> Arc<Built> {
        Arc::clone(&self.read().current)
    }

    /// The generation that the next change is made to. Envoys may not have been given it yet: one
    /// that is being judged goes first.
    #[must_use]
    pub fn latest(&self) -> Arc<Built> {
        Arc::clone(&self.read().desired.built)
    }

    /// A look at everything that is known now. Keep it short: writers wait.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        // Whoever is woken by it reads when the writer is done.
        self.written.send_modify(|count| *count += 1);
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

    /// The events that this process remembers.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The secrets that Envoys are given.
    #[must_use]
    pub fn secrets(&self) -> &SecretKeeper {
        &self.secrets
    }

    /// Asks servers for their tools.
    #[must_use]
    pub fn client(&self) -> &CatalogueClient {
        &self.client
    }

    /// Speaks to one server: as Envoy does, with the gateway's credentials and by TLS.
    ///
    /// # Errors
    /// When a secret that it takes cannot be used.
    pub async fn client_towards(&self, server: &Server) -> Result<CatalogueClient, ListError> {
        let document = Arc::clone(&self.latest().document);
        self.client.towards(server, &document.secrets).await
    }

    /// The document of the desired state, whenever it changes.
    #[must_use]
    pub fn documents(&self) -> watch::Receiver<Arc<CheckedDocument>> {
        self.document.subscribe()
    }
}
