//! One look at one job: what the master, its drivers and its workers say of it now.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::driver_output::{
    TRACEBACK, application_in, job_id_in, last_of, traceback, without_chatter,
};
use super::job::{Job, JobId, JobState, StopReason};
use super::masking;
use super::master::{Driver, Master, MasterError, Output, Overview, Part, Stream};
use super::store::{Store, StoreError};
use super::submission::JOB_ID;

/// A submission under way in another server is left alone this long.
const SUBMITTING: Duration = Duration::from_secs(30);
/// By then a driver that the master took has said whose it is.
const SUBMITTED_OR_NOT: Duration = Duration::from_secs(60);
/// A master that comes back needs this long to hear of its drivers again.
const FORGOTTEN: Duration = Duration::from_secs(20);
/// A driver that has not named its application in its log by then will not.
const SILENT: Duration = Duration::from_secs(60);
/// Of a log this much is read, at its start or at its end.
const SOME_LOG: u32 = 64 << 10;

/// A driver that Spark calls so did not fail by itself: its worker could not run it, or a master
/// that was restarted heard of its worker anew before it asked for the driver.
const LOST: &str = "the Spark master gave its driver up: the worker could not run it, or the \
     master was restarted and did not find it there again; submit the job again if it is still \
     wanted";

/// So many executors of a job are kept: enough to see whether one lags, and no thousand of them in
/// each row.
const EXECUTORS: usize = 32;

/// Looks at jobs. What it finds out for good it remembers.
#[derive(Debug)]
pub(super) struct Observer {
    master: Master,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The job of each application, if it has one.
    applications: HashMap<String, Option<JobId>>,
    /// The job of each driver, if it has one.
    drivers: HashMap<String, Option<JobId>>,
    /// Since when the master has not known a job's driver.
    missing: HashMap<JobId, Instant>,
}

