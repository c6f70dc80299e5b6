//! The subscriptions that run, of which there are few.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::ErrorData;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::call::Principal;

/// Subscriptions of all clients together. Each may keep a connection and asks the records for each
/// of its resources, so they are few.
const MOST_SUBSCRIPTIONS: usize = 64;

/// Subscriptions of one session over the resources that it names: more than a person follows, and
/// four such sessions before there is no place for others.
const MOST_OF_SESSION: usize = 16;

/// The subscription of a session to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subscription {
    pub(super) session: String,
    /// The caller who asked for it: nobody else hears of it or ends it.
    pub(super) principal: Principal,
    pub(super) uri: String,
}

/// The subscriptions that run.
#[derive(Debug)]
pub(super) struct Subscriptions {
    places: Arc<Semaphore>,
    /// Those of clients that end them by naming the resource.
    named: Mutex<HashMap<Subscription, CancellationToken>>,
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

    /// A place for this one, and the token that ends it; nothing where it runs already.
    ///
    /// # Errors
    /// There are as many as this server takes, of this session or of all.
    pub(super) fn begin(
        &self,
        subscription: Subscription,
    ) -> Result<Option<(OwnedSemaphorePermit, CancellationToken)>, ErrorData> {
        let mut named = self.named();
        named.retain(|_, end| !end.is_cancelled());
        if named.contains_key(&subscription) {
            return Ok(None);
        }
        let of_session = named.keys();
        let of_session = of_session.filter(|one| one.session == subscription.session);
        if of_session.count() >= MOST_OF_SESSION {
            let message = format!(
                "this session has {MOST_OF_SESSION} subscriptions, which is as many as one may \
                 have; end one, or read the resource again from time to time"
            );
            return Err(ErrorData::internal_error(message, None));
        }
        let place = self.place()?;
        let end = CancellationToken::new();
        named.insert(subscription, end.clone());
        Ok(Some((place, end)))
    }

    /// Ends this one, if it runs.
    pub(super) fn end(&self, subscription: &Subscription) {
        if let Some(end) = self.named().remove(subscription) {
            end.cancel();
        }
    }

    /// Ends all of a session.
    pub(super) fn end_session(&self, session: &str) {
        self.named().retain(|subscription, end| {
            let stays = subscription.session != session;
            if !stays {
                end.cancel();
            }
            stays
        });
    }

    fn named(&self) -> MutexGuard<'_, HashMap<Subscription, CancellationToken>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(session: &str, uri: usize) -> Subscription {
        Subscription {
            session: session.to_owned(),
            principal: Principal::Anonymous,
            uri: uri.to_string(),
        }
    }

    #[test]
    fn it_takes_a_bounded_number_of_each_session_and_of_all() {
        let subscriptions = Subscriptions::default();
        let mut places = Vec::new();
        for session in 0..MOST_SUBSCRIPTIONS / MOST_OF_SESSION {
            let session = session.to_string();
            for uri in 0..MOST_OF_SESSION {
                places.push(subscriptions.begin(to(&session, uri)).expect("a place"));
            }
            let refused = subscriptions.begin(to(&session, MOST_OF_SESSION));
            let message = refused.expect_err("no more").message;
            assert!(message.starts_with("this session has 16"), "{message}");
        }
        let again = subscriptions.begin(to("0", 0)).expect("it runs");
        assert!(again.is_none());
        let refused = subscriptions.begin(to("another", 0));
        assert!(refused.expect_err("no more").message.contains("64"));
        subscriptions.end_session("0");
        let ended = places
            .iter()
            .flatten()
            .filter(|(_, end)| end.is_cancelled());
        assert_eq!(ended.count(), MOST_OF_SESSION);
        places.retain(|place| place.as_ref().is_some_and(|(_, end)| !end.is_cancelled()));
        assert!(subscriptions.begin(to("another", 0)).is_ok());
    }
}
