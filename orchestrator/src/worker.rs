//! A worker: leases steps, gives them to the runner, keeps their leases, reports their outcomes.
//!
//! A process has one worker, which does several steps at once; any number of processes may work on
//! the same records.

mod attempt;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::runner::StepRunner;
use crate::store::{Retention, Store, StoreError};
use attempt::Attempt;

/// Between looks for work that other processes, or pauses, have made ready. Work that this process
/// makes ready is seen at once.
const POLL: Duration = Duration::from_secs(1);

/// After a look that failed.
const TROUBLE: Duration = Duration::from_secs(5);

/// Between looks at what can be taken back.
const RETAIN_EVERY: Duration = Duration::from_hours(1);

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The name of this process in the records, for people.
    pub holder: String,
    /// Steps that are worked on at once.
    pub concurrency: usize,
    /// How long a worker may be silent before its steps are given to another one. It renews six
    /// times as often, so that a few failed renewals cost nothing.
    pub lease: Duration,
    /// How long a step that is told to end may take for it, before it is dropped.
    pub grace: Duration,
    /// How long runs that are over are kept.
    pub retention: Retention,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            holder: format!("process {}", std::process::id()),
            concurrency: 4,
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            retention: Retention::default(),
        }
    }
}

/// Works on the steps of one store with one runner.
#[derive(Debug)]
pub struct Worker<R> {
    store: Store,
    runner: Arc<R>,
    settings: Arc<WorkerSettings>,
}

impl<R: StepRunner> Worker<R> {
    /// A worker that does nothing yet.
    pub fn new(store: Store, runner: R, settings: WorkerSettings) -> Self {
        Self {
            store,
            runner: Arc::new(runner),
            settings: Arc::new(settings),
        }
    }

    /// Works until `stop` fires; then tells what runs to end, gives back what is not done, and
    /// returns.
    pub async fn work(self, stop: CancellationToken) {
        tokio::join!(self.lease_steps(&stop), self.take_back(&stop));
    }

    async fn lease_steps(&self, stop: &CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.settings.concurrency.max(1)));
        let attempts = TaskTracker::new();
        loop {
            let slot = tokio::select! {
                () = stop.cancelled() => break,
                slot = Arc::clone(&slots).acquire_owned() => slot,
            };
            let Ok(slot) = slot else { break };
            // A lease that is under way when the process ends would be lost; so it is waited for.
            let pause = match self.lease_one(stop).await {
                Ok(Some(attempt)) => {
                    attempts.spawn(async move {
                        attempt.make().await;
                        drop(slot);
                    });
                    continue;
                }
                Ok(None) => POLL,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "no step could be leased");
                    TROUBLE
                }
            };
            drop(slot);
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.store.something_is_ready() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        attempts.close();
        attempts.wait().await;
    }

    async fn lease_one(&self, stop: &CancellationToken) -> Result<Option<Attempt<R>>, StoreError> {
        let asked = Instant::now();
        let settings = &self.settings;
        let lease = self
            .store
            .lease(self.runner.kinds(), &settings.holder, settings.lease);
        Ok(lease.await?.map(|leased| Attempt {
            store: self.store.clone(),
            runner: Arc::clone(&self.runner),
            settings: Arc::clone(settings),
            leased,
            asked,
            stop: stop.clone(),
        }))
    }

    async fn take_back(&self, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(RETAIN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match self.store.retain(self.settings.retention).await {
                Ok(0) => {}
                Ok(runs) => tracing::info!(runs, "took back runs that are long over"),
                Err(error) => tracing::warn!(%error, "runs that are over could not be taken back"),
            }
        }
    }
}
