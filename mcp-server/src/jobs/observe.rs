//! One look at one job: what the master, its drivers and its workers say of it now

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::job::{Job, JobId, JobState};
use super::masking;
use super::master::{Driver, Master, MasterError, Overview, Part};
use super::store::{Store, StoreError};
use super::submission::{JOB_ID, Submission};

/// A submission under way in another server is left alone this long.
const SUBMITTING: Duration = Duration::from_secs(30);
/// By then a driver that the master took has said whose it is.
const SUBMITTED_OR_NOT: Duration = Duration::from_secs(60);
/// A master that comes back needs this long to hear of its drivers again.
const FORGOTTEN: Duration = Duration::from_secs(20);
/// The command line of a driver, with our id in it, stands in the first bytes of its log.
const HEAD: u32 = 32 << 10;
/// Of the end of a failed driver's log this much is read …
const TAIL: u32 = 64 << 10;
/// … and this much kept.
const KEPT: usize = 4 << 10;

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

    async fn follow(&self, job: &mut Job, submission: &str, driver: &Driver, overview: &Overview) {
        job.message = None;
        match driver.state.as_str() {
            "SUBMITTED" => {
                job.state = JobState::Submitted;
                job.message = Some(format!(
                    "waits for a worker with a free core and memory for its driver; {} of {} cores are in use",
                    overview.cores_used, overview.cores
                ));
            }
            "RUNNING" | "RELAUNCHING" => {
                job.state = JobState::Running;
                self.progress(job, overview).await;
            }
            "FINISHED" => job.state = JobState::Finished,
            "KILLED" => {
                job.state = JobState::Killed;
                job.message = Some("it was killed".to_owned());
            }
            "FAILED" | "ERROR" => {
                job.state = JobState::Failed;
                let said = driver.message.as_deref().map(masking::text);
                job.message = said.or(Some("its driver ended with an error".to_owned()));
                job.error_tail = self.error_tail(submission, driver, overview).await;
            }
            // `UNKNOWN`: the master is recovering and will know again.
            _ => {}
        }
        if job.state.is_final() {
            job.progress.tasks_running = 0;
            if job.application_id.is_none() {
                let name = Submission::name(job.id);
                let ended = overview.completed_apps.iter().find(|app| app.name == name);
                job.application_id = ended.map(|app| app.id.clone());
            }
        }
    }

    /// How far a running job is, and whether it waits for cores.
    async fn progress(&self, job: &mut Job, overview: &Overview) {
        if job.application_id.is_none() {
            job.application_id = self.application_of(job.id, overview).await;
        }
        let Some(id) = job.application_id.as_deref() else {
            return;
        };
        let waits = |app: &&super::master::App| app.id == id && app.state == "WAITING";
        if overview.active_apps.iter().any(|app| waits(&app)) {
            job.message = Some(format!(
                "its application waits for cores; {} of {} are in use",
                overview.cores_used, overview.cores
            ));
        }
        // While an application starts or ends its pages are not there; the next look will tell.
        if let Ok(progress) = self.master.progress(id).await {
            job.progress = progress;
        }
    }

    /// The application that carries this job's id. Its name is no key: scripts set their own.
    async fn application_of(&self, id: JobId, overview: &Overview) -> Option<String> {
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
                "the master no longer knows `{submission}`: it was restarted, and nobody saw the job's end"
            ));
        }
    }

    /// Looks for the driver of a job whose submission was cut off: by the id in the command line, which opens each driver's log.
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
                    let Some(log) = self
                        .log(worker, &driver.id, Part::First(HEAD), overview)
                        .await
                    else {
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
                tracing::info!(job = %job.id, driver = %driver.id, "found the driver of a job whose submission was cut off");
                return Ok(());
            }
        }
        if age >= SUBMITTED_OR_NOT && !(undecided && age < SUBMITTED_OR_NOT * 10) {
            job.state = JobState::Unknown;
            job.message = Some(
                "the server stopped while it submitted this job, and the master has no driver of it: submit it again if it is still wanted"
                    .to_owned(),
            );
            store.save(job).await?;
        }
        Ok(())
    }

    /// What a failed driver said last, without credentials and within a bound.
    async fn error_tail(
        &self,
        submission: &str,
        driver: &Driver,
        overview: &Overview,
    ) -> Option<String> {
        let worker = driver.worker.as_deref();
        let log = self
            .log(worker, submission, Part::Last(TAIL), overview)
            .await?;
        Some(telling_part(&log))
    }

    async fn log(
        &self,
        worker: Option<&str>,
        submission: &str,
        part: Part,
        overview: &Overview,
    ) -> Option<String> {
        let worker = worker?;
        let worker = overview.workers.iter().find(|known| known.id == worker)?;
        self.master
            .driver_log(&worker.ui, submission, part)
            .await
            .ok()
    }

    fn with_memory<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        work(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How long ago an id was made. Ids of version 7 hold the time.
fn age(id: JobId) -> Duration {
    let made = id.0.get_timestamp().map(|stamp| {
        let (seconds, nanos) = stamp.to_unix();
        Duration::new(seconds, nanos)
    });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
        .saturating_sub(made.unwrap_or_default())
}

/// Our id in a driver's command line.
fn job_id_in(log: &str) -> Option<JobId> {
    let (_, after) = log.split_once(&format!("{JOB_ID}="))?;
    let id = after.get(..36)?;
    id.parse().ok().map(JobId)
}

/// The last Python traceback and what follows, or else the last lines; without Spark's own chatter.
fn telling_part(log: &str) -> String {
    let from = log.rfind("Traceback (most recent call last)").unwrap_or(0);
    let lines = log[from..].lines().filter(|line| !is_chatter(line));
    let text = masking::text(&lines.collect::<Vec<_>>().join("\n"));
    let text = text.trim();
    let mut start = text.len().saturating_sub(KEPT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

/// `26/11/20 11:38:01 INFO …`
fn is_chatter(line: &str) -> bool {
    let mut words = line.split_whitespace().skip(2);
    let dated = line.starts_with(|c: char| c.is_ascii_digit()) && line.contains('/');
    dated && matches!(words.next(), Some("INFO" | "DEBUG"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_traceback_and_drops_sparks_chatter() {
        let log = "26/11/20 11:38:01 INFO A: b\nTraceback (most recent call last):\n  File \"x.py\", line 7\n\
                   RuntimeError: boom password=hunter2\n26/11/20 11:38:02 INFO ShutdownHookManager: bye\n";
        assert_eq!(
            telling_part(log),
            "Traceback (most recent call last):\n  File \"x.py\", line 7\nRuntimeError: boom password=***"
        );
        let long = "ä".repeat(KEPT);
        assert!(telling_part(&long).len() <= KEPT);
    }

    #[test]
    fn it_finds_our_id_in_a_drivers_command_line() {
        let id = JobId::new();
        let line = format!("Launch Command: \"java\" \"--conf\" \"{JOB_ID}={id}\" \"/x.py\"");
        assert_eq!(job_id_in(&line), Some(id));
        assert_eq!(job_id_in("Launch Command: \"java\" \"/x.py\""), None);
    }

    #[test]
    fn it_reads_the_age_of_an_id() {
        assert!(age(JobId::new()) < Duration::from_secs(60));
    }
}
