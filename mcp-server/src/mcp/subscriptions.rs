//! The subscriptions that run, of which there are few.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::ErrorData;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Subscriptions of all clients together. Each may keep a connection and asks the records for each
/// of its resources, so they are few.
const MOST_SUBSCRIPTIONS: usize = 64;

/// The subscriptions that run.
#[derive(Debug)]
pub(super) struct Subscriptions {
    places: Arc<Semaphore>,
    /// Those of clients that end them by naming the resource, by session and URI.
    named: Mutex<HashMap<(String, String), CancellationToken>>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MOST_SUBSCRIPTIONS)),
            named: Mutex::default(),
        }
    }
}

impl Subscriptions {
    /// A place for one more.
    ///
    /// # Errors
    /// There are as many as this server takes.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, ErrorData> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| {
            let message = format!(
                "this server has {MOST_SUBSCRIPTIONS} subscriptions, which is as many as it takes; \
                 read the resource again from time to time"
            );
            ErrorData::internal_error(message, None)
        })
    }

    /// Those that clients end by naming the resource, by session and URI.
    pub(super) fn named(&self) -> MutexGuard<'_, HashMap<(String, String), CancellationToken>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
