//! The work of this process beside calls: it watches jobs, runs the flows of pipelines, takes back
//! results and tasks that have expired, and at the end waits for what callers have left behind.
//!
//! It is the same whatever transport brings the calls: a transport begins it before it serves, and
//! ends it when it has served.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::OptionFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::flow_runner;
use crate::services::Services;
use crate::tools::Registry;

/// Interrupts and submissions that are under way at the end have this long; a peer that has not
/// answered by then is not there.
const LAST_WORK: Duration = Duration::from_secs(5);

/// The work beside calls, once it has begun.
#[derive(Debug)]
pub struct BackgroundWork {
    services: Arc<Services>,
    watching: JoinHandle<()>,
    flows: Option<JoinHandle<()>>,
}

impl BackgroundWork {
    /// Begins to watch jobs and, where `registry` has the tool that starts runs, to run flows until
    /// `stop` fires, and has every database log what its operator should know.
    pub fn begin(services: &Arc<Services>, registry: &Registry, stop: &CancellationToken) -> Self {
        let watching = tokio::spawn(services.jobs.clone().watch(stop.clone()));
        let flows = flow_runner::is_wanted(registry)
            .then(|| tokio::spawn(flow_runner::work(Arc::clone(services), stop.clone())));
        let results = Arc::clone(&services.kept_results);
        let interval = results.sweep_interval();
        tokio::spawn(sweep(move || results.sweep(), interval, stop.clone()));
        let tasks = Arc::clone(&services.tasks);
        let interval = tasks.sweep_interval();
        tokio::spawn(sweep(move || tasks.sweep(), interval, stop.clone()));
        let warned = Arc::clone(services);
        tokio::spawn(async move {
            for database in warned.databases.all() {
                if let Err(error) = database.open_first_sessions().await {
                    let database = database.name();
                    tracing::warn!(database, %error, "no session could be opened beforehand");
                }
                database.log_warnings().await;
            }
        });
        Self {
            services: Arc::clone(services),
            watching,
            flows,
        }
    }

    /// Waits a few seconds, so that before the process ends what callers gave up is ended in Spark
    /// and what they submitted is recorded. The `stop` that it began with must have fired.
    pub async fn end(self) {
        let Self {
            services,
            watching,
            flows,
        } = self;
        let rest = async {
            // What these give up is ended in Spark by what comes after them.
            services.tasks.drain().await;
            tokio::join!(
                OptionFuture::from(flows),
                watching,
                services.jobs.drain(),
                services.spark.drain()
            )
        };
        if tokio::time::timeout(LAST_WORK, rest).await.is_err() {
            tracing::warn!("work for calls that had ended was not over in time");
        }
    }
}

/// Takes back, now and from time to time, what has expired and what a killed process has left half
/// written.
async fn sweep(
    take_back: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    interval: Duration,
    stop: CancellationToken,
) {
    let take_back = Arc::new(take_back);
    loop {
        let work = Arc::clone(&take_back);
        let swept = tokio::task::spawn_blocking(move || work()).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "what has expired cannot be removed");
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = stop.cancelled() => break,
        }
    }
}
