//! Decisions about definitions that a pinned server lists and that are not in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateway_document::{ServerName, did_you_mean};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use store::{Catalogue, DefinitionReview, ReviewState, StoreError};
use thiserror::Error;
use time::OffsetDateTime;

use super::Gateway;
use super::author::Author;
use super::desired::{Desired, remade};
use crate::aside;
use crate::catalogue::{KnownList, ReviewVerdict, decide, reviewable};
use crate::generation::BuildError;

/// The definitions of one tool of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolDefinitions {
    /// The definition that is in force, as JSON.
    pub in_force: Option<String>,
    /// Those that are not, with what became of them.
    pub reviews: Vec<DefinitionReview>,
}

/// Why nothing was decided about a definition. Nothing has changed.
#[derive(Debug, Error)]
pub enum ReviewError {
    /// There is no such server.
    #[error("there is no server `{server}`; {}", advice(.meant, "`GET /api/v1/servers`"))]
    UnknownServer {
        /// The server that was asked about.
        server: String,
        /// A question that names those that may have been meant.
        meant: Option<String>,
    },
    /// The server lists no such tool.
    #[error(
        "server `{server}` lists no tool `{tool}`; {}", advice(.meant, "`GET /api/v1/tools`")
    )]
    UnknownTool {
        /// The server that was asked about.
        server: String,
        /// The tool that it does not list.
        tool: String,
        /// A question that names those that may have been meant.
        meant: Option<String>,
    },
    /// No definition of the tool waits for a decision.
    #[error(
        "no definition of the tool `{tool}` waits to be reviewed; `GET /api/v1/servers/{server}` \
         lists those that do"
    )]
    NothingToReview {
        /// The server that lists the tool.
        server: String,
        /// The tool whose definition is in force.
        tool: String,
    },
    /// The server lists another definition by now.
    #[error(
        "the definition that waits is `{now}` and not the one that you have read: read \
         `GET /api/v1/servers/{server}/tools/{tool}`, and decide about that"
    )]
    AnotherDefinition {
        /// The server that lists the tool.
        server: String,
        /// The tool that the decision is about.
        tool: String,
        /// The hash of the definition that waits.
        now: String,
    },
    /// The definition does not fit the document.
    #[error("the definition cannot come into force")]
    Build(#[source] BuildError),
    /// The store could not read or write.
    #[error("the decision could not be stored")]
    Store(#[from] StoreError),
}

/// The names that may have been meant, or where all are listed.
fn advice(meant: &Option<String>, list: &str) -> String {
    let all = || format!("{list} lists those that there are");
    meant.clone().unwrap_or_else(all)
}

/// The SHA-256 of a definition's bytes, in hex: by it a decision says what it is about.
#[must_use]
pub fn definition_hash(json: &str) -> String {
    hex::encode(Sha256::digest(json))
}

impl Gateway {
    /// The definitions of a tool by its server's own name, in force and not.
    ///
    /// # Errors
    /// When there is no such server, or it lists no such tool.
    pub fn definitions(&self, server: &str, tool: &str) -> Result<ToolDefinitions, ReviewError> {
        let desired = self.desired();
        let name = self.server_named(&desired, server)?;
        let stored = stored_of(&desired, &name, tool)?;
        let in_force = stored.tools.iter().find(|there| there.name == tool);
        let reviews = stored.reviews.iter().filter(|one| one.tool.name == tool);
        Ok(ToolDefinitions {
            in_force: in_force.map(|there| there.json.clone()),
            reviews: reviews.cloned().collect(),
        })
    }

    /// Decides about the definition of a tool that waits, if it is the one of that hash where one
    /// is given. What is approved becomes a part of the desired state, and Envoys are given it.
    /// Whoever stops waiting for it has decided all the same. Gives the hash of the definition.
    ///
    /// # Errors
    /// When none waits, or another one, or it does not fit the document.
    pub async fn review(
        self: &Arc<Self>,
        server: &str,
        tool: &str,
        verdict: ReviewVerdict,
        definition: Option<&str>,
        author: Author,
    ) -> Result<String, ReviewError> {
        let (gateway, server, tool) = (Arc::clone(self), server.to_owned(), tool.to_owned());
        let definition = definition.map(str::to_owned);
        let decided = tokio::spawn(async move {
            gateway
                .decide(&server, &tool, verdict, definition.as_deref(), &author)
                .await
        });
        match decided.await {
            Ok(decided) => decided,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    async fn decide(
        &self,
        server: &str,
        tool: &str,
        verdict: ReviewVerdict,
        definition: Option<&str>,
        author: &Author,
    ) -> Result<String, ReviewError> {
        // Few decisions are made, and each is about one list: it keeps its turn from the beginning.
        let turn = self.turn().await;
        let seen = self.desired();
        let name = self.server_named(&seen, server)?;
        let stored = stored_of(&seen, &name, tool)?;
        let nothing = || ReviewError::NothingToReview {
            server: server.to_owned(),
            tool: tool.to_owned(),
        };
        let review = reviewable(stored, tool, verdict).ok_or_else(nothing)?;
        let hash = definition_hash(&review.tool.json);
        if definition.is_some_and(|definition| definition != hash) {
            return Err(ReviewError::AnotherDefinition {
                server: server.to_owned(),
                tool: tool.to_owned(),
                now: hash,
            });
        }
        let now = OffsetDateTime::now_utc();
        let (by, reason) = (&author.name, &author.reason);
        let list = decide(stored, tool, verdict, by, reason, now).ok_or_else(nothing)?;
        let list = Arc::new(KnownList::new(list));
        let mut lists = seen.lists.clone();
        lists.insert(name.clone(), Arc::clone(&list));
        let built = {
            let (before, lists, module) =
                (Arc::clone(&seen.built), lists.clone(), seen.module.clone());
            aside::run(move || remade(&before, &lists, module)).await
        };
        let built = Arc::new(built.map_err(ReviewError::Build)?);
        let entry = author.deed_on(&hash);
        self.store.put_reviewed(&list.stored, &entry).await?;
        let desired = Desired {
            built,
            lists,
            ..seen
        };
        self.desire(&turn, desired);
        let state = verdict.word();
        tracing::info!(server, tool, definition = hash, by = author.name, "{state}");
        let data = json!({"server": server, "tool": tool, "state": state, "definition": hash,
            "by": author.name, "reason": author.reason});
        self.events.publish("tool", data);
        Ok(hash)
    }

    /// Tells what a server's new list says otherwise than the one before: which definitions changed
    /// in force, and which wait to be reviewed.
    pub(super) fn tell_definitions(&self, before: Option<&KnownList>, now: &KnownList) {
        let Some(before) = before else {
            return;
        };
        let server = &now.stored.server;
        let told = changed(before, now).chain(unreviewed(before, now));
        let told: Vec<_> = told.collect();
        for (tool, json, state) in told.iter().take(MOST_TOLD) {
            let data = json!({"server": server, "tool": tool, "state": state,
                "definition": definition_hash(json)});
            self.events.publish("tool", data);
        }
        if told.len() > MOST_TOLD {
            let data = json!({"server": server, "state": "changed",
                "more": told.len() - MOST_TOLD});
            self.events.publish("tool", data);
        }
    }

    fn server_named(&self, desired: &Desired, server: &str) -> Result<ServerName, ReviewError> {
        let servers = &desired.built.document.servers;
        let name = servers.keys().find(|name| name.as_str() == server).cloned();
        name.ok_or_else(|| ReviewError::UnknownServer {
            server: server.to_owned(),
            meant: did_you_mean(server, servers.keys().map(ServerName::as_str)),
        })
    }
}

/// The tools of one list that are told of, each with an event of its own: more would push
/// everything else out of the events that are kept.
const MOST_TOLD: usize = 50;

type Told<'a> = (&'a str, &'a str, &'static str);

/// The definitions in force that are others than before.
fn changed<'a>(before: &'a KnownList, now: &'a KnownList) -> impl Iterator<Item = Told<'a>> {
    let old: BTreeMap<&str, &str> = before
        .stored
        .tools
        .iter()
        .map(|tool| (tool.name.as_str(), tool.json.as_str()))
        .collect();
    now.stored.tools.iter().filter_map(move |tool| {
        let was = old.get(tool.name.as_str())?;
        (*was != tool.json).then_some((tool.name.as_str(), tool.json.as_str(), "changed"))
    })
}

/// The definitions that wait now and did not before.
fn unreviewed<'a>(before: &'a KnownList, now: &'a KnownList) -> impl Iterator<Item = Told<'a>> {
    let waiting = |list: &'a KnownList| {
        let reviews = list.stored.reviews.iter();
        reviews.filter(|one| one.state == ReviewState::Unreviewed)
    };
    waiting(now)
        .filter(move |one| !waiting(before).any(|known| known.tool == one.tool))
        .map(|one| {
            (
                one.tool.name.as_str(),
                one.tool.json.as_str(),
                ReviewState::Unreviewed.as_str(),
            )
        })
}

/// The list of a server that has this tool, in force or not.
fn stored_of<'a>(
    desired: &'a Desired,
    server: &ServerName,
    tool: &str,
) -> Result<&'a Catalogue, ReviewError> {
    let stored = desired.lists.get(server).map(|list| &list.stored);
    let tools = stored.into_iter().flat_map(|stored| {
        let in_force = stored.tools.iter();
        in_force.chain(stored.reviews.iter().map(|review| &review.tool))
    });
    let names: BTreeSet<&str> = tools.map(|tool| tool.name.as_str()).collect();
    match stored.filter(|_| names.contains(tool)) {
        Some(stored) => Ok(stored),
        None => Err(ReviewError::UnknownTool {
            server: server.to_string(),
            tool: tool.to_owned(),
            meant: did_you_mean(tool, names.into_iter()),
        }),
    }
}
