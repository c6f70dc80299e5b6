//! The registry: one row per job in PostgreSQL, schema `portcullis`.

mod reading;

use std::collections::{BTreeMap, HashMap, HashSet};

use migration_steps::{Step, migrator_in, run_to_end};
use sqlx::postgres::{PgPool, Postgres};
use sqlx::types::Json;
use sqlx::{Encode, Row as _, Type};
use tokio::sync::OnceCell;

use self::reading::{JOB, job, state};
use super::job::{Job, JobId, JobState, StopReason};

/// The steps from an empty database to today's tables.
const MIGRATIONS: [Step; 3] = [
    Step {
        number: 1,
        title: "spark jobs",
        sql: include_str!("../migrations/0001_spark_jobs.sql"),
    },
    Step {
        number: 2,
        title: "owners and versions",
        sql: include_str!("../migrations/0002_owners_and_versions.sql"),
    },
    Step {
        number: 3,
        title: "stops keys and metrics",
        sql: include_str!("../migrations/0003_stops_keys_and_metrics.sql"),
    },
];

/// Statements on jobs are short, and few are sent at once.
const CONNECTIONS: u32 = 4;

/// States that stay, in SQL.
const FINAL: &str = "('finished', 'failed', 'killed', 'unknown')";

/// The database of the job registry.
#[derive(Debug)]
pub(super) struct Store {
    pool: PgPool,
    migrated: OnceCell<()>,
}

/// Why the registry cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or refuses what it is asked.
    #[error("the job registry cannot be used")]
    Database(#[from] sqlx::Error),
    /// Its tables cannot be made, or are those of a newer version.
    #[error("the tables of the job registry cannot be made or brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only jobs in this state.
    pub status: Option<JobState>,
    /// Only jobs that were submitted then or later; RFC 3339.
    pub since: Option<String>,
    /// Only jobs that were submitted before; RFC 3339.
    pub until: Option<String>,
    /// Only jobs older than this one: the last of the page before.
    pub before: Option<JobId>,
}

