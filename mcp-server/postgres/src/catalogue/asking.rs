//! Questions about the catalogue, which are read anew only when something has changed.
//!
//! Many callers ask the same few questions, and each answer is a handful of statements. To see
//! that the state of the database is still the one that an answer was read in takes one.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use crate::known_answers::{KnownAnswer, Question};
use crate::pool::Lease;
use crate::transaction::LOOK;
use crate::{Database, Error, ReadTransaction};

/// A question that has to be asked anew.
pub(super) struct Asking<'a> {
    pub(super) transaction: ReadTransaction,
    database: &'a Database,
    question: Question,
    begun: Instant,
}

/// The answer to a question, or the way to it.
pub(super) enum Asked<'a, T> {
    Known(T),
    Anew(Box<Asking<'a>>),
}

impl Database {
    /// The answer to a question about the catalogue, if it is known and nothing has changed since;
    /// a transaction to read it in otherwise. A question is told from others by the statement that
    /// answers it, and by its parameters.
    pub(super) async fn ask<T: Clone + Any + Send + Sync>(
        &self,
        mut lease: Lease,
        sql: &'static str,
        parameters: &[Option<&str>],
    ) -> Result<Asked<'_, T>, Error> {
        let parameters = parameters.iter().map(|text| text.map(ToOwned::to_owned));
        let question = Question {
            role: self.role().cloned(),
            sql,
            parameters: parameters.collect(),
        };
        if let Some((state, answer)) = self.known.find::<T>(&question) {
            let now = lease.session().rows(LOOK, &[]).await?;
            if now.first().and_then(|row| row.get("state")) == Some(&state) {
                lease.give_back();
                return Ok(Asked::Known(T::clone(&answer)));
            }
        }
        let begun = Instant::now();
        Ok(Asked::Anew(Box::new(Asking {
            transaction: ReadTransaction::begin(lease).await?,
            database: self,
            question,
            begun,
        })))
    }
}

impl Asking<'_> {
    /// Ends the transaction, and keeps the answer where there is one.
    pub(super) async fn end<T: Clone + Any + Send + Sync>(
        self,
        answer: Result<T, Error>,
    ) -> Result<T, Error> {
        if let (Ok(answer), Some(state)) = (&answer, &self.transaction.state) {
            self.database.known.keep(KnownAnswer {
                question: self.question,
                state: state.clone(),
                begun: self.begun,
                answer: Arc::new(answer.clone()),
            });
        }
        self.transaction.end().await;
        answer
    }
}
