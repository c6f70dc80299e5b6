//! Takes what servers list into the gateway.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use gateway_document::{Server, ServerName};
use store::{Catalogue, Input, StoreError};
use time::OffsetDateTime;

use super::Gateway;
use super::desired::{Desired, remade};
use super::judged_lists::{Grounds, JudgedLists};
use super::state::ListState;
use crate::aside;
use crate::catalogue::{Listing, has_endpoint};
use crate::generation::{BuildError, Built, Lists};

/// Lists of servers that are not a part of the desired state yet.
pub(super) type Listings = BTreeMap<ServerName, Listing>;

impl Gateway {
    /// Takes what a server of the document listed. A list that is new becomes a part of the desired
    /// state; one that an endpoint answered which is no longer the server's is dropped.
    ///
    /// Lists that come while others are made into a generation are made into one together: a
    /// hundred servers that start at once cost a few generations, and not a hundred.
    pub async fn observe(&self, name: &ServerName, listing: Listing) {
        self.listings().insert(name.clone(), listing);
        let _turn_to_take = self.taking_listings.lock().await;
        let came = std::mem::take(&mut *self.listings());
        if !came.is_empty() {
            self.take_listings(Arc::new(came)).await;
        }
    }

    fn listings(&self) -> std::sync::MutexGuard<'_, Listings> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the lists that are new a part of the desired state.
    async fn take_listings(&self, came: Arc<Listings>) {
        let mut races = 0;
        let mut judged = JudgedLists::default();
        loop {
            let turn = self.turn_at_last(races).await;
            let (seen, answered) = self.note_answers(&came);
            if !are_judged(&judged, &answered, &seen) {
                // Nobody is to wait for that.
                drop(turn);
                judged = self.judge_aside(judged, &came, answered, seen).await;
                continue;
            }
            let new: Lists = new_lists(&judged, &answered, &seen)
                .into_iter()
                .filter(|(_, list)| !self.is_withheld(&list.stored))
                .collect();
            if new.is_empty() {
                return;
            }
            let mut lists = seen.lists.clone();
            lists.extend(new.clone());
            let (built, refused) = {
                let (seen, new) = (seen.clone(), new.clone());
                aside::run_own(move || made_with(&seen, &new)).await
            };
            // What is long is written before the turn is taken: nobody is to wait for that.
            for (server, list) in &new {
                if !is_stored(server, &self.store.put_tools(&list.stored).await) {
                    return;
                }
            }
            let Some(turn) = self.turn_after(turn, &seen).await else {
                races += 1;
                continue;
            };
            for (server, list) in &new {
                tracing::info!(
                    %server,
                    tools = list.tools.len(),
                    hash = %list.stored.hash,
                    "the server's list is new"
                );
                if !is_stored(server, &self.store.put_catalogue(&list.stored).await) {
                    return;
                }
            }
            for (server, error) in refused {
                tracing::error!(%server, %error, "the list cannot be rolled out; what is desired \
                     of this server stays");
            }
            let before = seen.lists.clone();
            let desired = Desired {
                built,
                lists,
                ..seen
            };
            self.desire(&turn, desired);
            for (server, list) in &new {
                let before = before.get(server).map(|list| &**list);
                self.tell_definitions(before, list);
            }
            return;
        }
    }

    /// Judges lists before they are stored: what could end this process must not be met again at
    /// its next start.
    async fn judge_aside(
        &self,
        mut judged: JudgedLists,
        came: &Arc<Listings>,
        answered: Vec<ServerName>,
        seen: Desired,
    ) -> JudgedLists {
        let came = Arc::clone(came);
        let judging = move || {
            judge(&mut judged, &came, &answered, &seen);
            judged
        };
        aside::run_own(judging).await
    }

    /// Takes note that servers answered, as far as they are still reached at those endpoints; gives
    /// the desired state that their answers belong to, and whose they are.
    fn note_answers(&self, came: &Listings) -> (Desired, Vec<ServerName>) {
        let mut state = self.write();
        let mut answered = Vec::new();
        for (name, listing) in came {
            let server = state.desired.built.document.servers.get(name);
            if server.is_some_and(|server| has_endpoint(server, &listing.endpoint)) {
                let since = match state.attempts.get(name) {
                    Some(ListState::Up { since }) => *since,
                    _ => OffsetDateTime::now_utc(),
                };
                let is_up = ListState::Up { since };
                Arc::make_mut(&mut state.attempts).insert(name.clone(), is_up);
                answered.push(name.clone());
            } else {
                tracing::info!(server = %name, endpoint = listing.endpoint, "the list of a former \
                     endpoint is dropped");
            }
        }
        (state.desired.clone(), answered)
    }

