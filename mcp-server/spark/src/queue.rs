//! The queue of statements: so many run in Spark at once, and the others wait for a moment.
//!
//! Spark gives its cores to whoever came first, so that a dozen heavy statements would leave a
//! small one waiting for as long as they run. Each caller has a fair share of the places. SHOW and
//! DESCRIBE need no core; they have places of their own, as the catalogue has sessions of its own
//! in PostgreSQL.

use std::time::Duration;

use fair_shares::{Claimant, FairQueue, NoTurn, Turn};

/// How long a statement waits for a place: as long as a query of PostgreSQL waits for a session,
/// and for the same reasons.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Places of statements that ask the catalogue alone.
const CATALOGUE_PLACES: usize = 2;

/// The places in Spark, and those who wait for one.
#[derive(Debug)]
pub(super) struct StatementQueue {
    statements: FairQueue<Claimant>,
    catalogue: FairQueue<Claimant>,
    patience: Duration,
}

impl StatementQueue {
    /// A queue for `count` statements at once, in which a call waits for `patience`.
    pub(super) fn new(count: usize, patience: Duration) -> Self {
        Self {
            statements: FairQueue::new("places for statements in Spark", count),
            catalogue: FairQueue::new("places for SHOW and DESCRIBE in Spark", CATALOGUE_PLACES),
            patience,
        }
    }

    /// Waits until it is this caller's turn to run `sql`; it gives its place up when the result is
    /// dropped.
    ///
    /// # Errors
    /// No place becomes free in time, or too many calls wait already ([`NoTurn`]).
    pub(super) async fn enter(
        &self,
        claimant: &Claimant,
        sql: &str,
    ) -> Result<Turn<Claimant>, NoTurn> {
        let queue = match asks_the_catalogue_alone(sql) {
            true => &self.catalogue,
            false => &self.statements,
        };
        queue.enter(claimant, self.patience).await
    }

    /// How many statements wait that do not ask the catalogue alone.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.statements.waiting()
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
    use crate::{Error, Sink, Spark, SparkCaller, Statement};
    use results::{JsonRows, Written};
    use std::sync::Arc;
    use tokio::time::timeout;

    async fn run(spark: &Spark, sql: &str) -> Result<Written, Error> {
        run_as(spark, "ada", sql).await
    }

    async fn run_as(spark: &Spark, caller: &str, sql: &str) -> Result<Written, Error> {
        let caller = SparkCaller {
            session: None,
            claimant: Claimant::Named(caller.to_owned()),
        };
        let mut rows = JsonRows::new(spark.limits());
        let sink = Sink::Rows(&mut rows);
        spark.run(&caller, Statement::new(sql), sink).await
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
            said.contains("all 1 places for statements in Spark are busy; the call waited 0 s")
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

    #[tokio::test]
    async fn it_runs_a_newcomers_statement_before_those_of_a_caller_who_floods_the_queue() {
        let done = || Turn::Send(vec![Item::Rows(0, 1), Item::Complete], Ending::Quiet);
        let endless = Turn::Send(Vec::new(), Ending::Open);
        let (fake, mut spark) = Fake::serve_spark(vec![endless, done(), done(), done()]).await;
        spark.queue = StatementQueue::new(1, PATIENCE);
        let spark = Arc::new(spark);
        let begin = |caller: &'static str, sql: &'static str| {
            let spark = Arc::clone(&spark);
            tokio::spawn(async move { run_as(&spark, caller, sql).await })
        };
        let waiting = async |count: usize| {
            let waits = async {
                while spark.queue.waiting() != count {
                    tokio::task::yield_now().await;
                }
            };
            let waits = timeout(Duration::from_secs(60), waits).await;
            waits.expect("so many wait");
        };
        let heavy = begin("ada", "SELECT a FROM heavy");
        fake.until(|asked| matches!(asked, Asked::Execute { .. }))
            .await;
        let mut flood = Vec::new();
        for more in 1..=2 {
            flood.push(begin("ada", "SELECT more FROM heavy"));
            waiting(more).await;
        }
        let newcomer = begin("bob", "SELECT 1");
        waiting(3).await;
        heavy.abort();
        for run in flood.into_iter().chain([newcomer]) {
            run.await.expect("it ends").expect("it has its turn");
        }
        let plans: Vec<String> = fake
            .plans()
            .iter()
            .map(|plan| format!("{plan:?}"))
            .collect();
        let of_newcomer = plans.iter().position(|plan| plan.contains("SELECT 1"));
        // Behind one call of the other: that which was running.
        assert_eq!((plans.len(), of_newcomer), (4, Some(1)), "{plans:?}");
    }

    #[tokio::test]
    async fn it_keeps_the_last_place_for_others_while_one_caller_has_the_rest() {
        let queue = StatementQueue::new(4, Duration::ZERO);
        let enter = async |caller: &str| {
            let caller = Claimant::Named(caller.to_owned());
            queue.enter(&caller, "SELECT 1").await
        };
        let mut running = Vec::new();
        let refused = loop {
            match enter("ada").await {
                Ok(turn) => running.push(turn),
                Err(none) => break none.to_string(),
            }
        };
        assert_eq!(running.len(), 3);
        let share = "this caller has 3 of the 4 places for statements in Spark";
        assert!(refused.starts_with(share), "{refused}");
        assert!(enter("bob").await.is_ok());
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
