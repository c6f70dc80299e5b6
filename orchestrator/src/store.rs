//! The durable records in PostgreSQL, schema `portcullis`: pipelines, runs, steps.
//!
//! Each change of a run is one transaction: lock the run's row, load its steps, let
//! [`crate::run`] decide by the database's clock, save. So two processes never decide about one run
//! at once, and a crash leaves either all of a decision or nothing. Only one row is ever waited
//! for, so nothing can wait in a circle.

mod leases;
mod pipelines;
mod reading;
mod retention;
mod submission;
mod transition;

use std::sync::Arc;

use migration_steps::{Step, migrator_in, run_to_end};
use sqlx::PgConnection;
use sqlx::postgres::PgPool;
use tokio::sync::{Notify, OnceCell};

use crate::run::Moment;

pub use leases::{LeaseError, Renewal};
pub use pipelines::{CreateError, PipelineRecord};
pub use reading::{RunFilter, RunRecord, StepReading, Times};
pub use retention::Retention;
pub use submission::{Submission, SubmitError, Submitted};

/// The steps from an empty database to today's tables.
const MIGRATIONS: [Step; 1] = [Step {
    number: 1,
    title: "pipelines",
    sql: include_str!("../migrations/0001_pipelines.sql"),
}];

/// The records of pipelines and runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    migrated: OnceCell<()>,
    /// Fires when a step may have become ready through this process.
    ready: Notify,
}

/// Why the records cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or refuses what it is asked.
    #[error("the records of pipelines cannot be used")]
    Database(#[from] sqlx::Error),
    /// Its tables cannot be made, or are those of a newer version.
    #[error("the tables of pipelines cannot be made or brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl Store {
    /// Prepares the records without connecting. The pool should limit how long a statement may
    /// take: all that is sent here is short.
    pub fn new(pool: PgPool) -> Self {
        Self(Arc::new(Inner {
            pool,
            migrated: OnceCell::new(),
            ready: Notify::new(),
        }))
    }

    /// Waits until a step may have become ready through this process. Others are seen by looking.
    pub(crate) async fn something_is_ready(&self) {
        self.0.ready.notified().await;
    }

    fn tell_that_something_is_ready(&self) {
        self.0.ready.notify_one();
    }

    /// The pool, once the tables are there. Several processes may come at the same time.
    async fn pool(&self) -> Result<&PgPool, StoreError> {
        let migrate = async {
            let migrator = migrator_in("portcullis", "orchestrator_migrations", &MIGRATIONS);
            run_to_end(migrator, self.0.pool.clone()).await
        };
        self.0.migrated.get_or_try_init(|| migrate).await?;
        Ok(&self.0.pool)
    }
}

/// The present moment by the database's clock. Not `now()`, which stands still while a transaction
/// waits for a lock.
async fn clock(connection: &mut PgConnection) -> Result<Moment, sqlx::Error> {
    let milliseconds = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    sqlx::query_scalar(milliseconds)
        .fetch_one(connection)
        .await
        .map(Moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_every_file_of_the_migrations_folder() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let misfits = migration_steps::misfits(&folder, &MIGRATIONS).expect("a folder");
        assert!(misfits.is_empty(), "{misfits:?}");
    }
}
