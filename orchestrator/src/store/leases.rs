//! Leases from the worker's side: take a step, stay alive, report.

use std::time::Duration;

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::{Store, StoreError, transition};
use crate::bounds;
use crate::lease::{Lease, RunId};
use crate::run::{Effect, Event, Fenced, Grant, Reported, StepFailure};
use crate::runner::{LeasedStep, Outcome, StepOutput, StepProgress};

/// Runs that are looked at in one search for work. Each look that grants nothing has ended a lost
/// lease, or found that somebody else was quicker.
const LOOKS: u32 = 16;

/// The answer to a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease goes on.
    GoOn,
    /// The lease goes on so that the work can end: the run stops.
    Stop,
}

/// Why a lease could not be renewed or given back.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The step is no longer the worker's.
    #[error(transparent)]
    Fenced(#[from] Fenced),
    /// The records cannot be used; the lease may go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for LeaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Takes a step of one of these kinds that may begin, if there is one. `holder` is for people.
    ///
    /// # Errors
    /// [`StoreError`]; a step that was taken then comes back when its lease ends.
    pub async fn lease(
        &self,
        kinds: &[&str],
        holder: &str,
        length: Duration,
    ) -> Result<Option<LeasedStep>, StoreError> {
        for _ in 0..LOOKS {
            let mut transaction = self.pool().await?.begin().await?;
            let Some(run) = next_run(&mut transaction, kinds).await? else {
                return Ok(None);
            };
            let event = Event::Lease { kinds, length };
            let applied = transition::apply(&mut transaction, run, event).await?;
            let effects = applied.unwrap_or_default();
            let grant = effects.iter().find_map(|effect| match effect {
                Effect::Grant(grant) => Some(*grant),
                _ => None,
            });
            let leased = match grant {
                Some(grant) => Some(read_work(&mut transaction, run, grant, holder).await?),
                None => None,
            };
            transaction.commit().await?;
            if leased.is_some() {
                return Ok(leased);
            }
        }
        Ok(None)
    }

    /// Keeps a lease, and stores how far the work is.
    ///
    /// # Errors
    /// The step belongs to a later lease by now, or the store cannot be used.
    pub async fn renew(
        &self,
        lease: Lease,
        length: Duration,
        progress: Option<&StepProgress>,
    ) -> Result<Renewal, LeaseError> {
        let Lease { step, token, .. } = lease;
        let event = Event::Renew {
            step,
            token,
            length,
        };
        let write = async |connection: &mut PgConnection| {
            let Some(progress) = progress else {
                return Ok(());
            };
            sqlx::query(
                "UPDATE portcullis.pipeline_steps SET progress = $3
                 WHERE run = $1 AND position = $2",
            )
            .bind(lease.run.0)
            .bind(i16::try_from(step).unwrap_or(i16::MAX))
            .bind(Json(progress))
            .execute(connection)
            .await
            .map(|_| ())
        };
        let effects = self.change(lease.run, event, write).await?;
        Ok(match effects.contains(&Effect::AskToStop) {
            true => Renewal::Stop,
            false => Renewal::GoOn,
        })
    }

    /// Records how an attempt ended, and ends its lease.
    ///
    /// # Errors
    /// The step belongs to a later lease by now, or the store cannot be used.
    pub async fn report(&self, lease: Lease, outcome: Outcome) -> Result<(), LeaseError> {
        let Lease { step, token, .. } = lease;
        let (reported, output) = match outcome {
            Outcome::Succeeded(output) => match check_output(&output) {
                Ok(()) => (Reported::Success, Some(output)),
                Err(failure) => (Reported::Failure(failure), None),
            },
            Outcome::Failed(failure) => (Reported::Failure(failure), None),
            Outcome::Cancelled => (Reported::Cancelled, None),
        };
        let event = Event::Report {
            step,
            token,
            reported,
        };
        let write = async |connection: &mut PgConnection| {
            let Some(output) = output else {
                return Ok(());
            };
            sqlx::query(
                "UPDATE portcullis.pipeline_steps SET output = $3, rows = $4
                 WHERE run = $1 AND position = $2",
            )
            .bind(lease.run.0)
            .bind(i16::try_from(step).unwrap_or(i16::MAX))
            .bind(Json(output.value))
            .bind(output.rows)
            .execute(connection)
            .await
            .map(|_| ())
        };
        self.change(lease.run, event, write).await?;
        self.tell_that_something_is_ready();
        Ok(())
    }

    /// Gives a step back, so that another worker can begin it at once.
    ///
    /// # Errors
    /// The step belongs to a later lease by now, or the store cannot be used.
    pub async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        let Lease { step, token, .. } = lease;
        let event = Event::Release { step, token };
        self.change(lease.run, event, async |_| Ok(())).await?;
        self.tell_that_something_is_ready();
        Ok(())
    }

    /// Wants a run of this owner to end; whether there is one with this id.
    ///
    /// # Errors
    /// The store cannot be reached or used ([`StoreError`]).
    pub async fn cancel(&self, run: RunId, owner: Option<&str>) -> Result<bool, StoreError> {
        let mut transaction = self.pool().await?.begin().await?;
        let found = sqlx::query(
            "SELECT FROM portcullis.pipeline_runs
             WHERE id = $1 AND coalesce(owner, '') = coalesce($2, '') FOR UPDATE",
        )
        .bind(run.0)
        .bind(owner)
        .fetch_optional(&mut *transaction)
        .await?;
        if found.is_some() {
            // Cancelling needs no lease, so nothing fences it.
            let _ = transition::apply(&mut transaction, run, Event::Cancel).await?;
            transaction.commit().await?;
        }
        Ok(found.is_some())
    }

    /// Lets an event happen and writes what belongs to it, both or neither.
    async fn change(
        &self,
        run: RunId,
        event: Event<'_>,
        write: impl AsyncFnOnce(&mut PgConnection) -> Result<(), sqlx::Error>,
    ) -> Result<Vec<Effect>, LeaseError> {
        let mut transaction = self.pool().await?.begin().await?;
        // A run that retention took back is over.
        if !transition::lock(&mut transaction, run).await? {
            return Err(Fenced.into());
        }
        let effects = transition::apply(&mut transaction, run, event).await??;
        write(&mut transaction).await?;
        transaction.commit().await?;
        Ok(effects)
    }
}

