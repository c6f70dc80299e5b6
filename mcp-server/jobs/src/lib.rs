//! Submitted Spark jobs: submission, watching, and the registry that survives a restart.
//!
//! ```text
//! submit ─▶ row `submitting` ─▶ master (REST) ─▶ row `submitted` ─┐
//!           watch: for each row that is not over, look and record ◀┘
//! ```
//!
//! The row is written before Spark hears of a job, so that no crash loses one: a row without a
//! driver is matched, on the next start, with the driver whose command line carries its id. Ends
//! are recorded as they are seen, because a master forgets them when it restarts. Nothing is kept
//! in memory that would be missed.
//!
//! [`Jobs`] takes a [`NewJob`] and gives a [`Job`], found again by its [`JobId`] for its owner
//! alone; [`Jobs::watch`] keeps the records up to date. Nothing here knows of MCP or of tools.
//!
//! ```no_run
//! # async fn example(config: &config::Config) -> anyhow::Result<()> {
//! let jobs = jobs::Jobs::new(config)?;
//! tokio::spawn(jobs.clone().watch(tokio_util::sync::CancellationToken::new()));
//! let page = jobs.list(None, &jobs::JobFilter::default(), 20).await?;
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use config::Config;
use health::Health;

mod driver_output;
mod error;
mod files;
mod job;
mod logs;
mod masking;
mod master;
mod observe;
mod retention;
mod stop;
mod store;
mod submission;
mod submitting;

pub use error::Error;
pub use job::{
    ExecutorMetrics, IdempotencyKey, InvalidState, Job, JobId, JobProgress, JobState, StopReason,
    Times,
};
pub use logs::{JobLog, LogRange, LogSource};
pub use master::{Cluster, ClusterApplication, ClusterWorker, ResourceUse};
pub use store::{JobFilter, StoreError};
pub use submission::{Conf, InvalidConf};
pub use submitting::{NewJob, Script};

use files::Files;
use master::{Master, Overview};
use observe::Observer;
use store::Store;

/// Between looks while some job is not over, and while none is.
const BUSY: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(30);
/// After a look that failed.
const TROUBLE: Duration = Duration::from_secs(5);
/// Between two looks for what is stored of jobs that are over.
const TIDY: Duration = Duration::from_secs(600);
/// Jobs read from the registry at once, so that no number of them fills the memory, and looked at
/// at once, so that the master is not flooded.
const PAGE: i64 = 200;
const AT_ONCE: usize = 8;

/// The jobs port. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Option<Store>,
    master: Master,
    master_url: String,
    observer: Observer,
    files: Files,
    python: Option<PathBuf>,
    app_name: String,
    /// Days after its end for which a job is kept.
    retention_days: u32,
    submitted: Notify,
    /// Submissions under way, which the end of the process waits for.
    submitting: TaskTracker,
}

/// A page of jobs, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// The jobs of this page.
    pub jobs: Vec<Job>,
    /// The last one of them, if there are more after it.
    pub last: Option<JobId>,
}

