//! Runs that have been over for long, or are too many, are taken back.

use std::time::Duration;

use super::{Store, StoreError};

/// Rows of one deletion, so that each is short and holds few locks.
const BATCH: i64 = 500;

/// The advisory lock of whoever takes back: a number that nothing else locks by.
const LOCK: i64 = i64::from_be_bytes(*b"prtcullS");

/// How long and how many runs are kept that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long a run is kept after its end.
    pub age: Duration,
    /// How many runs of one owner are kept after their end, the newest ones.
    pub runs: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: Duration::from_hours(30 * 24),
            runs: 10_000,
        }
    }
}

impl Store {
    /// Takes back what is beyond `retention`; gives how many runs went. Several processes may do so
    /// at once.
    ///
    /// # Errors
    /// [`StoreError`]; what is gone by then stays gone.
    pub async fn retain(&self, retention: Retention) -> Result<u64, StoreError> {
        let mut gone = 0;
        loop {
            let batch = self.take_back(retention).await?;
            gone += batch;
            if batch == 0 {
                return Ok(gone);
            }
        }
    }

    async fn take_back(&self, retention: Retention) -> Result<u64, StoreError> {
        let age = u32::try_from(retention.age.as_secs()).unwrap_or(u32::MAX);
        let mut transaction = self.pool().await?.begin().await?;
        // Two that delete at once could wait for each other.
        let is_alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *transaction)
            .await?;
        if !is_alone {
            return Ok(0);
        }
        let deleted = sqlx::query(
            "DELETE FROM portcullis.pipeline_runs WHERE id IN (
                 SELECT id FROM (
                     SELECT id, ended_at, row_number() OVER (
                         PARTITION BY coalesce(owner, '') ORDER BY id DESC) AS place
                     FROM portcullis.pipeline_runs WHERE ended_at IS NOT NULL) AS ended
                 WHERE place > $2 OR ended_at < clock_timestamp() - make_interval(secs => $1)
                 ORDER BY ended_at LIMIT $3)",
        )
        .bind(f64::from(age))
        .bind(i64::from(retention.runs))
        .bind(BATCH)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected())
    }
}
