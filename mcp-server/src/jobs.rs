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

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::health::Health;

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

pub use error::Error;
pub use job::{
    ExecutorMetrics, IdempotencyKey, InvalidState, Job, JobId, JobProgress, JobState, StopReason,
    Times,
};
pub use logs::{JobLog, LogRange, LogSource};
pub use master::{Cluster, ClusterApplication, ClusterWorker, Share};
pub use store::{Filter, StoreError};
pub use submission::{Conf, InvalidConf};

use files::{Files, Launch};
use master::{Master, MasterError, Overview};
use observe::Observer;
use store::Store;
use submission::{Submission, is_of_a_command_line};

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

/// A job that somebody wants run.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Who submits it; `None` is a caller without identity.
    pub owner: Option<String>,
    /// The script that Spark runs.
    pub script: Script,
    /// Arguments that the script is called with.
    pub arguments: Vec<String>,
    /// Settings of Spark that the caller gave.
    pub conf: Conf,
    /// The key under which the job is submitted once, however often that is asked for.
    pub key: Option<String>,
    /// Seconds after which the job is ended.
    pub max_run_seconds: Option<u32>,
}

impl NewJob {
    /// SHA-256 of what is asked for. Credentials are masked: nobody can guess them from it.
    fn digest(&self) -> String {
        let script = match &self.script {
            Script::Path(path) => ("path", path.clone()),
            Script::Source(source) => ("source", masking::text(source)),
        };
        let conf: Vec<_> = self.conf.iter().collect();
        let conf = conf
            .iter()
            .map(|(name, value)| (*name, masking::setting(name, value)));
        let asked = serde_json::json!([
            script,
            masking::arguments(&self.arguments),
            conf.collect::<Vec<_>>(),
            self.max_run_seconds,
        ]);
        hex::encode(Sha256::digest(asked.to_string()))
    }
}

/// A PySpark script, by path or by text.
#[derive(Debug, Clone)]
pub enum Script {
    /// An absolute path that the workers can read.
    Path(String),
    /// Its text; it is written to this server's data folder, which the workers must be able to
    /// read.
    Source(String),
}

