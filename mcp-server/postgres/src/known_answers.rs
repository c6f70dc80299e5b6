//! Answers of PostgreSQL that are given again as long as nothing has changed.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time for which an answer may be given again. The state of the database tells of every
/// change in the catalogue; what it does not tell of are sizes and estimates, which VACUUM and
/// writers that are not done yet move. A second is younger than what any of them is good for.
pub(crate) const FRESH_FOR: Duration = Duration::from_secs(1);

/// The answers that are kept: as many as agents ask for within a second. The largest have some
/// 100 KiB.
const MOST: usize = 128;

/// The answers about one database.
#[derive(Debug, Default)]
pub(crate) struct KnownAnswers {
    answers: Mutex<Vec<KnownAnswer>>,
}

/// A question, by all that its answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The role of the caller.
    pub(crate) role: Option<Arc<str>>,
    /// The statement that answers it, or the last of several.
    pub(crate) sql: &'static str,
    /// The parameters of the statement.
    pub(crate) parameters: Vec<Option<String>>,
}

/// An answer that may still hold.
#[derive(Debug)]
pub(crate) struct KnownAnswer {
    pub(crate) question: Question,
    /// The state of the database before the answer was read.
    pub(crate) state: String,
    /// The moment in which its reading began.
    pub(crate) begun: Instant,
    pub(crate) answer: Arc<dyn Any + Send + Sync>,
}

impl KnownAnswers {
    /// The answer to the question, and the state in which it still holds.
    pub(crate) fn find<T: Any + Send + Sync>(
        &self,
        question: &Question,
    ) -> Option<(String, Arc<T>)> {
        self.find_known(question, |known| {
            Some((known.state.clone(), known.answer()?))
        })
    }

    /// The answer to the question whose reading began after `moment`: it holds for whoever came
    /// then, whatever has changed before.
    pub(crate) fn find_since<T: Any + Send + Sync>(
        &self,
        question: &Question,
        moment: Instant,
    ) -> Option<Arc<T>> {
        self.find_known(question, |known| {
            known.answer().filter(|_| known.begun > moment)
        })
    }

    fn find_known<A>(
        &self,
        question: &Question,
        take: impl FnOnce(&KnownAnswer) -> Option<A>,
    ) -> Option<A> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = answers.iter().filter(|known| known.question == *question);
        found.next().filter(|known| known.is_fresh()).and_then(take)
    }

    /// Keeps an answer in the place of an earlier one to the same question.
    pub(crate) fn keep(&self, new: KnownAnswer) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|known| known.is_fresh() && known.question != new.question);
        if answers.len() < MOST {
            answers.push(new);
        }
    }
}

impl KnownAnswer {
    fn answer<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.answer).downcast().ok()
    }

    fn is_fresh(&self) -> bool {
        self.begun.elapsed() < FRESH_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_those_who_waited_an_answer_whose_reading_began_after_they_had_come() {
        let known = KnownAnswers::default();
        let question = |role: &str| Question {
            role: Some(role.into()),
            sql: "SELECT 1",
            parameters: Vec::new(),
        };
        let before = Instant::now();
        let begun = before + Duration::from_millis(1);
        known.keep(KnownAnswer {
            question: question("reader"),
            state: "1:1:".to_owned(),
            begun,
            answer: Arc::new(7),
        });
        let found = |role, moment| known.find_since::<i32>(&question(role), moment);
        assert_eq!(found("reader", before).as_deref(), Some(&7));
        assert_eq!(found("reader", begun), None);
        assert_eq!(found("writer", before), None);
        assert_eq!(known.find_since::<u8>(&question("reader"), before), None);
    }
}
