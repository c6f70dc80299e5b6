//! An operator's change, from the request to the report.

use std::sync::Arc;
use std::time::Duration;

use gateway_document::CheckedDocument;
use store::{AppendError, RevisionNumber, StoreError};
use tokio::sync::oneshot;

use super::Gateway;
use super::acceptance::Outcome;
use super::author::Author;
use super::desired::{Desired, Turn};
use super::first_lists::{AskedServers, FirstLists};
use super::in_hand::InHand;
use super::report::WriteReport;
use super::secret_watch::UnusableSecret;
use super::state::Stage;
use crate::aside;
use crate::generation::Built;
use crate::secrets::SecretState;

mod refusal;

pub use refusal::ChangeError;

/// The revision that a change is made to, as its author has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: the change is made to whatever is desired.
    None,
    /// One of these revisions; an empty list is met by none.
    OneOf(Vec<RevisionNumber>),
}

impl Precondition {
    /// Adds the condition that the document is at this revision.
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

    pub(super) fn is_met_by(&self, latest: RevisionNumber) -> bool {
        match self {
            Self::None => true,
            Self::OneOf(revisions) => revisions.contains(&latest),
        }
    }
}

/// Makes the new document from the latest one; once more where another change was stored first.
pub type Edit = Arc<dyn Fn(&Built) -> Result<CheckedDocument, ChangeError> + Send + Sync>;

/// How often a change that has lost its races is shown to an Envoy while others may pass it. Each
/// time they have changed what an Envoy is to judge, too; whoever made such changes without end
/// would keep this one from its answer.
const MOST_FLIGHTS: u32 = 5;

const ALWAYS_OVERTAKEN: &str = "each time that an Envoy was shown this change, another one of \
                                listeners, routes, clusters or modules was stored meanwhile, and \
                                nobody waits for it: send it again when the others are done";

/// The answer to a change that says what is desired already.
enum SameAnswer {
    /// That of the change that said so first, which is being judged.
    Awaited(oneshot::Receiver<WriteReport>),
    /// The judgement has been told.
    Unchanged,
}

impl Gateway {
    /// Makes a change and waits until the Envoys have judged it. The change is made to the desired
    /// state, with no lock held, and is stored at once, also while another one is being judged.
    /// Whoever stops waiting before that has changed nothing; after that the change takes its way.
    /// It is in hand until it is stored: its judgement may take as long as Envoys like.
    ///
    /// # Errors
    /// When the change is refused, by us or by an Envoy.
    pub async fn change(
        self: &Arc<Self>,
        in_hand: InHand,
        edit: Edit,
        precondition: Precondition,
        author: Author,
    ) -> Result<WriteReport, ChangeError> {
        let mut servers = AskedServers::default();
        let mut races = 0;
        let mut flights = 0;
        let mut without_judge = None;
        let mut lost: Option<Built> = None;
        loop {
            let turn = self.turn_at_last(races).await;
            let seen = self.desired();
            if !precondition.is_met_by(seen.built.revision) {
                return Err(self.stale(seen.built.revision).await?);
            }
            let document = self.edited(&edit, &seen.built).await?;
            if self.says_the_same(&seen, &document) {
                let answer = self.answer_to_the_same(&seen);
                drop(turn);
                match answer {
                    Some(SameAnswer::Awaited(answer)) => {
                        let heavy = (in_hand, edit, servers, seen, document, lost);
                        drop(heavy);
                        return unless_lost(judged(answer).await);
                    }
                    Some(SameAnswer::Unchanged) => return Ok(self.report_unchanged(&seen.built)),
                    None => {}
                }
                races += 1;
                continue;
            }
            let (old, lists) = (&seen.built.document, seen.lists.clone());
            if turn.is_some() && !self.secrets.has_all(&document, old) {
                // Nobody is to wait for files.
                drop(turn);
                self.take_up_secrets(&document, old).await?;
                continue;
            }
            self.take_up_secrets(&document, old).await?;
            if turn.is_some() && !servers.are_ready(old, &document, &lists) {
                // Nobody is to wait for servers, nor for what is made of their lists.
                drop(turn);
                servers.prepare(&self.client, &seen, &document).await;
                continue;
            }
            servers.prepare(&self.client, &seen, &document).await;
            let first = servers.lists_for(old, &document, lists, &seen.built.schemas);
            let built = {
                let (lists, module) = (first.lists.clone(), seen.module.clone());
                let revision = RevisionNumber(seen.head.0 + 1);
                let before = Arc::clone(&seen.built);
                aside::run(move || before.next(revision, document, &lists, module)).await?
            };
            // Until here it kept what had been compiled for it.
            drop(lost.take());
            let unjudged = if turn.is_none() || self.has_flown(&seen.built, &built) {
                self.fly_ahead(&seen.built, &built).await?
            } else if without_judge.is_some() && !Self::brings_a_module(&seen.built, &built) {
                without_judge.clone()
            } else if flights < MOST_FLIGHTS {
                // Nobody is to wait for an Envoy that serves nobody.
                drop(turn);
                flights += 1;
                without_judge = self.fly_ahead(&seen.built, &built).await?;
                lost = Some(built);
                continue;
            } else {
                return Err(ChangeError::Busy(ALWAYS_OVERTAKEN.to_owned()));
            };
            self.keep_tools(&first).await?;
            let Some(turn) = self.turn_after(turn, &seen).await else {
                races += 1;
                lost = Some(built);
                continue;
            };
            let unlisted = first.unlisted.clone();
            let unusable_secrets = self.unusable_secrets(&built.document);
            // From here on it is finished, whoever stops waiting for it.
            let is_missing = |secret: &UnusableSecret| secret.state == SecretState::Missing.word();
            let waits_for_one = unusable_secrets.iter().any(is_missing);
            let early =
                waits_for_one.then(|| WriteReport::new(&built, Outcome::Pending, Vec::new()));
            let commit =
                Arc::clone(self).commit(turn, seen, Arc::new(built), first, author.clone());
            let stored = tokio::spawn(async move {
                let answer = commit.await;
                drop(in_hand);
                answer
            });
            let answer = match stored.await {
                Ok(answer) => answer?,
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            };
            // Nothing large waits for the judgement.
            drop((edit, servers));
            let report = WriteReport {
                unjudged,
                unlisted,
                unusable_secrets,
                ..judged_or(early, answer).await
            };
            return unless_lost(report);
        }
    }

