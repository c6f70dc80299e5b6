//! Ends jobs before their time: because their owner asks for it, or because they ran too long.
//!
//! The wish is recorded before Spark hears of it, and the watch repeats it until the job's end is
//! seen: neither a crash of this server nor one of the master loses it.

use std::time::{Duration, Instant};

use super::job::{Job, JobId, StopReason};
use super::observe::ObserveError;
use super::store::Store;
use super::{Error, Inner, Jobs};

/// So long the end of a cancelled job is waited for; Spark needs about one second.
const SETTLE: Duration = Duration::from_secs(5);
/// Between two looks for it.
const PAUSE: Duration = Duration::from_millis(200);

impl Jobs {
    /// Cancels a job of `owner`, and gives it as it is then; `None` if there is none with this id.
    /// One that is over stays as it is. One whose end is not seen in time is ended by the watch.
    ///
    /// # Errors
    /// There is no job registry, or it or Spark's master cannot be reached.
    pub async fn cancel(&self, id: JobId, owner: Option<&str>) -> Result<Option<Job>, Error> {
        let store = self.0.store()?;
        let Some(job) = store.get(id, owner).await? else {
            return Ok(None);
        };
        if job.state.is_final() {
            return Ok(Some(job));
        }
        if job.master != self.0.master_url {
            return Err(Error::OtherMaster(job.master));
        }
        store.ask_to_stop(id, StopReason::Cancelled).await?;
        if let Some(submission) = &job.submission_id
            && let Err(error) = self.0.master.kill(submission).await
        {
            tracing::warn!(job = %id, %error, "a job could not be ended yet");
        }
        self.0.submitted.notify_one();
        let deadline = Instant::now() + SETTLE;
        loop {
            let job = self.get(id, owner).await?;
            let is_open = job.as_ref().is_some_and(|job| !job.state.is_final());
            if !is_open || Instant::now() >= deadline {
                return Ok(job);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Inner {
    /// Asks Spark to end a job that is to end and has not.
    pub(super) async fn end_if_due(&self, job: &Job, store: &Store) -> Result<(), ObserveError> {
        if job.state.is_final() {
            return Ok(());
        }
        if job.stop.is_none() {
            if !job.is_overdue {
                return Ok(());
            }
            store.ask_to_stop(job.id, StopReason::OutOfTime).await?;
        }
        if let Some(submission) = &job.submission_id {
            self.master.kill(submission).await?;
        }
        Ok(())
    }
}
