//! An operator's change, from the request to the report.

use std::sync::Arc;
use std::time::Duration;

use gateway_document::{CheckedDocument, GatewayDocument, ParseError, Problem, Server, ServerName};
use store::{AppendError, NewRevision, RevisionNumber, RevisionSummary, StoreError};
use thiserror::Error;

use super::Gateway;
use super::acceptance::Outcome;
use super::author::Author;
use super::rollout::{UnlistedServer, WriteReport};
use super::state::Stage;
use crate::catalogue::{KnownList, has_endpoint};
use crate::generation::{BuildError, Built, FindToolError, Lists};

/// The revision that a change is made to, as its author has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: the change is made to whatever is in force.
    None,
    /// One of these revisions; an empty list is met by none.
    OneOf(Vec<RevisionNumber>),
}

impl Precondition {
    /// Adds the condition that this revision is in force.
    #[must_use]
    pub fn and(self, revision: RevisionNumber) -> Self {
        match self {
            Self::None => Self::OneOf(vec![revision]),
            Self::OneOf(mut revisions) => {
                revisions.retain(|other| *other == revision);
                Self::OneOf(revisions)
            }
        }
    }

    fn is_met_by(&self, in_force: RevisionNumber) -> bool {
        match self {
            Self::None => true,
            Self::OneOf(revisions) => revisions.contains(&in_force),
        }
    }
}

/// Makes the new document from the one in force.
pub type Edit = Box<dyn FnOnce(&Built) -> Result<CheckedDocument, ChangeError> + Send>;

