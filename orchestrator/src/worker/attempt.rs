//! One attempt of one step: the work beside the renewals of its lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::WorkerSettings;
use crate::run::{StepFailure, took_too_long};
use crate::runner::{
    Keeping, LeasedStep, Outcome, ProgressReporter, StepCall, StepProgress, StepRunner,
};
use crate::store::{LeaseError, Renewal, Store};

/// Renewals in the time that a worker may be silent.
const RENEWALS: u32 = 6;

/// How long a report is tried. While the database does not answer nobody else can take the step
/// either, so work that is done is not given up with the lease.
const REPORT_FOR: Duration = Duration::from_mins(5);
const REPORT_AGAIN: Duration = Duration::from_secs(1);

/// An attempt that is about to begin.
pub(super) struct Attempt<R> {
    pub(super) store: Store,
    pub(super) runner: Arc<R>,
    pub(super) settings: Arc<WorkerSettings>,
    pub(super) leased: LeasedStep,
    /// When the lease was asked for: it ends no earlier than its length after this.
    pub(super) asked: Instant,
    /// Fires when this process ends.
    pub(super) stop: CancellationToken,
}

/// How the work ended for this process.
enum End {
    /// There is something to report.
    Reported(Outcome),
    /// The process ends before the work does.
    GivenBack,
    /// The step may be somebody else's by now.
    Lost,
}

impl<R: StepRunner> Attempt<R> {
    /// Does the step and reports how it ended.
    pub(super) async fn make(self) {
        let lease = self.leased.lease;
        let (run, step) = (lease.run, self.leased.step.name.as_str());
        tracing::info!(%run, step, token = lease.token.0, "a step begins");
        let reported = match self.supervise().await {
            End::Reported(outcome) => {
                tracing::info!(%run, step, outcome = word(&outcome), "a step ended");
                self.report(outcome).await
            }
            End::GivenBack => self.store.release(lease).await,
            End::Lost => Err(LeaseError::Fenced(crate::run::Fenced)),
        };
        if let Err(error) = reported {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%run, step, %error, cause, "an attempt is not in the record");
        }
    }

    /// Runs the step until it ends, its lease does, or it has been told to end for too long.
    async fn supervise(&self) -> End {
        let cancelled = self.stop.child_token();
        let (reporter, mut progress) = ProgressReporter::new();
        let keeping = Keeping::default();
        let mut work = self.begin(&cancelled, reporter, keeping.clone());
        let length = self.settings.lease;
        let mut watch = Watch {
            lease_ends: self.asked + length,
            deadline: self.asked + Duration::from_secs(u64::from(self.leased.step.timeout_s)),
            is_late: false,
            dropped_at: None,
            renew_at: self.asked + length / RENEWALS,
        };
        let mut is_stopping = false;
        loop {
            let may_be_dropped = is_stopping || !keeping.has_begun();
            tokio::select! {
                joined = &mut work.0 => return watch.end_of(joined, &self.stop),
                () = tokio::time::sleep_until(watch.lease_ends) => return End::Lost,
                () = tokio::time::sleep_until(watch.renew_at) => {
                    match self.renew(&mut watch, &mut progress).await {
                        Some(Renewal::GoOn) => {}
                        Some(Renewal::Stop) => {
                            cancelled.cancel();
                            watch.tell_to_end(self.settings.grace);
                        }
                        None => return End::Lost,
                    }
                }
                () = tokio::time::sleep_until(watch.deadline), if !watch.is_late => {
                    watch.is_late = true;
                    cancelled.cancel();
                    watch.tell_to_end(self.settings.grace);
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    watch.tell_to_end(self.settings.grace);
                }
                () = sleep_until(watch.dropped_at), if may_be_dropped => {
                    // It may have begun to keep its effect meanwhile.
                    if is_stopping || !keeping.has_begun() {
                        return watch.end_of(Ok(Outcome::Cancelled), &self.stop);
                    }
                }
            }
        }
    }

    fn begin(
        &self,
        cancelled: &CancellationToken,
        progress: ProgressReporter,
        keeping: Keeping,
    ) -> Work {
        let call = StepCall {
            leased: self.leased.clone(),
            progress,
            cancelled: cancelled.clone(),
            keeping,
        };
        let runner = Arc::clone(&self.runner);
        Work(tokio::spawn(async move { runner.run(call).await }))
    }

    /// Renews the lease; nothing if it is lost. A database that does not answer is asked again
    /// soon, as long as the lease lasts.
    async fn renew(
        &self,
        watch: &mut Watch,
        progress: &mut watch::Receiver<StepProgress>,
    ) -> Option<Renewal> {
        let length = self.settings.lease;
        let asked = Instant::now();
        let told = match progress.has_changed() {
            Ok(true) => Some(progress.borrow_and_update().clone()),
            _ => None,
        };
        let renewal = self.store.renew(self.leased.lease, length, told.as_ref());
        watch.renew_at = asked + length / RENEWALS;
        match tokio::time::timeout_at(watch.lease_ends, renewal).await {
            Ok(Ok(renewal)) => {
                watch.lease_ends = asked + length;
                Some(renewal)
            }
            Ok(Err(LeaseError::Store(error))) => {
                tracing::warn!(run = %self.leased.lease.run, %error, "a lease was not renewed");
                if told.is_some() {
                    progress.mark_changed();
                }
                Some(Renewal::GoOn)
            }
            Ok(Err(LeaseError::Fenced(_))) | Err(_) => None,
        }
    }

    async fn report(&self, outcome: Outcome) -> Result<(), LeaseError> {
        let until = Instant::now() + REPORT_FOR;
        loop {
            match self.store.report(self.leased.lease, outcome.clone()).await {
                Err(LeaseError::Store(error))
                    if Instant::now() < until && !self.stop.is_cancelled() =>
                {
                    tracing::warn!(run = %self.leased.lease.run, %error, "a report is tried again");
                    tokio::time::sleep(REPORT_AGAIN).await;
                }
                reported => return reported,
            }
        }
    }
}

/// The moments that an attempt is watched for.
struct Watch {
    /// From here on the step may be somebody else's.
    lease_ends: Instant,
    /// From here on the attempt has taken too long.
    deadline: Instant,
    is_late: bool,
    /// When work that was told to end is dropped.
    dropped_at: Option<Instant>,
    renew_at: Instant,
}

impl Watch {
    fn tell_to_end(&mut self, grace: Duration) {
        self.dropped_at
            .get_or_insert_with(|| Instant::now() + grace);
    }

    fn end_of(
        &self,
        joined: Result<Outcome, tokio::task::JoinError>,
        stop: &CancellationToken,
    ) -> End {
        match joined {
            Ok(Outcome::Cancelled) if self.is_late => {
                End::Reported(Outcome::Failed(took_too_long()))
            }
            Ok(Outcome::Cancelled) if stop.is_cancelled() => End::GivenBack,
            Ok(outcome) => End::Reported(outcome),
            Err(error) => {
                tracing::error!(%error, "the runner of a step panicked");
                let failure = StepFailure::passing("internal", "the step ran into a fault of ours");
                End::Reported(Outcome::Failed(failure))
            }
        }
    }
}

/// Work under way; dropping it ends the work at its next await.
struct Work(JoinHandle<Outcome>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An outcome in a word for the log. Sentences may quote what an author wrote.
fn word(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Succeeded(_) => "succeeded",
        Outcome::Failed(failure) => &failure.code,
        Outcome::Cancelled => "cancelled",
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
