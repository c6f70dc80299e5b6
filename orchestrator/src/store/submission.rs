//! Accepting runs: once the rows are committed, a run will come to its end.

use sqlx::types::Json;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::pipelines::PipelineRecord;
use super::{Store, StoreError};
use crate::bounds;
use crate::definition::{InvalidParameters, Parameters};
use crate::lease::RunId;
use crate::run::{Moment, Run, StepPlan, StepState};

/// A run that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct Submission<'a> {
    /// Whose run it will be; `None` is a caller without identity.
    pub owner: Option<&'a str>,
    /// The name of the pipeline.
    pub pipeline: &'a str,
    /// The version to run; the latest one when nothing is said.
    pub version: Option<i32>,
    /// Values for the parameters of the pipeline.
    pub parameters: Parameters,
    /// The caller's key against repeats: a second submission with it is the first one's run.
    pub key: Option<&'a str>,
}

/// A run that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The id of the run.
    pub run: RunId,
    /// Whether this submission made it, and not an earlier one with the same key.
    pub is_new: bool,
}

/// Why a run was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// There is nothing to run.
    #[error("there is no pipeline `{name}`{}", with_version(*version))]
    NoPipeline {
        /// The name, as given.
        name: String,
        /// The version, if one was given.
        version: Option<i32>,
    },
    /// The parameters do not fit the pipeline.
    #[error(transparent)]
    Parameters(#[from] InvalidParameters),
    /// The key is not one that can be kept.
    #[error(
        "the idempotency key must have from 1 to {most} bytes, without NUL",
        most = bounds::KEY_BYTES
    )]
    Key,
    /// The key is that of another request.
    #[error(
        "the idempotency key was used for run {0}, of another pipeline or with other parameters"
    )]
    KeyOfAnother(RunId),
    /// The owner has as many as may wait.
    #[error(
        "{most} of your runs are not over, and no more may wait; try again when some are",
        most = bounds::OPEN_RUNS
    )]
    TooManyOpen,
    /// The records cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn with_version(version: Option<i32>) -> String {
    version.map_or_else(String::new, |version| format!(" with version {version}"))
}

impl From<sqlx::Error> for SubmitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Accepts a run.
    ///
    /// # Errors
    /// [`SubmitError`]; after [`SubmitError::Store`] the run may have been accepted, and the same
    /// key finds it.
    pub async fn submit(&self, submission: Submission<'_>) -> Result<Submitted, SubmitError> {
        let name = submission.pipeline;
        let pipeline = self.pipeline(submission.owner, name, submission.version);
        let Some(pipeline) = pipeline.await? else {
            return Err(SubmitError::NoPipeline {
                name: bounds::cut(name.to_owned(), bounds::NAME_LETTERS),
                version: submission.version,
            });
        };
        let parameters = pipeline.definition.parameters_for(submission.parameters)?;
        let (owner, key) = (submission.owner, submission.key);
        if key.is_some_and(|key| {
            key.is_empty() || key.len() > bounds::KEY_BYTES || key.contains('\0')
        }) {
            return Err(SubmitError::Key);
        }
        let mut transaction = self.pool().await?.begin().await.map_err(StoreError::from)?;
        // A run that is there already needs no room.
        let first = first_with(&mut transaction, owner, key).await?;
        if first.is_none() && is_full(&mut transaction, owner).await? {
            return Err(SubmitError::TooManyOpen);
        }
        let run = RunId::new();
        let parameters = Json(&parameters);
        let inserted = sqlx::query(
            "INSERT INTO portcullis.pipeline_runs
                 (id, pipeline, owner, idempotency_key, parameters, state)
             VALUES ($1, $2, $3, $4, $5, 'pending') ON CONFLICT DO NOTHING",
        )
        .bind(run.0)
        .bind(pipeline.id)
        .bind(owner)
        .bind(key)
        .bind(parameters)
        .execute(&mut *transaction)
        .await?;
        if inserted.rows_affected() == 0 {
            let first = first_with(&mut transaction, owner, key).await?;
            let (id, first_pipeline, first_parameters) = first.ok_or(SubmitError::Key)?;
            let run = RunId(id);
            return match first_pipeline == pipeline.id && first_parameters.0 == *parameters.0 {
                true => Ok(Submitted { run, is_new: false }),
                false => Err(SubmitError::KeyOfAnother(run)),
            };
        }
        insert_steps(&mut transaction, run, &pipeline).await?;
        transaction.commit().await?;
        self.tell_that_something_is_ready();
        Ok(Submitted { run, is_new: true })
    }
}

type First = (Uuid, Uuid, Json<Parameters>);

async fn first_with(
    transaction: &mut Transaction<'_, Postgres>,
    owner: Option<&str>,
    key: Option<&str>,
) -> Result<Option<First>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, pipeline, parameters FROM portcullis.pipeline_runs
         WHERE coalesce(owner, '') = coalesce($1, '') AND idempotency_key = $2",
    )
    .bind(owner)
    .bind(key)
    .fetch_optional(&mut **transaction)
    .await
}

/// Whether the owner has as many open runs as may be. Submissions at the same moment do not see
/// each other, so there may be a few more, one for each connection of a pool.
async fn is_full(
    transaction: &mut Transaction<'_, Postgres>,
    owner: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM portcullis.pipeline_runs
         WHERE coalesce(owner, '') = coalesce($1, '') AND ended_at IS NULL",
    )
    .bind(owner)
    .fetch_one(&mut **transaction)
    .await?;
    Ok(count >= bounds::OPEN_RUNS)
}

async fn insert_steps(
    transaction: &mut Transaction<'_, Postgres>,
    run: RunId,
    pipeline: &PipelineRecord,
) -> Result<(), sqlx::Error> {
    let plan = StepPlan::of(&pipeline.definition);
    let steps = Run::new(&plan, Moment::default()).steps;
    let named = pipeline.definition.steps.iter();
    for (position, ((step, plan), record)) in named.zip(&plan).zip(&steps).enumerate() {
        let is_ready = matches!(record.state, StepState::Ready { .. });
        let waits_for: Vec<i16> = plan.after.iter().map(|&place| small(place)).collect();
        sqlx::query(
            "INSERT INTO portcullis.pipeline_steps (run, position, name, kind, waits_for,
                 required, timeout_s, most_attempts, backoff_s, state, wake_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
                 CASE WHEN $11 THEN clock_timestamp() END)",
        )
        .bind(run.0)
        .bind(small(position))
        .bind(&step.name)
        .bind(&step.kind)
        .bind(waits_for)
        .bind(step.required)
        .bind(i32::try_from(step.timeout_s).unwrap_or(i32::MAX))
        .bind(i32::from(step.retry.attempts))
        .bind(i32::try_from(step.retry.backoff_s).unwrap_or(i32::MAX))
        .bind(record.state.as_str())
        .bind(is_ready)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// The place of a step as PostgreSQL keeps it; pipelines have at most [`bounds::STEPS`].
fn small(place: usize) -> i16 {
    i16::try_from(place).unwrap_or(i16::MAX)
}
