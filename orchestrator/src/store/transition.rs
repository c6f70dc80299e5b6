//! One change of one run: lock, load, decide, save.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row as _};

use super::clock;
use crate::definition::Retry;
use crate::lease::{FencingToken, RunId};
use crate::run::{
    Effect, Event, Fenced, Moment, Run, RunState, StepFailure, StepPlan, StepRecord, StepState,
    StopCause,
};

/// Lets an event happen to a run whose row is locked.
pub(super) async fn apply(
    connection: &mut PgConnection,
    id: RunId,
    event: Event<'_>,
) -> Result<Result<Vec<Effect>, Fenced>, sqlx::Error> {
    let (mut run, plan) = load(connection, id).await?;
    let was = (run.state, run.stop);
    let now = clock(connection).await?;
    let applied = run.apply(&plan, now, event);
    if let Ok(effects) = &applied {
        save_steps(connection, id, &run, effects).await?;
        let has_changed = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Changed(_)));
        if has_changed || was != (run.state, run.stop) {
            save_run(connection, id, &run).await?;
        }
    }
    Ok(applied)
}

/// Locks the row of a run; whether there is one.
pub(super) async fn lock(connection: &mut PgConnection, id: RunId) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query("SELECT FROM portcullis.pipeline_runs WHERE id = $1 FOR UPDATE")
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    Ok(locked.is_some())
}

async fn load(
    connection: &mut PgConnection,
    id: RunId,
) -> Result<(Run, Vec<StepPlan>), sqlx::Error> {
    let (state, stop): (String, Option<String>) =
        sqlx::query_as("SELECT state, stop FROM portcullis.pipeline_runs WHERE id = $1")
            .bind(id.0)
            .fetch_one(&mut *connection)
            .await?;
    let rows = sqlx::query(
        "SELECT kind, waits_for, required, timeout_s, most_attempts, backoff_s,
             state, attempts, losses, token, failure,
             (extract(epoch FROM wake_at) * 1000)::bigint AS wake_at,
             (extract(epoch FROM deadline) * 1000)::bigint AS deadline
         FROM portcullis.pipeline_steps WHERE run = $1 ORDER BY position",
    )
    .bind(id.0)
    .fetch_all(connection)
    .await?;
    let steps: Vec<(StepPlan, StepRecord)> =
        rows.iter().map(step).collect::<Result<_, sqlx::Error>>()?;
    let (plan, steps) = steps.into_iter().unzip();
    let run = Run {
        state: run_state(&state)?,
        stop: stop.as_deref().map(stop_cause).transpose()?,
        steps,
    };
    Ok((run, plan))
}

fn step(row: &PgRow) -> Result<(StepPlan, StepRecord), sqlx::Error> {
    let count = |name: &str| row.try_get(name).map(i32::cast_unsigned);
    let waits_for: Vec<i16> = row.try_get("waits_for")?;
    let place = |place: i16| usize::from(place.cast_unsigned());
    let plan = StepPlan {
        kind: row.try_get("kind")?,
        after: waits_for.into_iter().map(place).collect(),
        required: row.try_get("required")?,
        timeout: Duration::from_secs(u64::from(count("timeout_s")?)),
        retry: Retry {
            attempts: u16::try_from(count("most_attempts")?).unwrap_or(u16::MAX),
            backoff_s: count("backoff_s")?,
        },
    };
    let moment = |name: &str| {
        let moment: Option<i64> = row.try_get(name)?;
        moment.map(Moment).ok_or_else(|| unreadable(name))
    };
    let state: String = row.try_get("state")?;
    let state = match state.as_str() {
        "waiting" => StepState::Waiting,
        "ready" => StepState::Ready {
            due: moment("wake_at")?,
        },
        "running" => StepState::Running {
            until: moment("wake_at")?,
            deadline: moment("deadline")?,
        },
        "succeeded" => StepState::Succeeded,
        "failed" => StepState::Failed,
        "skipped" => StepState::Skipped,
        "cancelled" => StepState::Cancelled,
        word => return Err(unreadable(word)),
    };
    let failure: Option<Json<StepFailure>> = row.try_get("failure")?;
    let record = StepRecord {
        state,
        attempts: count("attempts")?,
        losses: count("losses")?,
        token: FencingToken(row.try_get("token")?),
        failure: failure.map(|Json(failure)| failure),
    };
    Ok((plan, record))
}