/// A page of jobs, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
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
        filter: &Filter,
        most: u16,
    ) -> Result<Page, Error> {
        let most = usize::from(most);
        let one_more = i64::try_from(most + 1).unwrap_or(i64::MAX);
        let mut jobs = self.0.store()?.list(owner, filter, one_more).await?;
        let more = jobs.len() > most;
        jobs.truncate(most);
        let last = jobs.last().filter(|_| more).map(|job| job.id);
        Ok(Page { jobs, last })
    }

    /// Looks at every job that is not over, again and again, until `stop` fires.
    pub async fn watch(self, stop: CancellationToken) {
        if self.0.store.is_none() {
            tracing::warn!("PORTCULLIS_STORE_URL is not set: Spark jobs cannot be submitted");
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
    /// [`Error`].
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

    async fn submit(&self, new: NewJob) -> Result<Job, Error> {
        let idempotency = new.key.as_ref().map(|key| IdempotencyKey {
            key: key.clone(),
            request: new.digest(),
        });
        if let Some(given) = &idempotency
            && let Some(job) = self.submitted_under(given, new.owner.as_deref()).await?
        {
            return Ok(job);
        }
        let id = JobId::new();
        let submitted = self.submit_as(id, new, idempotency).await;
        if submitted.is_err()
            && let Err(error) = self.files.remove(id).await
        {
            tracing::warn!(job = %id, %error, "the files of a refused job could not be removed");
        }
        submitted
    }

    /// The job that was submitted under this key before.
    async fn submitted_under(
        &self,
        given: &IdempotencyKey,
        owner: Option<&str>,
    ) -> Result<Option<Job>, Error> {
        let before = self.store()?.under_key(&given.key, owner).await?;
        match &before {
            Some(job) if job.idempotency.as_ref() != Some(given) => {
                Err(Error::KeyTaken(given.key.clone()))
            }
            _ => Ok(before),
        }
    }

    async fn submit_as(
        &self,
        id: JobId,
        new: NewJob,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Job, Error> {
        let store = self.store()?;
        let script = match &new.script {
            Script::Source(source) => {
                let path = self.files.write_source(id, source).await?;
                path.display().to_string()
            }
            Script::Path(path) => {
                if self.is_local() && !tokio::fs::try_exists(path).await.unwrap_or(true) {
                    return Err(Error::NoScript(path.clone()));
                }
                path.clone()
            }
        };
        // The wrapper is a file of this machine; elsewhere a worker would not find it.
        let python_wrapper = if self.is_local() {
            Some(self.files.python_wrapper().await?)
        } else {
            None
        };
        let (program, conf) = self.program(id, &new, &script).await?;
        let request = Submission {
            id,
            master: &self.master_url,
            program: &program,
            conf: &conf,
            python: self.python.as_ref(),
            python_wrapper: python_wrapper.as_ref(),
            app_name: &self.app_name,
        }
        .request();
        let mut job = Job {
            id,
            owner: new.owner,
            version: 0,
            state: JobState::Submitting,
            master: self.master_url.clone(),
            script,
            arguments: masking::arguments(&new.arguments),
            conf: new
                .conf
                .iter()
                .map(|(name, value)| (name.to_owned(), masking::setting(name, value)))
                .collect(),
            submission_id: None,
            application_id: None,
            progress: JobProgress::default(),
            executors: Vec::new(),
            idempotency,
            max_run_seconds: new.max_run_seconds.map(i64::from),
            stop: None,
            is_overdue: false,
            message: None,
            error_tail: None,
            times: Times {
                created: now(),
                started: None,
                finished: None,
                updated: now(),
            },
        };
        if !store.insert(&job).await? {
            // The same call came twice at the same time, and the other one was first.
            self.files.remove(id).await?;
            let given = job.idempotency.unwrap_or_default();
            let before = self.submitted_under(&given, job.owner.as_deref()).await?;
            return before.ok_or(Error::KeyTaken(given.key));
        }
        let recorded = match self.master.create(&request).await {
            Ok(submission) => {
                tracing::info!(job = %id, driver = submission, "submitted a Spark job");
                let recorded = store.submitted(id, &submission).await;
                job.state = JobState::Submitted;
                job.submission_id = Some(submission);
                recorded
            }
            Err(error @ MasterError::NoAnswer { .. }) => {
                tracing::warn!(job = %id, %error, "the master may have taken a job");
                job.message = Some(format!("{error}; it is being looked for"));
                store.save(&job).await
            }
            Err(error) => {
                job.state = JobState::Failed;
                job.message = Some(error.to_string());
                if let Err(unrecorded) = store.save(&job).await {
                    log_unrecorded(id, &unrecorded);
                }
                return Err(Error::Master(error.to_string()));
            }
        };
        self.submitted.notify_one();
        // From here on the job is the master's: whatever fails, its caller needs its id.
        let read = match recorded {
            Ok(()) => store.get(id, job.owner.as_deref()).await,
            Err(error) => Err(error),
        };
        Ok(match read {
            Ok(read) => read.unwrap_or(job),
            Err(error) => {
                log_unrecorded(id, &error);
                job
            }
        })
    }

    /// The program that Spark is to run with its arguments, and the settings for the command line:
    /// our launcher, which reads the script's arguments and every credential from a file, wherever
    /// the workers can read this server's files.
    async fn program(
        &self,
        id: JobId,
        new: &NewJob,
        script: &str,
    ) -> Result<(Vec<String>, Conf), Error> {
        let (conf, credentials) = new.conf.split_credentials();
        let mut names = credentials.keys();
        if let Some(name) = names.find(|name| is_of_a_command_line(name)) {
            return Err(Error::Exposed(format!("setting `{name}`")));
        }
        if self.is_local() || matches!(new.script, Script::Source(_)) {
            let launch = Launch {
                script,
                arguments: &new.arguments,
                settings: credentials,
            };
            let (launcher, launch) = self.files.write_launch(id, &launch).await?;
            let program = [launcher, launch].map(|path| path.display().to_string());
            return Ok((program.to_vec(), conf));
        }
        if let Some((name, _)) = credentials.iter().next() {
            return Err(Error::Exposed(format!("setting `{name}`")));
        }
        let masked = masking::arguments(&new.arguments);
        if let Some(at) = masked.iter().zip(&new.arguments).position(|(a, b)| a != b) {
            return Err(Error::Exposed(format!("argument {}", at + 1)));
        }
        let script = std::iter::once(script.to_owned());
        Ok((script.chain(new.arguments.iter().cloned()).collect(), conf))
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

fn log_unrecorded(id: JobId, error: &StoreError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(job = %id, %error, cause, "what became of a submission could not be recorded");
}

fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let format = &time::format_description::well_known::Rfc3339;
    now.format(format).unwrap_or_default()
}
