//! Takes what servers list into the gateway.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_document::{Server, ServerName};
use store::{Catalogue, Input};
use time::OffsetDateTime;

use super::Gateway;
use super::state::{ListState, Stage};
use crate::catalogue::{KnownList, Listing, has_endpoint};
use crate::generation::Built;

impl Gateway {
    /// Takes what a server of the document listed. A list that is new becomes a generation; one
    /// that an endpoint answered which is no longer the server's is dropped.
    pub async fn observe(&self, name: &ServerName, listing: Listing) {
        let _changing = self.changing.lock().await;
        let (current, mut lists, module) = {
            let mut state = self.write();
            let server = state.current.document.servers.get(name);
            if !server.is_some_and(|server| has_endpoint(server, &listing.endpoint)) {
                tracing::info!(server = %name, endpoint = listing.endpoint, "the list of a former \
                     endpoint is dropped");
                return;
            }
            let at = OffsetDateTime::now_utc();
            state.attempts.insert(name.clone(), ListState::Up { at });
            (
                Arc::clone(&state.current),
                state.lists.clone(),
                state.module.clone(),
            )
        };
        let previous = lists.get(name);
        // Judged before it is stored: what could end this process must not be met again at its next
        // start.
        let list = KnownList::observed(name, listing, previous.map(|list| &**list));
        let server = current.document.servers.get(name);
        let known = previous.is_some_and(|previous| {
            server.is_some_and(|server| previous.may_be_of(server))
                && same_list(&previous.stored, &list.stored)
        });
        if known || self.is_withheld(&list.stored) {
            return;
        }
        tracing::info!(
            server = %name,
            tools = list.tools.len(),
            hash = %list.stored.hash,
            "the server's list is new"
        );
        if let Err(error) = self.store.put_catalogue(&list.stored).await {
            tracing::error!(server = %name, %error, "the server's list is not stored; it is asked \
                                                     for again after a restart");
        }
        lists.insert(name.clone(), Arc::new(list));
        self.write().lists = lists.clone();
        match Built::new(
            current.revision,
            Arc::clone(&current.document),
            &lists,
            module,
        ) {
            Ok(built) => {
                if built.generation() == current.generation() {
                    self.take_unchanged(built).await;
                } else {
                    self.roll_out(Arc::new(built)).await;
                }
            }
            Err(error) => {
                tracing::error!(server = %name, %error, "the list cannot be rolled out; what is \
                                                         in force stays");
            }
        }
    }

    /// Takes a list that changes nothing for the Envoys: a description, say.
    async fn take_unchanged(&self, built: Built) {
        let accepted = {
            let mut state = self.write();
            let built = Arc::new(Built {
                snapshot: Arc::clone(&state.current.snapshot),
                ..built
            });
            state.current = Arc::clone(&built);
            if state.stage != Stage::Accepted {
                return;
            }
            state.accepted = Some(Arc::clone(&built));
            built.to_accepted()
        };
        if let Err(error) = self.store.add_accepted(&accepted).await {
            tracing::error!(%error, "after a restart the server's list is an older one");
        }
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
        if state.current.document.servers.get(name) != Some(asked) {
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