/// Why a change was refused. Nothing has changed, except where an Envoy rejected it.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// It was made to a revision that is no longer in force.
    #[error("{}", stale(.0))]
    Stale(Box<RevisionSummary>),
    /// Somebody else stored a revision at the same moment.
    #[error("{0}")]
    Conflict(String),
    /// The text is not a document, or not a policy.
    #[error("what was sent cannot be read: {0}")]
    Malformed(#[from] ParseError),
    /// It does not hold together.
    #[error("the change is not valid")]
    Invalid(Vec<Problem>),
    /// It is about a tool that there is not, or about several.
    #[error(transparent)]
    Tool(#[from] FindToolError),
    /// There is nothing to remove.
    #[error(
        "the tool `{0}` has no policy of its own; its policy comes from other rules and the \
         defaults"
    )]
    NoRule(String),
    /// An Envoy rejected it; the revision is stored, and what was in force before is again.
    #[error("{}", rejected(.0))]
    Rejected(Box<WriteReport>),
    /// The store could not read or write.
    #[error("the change could not be stored")]
    Store(#[from] StoreError),
    /// The control plane failed.
    #[error("the change could not be made")]
    Build(#[source] BuildError),
}

fn stale(summary: &RevisionSummary) -> String {
    format!(
        "revision {} is in force, stored by `{}` at {}: read it, and make the change again",
        summary.number, summary.author, summary.created_at
    )
}

fn rejected(report: &WriteReport) -> String {
    let revision = report.revision;
    match report.in_force {
        _ if report.kept => format!(
            "an Envoy rejected revision {revision}; going back by itself would allow what it, or \
             one before it that Envoys run, refuses, so they keep it: write a corrected document, \
             or the one before if it is to be in force again"
        ),
        Some(other) if other != revision => {
            format!("an Envoy rejected revision {revision}; revision {other} is in force again")
        }
        _ => format!(
            "an Envoy rejected revision {revision}, and there is none before it that the Envoys \
             accepted: correct what it names"
        ),
    }
}

/// How long a server that a change registers may hold the change up, so that its tools can be
/// called at once.
const LIST_FIRST_WITHIN: Duration = Duration::from_secs(2);

impl Gateway {
    /// Makes a change and waits for the Envoys. Once it is begun, it is finished, whoever stops
    /// waiting for it; a change that waits for others has not begun, and goes with its caller.
    ///
    /// # Errors
    /// When the change is refused, by us or by an Envoy.
    pub async fn change(
        self: &Arc<Self>,
        edit: Edit,
        precondition: Precondition,
        author: Author,
    ) -> Result<WriteReport, ChangeError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let gateway = Arc::clone(self);
        let change = tokio::spawn(async move {
            let _changing = changing;
            gateway.change_now(edit, precondition, author).await
        });
        match change.await {
            Ok(outcome) => outcome,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// The caller holds `changing`.
    async fn change_now(
        &self,
        edit: Edit,
        precondition: Precondition,
        author: Author,
    ) -> Result<WriteReport, ChangeError> {
        let (current, head, lists, module) = {
            let state = self.read();
            (
                Arc::clone(&state.current),
                state.head,
                state.lists.clone(),
                state.module.clone(),
            )
        };
        if !precondition.is_met_by(current.revision) {
            return Err(self.stale(current.revision).await?);
        }
        let document = edit(&current)?;
        let is_settled = self.read().stage != Stage::Kept;
        if document == *current.document && head == current.revision && is_settled {
            return Ok(self.report_unchanged(&current));
        }
        let lists = self.lists_for(&current.document, &document, lists).await;
        let next = RevisionNumber(head.0 + 1);
        let built = Built::new(next, Arc::new(document), &lists.lists, module).map_err(
            |error| match error {
                BuildError::Invalid(problems) => ChangeError::Invalid(problems),
                other => ChangeError::Build(other),
            },
        )?;
        let stored = self
            .store
            .append(Some(head), revision_of(&built, &author))
            .await;
        match stored {
            Ok(_) => {}
            Err(error @ AppendError::Conflict { .. }) => {
                return Err(ChangeError::Conflict(error.to_string()));
            }
            Err(AppendError::Store(error)) => return Err(ChangeError::Store(error)),
        }
        self.keep(&lists).await;
        {
            let mut state = self.write();
            state.head = next;
            state.forget_attempts(&built.document, &lists.changed);
            state.lists = lists.lists;
            // An operator wants it to be tried, also by Envoys that crashed before.
            state.marks.crashed_with.clear();
        }
        self.publisher.forgive_crashes();
        let report = WriteReport {
            unlisted: lists.unlisted,
            ..self.roll_out(Arc::new(built)).await
        };
        match report.outcome {
            Outcome::Rejected => Err(ChangeError::Rejected(Box::new(report))),
            _ => Ok(report),
        }
    }

    async fn stale(&self, revision: RevisionNumber) -> Result<ChangeError, StoreError> {
        let summary = self
            .store
            .revision(revision)
            .await?
            .map(|revision| revision.summary);
        Ok(match summary {
            Some(summary) => ChangeError::Stale(Box::new(summary)),
            None => ChangeError::Conflict(format!(
                "revision {revision} is in force: read it, and make the change again"
            )),
        })
    }

    /// The lists under the new document: of servers that are new or moved they are asked for now,
    /// and what another server listed under the same name does not count.
    async fn lists_for(
        &self,
        old: &GatewayDocument,
        new: &GatewayDocument,
        mut lists: Lists,
    ) -> ChangedLists {
        let moved: Vec<(&ServerName, &Server)> = new
            .servers
            .iter()
            .filter(|(name, server)| has_moved(old.servers.get(*name), server))
            .collect();
        let listed = futures::future::join_all(moved.iter().map(|(_, server)| async {
            tokio::time::timeout(LIST_FIRST_WITHIN, self.client.list(server)).await
        }));
        let mut changed = Vec::new();
        let mut unlisted = Vec::new();
        for ((name, _), listing) in moved.iter().zip(listed.await) {
            let previous = lists.remove(*name);
            let reason = match listing {
                Ok(Ok(listing)) => {
                    let list = KnownList::observed(name, listing, previous.as_deref());
                    lists.insert((*name).clone(), Arc::new(list));
                    None
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!(
                    "it did not list its tools within {} s",
                    LIST_FIRST_WITHIN.as_secs()
                )),
            };
            unlisted.extend(reason.map(|reason| UnlistedServer {
                name: name.to_string(),
                reason,
            }));
            changed.push((*name).clone());
        }
        ChangedLists {
            lists,
            changed,
            unlisted,
        }
    }

    async fn keep(&self, changed: &ChangedLists) {
        for name in &changed.changed {
            let kept = match changed.lists.get(name) {
                Some(list) => self.store.put_catalogue(&list.stored).await,
                None => self.store.remove_catalogue(name.as_str()).await,
            };
            if let Err(error) = kept {
                tracing::error!(server = %name, %error, "the server's list is not stored; it is \
                                                         asked for again after a restart");
            }
        }
    }
}

struct ChangedLists {
    lists: Lists,
    changed: Vec<ServerName>,
    /// Those of the changed ones that did not list their tools.
    unlisted: Vec<UnlistedServer>,
}

/// Whether none of the endpoints is one that the list in hand could have come from.
fn has_moved(old: Option<&Server>, new: &Server) -> bool {
    !old.is_some_and(|old| {
        old.all_endpoints()
            .any(|endpoint| has_endpoint(new, endpoint.as_str()))
    })
}

fn revision_of(built: &Built, author: &Author) -> NewRevision {
    NewRevision {
        document: built
            .document
            .to_canonical_json()
            .expect("a document has text keys and finite numbers"),
        author: author.name.clone(),
        reason: author.reason.clone(),
        action: author.action.clone(),
        origin: author.origin.clone(),
    }
}
