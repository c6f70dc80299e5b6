//! The submission of a job: its row, its files, and the word of the master.

use sha2::{Digest as _, Sha256};

use super::files::Launch;
use super::job::{IdempotencyKey, Job, JobId, JobProgress, JobState, Times};
use super::master::{CreateSubmission, MasterError};
use super::store::Store;
use super::submission::{Conf, Submission, is_of_a_command_line};
use super::{Error, Inner, StoreError, masking};

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

impl Inner {
    /// Submits a job, or finds the one that was submitted under the same key.
    pub(super) async fn submit(&self, new: NewJob) -> Result<Job, Error> {
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
        let script = self.script_path(id, &new.script).await?;
        let request = self.request(id, &new, &script).await?;
        let mut job = self.row(id, new, script, idempotency);
        if !store.insert(&job).await? {
            // The same call came twice at the same time, and the other one was first.
            self.files.remove(id).await?;
            let given = job.idempotency.unwrap_or_default();
            let before = self.submitted_under(&given, job.owner.as_deref()).await?;
            return before.ok_or(Error::KeyTaken(given.key));
        }
        let recorded = self.hand_over(store, &mut job, &request).await?;
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

    /// The path of the script that Spark is to run, which is written first where it came as text.
    async fn script_path(&self, id: JobId, script: &Script) -> Result<String, Error> {
        match script {
            Script::Source(source) => {
                let path = self.files.write_source(id, source).await?;
                Ok(path.display().to_string())
            }
            Script::Path(path) => {
                if self.is_local() && !tokio::fs::try_exists(path).await.unwrap_or(true) {
                    return Err(Error::NoScript(path.clone()));
                }
                Ok(path.clone())
            }
        }
    }

    /// The request that the master is sent.
    async fn request(
        &self,
        id: JobId,
        new: &NewJob,
        script: &str,
    ) -> Result<CreateSubmission, Error> {
        // The wrapper is a file of this machine; elsewhere a worker would not find it.
        let python_wrapper = match self.is_local() {
            true => Some(self.files.python_wrapper().await?),
            false => None,
        };
        let (program, conf) = self.program(id, new, script).await?;
        let submission = Submission {
            id,
            master: &self.master_url,
            program: &program,
            conf: &conf,
            python: self.python.as_ref(),
            python_wrapper: python_wrapper.as_ref(),
            app_name: &self.app_name,
        };
        Ok(submission.request())
    }

    /// The job as it is recorded before the master hears of it.
    fn row(
        &self,
        id: JobId,
        new: NewJob,
        script: String,
        idempotency: Option<IdempotencyKey>,
    ) -> Job {
        let conf = new.conf.iter();
        let conf = conf.map(|(name, value)| (name.to_owned(), masking::setting(name, value)));
        Job {
            id,
            owner: new.owner,
            version: 0,
            state: JobState::Submitting,
            master: self.master_url.clone(),
            script,
            arguments: masking::arguments(&new.arguments),
            conf: conf.collect(),
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
        }
    }

    /// Submits a recorded job to the master; whether its answer could be recorded.
    async fn hand_over(
        &self,
        store: &Store,
        job: &mut Job,
        request: &CreateSubmission,
    ) -> Result<Result<(), StoreError>, Error> {
        let id = job.id;
        match self.master.create(request).await {
            Ok(submission) => {
                tracing::info!(job = %id, driver = submission, "submitted a Spark job");
                let recorded = store.submitted(id, &submission).await;
                job.state = JobState::Submitted;
                job.submission_id = Some(submission);
                Ok(recorded)
            }
            Err(error @ MasterError::NoAnswer { .. }) => {
                tracing::warn!(job = %id, %error, "the master may have taken a job");
                job.message = Some(format!("{error}; it is being looked for"));
                Ok(store.save(job).await)
            }
            Err(error) => {
                job.state = JobState::Failed;
                job.message = Some(error.to_string());
                if let Err(unrecorded) = store.save(job).await {
                    log_unrecorded(id, &unrecorded);
                }
                Err(Error::Master(error.to_string()))
            }
        }
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
