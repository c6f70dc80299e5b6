//! The subscriptions that run, of which there are few.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fair_shares::{NoPlace, Place, TieredPlaces};
use rmcp::model::ErrorData;
use tokio_util::sync::CancellationToken;

use crate::call::Claimant;

/// Subscriptions of all clients together. Each may keep a connection and asks the records for each
/// of its resources, so they are few.
const MOST_SUBSCRIPTIONS: usize = 64;

/// Subscriptions of one session over the resources that it names: more than a person follows, and
/// four such sessions of callers whom nobody tells apart before there is no place for others.
const MOST_OF_SESSION: usize = 16;

/// Subscriptions that are left for sessions by requests to listen (`subscriptions/listen`), which
/// no session bounds: as many as one session may have.
const KEPT_FOR_SESSIONS: usize = MOST_OF_SESSION;

/// The subscription of a session to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subscription {
    pub(super) session: String,
    pub(super) uri: String,
}

/// The subscriptions that run.
#[derive(Debug)]
pub(super) struct Subscriptions {
    places: TieredPlaces<Claimant>,
    /// Those of clients that end them by naming the resource.
    named: Mutex<HashMap<Subscription, CancellationToken>>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            places: TieredPlaces::new(MOST_SUBSCRIPTIONS, KEPT_FOR_SESSIONS),
            named: Mutex::default(),
        }
    }
}

impl Subscriptions {
    /// A place for one more request of this caller's to listen.
    ///
    /// # Errors
    /// There are as many as this server takes, of this caller or of all.
    pub(super) fn listen(&self, caller: Claimant) -> Result<Place<Claimant>, ErrorData> {
        let place = self.places.take_spare(caller);
        place.map_err(|none| refuse(none, MOST_SUBSCRIPTIONS - KEPT_FOR_SESSIONS))
    }

    /// A place for this one, and the token that ends it; nothing where it runs already.
    ///
    /// # Errors
    /// There are as many as this server takes, of this session, of this caller or of all.
    pub(super) fn begin(
        &self,
        subscription: Subscription,
        caller: Claimant,
    ) -> Result<Option<(Place<Claimant>, CancellationToken)>, ErrorData> {
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
        let place = self.places.take(caller);
        let place = place.map_err(|none| refuse(none, MOST_SUBSCRIPTIONS))?;
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

/// The refusal of a subscription of a kind of which there may be `most`.
fn refuse(none: NoPlace, most: usize) -> ErrorData {
    let message = match none {
        NoPlace::AllTaken => format!(
            "this server has as many subscriptions as it takes ({most} of this kind at most); read \
             the resource again from time to time"
        ),
        NoPlace::ShareTaken => format!(
            "this caller has its share of the {most} subscriptions of this kind that this server \
             takes: half of what others leave; end one, or read the resource again from time to \
             time"
        ),
    };
    ErrorData::internal_error(message, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(session: &str, uri: usize) -> Subscription {
        Subscription {
            session: session.to_owned(),
            uri: uri.to_string(),
        }
    }

    fn named(name: &str) -> Claimant {
        Claimant::Named(name.to_owned())
    }

    #[test]
    fn it_takes_no_more_of_a_caller_than_its_share_however_many_sessions_it_makes_up() {
        let subscriptions = Subscriptions::default();
        let begin = |caller: &str, session: usize| {
            subscriptions.begin(to(&format!("{caller} {session}"), 0), named(caller))
        };
        let all =
            |caller: &str| -> Vec<_> { (0..).map_while(|one| begin(caller, one).ok()).collect() };
        let ada = all("ada");
        assert_eq!(ada.len(), MOST_SUBSCRIPTIONS / 2);
        let refused = begin("ada", 1000).expect_err("no more").message;
        assert!(
            refused.starts_with("this caller has its share"),
            "{refused}"
        );
        let again = begin("ada", 0).expect("it runs");
        assert!(again.is_none());
        let others = ["bob", "eve", "joe", "kim", "leo", "mia"].map(all);
        assert!(others.iter().all(|one| !one.is_empty()));
        let refused = begin("zoe", 0).expect_err("no more").message;
        let all = "this server has as many subscriptions as it takes (64";
        assert!(refused.starts_with(all), "{refused}");
        drop(ada);
        assert!(begin("zoe", 0).is_ok());
    }

    #[test]
    fn it_takes_a_bounded_number_of_each_session_whoever_s_it_is() {
        for (caller, sessions) in [
            (Claimant::Unknown, 4),
            (Claimant::At([127, 0, 0, 1].into()), 4),
            (named("ada"), 2),
        ] {
            let subscriptions = Subscriptions::default();
            let mut places = Vec::new();
            for session in (0..sessions).map(|one| one.to_string()) {
                for uri in 0..MOST_OF_SESSION {
                    let begun = subscriptions.begin(to(&session, uri), caller.clone());
                    places.push(begun.expect("a place"));
                }
                let more = to(&session, MOST_OF_SESSION);
                let refused = subscriptions.begin(more, caller.clone());
                let refused = refused.expect_err("no more").message;
                assert!(refused.starts_with("this session has 16"), "{refused}");
            }
            assert_eq!(places.len(), sessions * MOST_OF_SESSION);
            let another = || subscriptions.begin(to("another", 0), caller.clone());
            let refused = another().expect_err("no more").message;
            assert!(refused.contains("(64 of this kind") || refused.contains("of the 64"));
            subscriptions.end_session("0");
            places.drain(..MOST_OF_SESSION);
            assert!(another().is_ok());
        }
    }

    #[test]
    fn it_lets_no_caller_listen_more_than_its_share_and_leaves_places_for_sessions() {
        let most = MOST_SUBSCRIPTIONS - KEPT_FOR_SESSIONS;
        for (caller, share) in [
            (named("ada"), most / 2),
            (Claimant::UnnamedAt([127, 0, 0, 1].into()), most / 2),
            (Claimant::At([127, 0, 0, 1].into()), most),
            (Claimant::Unknown, most),
        ] {
            let subscriptions = Subscriptions::default();
            let listen = || subscriptions.listen(caller.clone());
            let all: Vec<_> = std::iter::from_fn(|| listen().ok()).collect();
            assert_eq!(all.len(), share, "{caller}");
            let refused = listen().expect_err("no more").message;
            assert!(refused.contains("again from time to time"), "{refused}");
            let of_session: Vec<_> = (0..)
                .map_while(|uri| subscriptions.begin(to("s", uri), caller.clone()).ok())
                .collect();
            assert_eq!(of_session.len(), MOST_OF_SESSION, "{caller}");
            let other = subscriptions.listen(named("bob"));
            assert_eq!(other.is_ok(), share < most, "{caller}");
            drop(all);
            assert!(listen().is_ok(), "{caller}");
        }
    }

    #[test]
    fn it_ends_the_subscriptions_of_a_session_and_no_others() {
        let subscriptions = Subscriptions::default();
        let begin = |session: &str, uri| {
            let begun = subscriptions.begin(to(session, uri), Claimant::Unknown);
            begun.expect("a place").expect("it is new")
        };
        let ours = [begin("ours", 0), begin("ours", 1)];
        let other = begin("other", 0);
        subscriptions.end_session("ours");
        assert!(ours.iter().all(|(_, end)| end.is_cancelled()));
        assert!(!other.1.is_cancelled());
        drop(ours);
        subscriptions.end(&to("other", 0));
        assert!(other.1.is_cancelled());
    }
}