    /// Whether Envoys rejected a generation because of this list.
    fn is_withheld(&self, list: &Catalogue) -> bool {
        self.read().withheld.contains(&Input::List {
            server: list.server.clone(),
            hash: list.hash.clone(),
        })
    }

    /// Takes note that a server could not be listed, if it is still the one that was asked. What it
    /// listed before stays.
    pub fn observe_failure(&self, name: &ServerName, asked: &Server, reason: String) {
        let mut state = self.write();
        if state.desired.built.document.servers.get(name) != Some(asked) {
            return;
        }
        let since = match state.attempts.get(name) {
            Some(ListState::Down { since, .. }) => *since,
            _ => {
                tracing::warn!(server = %name, reason, "cannot list the server's tools");
                OffsetDateTime::now_utc()
            }
        };
        let is_down = ListState::Down { since, reason };
        Arc::make_mut(&mut state.attempts).insert(name.clone(), is_down);
    }
}

/// Whether a list is stored. A generation that was made of one that is not could not be remembered
/// as accepted.
fn is_stored(server: &ServerName, stored: &Result<(), StoreError>) -> bool {
    if let Err(error) = stored {
        tracing::error!(%server, %error, "the server's list is not stored, and not rolled out; \
             the next time it is listed it is tried again");
    }
    stored.is_ok()
}

/// All that the list of a server is judged by, if it is one of the document's.
fn grounds<'a>(seen: &'a Desired, name: &ServerName) -> Option<Grounds<'a>> {
    let server = seen.built.document.servers.get(name)?;
    Some(Grounds {
        server,
        previous: seen.lists.get(name),
        // What was approved stays so, wherever the server is by now.
        is_pinned: server.pin,
    })
}

/// Judges the lists of these servers, as far as that is not done.
fn judge(judged: &mut JudgedLists, came: &Listings, answered: &[ServerName], seen: &Desired) {
    for name in answered {
        if let (Some(listing), Some(grounds)) = (came.get(name), grounds(seen, name)) {
            judged.judge(name, listing, &grounds, &seen.built.schemas);
        }
    }
}

/// Whether the lists of these servers are judged.
fn are_judged(judged: &JudgedLists, answered: &[ServerName], seen: &Desired) -> bool {
    answered
        .iter()
        .all(|name| grounds(seen, name).is_none_or(|grounds| judged.has(name, &grounds)))
}

/// The lists that say something else than what was known.
fn new_lists(judged: &JudgedLists, answered: &[ServerName], seen: &Desired) -> Lists {
    let new = answered.iter().filter_map(|name| {
        let list = judged.new_list(name, &grounds(seen, name)?)?;
        Some((name.clone(), Arc::clone(list)))
    });
    new.collect()
}

/// The desired generation with these lists too; without those that no generation can be made with,
/// which are told with the reason.
fn made_with(seen: &Desired, new: &Lists) -> (Arc<Built>, Vec<(ServerName, BuildError)>) {
    let mut lists = seen.lists.clone();
    lists.extend(new.clone());
    let with = |lists: &Lists| remade(&seen.built, lists, seen.module.clone());
    if let Ok(built) = with(&lists) {
        return (Arc::new(built), Vec::new());
    }
    let mut made = Arc::clone(&seen.built);
    let mut refused = Vec::new();
    lists.clone_from(&seen.lists);
    for (server, list) in new {
        let before = lists.insert(server.clone(), Arc::clone(list));
        match with(&lists) {
            Ok(built) => made = Arc::new(built),
            Err(error) => {
                refused.push((server.clone(), error));
                match before {
                    Some(before) => lists.insert(server.clone(), before),
                    None => lists.remove(server),
                };
            }
        }
    }
    (made, refused)
}

#[cfg(test)]
mod tests;
