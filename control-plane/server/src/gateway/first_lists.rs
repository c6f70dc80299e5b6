//! The lists of servers that a change registers or moves: they are asked for with the change, so
//! that their tools can be called at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_document::{CheckedDocument, GatewayDocument, KnownSchemas, Server, ServerName};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use super::Gateway;
use super::desired::Desired;
use super::judged_lists::{Grounds, JudgedLists};
use crate::aside;
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

/// The servers that were asked for one change. Each is asked once, and its list is judged once,
/// however often the change has to be made anew.
#[derive(Default)]
pub(super) struct AskedServers {
    answers: BTreeMap<ServerName, (Server, Result<Listing, String>)>,
    judged: JudgedLists,
}

/// The lists under a changed document.
pub(super) struct FirstLists {
    pub(super) lists: Lists,
    /// The servers that are asked with the change: they are new, have moved, or are described anew
    /// while nothing is known of them.
    pub(super) asked: Vec<ServerName>,
    /// Those of them that did not list their tools.
    pub(super) unlisted: Vec<UnlistedServer>,
}

impl FirstLists {
    /// The lists of the servers that were asked.
    fn listed(&self) -> impl Iterator<Item = &KnownList> {
        let asked = self.asked.iter();
        asked.filter_map(|name| self.lists.get(name).map(|list| &**list))
    }
}

impl AskedServers {
    /// Asks the servers whose lists are needed under the new document, and judges what they list,
    /// as far as that is not done. Nobody is to wait for it.
    pub(super) async fn prepare(
        &mut self,
        client: &CatalogueClient,
        seen: &Desired,
        new: &Arc<CheckedDocument>,
    ) {
        self.ask(client, &seen.built.document, new, &seen.lists)
            .await;
        if !self.are_ready(&seen.built.document, new, &seen.lists) {
            let (mut servers, seen, new) = (std::mem::take(self), seen.clone(), Arc::clone(new));
            let judging = move || {
                let built = &seen.built;
                servers.lists_for(&built.document, &new, seen.lists.clone(), &built.schemas);
                servers
            };
            *self = aside::run(judging).await;
        }
    }

    /// Whether nobody has to be asked any more for the lists under the new document, and nothing
    /// has to be judged.
    pub(super) fn are_ready(
        &self,
        old: &GatewayDocument,
        new: &GatewayDocument,
        lists: &Lists,
    ) -> bool {
        let is_ready = |(name, server)| match self.answers.get(name) {
            Some((asked, Ok(_))) => {
                asked == server && self.judged.has(name, &grounds(old, (name, server), lists))
            }
            Some((asked, Err(_))) => asked == server,
            None => false,
        };
        to_ask(old, new, lists).into_iter().all(is_ready)
    }

    /// The lists under the new document, once everything is [prepared](Self::prepare): of servers
    /// that are new or moved those that they were asked for. What another server listed under the
    /// same name does not count.
    pub(super) fn lists_for(
        &mut self,
        old: &GatewayDocument,
        new: &GatewayDocument,
        mut lists: Lists,
        known: &KnownSchemas,
    ) -> FirstLists {
        let asked = to_ask(old, new, &lists);
        let mut unlisted = Vec::new();
        for (name, server) in &asked {
            let grounds = grounds(old, (name, server), &lists);
            match self.answers.get(*name).map(|(_, answer)| answer) {
                Some(Ok(listing)) => {
                    let list = Arc::clone(self.judged.judge(name, listing, &grounds, known));
                    lists.insert((*name).clone(), list);
                    continue;
                }
                Some(Err(reason)) => unlisted.push(UnlistedServer {
                    name: name.to_string(),
                    reason: reason.clone(),
                }),
                None => {}
            }
            let approved = grounds.previous.filter(|_| grounds.is_pinned);
            match approved.map(|approved| Arc::new(approved.moved(server))) {
                Some(list) => lists.insert((*name).clone(), list),
                None => lists.remove(*name),
            };
        }
        FirstLists {
            lists,
            asked: asked.into_iter().map(|(name, _)| name.clone()).collect(),
            unlisted,
        }
    }

    fn not_asked<'a>(
        &self,
        old: &GatewayDocument,
        new: &'a GatewayDocument,
        lists: &Lists,
    ) -> Vec<(&'a ServerName, &'a Server)> {
        let mut to_ask = to_ask(old, new, lists);
        to_ask.retain(|(name, server)| {
            let asked = self.answers.get(*name).map(|(asked, _)| asked);
            asked != Some(*server)
        });
        to_ask
    }

    /// Asks the servers `to_ask`, except those that were asked before.
    async fn ask(
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
        for (name, answer) in answers {
            self.judged.forget(&name);
            self.answers.insert(name, answer);
        }
    }
}

impl Gateway {
    /// Stores what is long of the lists of the servers that were asked, before the turn is taken
    /// in which [`Self::keep_lists`] stores the rest.
    ///
    /// # Errors
    /// When one of them is not stored.
    pub(super) async fn keep_tools(&self, first: &FirstLists) -> Result<(), StoreError> {
        for list in first.listed() {
            self.store.put_tools(&list.stored).await?;
        }
        Ok(())
    }

    /// Stores the lists of the servers that were asked.
    ///
    /// # Errors
    /// When one of them is not stored: no generation that is made of it could be remembered as
    /// accepted.
    pub(super) async fn keep_lists(&self, first: &FirstLists) -> Result<(), StoreError> {
        for list in first.listed() {
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

/// All that the list of a server of the new document is judged by.
fn grounds<'a>(
    old: &GatewayDocument,
    (name, server): (&ServerName, &'a Server),
    lists: &'a Lists,
) -> Grounds<'a> {
    Grounds {
        server,
        previous: lists.get(name),
        // What was approved stays so, wherever the server is by now.
        is_pinned: server.pin && old.servers.get(name).is_some_and(|old| old.pin),
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

#[cfg(test)]
mod tests;
