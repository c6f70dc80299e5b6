//! Questions about the catalogue, which are read anew only when something has changed.
//!
//! Many callers ask the same few questions, and each answer is a handful of statements. To see
//! that the state of the database is still the one that an answer was read in takes one.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;

use crate::known_answers::{FRESH_FOR, KnownAnswer, Question};
use crate::looks::State;
use crate::pool::Lease;
use crate::transaction::LOOK;
use crate::{Database, Error, ReadTransaction};

/// A question about the catalogue, and when it came.
pub(super) struct Wanted {
    question: Question,
    came: Instant,
}

/// The answer to a question, or the way to it.
pub(super) enum Asked<'a, T> {
    Known(T),
    Anew(Box<Asking<'a>>),
}

/// A question that has to be asked anew.
pub(super) struct Asking<'a> {
    pub(super) transaction: ReadTransaction,
    database: &'a Database,
    question: Question,
    begun: Instant,
}

impl Database {
    /// A question about the catalogue, told from others by the statement that answers it, and by
    /// its parameters.
    pub(super) fn question(&self, sql: &'static str, parameters: &[Option<&str>]) -> Wanted {
        let parameters = parameters.iter().map(|text| text.map(ToOwned::to_owned));
        Wanted {
            question: Question {
                role: self.role().cloned(),
                sql,
                parameters: parameters.collect(),
            },
            came: Instant::now(),
        }
    }

    /// The answer to a question about the catalogue, if it is known and nothing has changed since.
    pub(super) async fn known_answer<T: Clone + Any + Send + Sync>(
        &self,
        wanted: &Wanted,
    ) -> Option<T> {
        let question = &wanted.question;
        self.known.find::<T>(question)?;
        let now = self.look().await?;
        // Somebody may have asked anew meanwhile.
        let (state, answer) = self.known.find::<T>(question)?;
        (state == *now).then(|| T::clone(&answer))
    }

    /// The state of the database at some moment after this was asked. Who waits longer for it than
    /// an answer is fresh can do nothing with it.
    async fn look(&self) -> State {
        let look = || {
            let database = self.for_all_callers().within(Some(FRESH_FOR));
            async move {
                let looked = tokio::time::timeout(FRESH_FOR, database.look_now()).await;
                looked.ok()?.ok()?
            }
            .boxed()
        };
        self.looks.join(&self.role().cloned(), look).await
    }

    async fn look_now(&self) -> Result<State, Error> {
        let mut lease = self.lease(&self.catalogue).await?;
        self.looks.begin(&self.role().cloned());
        let rows = lease.session().rows(LOOK, &[]).await?;
        lease.give_back();
        let state = rows.first().and_then(|row| row.get("state"));
        Ok(state.map(Arc::from))
    }

    /// Begins a transaction in which a question is asked anew, unless somebody has asked it while
    /// this one waited for its session.
    pub(super) async fn ask<T: Clone + Any + Send + Sync>(
        &self,
        lease: Lease,
        wanted: Wanted,
    ) -> Result<Asked<'_, T>, Error> {
        let Wanted { question, came } = wanted;
        if let Some(answer) = self.known.find_since::<T>(&question, came) {
            lease.give_back();
            return Ok(Asked::Known(T::clone(&answer)));
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
