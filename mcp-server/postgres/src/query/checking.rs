//! Judges a query without running it: for texts that an operator writes down before anybody calls.

use super::super::{Database, Error};
use super::end_after;

impl Database {
    /// Judges one query as [`Database::query`] does it, and runs nothing; how many parameters
    /// PostgreSQL found in it.
    ///
    /// # Errors
    /// [`Error`]: why it would not be run, what PostgreSQL says about it, or that PostgreSQL cannot
    /// be reached.
    pub async fn check_query(&self, sql: &str) -> Result<usize, Error> {
        let mut lease = self.lease_for_text(sql).await?;
        self.in_time(lease.begun, async {
            let statement = match self.judged(lease.session(), sql).await {
                Ok(statement) => statement,
                Err(error) => return Err(end_after(lease, error, sql).await),
            };
            self.put_away(lease.session(), sql, &statement);
            match statement.leaves_traces {
                true => lease.close(),
                false => lease.roll_back().await,
            }
            Ok(statement.parameters.len())
        })
        .await
    }
}