impl Jobs {
    /// Prepares the registry without connecting.
    ///
    /// # Errors
    /// When an address cannot be understood.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let master = Master::new(&config.spark.master_rest, &config.spark.master_ui)?;
        let store = config.store_url.as_ref();
        Ok(Self(Arc::new(Inner {
            store: store.map(|url| Store::new(url.expose())).transpose()?,
            observer: Observer::new(master.clone()),
            master,
            master_url: config.spark.master.clone(),
            files: Files::new(config.data.as_deref(), config.spark.job_files),
            python: config.spark.python.clone(),
            app_name: config.spark.app_name.clone(),
            retention_days: config.spark.job_retention_days,
            submitted: Notify::new(),
            submitting: TaskTracker::new(),
        })))
    }

    /// Submits a job. Once begun, it is brought to its end even if this future is dropped.
    ///
    /// # Errors
    /// [`Error`]. A job that the master may have taken is no error: it is `submitting` until it
    /// is found.
    pub async fn submit(&self, new: NewJob) -> Result<Job, Error> {
        let inner = Arc::clone(&self.0);
        let submit = async move { inner.submit(new).await };
        let submitting = self.0.submitting.spawn(submit);
        submitting
            .await
            .unwrap_or_else(|panic| Err(Error::Master(panic.to_string())))
    }

    /// Waits until no submission is under way.
    pub async fn drain(&self) {
        self.0.submitting.close();
        self.0.submitting.wait().await;
    }

    /// A job as it is now, or as it was last seen if the master does not answer; `None` if `owner`
    /// has none with this id.
    ///
    /// # Errors
    /// There is no job registry, or it cannot be used ([`Error`]).
    pub async fn get(&self, id: JobId, owner: Option<&str>) -> Result<Option<Job>, Error> {
        let store = self.0.store()?;
        let Some(mut job) = store.get(id, owner).await? else {
            return Ok(None);
        };
        if job.state.is_final() || job.master != self.0.master_url {
            return Ok(Some(job));
        }
        let looked = match self.0.master.overview().await {
            Ok(overview) => self.0.observer.look(&mut job, &overview, store).await,
            Err(error) => Err(error.into()),
        };
        match looked {
            // The registry has the times, and another server may have seen more.
            Ok(()) => {
                self.0.take_launch_back(&job).await;
                Ok(store.get(id, owner).await?)
            }
            Err(error) => {
                tracing::warn!(job = %id, %error, "a job could not be looked at");
                job.message = Some(format!("as last seen, because {error}"));
                Ok(Some(job))
            }
        }
    }

    /// A job as the registry has it, which [`Jobs::watch`] keeps up to date; `None` if `owner` has
    /// none with this id.
    ///
    /// # Errors
    /// There is no job registry, or it cannot be used ([`Error`]).
    pub async fn recorded(&self, id: JobId, owner: Option<&str>) -> Result<Option<Job>, Error> {
        Ok(self.0.store()?.get(id, owner).await?)
    }

    /// Jobs of `owner` that fit `filter`, at most `most`, newest first.
    ///
    /// # Errors
    /// There is no job registry, or it cannot be used ([`Error`]).
    pub async fn list(
        &self,
        owner: Option<&str>,
        filter: &JobFilter,
        most: u16,
    ) -> Result<JobPage, Error> {
        let most = usize::from(most);
        let one_more = i64::try_from(most + 1).unwrap_or(i64::MAX);
        let mut jobs = self.0.store()?.list(owner, filter, one_more).await?;
        let more = jobs.len() > most;
        jobs.truncate(most);
        let last = jobs.last().filter(|_| more).map(|job| job.id);
        Ok(JobPage { jobs, last })
    }

    /// Looks at every job that is not over, again and again, until `stop` fires.
    pub async fn watch(self, stop: CancellationToken) {
        if self.0.store.is_none() {
            return;
        }
        let mut tidied: Option<Instant> = None;
        loop {
            if tidied.is_none_or(|tidied| tidied.elapsed() >= TIDY) {
                tidied = Some(Instant::now());
                let tidied = tokio::select! {
                    () = stop.cancelled() => return,
                    tidied = self.0.tidy() => tidied,
                };
                if let Err(error) = tidied {
                    tracing::warn!(%error, "what is stored of former jobs could not be removed");
                }
            }
            let round = tokio::select! {
                // A master that does not answer must not keep the process from ending.
                () = stop.cancelled() => return,
                round = self.0.round() => round,
            };
            let pause = match round {
                Ok(0) => IDLE,
                Ok(_) => BUSY,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the jobs could not be looked at");
                    TROUBLE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.submitted.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The cluster as its master describes it.
    ///
    /// # Errors
    /// [`Error::Master`] when the master does not answer.
    pub async fn cluster(&self) -> Result<Cluster, Error> {
        let cluster = self.0.master.cluster().await;
        cluster.map_err(|error| Error::Master(error.to_string()))
    }

    /// How many jobs of `owner` are in each state; states without a job are left out.
    ///
    /// # Errors
    /// There is no job registry, or it cannot be used ([`Error`]).
    pub async fn count_by_state(
        &self,
        owner: Option<&str>,
    ) -> Result<BTreeMap<String, i64>, Error> {
        Ok(self.0.store()?.count_by_state(owner).await?)
    }

    /// How many jobs of all owners the registry has, by state.
    ///
    /// # Errors
    /// There is no job registry, or it cannot be used ([`Error`]).
    pub async fn count_all_by_state(&self) -> Result<BTreeMap<String, i64>, Error> {
        Ok(self.0.store()?.count_all_by_state().await?)
    }

    /// Whether the registry can be used; `None` if there is none.
    pub async fn registry_health(&self) -> Option<Health> {
        let store = self.0.store.as_ref()?;
        let asked = Instant::now();
        Some(match store.ping().await {
            Ok(()) => Health::Up {
                latency: asked.elapsed(),
                detail: "job registry".to_owned(),
            },
            Err(error) => Health::Down {
                reason: error.to_string(),
            },
        })
    }

    /// Whether the master answers, and with how many workers.
    pub async fn master_health(&self) -> Health {
        let asked = Instant::now();
        match self.0.master.overview().await {
            Ok(overview) if overview.status == "ALIVE" => Health::Up {
                latency: asked.elapsed(),
                detail: format!(
                    "Spark master, workers: {}, cores in use: {} of {}",
                    overview.alive_workers().count(),
                    overview.cores_used,
                    overview.cores
                ),
            },
            Ok(Overview { status, .. }) => Health::Down {
                reason: format!("the Spark master is {}", status.to_lowercase()),
            },
            Err(error) => Health::Down {
                reason: error.to_string(),
            },
        }
    }
}

impl Inner {
    fn store(&self) -> Result<&Store, Error> {
        self.store.as_ref().ok_or(Error::NoStore)
    }

    /// Looks at each job that is not over; gives how many there were.
    async fn round(&self) -> Result<usize, StoreError> {
        let Some(store) = &self.store else {
            return Ok(0);
        };
        let mut page = store.open(&self.master_url, None, PAGE).await?;
        if page.is_empty() {
            return Ok(0);
        }
        let overview = match self.master.overview().await {
            Ok(overview) => overview,
            Err(error) => {
                tracing::warn!(%error, "the jobs could not be looked at");
                return Ok(page.len());
            }
        };
        self.observer.forget_the_ended(&overview);
        let mut count = 0;
        while let Some(last) = page.last().map(|job| job.id) {
            count += page.len();
            let looks = page.into_iter().map(|job| self.look(job, &overview, store));
            let looks = stream::iter(looks.collect::<Vec<_>>());
            looks.buffer_unordered(AT_ONCE).collect::<()>().await;
            page = store.open(&self.master_url, Some(last), PAGE).await?;
        }
        Ok(count)
    }

    async fn look(&self, mut job: Job, overview: &Overview, store: &Store) {
        match self.observer.look(&mut job, overview, store).await {
            Ok(()) => {
                self.take_launch_back(&job).await;
                if let Err(error) = self.end_if_due(&job, store).await {
                    tracing::warn!(job = %job.id, %error, "a job could not be ended yet");
                }
            }
            Err(error) => tracing::warn!(job = %job.id, %error, "a job could not be looked at"),
        }
    }

    /// Whether the master, and so the local cluster, is on this machine.
    fn is_local(&self) -> bool {
        let host = self.master_url.strip_prefix("spark://").unwrap_or("");
        ["127.", "localhost:", "[::1]"]
            .iter()
            .any(|loopback| host.starts_with(loopback))
    }
}
