//! The lists of servers that a change registers or moves: they are asked for with the change, so
//! that their tools can be called at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_document::{GatewayDocument, Server, ServerName};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use super::Gateway;
use crate::catalogue::{CatalogueClient, KnownList, Listing, has_endpoint};
use crate::generation::Lists;

/// How long a server that a change registers may hold the change up, so that its tools can be
/// called at once.
const LIST_FIRST_WITHIN: Duration = Duration::from_secs(2);

/// A server that did not list its tools when a change registered it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UnlistedServer {
    /// The name of the server.
    pub name: String,
    /// A sentence that says what happened, and what to do about it.
    pub reason: String,
}

/// The servers that were asked for one change. Each is asked once, however often the change has to
/// be made anew.
#[derive(Default)]
pub(super) struct AskedServers(BTreeMap<ServerName, (Server, Result<Listing, String>)>);

/// The lists under a changed document.
pub(super) struct FirstLists {
    pub(super) lists: Lists,
    /// The servers that are asked with the change: they are new, have moved, or are described anew
    /// while nothing is known of them.
    pub(super) asked: Vec<ServerName>,
    /// Those of them that did not list their tools.
    pub(super) unlisted: Vec<UnlistedServer>,
}

impl AskedServers {
    /// The lists under the new document: the servers `to_ask` are asked for theirs now, and what
    /// another server listed under the same name does not count.
    pub(super) async fn lists_for(
        &mut self,
        client: &CatalogueClient,
        old: &GatewayDocument,
        new: &GatewayDocument,
        mut lists: Lists,
    ) -> FirstLists {
        self.ask(client, old, new, &lists).await;
        let asked = to_ask(old, new, &lists);
        let mut unlisted = Vec::new();
        for (name, server) in &asked {
            let previous = lists.remove(*name);
            // What was approved stays so, wherever the server is by now.
            let is_pinned = server.pin && old.servers.get(*name).is_some_and(|old| old.pin);
            let approved = previous.as_deref().filter(|_| is_pinned);
            match self.0.get(*name).map(|(_, answer)| answer) {
                Some(Ok(listing)) => {
                    let list =
                        KnownList::observed(name, listing.clone(), previous.as_deref(), approved);
                    lists.insert((*name).clone(), Arc::new(list));
                    continue;
                }
                Some(Err(reason)) => unlisted.push(UnlistedServer {
                    name: name.to_string(),
                    reason: reason.clone(),
                }),
                None => {}
            }
            if let Some(approved) = approved {
                lists.insert((*name).clone(), Arc::new(approved.moved(server)));
            }
        }
        FirstLists {
            lists,
            asked: asked.into_iter().map(|(name, _)| name.clone()).collect(),
            unlisted,
        }
    }

    /// Whether nobody has to be asked any more for the lists under the new document.
    pub(super) fn has_asked_all(
        &self,
        old: &GatewayDocument,
        new: &GatewayDocument,
        lists: &Lists,
    ) -> bool {
        self.not_asked(old, new, lists).is_empty()
    }

    fn not_asked<'a>(
        &self,
        old: &GatewayDocument,
        new: &'a GatewayDocument,
        lists: &Lists,
    ) -> Vec<(&'a ServerName, &'a Server)> {
        let mut to_ask = to_ask(old, new, lists);
        to_ask.retain(|(name, server)| {
            let asked = self.0.get(*name).map(|(asked, _)| asked);
            asked != Some(*server)
        });
        to_ask
    }

    /// Asks the servers `to_ask`, except those that were asked before.
    pub(super) async fn ask(
        &mut self,
        client: &CatalogueClient,
        old: &GatewayDocument,
        new: &GatewayDocument,
        lists: &Lists,
    ) {
        let not_asked = self.not_asked(old, new, lists).into_iter();
        let answers = futures::future::join_all(not_asked.map(|(name, server)| async move {
            let listing = async {
                let client = client.towards(server, &new.secrets).await?;
                client.list(server).await
            };
            let answer = tokio::time::timeout(LIST_FIRST_WITHIN, listing).await;
            let answer = match answer {
                Ok(Ok(listing)) => Ok(listing),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!(
                    "it did not list its tools within {} s",
                    LIST_FIRST_WITHIN.as_secs()
                )),
            };
            (name.clone(), (server.clone(), answer))
        }))
        .await;
        self.0.extend(answers);
    }
}

impl Gateway {
    /// Stores the lists of the servers that were asked.
    ///
    /// # Errors
    /// When one of them is not stored: no generation that is made of it could be remembered as
    /// accepted.
    pub(super) async fn keep_lists(&self, first: &FirstLists) -> Result<(), StoreError> {
        for list in first.asked.iter().filter_map(|name| first.lists.get(name)) {
            self.store.put_catalogue(&list.stored).await?;
        }
        Ok(())
    }

    /// Has the store forget the lists of servers that were asked and did not list their tools yet.
    pub(super) async fn forget_lists(&self, first: &FirstLists) {
        let without = first.asked.iter();
        for name in without.filter(|name| !first.lists.contains_key(*name)) {
            if let Err(error) = self.store.remove_catalogue(name.as_str()).await {
                tracing::error!(server = %name, %error, "the store still has the list that the \
                     server had elsewhere");
            }
        }
    }
}

/// The servers of the new document that are new, have moved, or are described anew while no list of
/// theirs is known.
fn to_ask<'a>(
    old: &GatewayDocument,
    new: &'a GatewayDocument,
    lists: &Lists,
) -> Vec<(&'a ServerName, &'a Server)> {
    let servers = new.servers.iter();
    servers
        .filter(|(name, server)| {
            let list = lists.get(*name).map(|list| &**list);
            let before = old.servers.get(*name);
            has_moved(before, server, list) || (list.is_none() && before != Some(*server))
        })
        .collect()
}

/// Whether none of the endpoints is one that the list in hand came from, or could have.
fn has_moved(old: Option<&Server>, new: &Server, list: Option<&KnownList>) -> bool {
    let is_elsewhere = list.is_some_and(|list| !list.may_be_of(new));
    let stays = old.is_some_and(|old| {
        old.all_endpoints()
            .any(|endpoint| has_endpoint(new, endpoint.as_str()))
    });
    is_elsewhere || !stays
}
