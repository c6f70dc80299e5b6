//! What servers list, as it is seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_document::ServerName;
use store::Catalogue;
use time::OffsetDateTime;

use super::Gateway;
use super::state::ListState;
use crate::catalogue::{KnownList, Listing};
use crate::generation::Built;

impl Gateway {
    /// Takes what a server of the document listed. A list that is new becomes a generation.
    pub async fn observe(&self, server: &ServerName, listing: Listing) {
        let _changing = self.changing.lock().await;
        let now = OffsetDateTime::now_utc();
        let (current, mut lists) = {
            let mut state = self.write();
            if !state.current.document.servers.contains_key(server) {
                return;
            }
            state
                .attempts
                .insert(server.clone(), ListState::Up { at: now });
            (Arc::clone(&state.current), state.lists.clone())
        };
        let stored = Catalogue::new(server.to_string(), listing.protocol, now, listing.tools);
        let known = lists
            .get(server)
            .is_some_and(|list| same_list(&list.stored, &stored));
        if known {
            return;
        }
        tracing::info!(%server, tools = stored.tools.len(), hash = %stored.hash, "the server's list is new");
        // Judged before it is stored: what could end this process must not be met again at its next start.
        let list = Arc::new(KnownList::new(stored));
        if let Err(error) = self.store.put_catalogue(&list.stored).await {
            tracing::error!(%server, %error, "the server's list is not stored; it is asked for again after a restart");
        }
        lists.insert(server.clone(), list);
        self.write().lists = lists.clone();
        match Built::new(
            current.revision,
            Arc::clone(&current.document),
            &lists,
            self.module.clone(),
        ) {
            Ok(built) => {
                for (listener, held) in built.held() {
                    tracing::warn!(%listener, server = held.server, tool = held.tool, "the tool is held: {}", held.reason);
                }
                if built.generation() != current.generation() {
                    self.roll_out(Arc::new(built)).await;
                }
            }
            Err(error) => {
                tracing::error!(%server, %error, "the list cannot be rolled out; what is in force stays");
            }
        }
    }

    /// Takes note that a server could not be listed. What it listed before stays.
    pub fn observe_failure(&self, server: &ServerName, reason: String) {
        let mut state = self.write();
        let since = match state.attempts.get(server) {
            Some(ListState::Down { since, .. }) => *since,
            _ => {
                tracing::warn!(%server, "cannot list the server's tools: {reason}");
                OffsetDateTime::now_utc()
            }
        };
        state
            .attempts
            .insert(server.clone(), ListState::Down { since, reason });
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
