//! Takes what servers list into the gateway.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_document::{Server, ServerName};
use store::{Catalogue, Input};
use time::OffsetDateTime;

use super::Gateway;
use super::desired::{Desired, remade};
use super::state::ListState;
use crate::aside;
use crate::catalogue::{KnownList, Listing, has_endpoint};

impl Gateway {
    /// Takes what a server of the document listed. A list that is new becomes a part of the desired
    /// state; one that an endpoint answered which is no longer the server's is dropped.
    pub async fn observe(&self, name: &ServerName, listing: Listing) {
        let mut races = 0;
        loop {
            let turn = self.turn_at_last(races).await;
            let Some(seen) = self.note_answer(name, &listing.endpoint) else {
                tracing::info!(server = %name, endpoint = listing.endpoint, "the list of a former \
                     endpoint is dropped");
                return;
            };
            let previous = seen.lists.get(name);
            // Judged before it is stored: what could end this process must not be met again at its
            // next start.
            let list = KnownList::observed(name, listing.clone(), previous.map(|list| &**list));
            let server = seen.built.document.servers.get(name);
            let known = previous.is_some_and(|previous| {
                server.is_some_and(|server| previous.may_be_of(server))
                    && same_list(&previous.stored, &list.stored)
            });
            if known || self.is_withheld(&list.stored) {
                return;
            }
            let list = Arc::new(list);
            let mut lists = seen.lists.clone();
            lists.insert(name.clone(), Arc::clone(&list));
            let built = {
                let (before, module) = (Arc::clone(&seen.built), seen.module.clone());
                let lists = lists.clone();
                aside::run(move || remade(&before, &lists, module)).await
            };
            let Some(turn) = self.turn_after(turn, &seen).await else {
                races += 1;
                continue;
            };
            tracing::info!(
                server = %name,
                tools = list.tools.len(),
                hash = %list.stored.hash,
                "the server's list is new"
            );
            if let Err(error) = self.store.put_catalogue(&list.stored).await {
                tracing::error!(server = %name, %error, "the server's list is not stored; it is \
                     asked for again after a restart");
            }
            let built = match built {
                Ok(built) => Arc::new(built),
                Err(error) => {
                    tracing::error!(server = %name, %error, "the list cannot be rolled out; what \
                         is desired stays");
                    Arc::clone(&seen.built)
                }
            };
            let desired = Desired {
                built,
                lists,
                ..seen
            };
            return self.desire(&turn, desired);
        }
    }

    /// Takes note that a server answered, if it is still reached at that endpoint, and gives the
    /// desired state that its answer belongs to.
    fn note_answer(&self, name: &ServerName, endpoint: &str) -> Option<Desired> {
        let mut state = self.write();
        let server = state.desired.built.document.servers.get(name)?;
        if !has_endpoint(server, endpoint) {
            return None;
        }
        let at = OffsetDateTime::now_utc();
        state.attempts.insert(name.clone(), ListState::Up { at });
        Some(state.desired.clone())
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
                tracing::warn!(server = %name, "cannot list the server's tools: {reason}");
                OffsetDateTime::now_utc()
            }
        };
        state
            .attempts
            .insert(name.clone(), ListState::Down { since, reason });
    }
}

/// Whether two lists say the same; servers may list in any order.
fn same_list(one: &Catalogue, other: &Catalogue) -> bool {
    let definitions = |list: &Catalogue| -> BTreeSet<String> {
        list.tools.iter().map(|tool| tool.json.clone()).collect()
    };
    one.protocol == other.protocol
        && (one.hash == other.hash
            || (one.tools.len() == other.tools.len() && definitions(one) == definitions(other)))
}
