//! Runs as those see them who ask.

use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::{Store, StoreError, transition};
use crate::definition::Parameters;
use crate::lease::RunId;
use crate::run::{RunState, StepFailure, StopCause};
use crate::runner::StepProgress;

/// One run as its rows have it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The id of the run.
    pub id: RunId,
    /// The name of the pipeline.
    pub pipeline: String,
    /// The version of the pipeline that runs.
    pub version: i32,
    /// The parameters of the run, defaults included.
    pub parameters: Parameters,
    /// Where the run is.
    pub state: RunState,
    /// Why it begins nothing any more, once it does not.
    pub stop: Option<StopCause>,
    /// How often the run or one of its steps has changed.
    pub changes: i64,
    /// When things happened to the run.
    pub times: Times,
    /// Its steps in the order of the pipeline; none for a run in a list.
    pub steps: Vec<StepReading>,
}

/// One step of a run as its row has it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReading {
    /// The name of the step.
    pub name: String,
    /// Which runner does it.
    pub kind: String,
    /// Whether the run fails when it does.
    pub required: bool,
    /// The word for where it is.
    pub state: String,
    /// Attempts that ended by a report or by taking too long.
    pub attempts: i32,
    /// Leases that were lost.
    pub losses: i32,
    /// When it is tried again, for one that pauses; RFC 3339.
    pub due: Option<String>,
    /// How far the present or the last attempt is.
    pub progress: Option<StepProgress>,
    /// Rows that were read or written.
    pub rows: Option<i64>,
    /// Why the last attempt failed.
    pub failure: Option<StepFailure>,
    /// A description of what was made.
    pub output: Option<Value>,
    /// When things happened to the step; `created` is the run's.
    pub times: Times,
}

/// When things happened, in RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// When the run was accepted.
    pub created: String,
    /// When the first attempt began.
    pub started: Option<String>,
    /// When it was over.
    pub ended: Option<String>,
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter<'a> {
    /// Only runs of the pipeline with this name.
    pub pipeline: Option<&'a str>,
    /// Only runs in this state.
    pub state: Option<RunState>,
    /// Only runs older than this one: the last of the page before.
    pub before: Option<RunId>,
}

/// The columns of a run, read by name.
const RUN: &str = r#"SELECT run.id, pipeline.name, pipeline.version, run.parameters, run.state,
    run.stop, run.revision AS changes,
    to_char(run.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created,
    to_char(run.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started,
    to_char(run.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ended
    FROM portcullis.pipeline_runs AS run
    JOIN portcullis.pipelines AS pipeline ON pipeline.id = run.pipeline"#;

/// The columns of a step, read by name.
const STEPS: &str = r#"SELECT step.name, step.kind, step.required, step.state, step.attempts,
    step.losses, step.progress, step.rows, step.failure, step.output,
    to_char(run.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created,
    to_char(step.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started,
    to_char(step.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ended,
    CASE WHEN step.state = 'ready' THEN
    to_char(step.wake_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS due
    FROM portcullis.pipeline_steps AS step
    JOIN portcullis.pipeline_runs AS run ON run.id = step.run
    WHERE step.run = $1 ORDER BY step.position"#;

impl Store {
    /// A run of this owner with its steps.
    ///
    /// # Errors
    /// The store cannot be reached or used ([`StoreError`]).
    pub async fn run(
        &self,
        id: RunId,
        owner: Option<&str>,
    ) -> Result<Option<RunRecord>, StoreError> {
        // One snapshot: a run that is over has no step that is not.
        let mut transaction = self.pool().await?.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *transaction)
            .await?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{RUN} WHERE run.id = $1 AND coalesce(run.owner, '') = coalesce($2, '')"
        )))
        .bind(id.0)
        .bind(owner)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let steps = sqlx::query(STEPS)
            .bind(id.0)
            .fetch_all(&mut *transaction)
            .await?;
        let steps = steps.iter().map(step).collect::<Result<_, _>>()?;
        Ok(Some(run(&row, steps)?))
    }

    /// Runs of this owner without their steps, newest first.
    ///
    /// # Errors
    /// The store cannot be reached or used ([`StoreError`]).
    pub async fn runs(
        &self,
        owner: Option<&str>,
        filter: &RunFilter<'_>,
        most: i64,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{RUN} WHERE coalesce(run.owner, '') = coalesce($1, '')
               AND ($2::text IS NULL OR pipeline.name = $2)
               AND ($3::text IS NULL OR run.state = $3)
               AND ($4::uuid IS NULL OR run.id < $4)
             ORDER BY run.id DESC LIMIT $5"
        )))
        .bind(owner)
        .bind(filter.pipeline)
        .bind(filter.state.map(RunState::as_str))
        .bind(filter.before.map(|id| id.0))
        .bind(most)
        .fetch_all(self.pool().await?)
        .await?;
        let read = rows.iter().map(|row| run(row, Vec::new()));
        Ok(read.collect::<Result<_, _>>()?)
    }
}

fn run(row: &PgRow, steps: Vec<StepReading>) -> Result<RunRecord, sqlx::Error> {
    let state: String = row.try_get("state")?;
    let stop: Option<String> = row.try_get("stop")?;
    let Json(parameters) = row.try_get("parameters")?;
    Ok(RunRecord {
        id: RunId(row.try_get("id")?),
        pipeline: row.try_get("name")?,
        version: row.try_get("version")?,
        parameters,
        state: transition::run_state(&state)?,
        stop: stop.as_deref().map(transition::stop_cause).transpose()?,
        changes: row.try_get("changes")?,
        times: times(row)?,
        steps,
    })
}

fn step(row: &PgRow) -> Result<StepReading, sqlx::Error> {
    let progress: Option<Json<StepProgress>> = row.try_get("progress")?;
    let failure: Option<Json<StepFailure>> = row.try_get("failure")?;
    let output: Option<Json<Value>> = row.try_get("output")?;
    Ok(StepReading {
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        required: row.try_get("required")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        losses: row.try_get("losses")?,
        due: row.try_get("due")?,
        progress: progress.map(|Json(progress)| progress),
        rows: row.try_get("rows")?,
        failure: failure.map(|Json(failure)| failure),
        output: output.map(|Json(output)| output),
        times: times(row)?,
    })
}

fn times(row: &PgRow) -> Result<Times, sqlx::Error> {
    Ok(Times {
        created: row.try_get("created")?,
        started: row.try_get("started")?,
        ended: row.try_get("ended")?,
    })
}