pub(super) fn run_state(word: &str) -> Result<RunState, sqlx::Error> {
    let found = RunState::ALL
        .into_iter()
        .find(|state| state.as_str() == word);
    found.ok_or_else(|| unreadable(word))
}

pub(super) fn stop_cause(word: &str) -> Result<StopCause, sqlx::Error> {
    match word {
        "failure" => Ok(StopCause::Failure),
        "cancellation" => Ok(StopCause::Cancellation),
        word => Err(unreadable(word)),
    }
}

fn unreadable(word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("`{word}` is not what this version has written").into())
}

async fn save_run(connection: &mut PgConnection, id: RunId, run: &Run) -> Result<(), sqlx::Error> {
    let stop = run.stop.map(|stop| match stop {
        StopCause::Failure => "failure",
        StopCause::Cancellation => "cancellation",
    });
    let saved = sqlx::query(
        "UPDATE portcullis.pipeline_runs
         SET state = $2, stop = $3, revision = revision + 1,
             started_at = CASE WHEN $2 = 'running'
                 THEN coalesce(started_at, clock_timestamp()) ELSE started_at END,
             ended_at = CASE WHEN $4 THEN clock_timestamp() END
         WHERE id = $1 AND ended_at IS NULL",
    )
    .bind(id.0)
    .bind(run.state.as_str())
    .bind(stop)
    .bind(run.state.is_final())
    .execute(connection)
    .await?;
    match saved.rows_affected() {
        1 => Ok(()),
        // The machine changes nothing of a run that is over.
        _ => Err(unreadable("ended_at")),
    }
}

/// Saves the steps that changed, all in one statement.
async fn save_steps(
    connection: &mut PgConnection,
    id: RunId,
    run: &Run,
    effects: &[Effect],
) -> Result<(), sqlx::Error> {
    let changed = effects.iter().filter_map(|effect| match effect {
        Effect::Changed(step) => run.steps.get(*step).map(|record| (*step, record)),
        _ => None,
    });
    let changed: Vec<(usize, &StepRecord)> = changed.collect();
    if changed.is_empty() {
        return Ok(());
    }
    let moments = changed.iter().map(|(_, record)| match record.state {
        StepState::Ready { due } => (Some(due.0), None),
        StepState::Running { until, deadline } => (Some(until.0), Some(deadline.0)),
        _ => (None, None),
    });
    let (wakes, deadlines): (Vec<Option<i64>>, Vec<Option<i64>>) = moments.unzip();
    let of = |column: fn(&StepRecord) -> i64| -> Vec<i64> {
        changed.iter().map(|(_, record)| column(record)).collect()
    };
    let states: Vec<&str> = changed
        .iter()
        .map(|(_, record)| record.state.as_str())
        .collect();
    let failure = |(_, record): &(usize, &StepRecord)| {
        let failure = record.failure.as_ref();
        failure.and_then(|failure| serde_json::to_string(failure).ok())
    };
    let failures: Vec<Option<String>> = changed.iter().map(failure).collect();
    let positions: Vec<i16> = changed
        .iter()
        .map(|(step, _)| i16::try_from(*step).unwrap_or(i16::MAX))
        .collect();
    sqlx::query(
        "UPDATE portcullis.pipeline_steps AS step
         SET state = saved.state, attempts = saved.attempts, losses = saved.losses,
             token = saved.token,
             failure = saved.failure::jsonb,
             wake_at = to_timestamp(saved.wake_at::double precision / 1000),
             deadline = to_timestamp(saved.deadline::double precision / 1000),
             progress = CASE WHEN saved.token = step.token THEN step.progress END,
             started_at = CASE WHEN saved.state = 'running'
                 THEN coalesce(step.started_at, clock_timestamp()) ELSE step.started_at END,
             ended_at = CASE WHEN saved.state IN ('succeeded', 'failed', 'skipped', 'cancelled')
                 THEN clock_timestamp() END
         FROM unnest($2::smallint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::bigint[], $8::bigint[], $9::text[])
             AS saved (position, state, attempts, losses, token, wake_at, deadline, failure)
         WHERE step.run = $1 AND step.position = saved.position",
    )
    .bind(id.0)
    .bind(positions)
    .bind(states)
    .bind(of(|record| i64::from(record.attempts)))
    .bind(of(|record| i64::from(record.losses)))
    .bind(of(|record| record.token.0))
    .bind(wakes)
    .bind(deadlines)
    .bind(failures)
    .execute(connection)
    .await?;
    Ok(())
}
