//! Takes back what is stored of jobs that are over.
//!
//! What a script was called with, credentials included, goes as soon as the job's end is seen; the
//! record and the source go together, some days later.

use std::io;
use std::time::Duration;

use super::job::{Job, JobId, JobState};
use super::observe::age;
use super::{Error, Inner, PAGE};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Inner {
    /// Removes what the job's script was called with, if Spark will not read that any more.
    pub(super) async fn take_launch_back(&self, job: &Job) {
        if !needs_no_launch(job.state) {
            return;
        }
        log_unremoved(job.id, self.files.remove_launch(job.id).await);
    }

    /// Forgets jobs that ended longer ago than they are kept, and removes the files of all that
    /// are over.
    pub(super) async fn tidy(&self) -> Result<(), Error> {
        let store = self.store()?;
        for id in store.forget(self.retention_days).await? {
            log_unremoved(id, self.files.remove(id).await);
        }
        let here = self.files.jobs().await?;
        for ids in here.chunks(usize::try_from(PAGE).unwrap_or(1)) {
            let known = store.states(ids).await?;
            for id in ids {
                let removed = match known.get(id) {
                    Some(state) if needs_no_launch(*state) => self.files.remove_launch(*id).await,
                    Some(_) => Ok(()),
                    // Another server forgot it, or this one ended in between. A young one may be
                    // about to be recorded.
                    None if age(*id) >= DAY * self.retention_days => self.files.remove(*id).await,
                    None => Ok(()),
                };
                log_unremoved(*id, removed);
            }
        }
        Ok(())
    }
}

/// Tells the operator of files that stay. Those of other jobs go all the same: one folder that
/// cannot be removed must not keep every other job's credentials on the disk.
fn log_unremoved(job: JobId, removed: io::Result<()>) {
    if let Err(error) = removed {
        tracing::warn!(%job, %error, "the files of a job could not be removed");
    }
}

/// Whether a job in this state has ended for good; an unknown one may be found again.
fn needs_no_launch(state: JobState) -> bool {
    matches!(
        state,
        JobState::Finished | JobState::Failed | JobState::Killed
    )
}
