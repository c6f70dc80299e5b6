//! Takes what servers list into the gateway.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_document::{Server, ServerName};
use store::Catalogue;
use time::OffsetDateTime;

use super::Gateway;
use super::state::ListState;
use crate::catalogue::{KnownList, Listing, has_endpoint};
use crate::generation::Built;

impl Gateway {
    /// Takes what a server of the document listed. A list that is new becomes a generation; one that an endpoint
    /// answered which is no longer the server's is dropped.
    pub async fn observe(&self, name: &ServerName, listing: Listing) {
        let _changing = self.changing.lock().await;
        let (current, mut lists) = {
            let mut state = self.write();
            let server = state.current.document.servers.get(name);
            if !server.is_some_and(|server| has_endpoint(server, &listing.endpoint)) {
                tracing::info!(server = %name, endpoint = listing.endpoint, "the list of a former endpoint is dropped");
                return;
            }
            let at = OffsetDateTime::now_utc();
            state.attempts.insert(name.clone(), ListState::Up { at });
            (Arc::clone(&state.current), state.lists.clone())
        };
        let previous = lists.get(name);
        // Judged before it is stored: what could end this process must not be met again at its next start.
        let list = KnownList::observed(name, listing, previous.map(|list| &**list));
        let server = current.document.servers.get(name);
        let known = previous.is_some_and(|previous| {
            server.is_some_and(|server| previous.may_be_of(server))
                && same_list(&previous.stored, &list.stored)
        });
        if known {
            return;
        }
        tracing::info!(server = %name, tools = list.tools.len(), hash = %list.stored.hash, "the server's list is new");
        if let Err(error) = self.store.put_catalogue(&list.stored).await {
            tracing::error!(server = %name, %error, "the server's list is not stored; it is asked for again after a restart");
        }
        lists.insert(name.clone(), Arc::new(list));
        self.write().lists = lists.clone();
        match Built::new(
            current.revision,
            Arc::clone(&current.document),
            &lists,
            self.module.clone(),
        ) {
            Ok(built) => {
                if built.generation() != current.generation() {
                    self.roll_out(Arc::new(built)).await;
                }
            }
            Err(error) => {
                tracing::error!(server = %name, %error, "the list cannot be rolled out; what is in force stays");
            }
        }
    }

    /// Takes note that a server could not be listed, if it is still the one that was asked. What it listed before stays.
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
