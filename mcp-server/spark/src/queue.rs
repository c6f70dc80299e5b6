//! The queue of statements: so many run in Spark at once, and the others wait for a moment.
//!
//! Spark gives its cores to whoever came first, so that a dozen heavy statements would leave a
//! small one waiting for as long as they run. SHOW and DESCRIBE need no core; they have places of
//! their own, as the catalogue has sessions of its own in PostgreSQL.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How long a statement waits for a place: as long as a query of PostgreSQL waits for a session,
/// and for the same reasons.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Places of statements that ask the catalogue alone.
const CATALOGUE_PLACES: usize = 2;

/// The places in Spark, and those who wait for one.
#[derive(Debug)]
pub(super) struct StatementQueue {
    statements: Places,
    catalogue: Places,
}

/// Every place is taken, and none was given up while the call waited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "all {places} places for {purpose} in Spark are taken; the call waited {} s in the queue, \
     where {waiting} more wait",
    patience.as_secs()
)]
pub struct QueueFull {
    places: usize,
    purpose: &'static str,
    patience: Duration,
    waiting: usize,
}

#[derive(Debug)]
struct Places {
    purpose: &'static str,
    count: usize,
    patience: Duration,
    free: Semaphore,
    waiting: AtomicUsize,
}

impl StatementQueue {
    /// A queue for `count` statements at once, in which a call waits for `patience`.
    pub(super) fn new(count: usize, patience: Duration) -> Self {
        let places = |purpose, count| Places {
            purpose,
            count,
            patience,
            free: Semaphore::new(count),
            waiting: AtomicUsize::new(0),
        };
        Self {
            statements: places("statements", count),
            catalogue: places("SHOW and DESCRIBE", CATALOGUE_PLACES),
        }
    }

    /// Waits until `sql` may run; it gives its place up when the result is dropped.
    ///
    /// # Errors
    /// No place becomes free in time ([`QueueFull`]).
    pub(super) async fn enter(&self, sql: &str) -> Result<SemaphorePermit<'_>, QueueFull> {
        match asks_the_catalogue_alone(sql) {
            true => self.catalogue.take().await,
            false => self.statements.take().await,
        }
    }
}

impl Places {
    async fn take(&self) -> Result<SemaphorePermit<'_>, QueueFull> {
        if let Ok(place) = self.free.try_acquire() {
            return Ok(place);
        }
        let _counted = Waiting::one_more(&self.waiting);
        match timeout(self.patience, self.free.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(QueueFull {
                places: self.count,
                purpose: self.purpose,
                patience: self.patience,
                waiting: self.waiting.load(Ordering::Relaxed).saturating_sub(1),
            }),
        }
    }
}

/// One call in the queue, counted until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a statement begins with SHOW or DESCRIBE, which Spark answers without a core.
fn asks_the_catalogue_alone(sql: &str) -> bool {
    let word = sql
        .trim_start()
        .split(|letter: char| !letter.is_ascii_alphabetic());
    let word = word.into_iter().next().unwrap_or_default();
    ["SHOW", "DESCRIBE", "DESC"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::fake::{Asked, Ending, Fake, Item, Turn};
    use crate::{Error, Sink, Spark, Statement};
    use results::{JsonRows, Written};
    use std::sync::Arc;

    async fn run(spark: &Spark, sql: &str) -> Result<Written, Error> {
        let mut rows = JsonRows::new(spark.limits());
        let sink = Sink::Rows(&mut rows);
        spark.run(None, Statement::new(sql), sink).await
    }

    #[tokio::test]
    async fn it_says_that_a_statement_waited_and_keeps_places_for_the_catalogue_and_health() {
        let done = || Turn::Send(vec![Item::Rows(0, 1), Item::Complete], Ending::Quiet);
        let endless = Turn::Send(Vec::new(), Ending::Open);
        let (fake, spark) = Fake::serve_spark(vec![endless, done(), done(), done(), done()]).await;
        let spark = Arc::new(spark);
        let heavy = Arc::clone(&spark);
        let heavy = tokio::spawn(async move { run(&heavy, "SELECT a FROM heavy").await });
        fake.until(|asked| matches!(asked, Asked::Execute { .. }))
            .await;
        let refused = run(&spark, "SELECT 1").await.expect_err("no place");
        let said = refused.to_string();
        assert!(
            said.contains("all 1 places for statements in Spark are taken; the call waited 0 s")
                && said.contains("where 0 more wait"),
            "{said}"
        );
        for sql in ["SHOW TABLES", " describe t"] {
            run(&spark, sql).await.expect("places of their own");
        }
        assert!(matches!(spark.health().await, health::Health::Up { .. }));
        heavy.abort();
        let freed = async { while run(&spark, "SELECT 1").await.is_err() {} };
        let freed = timeout(Duration::from_secs(60), freed).await;
        freed.expect("the place is free again");
    }

    #[test]
    fn it_knows_what_asks_the_catalogue_alone_by_its_first_word() {
        for (sql, expected) in [
            ("SHOW TABLES", true),
            ("\n desc\tt", true),
            ("Describe`t`", true),
            ("SHOWS", false),
            ("SELECT 1", false),
            ("", false),
            ("/* */ SHOW TABLES", false),
        ] {
            assert_eq!(asks_the_catalogue_alone(sql), expected, "{sql}");
        }
    }
}