/// Why a look showed nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ObserveError {
    #[error(transparent)]
    Master(#[from] MasterError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Observer {
    pub(super) fn new(master: Master) -> Self {
        Self {
            master,
            memory: Mutex::default(),
        }
    }

    /// Brings `job`, which is not over, up to date and records it.
    pub(super) async fn look(
        &self,
        job: &mut Job,
        overview: &Overview,
        store: &Store,
    ) -> Result<(), ObserveError> {
        let before = job.clone();
        match job.submission_id.clone() {
            None => return self.recover(job, overview, store).await,
            Some(submission) => match self.master.driver(&submission).await? {
                Some(driver) => {
                    self.with_memory(|memory| memory.missing.remove(&job.id));
                    self.follow(job, &submission, &driver, overview).await;
                }
                None => self.forgotten(job, &submission, overview),
            },
        }
        if *job != before {
            store.save(job).await?;
        }
        Ok(())
    }

    /// Forgets the applications and drivers that the master no longer lists.
    pub(super) fn forget_the_ended(&self, overview: &Overview) {
        self.with_memory(|memory| {
            let listed = |id: &String| overview.active_apps.iter().any(|app| app.id == *id);
            memory.applications.retain(|id, _| listed(id));
            memory.drivers.retain(|id, _| {
                let mut drivers = overview
                    .active_drivers
                    .iter()
                    .chain(&overview.completed_drivers);
                drivers.any(|driver| driver.id == *id)
            });
        });
    }

    async fn follow(&self, job: &mut Job, submission: &str, driver: &Driver, overview: &Overview) {
        job.message = None;
        match driver.state.as_str() {
            "SUBMITTED" => {
                job.state = JobState::Submitted;
                job.message = Some(format!(
                    "waits for a worker with a free core and memory for its driver; {} of {} \
                     cores are in use",
                    overview.cores_used, overview.cores
                ));
            }
            "RUNNING" | "RELAUNCHING" => {
                job.state = JobState::Running;
                self.progress(job, submission, driver, overview).await;
            }
            "FINISHED" => job.state = JobState::Finished,
            "KILLED" => {
                job.state = JobState::Killed;
                job.message = Some(why_killed(job));
            }
            "FAILED" | "ERROR" => {
                job.state = JobState::Failed;
                let said = driver.message.as_deref().map(masking::text);
                let why = match driver.state.as_str() {
                    "ERROR" => LOST,
                    _ => "its driver ended with an error",
                };
                job.message = said.or(Some(why.to_owned()));
                job.error_tail = self.error_tail(submission, driver, overview).await;
            }
            // `UNKNOWN`: the master is recovering and will know again.
            _ => {}
        }
        if !job.state.is_final() && job.stop.is_some() {
            job.message = Some("it is being ended".to_owned());
        }
        if job.state.is_final() {
            job.progress.tasks_running = 0;
            for executor in &mut job.executors {
                executor.active = false;
                executor.tasks_running = 0;
            }
            if job.application_id.is_none() {
                job.application_id = self.application_in_log(submission, driver, overview).await;
            }
        }
    }

    /// How far a running job is, and whether it waits for cores.
    async fn progress(
        &self,
        job: &mut Job,
        submission: &str,
        driver: &Driver,
        overview: &Overview,
    ) {
        if job.application_id.is_none() {
            job.application_id = self.application_in_log(submission, driver, overview).await;
        }
        if job.application_id.is_none() && age(job.id) >= SILENT {
            job.application_id = self.application_by_setting(job.id, overview).await;
        }
        let Some(id) = job.application_id.as_deref() else {
            return;
        };
        let mut active = overview.active_apps.iter();
        if active.any(|app| app.id == id && app.state == "WAITING") {
            job.message = Some(format!(
                "its application waits for cores; {} of {} are in use",
                overview.cores_used, overview.cores
            ));
        }
        // While an application starts or ends its pages are not there; the next look will tell.
        if let Ok(progress) = self.master.progress(id).await {
            job.progress = progress;
        }
        if let Ok(mut executors) = self.master.executors(id).await {
            // The ones that are there come first, whatever died before them.
            executors.sort_by_key(|executor| !executor.active);
            executors.truncate(EXECUTORS);
            job.executors = executors;
        }
    }

    /// The application that a driver says in its log to have registered.
    async fn application_in_log(
        &self,
        submission: &str,
        driver: &Driver,
        overview: &Overview,
    ) -> Option<String> {
        let worker = driver.worker.as_deref();
        let log = self.begin_of_log(worker, submission, overview).await?;
        application_in(&log)
    }

    /// The first lines that a driver itself has logged.
    async fn begin_of_log(
        &self,
        worker: Option<&str>,
        submission: &str,
        overview: &Overview,
    ) -> Option<String> {
        let head = Part::First(SOME_LOG);
        self.log(worker, submission, Stream::Driver, head, overview)
            .await
    }

    /// The application that carries this job's id among its settings, for a driver whose log is
    /// silent. Its name is no key: scripts set their own. The page is heavy for a busy driver, so
    /// it is read once per application.
    async fn application_by_setting(&self, id: JobId, overview: &Overview) -> Option<String> {
        for app in &overview.active_apps {
            let known = self.with_memory(|memory| memory.applications.get(&app.id).copied());
            let owner = match known {
                Some(owner) => owner,
                None => {
                    let Ok(value) = self.master.property(&app.id, JOB_ID).await else {
                        continue;
                    };
                    let owner = value.and_then(|value| value.parse().ok()).map(JobId);
                    self.with_memory(|m| m.applications.insert(app.id.clone(), owner));
                    owner
                }
            };
            if owner == Some(id) {
                return Some(app.id.clone());
            }
        }
        None
    }

    /// The master does not know the driver. It may be coming back and hear of it again.
    fn forgotten(&self, job: &mut Job, submission: &str, overview: &Overview) {
        if overview.status != "ALIVE" {
            return;
        }
        let since = self.with_memory(|m| *m.missing.entry(job.id).or_insert_with(Instant::now));
        if since.elapsed() >= FORGOTTEN {
            self.with_memory(|memory| memory.missing.remove(&job.id));
            job.state = JobState::Unknown;
            job.message = Some(format!(
                "the master no longer knows `{submission}`: it was restarted, and nobody saw the \
                 job's end"
            ));
        }
    }

    /// Looks for the driver of a job whose submission was cut off: by the id in the command line,
    /// which opens each driver's log.
    async fn recover(
        &self,
        job: &mut Job,
        overview: &Overview,
        store: &Store,
    ) -> Result<(), ObserveError> {
        let age = age(job.id);
        if age < SUBMITTING {
            return Ok(());
        }
        let drivers = overview
            .active_drivers
            .iter()
            .chain(&overview.completed_drivers);
        let ids: Vec<String> = drivers.clone().map(|driver| driver.id.clone()).collect();
        let taken = store.taken(&job.master, &ids).await?;
        let mut undecided = false;
        for driver in drivers.filter(|driver| !taken.contains(&driver.id)) {
            let known = self.with_memory(|memory| memory.drivers.get(&driver.id).copied());
            let owner = match known {
                Some(owner) => owner,
                None => {
                    let worker = driver.worker.as_deref();
                    let log = self.begin_of_log(worker, &driver.id, overview).await;
                    let Some(log) = log else {
                        undecided = true;
                        continue;
                    };
                    let owner = job_id_in(&log);
                    self.with_memory(|m| m.drivers.insert(driver.id.clone(), owner));
                    owner
                }
            };
            if owner == Some(job.id) {
                store.submitted(job.id, &driver.id).await?;
                job.submission_id = Some(driver.id.clone());
                job.state = JobState::Submitted;
                tracing::info!(job = %job.id, driver = %driver.id, "found the driver of a job \
                     whose submission was cut off");
                return Ok(());
            }
        }
        if age >= SUBMITTED_OR_NOT && !(undecided && age < SUBMITTED_OR_NOT * 10) {
            job.state = JobState::Unknown;
            job.message = Some(
                "the server stopped while it submitted this job, and the master has no driver of \
                 it: submit it again if it is still wanted"
                    .to_owned(),
            );
            store.save(job).await?;
        }
        Ok(())
    }

    /// The last words of a failed job, without credentials and within a bound. The driver's own
    /// words are told only where the script's give no reason.
    async fn error_tail(
        &self,
        submission: &str,
        driver: &Driver,
        overview: &Overview,
    ) -> Option<String> {
        let worker = driver.worker.as_deref();
        let tail = Part::Last(SOME_LOG);
        let log = |stream| self.log(worker, submission, stream, tail, overview);
        let said = log(Stream::Script).await.unwrap_or_default();
        let said = traceback(&said).unwrap_or_else(|| last_of(&said));
        if said.starts_with(TRACEBACK) {
            return Some(said);
        }
        let noted = last_of(&without_chatter(
            &log(Stream::Driver).await.unwrap_or_default(),
        ));
        let told = [said, noted];
        let told: Vec<String> = told.into_iter().filter(|part| !part.is_empty()).collect();
        (!told.is_empty()).then(|| told.join("\n"))
    }

    async fn log(
        &self,
        worker: Option<&str>,
        submission: &str,
        stream: Stream,
        part: Part,
        overview: &Overview,
    ) -> Option<String> {
        let worker = worker?;
        let worker = overview.workers.iter().find(|known| known.id == worker)?;
        let output = Output::Driver(submission, stream);
        let log = self.master.log(&worker.ui, output, part).await;
        log.ok().map(|log| log.text)
    }

    fn with_memory<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        work(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A sentence on why a job was killed.
fn why_killed(job: &Job) -> String {
    match (job.stop, job.max_run_seconds) {
        (Some(StopReason::Cancelled), _) => "it was cancelled".to_owned(),
        (Some(StopReason::OutOfTime), Some(most)) => {
            format!("it ran for {most} s, which is as long as it may, and was ended")
        }
        _ => "it was killed".to_owned(),
    }
}

/// How long ago an id was made. Ids of version 7 hold the time.
pub(super) fn age(id: JobId) -> Duration {
    let made = id.0.get_timestamp().map(|stamp| {
        let (seconds, nanos) = stamp.to_unix();
        Duration::new(seconds, nanos)
    });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
        .saturating_sub(made.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_age_of_an_id() {
        assert!(age(JobId::new()) < Duration::from_secs(60));
    }
}
