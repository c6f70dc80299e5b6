//! Answers about the catalogue that are given again as long as nothing has changed.
//!
//! Many callers ask the same few questions, and each answer is a handful of statements. To see
//! that the state of the database is still the one that an answer was read in takes one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{FunctionSummary, MissingTable, TableDescription, TableSummary};
use crate::pool::Lease;
use crate::session::STATE;
use crate::{Database, Error, ReadTransaction};

/// The time for which an answer may be given again. The state of the database tells of every
/// change in the catalogue; what it does not tell of are sizes and estimates, which VACUUM and
/// writers that are not done yet move. A second is younger than what any of them is good for.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// The answers of one kind that are kept: as many as agents ask for within a second. The largest
/// have some 100 KiB.
const MOST: usize = 64;

/// The answers about the catalogue of one database, kind by kind.
#[derive(Debug, Default)]
pub(crate) struct CatalogueAnswers {
    pub(crate) tables: KnownAnswers<Vec<TableSummary>>,
    pub(crate) descriptions: KnownAnswers<Result<TableDescription, MissingTable>>,
    pub(crate) functions: KnownAnswers<Option<Vec<FunctionSummary>>>,
    pub(crate) names: KnownAnswers<Vec<String>>,
}

/// The answers of one kind.
#[derive(Debug)]
pub(crate) struct KnownAnswers<T> {
    answers: Mutex<Vec<KnownAnswer<T>>>,
}

#[derive(Debug)]
struct KnownAnswer<T> {
    question: Question,
    /// The state of the database before the answer was read.
    state: String,
    read_at: Instant,
    answer: Arc<T>,
}

/// A question of one kind, by all that its answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    role: Option<Arc<str>>,
    sql: &'static str,
    parameters: Vec<Option<String>>,
}

/// A question that has to be asked anew.
pub(crate) struct Asking<'a, T> {
    pub(crate) transaction: ReadTransaction,
    known: &'a KnownAnswers<T>,
    question: Question,
    begun: Instant,
}

/// The answer to a question, or the way to it.
pub(crate) enum Asked<'a, T> {
    Known(T),
    Anew(Box<Asking<'a, T>>),
}

impl<T> Default for KnownAnswers<T> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
        }
    }
}

impl<T> KnownAnswers<T> {
    /// The answer to the question, and the state in which it still holds.
    fn find(&self, question: &Question) -> Option<(String, Arc<T>)> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = answers.iter().filter(|known| known.question == *question);
        let known = found.next().filter(|known| known.is_fresh())?;
        Some((known.state.clone(), Arc::clone(&known.answer)))
    }

    fn keep(&self, new: KnownAnswer<T>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|known| known.is_fresh() && known.question != new.question);
        if answers.len() < MOST {
            answers.push(new);
        }
    }
}

impl<T> KnownAnswer<T> {
    fn is_fresh(&self) -> bool {
        self.read_at.elapsed() < FRESH_FOR
    }
}

impl Database {
    /// The answer to a question about the catalogue, if it is known and nothing has changed since;
    /// a transaction to read it in otherwise. A question is told from others by the statement that
    /// answers it, and by its parameters.
    pub(crate) async fn ask<'a, T: Clone>(
        &self,
        mut lease: Lease,
        known: &'a KnownAnswers<T>,
        sql: &'static str,
        parameters: &[Option<&str>],
    ) -> Result<Asked<'a, T>, Error> {
        let question = Question {
            role: self.role().cloned(),
            sql,
            parameters: parameters
                .iter()
                .map(|text| text.map(ToOwned::to_owned))
                .collect(),
        };
        if let Some((state, answer)) = known.find(&question) {
            let now = lease.session().rows(STATE, &[]).await?;
            if now.first().and_then(|row| row.get("state")) == Some(&state) {
                lease.give_back();
                return Ok(Asked::Known(T::clone(&answer)));
            }
        }
        Ok(Asked::Anew(Box::new(Asking {
            transaction: ReadTransaction::begin(lease).await?,
            known,
            question,
            begun: Instant::now(),
        })))
    }
}

impl<T: Clone> Asking<'_, T> {
    /// Ends the transaction, and keeps the answer where there is one.
    pub(crate) async fn end(self, answer: Result<T, Error>) -> Result<T, Error> {
        let Self {
            transaction,
            known,
            question,
            begun,
        } = self;
        if let (Ok(answer), Some(state)) = (&answer, &transaction.state) {
            known.keep(KnownAnswer {
                question,
                state: state.clone(),
                read_at: begun,
                answer: Arc::new(answer.clone()),
            });
        }
        transaction.end().await;
        answer
    }
}