/// Locks a run with a step that somebody should look at: one of these kinds may begin, or any lease
/// has ended. Runs that others look at are passed over.
async fn next_run(
    connection: &mut PgConnection,
    kinds: &[&str],
) -> Result<Option<RunId>, sqlx::Error> {
    let run: Option<Uuid> = sqlx::query_scalar(
        "SELECT run.id FROM portcullis.pipeline_steps AS step
         JOIN portcullis.pipeline_runs AS run ON run.id = step.run
         WHERE step.wake_at <= clock_timestamp()
           AND (step.state = 'running' OR step.kind = ANY($1))
         ORDER BY step.wake_at LIMIT 1
         FOR UPDATE OF run SKIP LOCKED",
    )
    .bind(kinds)
    .fetch_optional(connection)
    .await?;
    Ok(run.map(RunId))
}

async fn read_work(
    connection: &mut PgConnection,
    run: RunId,
    grant: Grant,
    holder: &str,
) -> Result<LeasedStep, sqlx::Error> {
    let position = i16::try_from(grant.step).unwrap_or(i16::MAX);
    let row = sqlx::query(
        "UPDATE portcullis.pipeline_steps AS step SET holder = $3
         FROM portcullis.pipeline_runs AS run
         JOIN portcullis.pipelines AS pipeline ON pipeline.id = run.pipeline
         WHERE run.id = $1 AND step.run = $1 AND step.position = $2
         RETURNING run.owner, run.parameters, pipeline.name, step.waits_for,
             pipeline.definition -> 'steps' -> step.position::integer AS definition",
    )
    .bind(run.0)
    .bind(position)
    .bind(bounds::cut(holder.to_owned(), bounds::KEY_BYTES))
    .fetch_one(&mut *connection)
    .await?;
    let waits_for: Vec<i16> = row.try_get("waits_for")?;
    let inputs: Vec<(String, Option<Json<Value>>)> = sqlx::query_as(
        "SELECT name, output FROM portcullis.pipeline_steps
         WHERE run = $1 AND position = ANY($2)",
    )
    .bind(run.0)
    .bind(waits_for)
    .fetch_all(connection)
    .await?;
    let Json(parameters) = row.try_get("parameters")?;
    let Json(step) = row.try_get("definition")?;
    let output = |(name, output): (String, Option<Json<Value>>)| (name, output.map(|Json(it)| it));
    Ok(LeasedStep {
        lease: Lease {
            run,
            step: grant.step,
            token: grant.token,
        },
        pipeline: row.try_get("name")?,
        owner: row.try_get("owner")?,
        step,
        parameters,
        inputs: inputs.into_iter().map(output).collect(),
        attempt: grant.attempt,
    })
}

fn check_output(output: &StepOutput) -> Result<(), StepFailure> {
    let bytes = serde_json::to_vec(&output.value).map_or(usize::MAX, |json| json.len());
    if bytes > bounds::OUTPUT_BYTES || bounds::holds_nul(&output.value) {
        return Err(StepFailure::lasting(
            "output",
            format!(
                "the step did its work, but its output cannot be kept: it has {bytes} bytes as \
                 JSON of at most {}, or holds a NUL character",
                bounds::OUTPUT_BYTES
            ),
        ));
    }
    Ok(())
}
