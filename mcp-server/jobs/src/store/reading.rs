//! Jobs as their rows have them.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use crate::job::{
    ExecutorMetrics, IdempotencyKey, InvalidState, Job, JobId, JobProgress, JobState, StopReason,
    Times,
};

/// The columns of a job, in no order: they are read by name. Times are written as RFC
/// 3339 here.
pub(super) const JOB: &str = r#"SELECT id, owner, version, state, master, script, arguments, conf,
    submission_id, application_id, idempotency_key, request_digest, max_run_seconds, stop_reason,
    executors,
    coalesce(started_at + max_run_seconds * interval '1 second' <= now(), false) AS overdue,
    tasks, tasks_done, tasks_running, tasks_failed, stages, stages_done, message, error_tail,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created,
    to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started,
    to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished,
    to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated
    FROM portcullis.spark_jobs"#;

/// The state of a job in its row.
pub(super) fn state(row: &PgRow) -> Result<JobState, sqlx::Error> {
    let state: String = row.try_get("state")?;
    let state: Result<JobState, InvalidState> = state.parse();
    state.map_err(|invalid| sqlx::Error::Decode(Box::new(invalid)))
}

fn stop_reason(row: &PgRow) -> Result<Option<StopReason>, sqlx::Error> {
    let reason: Option<String> = row.try_get("stop_reason")?;
    let reason = reason.as_deref().map(str::parse).transpose();
    reason.map_err(|invalid: InvalidState| sqlx::Error::Decode(Box::new(invalid)))
}

fn idempotency(row: &PgRow) -> Result<Option<IdempotencyKey>, sqlx::Error> {
    let key: Option<String> = row.try_get("idempotency_key")?;
    let request: Option<String> = row.try_get("request_digest")?;
    Ok(key.map(|key| IdempotencyKey {
        key,
        request: request.unwrap_or_default(),
    }))
}

/// The job of a row that [`JOB`] has read.
pub(super) fn job(row: &PgRow) -> Result<Job, sqlx::Error> {
    let conf: Json<BTreeMap<String, String>> = row.try_get("conf")?;
    Ok(Job {
        id: JobId(row.try_get("id")?),
        owner: row.try_get("owner")?,
        version: row.try_get("version")?,
        state: state(row)?,
        master: row.try_get("master")?,
        script: row.try_get("script")?,
        arguments: row.try_get("arguments")?,
        conf: conf.0,
        idempotency: idempotency(row)?,
        max_run_seconds: row.try_get("max_run_seconds")?,
        stop: stop_reason(row)?,
        is_overdue: row.try_get("overdue")?,
        executors: row.try_get::<Json<Vec<ExecutorMetrics>>, _>("executors")?.0,
        submission_id: row.try_get("submission_id")?,
        application_id: row.try_get("application_id")?,
        progress: JobProgress {
            tasks: row.try_get("tasks")?,
            tasks_done: row.try_get("tasks_done")?,
            tasks_running: row.try_get("tasks_running")?,
            tasks_failed: row.try_get("tasks_failed")?,
            stages: row.try_get("stages")?,
            stages_done: row.try_get("stages_done")?,
        },
        message: row.try_get("message")?,
        error_tail: row.try_get("error_tail")?,
        times: Times {
            created: row.try_get("created")?,
            started: row.try_get("started")?,
            finished: row.try_get("finished")?,
            updated: row.try_get("updated")?,
        },
    })
}