    /// The document that an edit makes of the latest one, with the hashes of the modules that it
    /// names by name and version.
    pub(super) async fn edited(
        &self,
        edit: &Edit,
        latest: &Arc<Built>,
    ) -> Result<Arc<CheckedDocument>, ChangeError> {
        let (edit, latest, shelf) = (Arc::clone(edit), Arc::clone(latest), self.shelf());
        let made = aside::run(move || {
            let document = edit(&latest)?;
            shelf.resolve(document).map_err(ChangeError::Invalid)
        });
        made.await.map(Arc::new)
    }

    fn says_the_same(&self, seen: &Desired, document: &CheckedDocument) -> bool {
        let is_kept = {
            let state = self.read();
            state.stage == Stage::Kept && state.current.revision == seen.built.revision
        };
        // What was rejected, or is kept until an operator decides, is decided by saying it again.
        *document == *seen.built.document && seen.head == seen.built.revision && !is_kept
    }

    /// The answer to a change that says what is desired already; none if that is desired no
    /// longer.
    fn answer_to_the_same(&self, seen: &Desired) -> Option<SameAnswer> {
        let mut state = self.write();
        if state.desired.edition != seen.edition {
            return None;
        }
        if !state.is_answered(seen.built.revision) {
            return Some(SameAnswer::Awaited(state.wait_for(&seen.built)));
        }
        (!state.is_being_taken_back(&seen.built)).then_some(SameAnswer::Unchanged)
    }

    /// Stores a change and makes it the desired state.
    async fn commit(
        self: Arc<Self>,
        turn: Turn,
        seen: Desired,
        built: Arc<Built>,
        first: FirstLists,
        author: Author,
    ) -> Result<oneshot::Receiver<WriteReport>, ChangeError> {
        let revision = author.revision(&built.document);
        self.keep_lists(&first).await.map_err(ChangeError::Store)?;
        match self.store.append(Some(seen.head), revision).await {
            Ok(_) => {}
            Err(error @ AppendError::Conflict { .. }) => {
                return Err(ChangeError::Conflict(error.to_string()));
            }
            Err(AppendError::Missing(sha256)) => {
                // Somebody has taken it from the store, and not from this process.
                seen.module.shelf.remove(&sha256);
                let problems = seen.module.shelf.problems(&built.document);
                return Err(ChangeError::Invalid(problems));
            }
            Err(AppendError::Store(error)) => return Err(ChangeError::Store(error)),
        }
        self.forget_lists(&first).await;
        let answer = {
            let mut state = self.write();
            state.forget_attempts(&built.document, &first.asked);
            state.wait_for(&built)
        };
        let desired = Desired {
            head: built.revision,
            built,
            lists: first.lists,
            ..seen
        };
        self.desire(&turn, desired);
        Ok(answer)
    }

    /// Takes up the secrets that a document brings, before its servers are asked for their lists
    /// and before any Envoy is told to ask for them. Where nothing comes of the change, they are
    /// let go of after some looks.
    async fn take_up_secrets(
        &self,
        document: &CheckedDocument,
        before: &CheckedDocument,
    ) -> Result<(), ChangeError> {
        let read = self.secrets.read(document, before).await;
        self.secrets.keep(read.map_err(ChangeError::Invalid)?);
        Ok(())
    }

    pub(super) async fn stale(&self, revision: RevisionNumber) -> Result<ChangeError, StoreError> {
        let summary = self
            .store
            .revision(revision)
            .await?
            .map(|revision| revision.summary);
        Ok(match summary {
            Some(summary) => ChangeError::Stale(Box::new(summary)),
            None => ChangeError::Conflict(format!(
                "the document is at revision {revision}: read it, and make the change again"
            )),
        })
    }
}

async fn judged(answer: oneshot::Receiver<WriteReport>) -> WriteReport {
    answer
        .await
        .expect("the actor answers every write before it forgets it")
}

/// The judgement; where an Envoy may wait for a secret that is missing, and say nothing meanwhile,
/// the `early` report after some seconds.
async fn judged_or(
    early: Option<WriteReport>,
    answer: oneshot::Receiver<WriteReport>,
) -> WriteReport {
    let Some(early) = early else {
        return judged(answer).await;
    };
    let answer = tokio::time::timeout(LONGEST_WITHOUT_SECRET, judged(answer)).await;
    answer.unwrap_or(early)
}

/// How long the author of a change waits for the Envoys where a secret is missing: one that has
/// just been started waits for it for three. The others answer within one.
const LONGEST_WITHOUT_SECRET: Duration = Duration::from_secs(2);

fn unless_lost(report: WriteReport) -> Result<WriteReport, ChangeError> {
    match report.outcome {
        Outcome::Rejected => Err(ChangeError::Rejected(Box::new(report))),
        Outcome::Dropped => Err(ChangeError::Dropped(Box::new(report))),
        Outcome::Aborted => Err(ChangeError::Aborted(Box::new(report))),
        _ => Ok(report),
    }
}