impl Store {
    /// Prepares the pool without connecting.
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            pool: store_pool::open(url, "portcullis-jobs", CONNECTIONS)?,
            migrated: OnceCell::new(),
        })
    }

    /// The pool, once the tables are there. Several servers may come at the same time.
    async fn pool(&self) -> Result<&PgPool, StoreError> {
        let migrate = async {
            let migrator = migrator_in("portcullis", "mcp_server_migrations", &MIGRATIONS);
            run_to_end(migrator, self.pool.clone()).await
        };
        self.migrated.get_or_try_init(|| migrate).await?;
        Ok(&self.pool)
    }

    /// Asks for nothing, to see whether the registry can be used.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT FROM portcullis.spark_jobs LIMIT 0")
            .execute(self.pool().await?)
            .await?;
        Ok(())
    }

    /// Records a job that is about to be submitted; false where its owner has one under its key.
    pub(super) async fn insert(&self, job: &Job) -> Result<bool, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO portcullis.spark_jobs (id, state, master, script, arguments, conf, owner,
                 idempotency_key, request_digest, max_run_seconds)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT DO NOTHING",
        )
        .bind(job.id.0)
        .bind(job.state.as_str())
        .bind(&job.master)
        .bind(&job.script)
        .bind(&job.arguments)
        .bind(Json(&job.conf))
        .bind(&job.owner)
        .bind(job.idempotency.as_ref().map(|given| &given.key))
        .bind(job.idempotency.as_ref().map(|given| &given.request))
        .bind(job.max_run_seconds)
        .execute(self.pool().await?)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// The job that this owner submitted under this key.
    pub(super) async fn under_key(
        &self,
        key: &str,
        owner: Option<&str>,
    ) -> Result<Option<Job>, StoreError> {
        self.find("idempotency_key", key, owner).await
    }

    /// Records why a job is to end, unless it is over or that is known already.
    pub(super) async fn ask_to_stop(
        &self,
        id: JobId,
        reason: StopReason,
    ) -> Result<(), StoreError> {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE portcullis.spark_jobs
             SET stop_reason = $2, updated_at = now(), version = version + 1
             WHERE id = $1 AND stop_reason IS NULL AND state NOT IN {FINAL}"
        )))
        .bind(id.0)
        .bind(reason.as_str())
        .execute(self.pool().await?)
        .await?;
        Ok(())
    }

    /// Records the master's id of a job, unless it has one.
    pub(super) async fn submitted(&self, id: JobId, submission: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE portcullis.spark_jobs
             SET state = 'submitted', submission_id = $2, message = NULL, updated_at = now(),
                 version = version + 1
             WHERE id = $1 AND submission_id IS NULL AND state IN ('submitting', 'unknown')",
        )
        .bind(id.0)
        .bind(submission)
        .execute(self.pool().await?)
        .await?;
        Ok(())
    }

    /// Records what was seen of a job, unless its row has changed since it was read: who looked
    /// meanwhile has seen as much or more. What is over stays as it is. A job that ended without a
    /// driver gives its key back: nothing was run under it.
    pub(super) async fn save(&self, job: &Job) -> Result<(), StoreError> {
        let started = matches!(job.state, JobState::Running | JobState::Finished);
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE portcullis.spark_jobs
             SET state = $2, application_id = $3, tasks = $4, tasks_done = $5, tasks_running = $6,
                 tasks_failed = $7, stages = $8, stages_done = $9, message = $10, error_tail = $11,
                 started_at = CASE WHEN $12 THEN coalesce(started_at, now()) ELSE started_at END,
                 finished_at = CASE WHEN $13 THEN now() END, executors = $15,
                 idempotency_key =
                     CASE WHEN NOT $13 OR submission_id IS NOT NULL THEN idempotency_key END,
                 updated_at = now(), version = version + 1
             WHERE id = $1 AND version = $14 AND state NOT IN {FINAL}"
        )))
        .bind(job.id.0)
        .bind(job.state.as_str())
        .bind(&job.application_id)
        .bind(job.progress.tasks)
        .bind(job.progress.tasks_done)
        .bind(job.progress.tasks_running)
        .bind(job.progress.tasks_failed)
        .bind(job.progress.stages)
        .bind(job.progress.stages_done)
        .bind(&job.message)
        .bind(&job.error_tail)
        .bind(started)
        .bind(job.state.is_final())
        .bind(job.version)
        .bind(Json(&job.executors))
        .execute(self.pool().await?)
        .await?;
        Ok(())
    }

    /// One job of this owner.
    pub(super) async fn get(
        &self,
        id: JobId,
        owner: Option<&str>,
    ) -> Result<Option<Job>, StoreError> {
        self.find("id", id.0, owner).await
    }

    /// The job of this owner that has this value in a column whose values are its own.
    async fn find<'q>(
        &self,
        column: &'static str,
        value: impl 'q + Encode<'q, Postgres> + Type<Postgres>,
        owner: Option<&'q str>,
    ) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{JOB} WHERE {column} = $1 AND owner IS NOT DISTINCT FROM $2"
        )))
        .bind(value)
        .bind(owner)
        .fetch_optional(self.pool().await?)
        .await?;
        Ok(row.as_ref().map(job).transpose()?)
    }

    /// Jobs of `master` that are not over, oldest first, from the one after `last`.
    pub(super) async fn open(
        &self,
        master: &str,
        last: Option<JobId>,
        most: i64,
    ) -> Result<Vec<Job>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{JOB} WHERE master = $1 AND state NOT IN {FINAL} AND ($2::uuid IS NULL OR id > $2)
             ORDER BY id LIMIT $3"
        )))
        .bind(master)
        .bind(last.map(|id| id.0))
        .bind(most)
        .fetch_all(self.pool().await?)
        .await?;
        Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
    }

    /// Which of these drivers of `master` belong to a job.
    pub(super) async fn taken(
        &self,
        master: &str,
        submissions: &[String],
    ) -> Result<HashSet<String>, StoreError> {
        let taken: Vec<String> = sqlx::query_scalar(
            "SELECT submission_id FROM portcullis.spark_jobs
             WHERE master = $1 AND submission_id = ANY($2)",
        )
        .bind(master)
        .bind(submissions)
        .fetch_all(self.pool().await?)
        .await?;
        Ok(taken.into_iter().collect())
    }

    /// Forgets jobs that ended more than so many days ago; gives their ids.
    pub(super) async fn forget(&self, days: u32) -> Result<Vec<JobId>, StoreError> {
        let ids: Vec<uuid::Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "DELETE FROM portcullis.spark_jobs
             WHERE state IN {FINAL}
               AND coalesce(finished_at, updated_at) < now() - make_interval(days => $1)
             RETURNING id"
        )))
        .bind(i32::try_from(days).unwrap_or(i32::MAX))
        .fetch_all(self.pool().await?)
        .await?;
        Ok(ids.into_iter().map(JobId).collect())
    }

    /// The states of those of these jobs that the registry has.
    pub(super) async fn states(
        &self,
        ids: &[JobId],
    ) -> Result<HashMap<JobId, JobState>, StoreError> {
        let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query("SELECT id, state FROM portcullis.spark_jobs WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(self.pool().await?)
            .await?;
        let states = rows
            .iter()
            .map(|row| Ok((JobId(row.try_get("id")?), state(row)?)));
        Ok(states.collect::<Result<_, sqlx::Error>>()?)
    }

    /// How many jobs of this owner are in each state.
    pub(super) async fn count_by_state(
        &self,
        owner: Option<&str>,
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        let counts: Vec<(String, i64)> = sqlx::query_as(
            "SELECT state, count(*) FROM portcullis.spark_jobs
             WHERE owner IS NOT DISTINCT FROM $1 GROUP BY state",
        )
        .bind(owner)
        .fetch_all(self.pool().await?)
        .await?;
        Ok(counts.into_iter().collect())
    }

    pub(super) async fn count_all_by_state(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let counts: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, count(*) FROM portcullis.spark_jobs GROUP BY state")
                .fetch_all(self.pool().await?)
                .await?;
        Ok(counts.into_iter().collect())
    }

    /// Jobs of this owner, newest first.
    pub(super) async fn list(
        &self,
        owner: Option<&str>,
        filter: &JobFilter,
        most: i64,
    ) -> Result<Vec<Job>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{JOB} WHERE ($1::text IS NULL OR state = $1)
               AND ($2::text IS NULL OR created_at >= $2::timestamptz)
               AND ($3::text IS NULL OR created_at < $3::timestamptz)
               AND ($4::uuid IS NULL OR id < $4)
               AND owner IS NOT DISTINCT FROM $6
             ORDER BY id DESC LIMIT $5"
        )))
        .bind(filter.status.map(JobState::as_str))
        .bind(&filter.since)
        .bind(&filter.until)
        .bind(filter.before.map(|id| id.0))
        .bind(most)
        .bind(owner)
        .fetch_all(self.pool().await?)
        .await?;
        Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_every_file_of_the_migrations_folder() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let misfits = migration_steps::misfits(&folder, &MIGRATIONS).unwrap();
        assert!(misfits.is_empty(), "{misfits:?}");
    }
}
