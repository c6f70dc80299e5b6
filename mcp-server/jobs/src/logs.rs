//! Reads the logs of jobs from their workers, without credentials.
//!
//! A part of a log may begin or end inside of a credential, which nothing in it gives away then.
//! So what stands before the part is read, too, and masked together with it; and a part ends with
//! a line, if it has one.

use super::job::{Job, JobId};
use super::masking;
use super::master::{LogPart, MasterError, Output, Overview, Part, Stream};
use super::{Error, Inner, Jobs};

/// So much before a part is read with it: a private key in PEM has less.
const CONTEXT: u32 = 16 << 10;

/// Whose log of a job to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// The output of the script itself.
    Script,
    /// The log of the driver around it.
    Driver,
    /// The log of an executor: of this one, or of the first one.
    Executor(Option<String>),
}

/// Which part of a log to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRange {
    /// The last bytes of the log.
    Tail(u32),
    /// So many bytes from this one on.
    From {
        /// The first byte, counted from 0.
        offset: u64,
        /// The number of bytes.
        bytes: u32,
    },
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLog {
    /// The lines, with credentials masked.
    pub text: String,
    /// The first byte of the part in the log.
    pub start: u64,
    /// The byte after the last one: where to read on.
    pub end: u64,
    /// All bytes that the log has by now.
    pub total: u64,
    /// The executor whose log it is.
    pub executor: Option<String>,
    /// The executors that have logs, if one was asked for.
    pub executors: Vec<String>,
}

impl Jobs {
    /// A part of a log of a job of `owner`; `None` if there is none with this id.
    ///
    /// # Errors
    /// [`Error::NoLog`] where there is no such log by now.
    pub async fn log(
        &self,
        id: JobId,
        owner: Option<&str>,
        source: &LogSource,
        range: LogRange,
    ) -> Result<Option<(Job, JobLog)>, Error> {
        let Some(job) = self.get(id, owner).await? else {
            return Ok(None);
        };
        let log = self.0.log(&job, source, range).await?;
        Ok(Some((job, log)))
    }
}

/// A log on a worker.
struct LogPlace<'a> {
    worker_ui: String,
    output: Output<'a>,
}

impl Inner {
    async fn log(&self, job: &Job, source: &LogSource, range: LogRange) -> Result<JobLog, Error> {
        if job.master != self.master_url {
            return Err(Error::OtherMaster(job.master.clone()));
        }
        let overview = self.master.overview().await?;
        let (stream, wanted) = match source {
            LogSource::Script => (Stream::Script, None),
            LogSource::Driver => (Stream::Driver, None),
            LogSource::Executor(wanted) => {
                return self
                    .executor_log(job, wanted.as_deref(), range, &overview)
                    .await;
            }
        };
        let submission = job.submission_id.as_deref().ok_or_else(|| {
            Error::NoLog("the job has no driver yet, so there is no log".to_owned())
        })?;
        let driver = self.master.driver(submission).await?;
        let named = driver.and_then(|driver| driver.worker);
        let output = Output::Driver(submission, stream);
        for worker_ui in worker_pages(&overview, named.as_deref()) {
            let place = LogPlace { worker_ui, output };
            match self.part(&place, range).await {
                Ok(part) => return Ok(part.into_log(wanted, Vec::new())),
                Err(error) => tracing::debug!(job = %job.id, %error, "no log on a worker"),
            }
        }
        Err(Error::NoLog(
            "no worker that is there has a log of the job's driver".to_owned(),
        ))
    }

    async fn executor_log(
        &self,
        job: &Job,
        wanted: Option<&str>,
        range: LogRange,
        overview: &Overview,
    ) -> Result<JobLog, Error> {
        let application = job.application_id.as_deref().ok_or_else(|| {
            Error::NoLog("the job has no application yet, so it has no executors".to_owned())
        })?;
        let mut found = Vec::new();
        for worker_ui in worker_pages(overview, None) {
            match self.master.executors_on(&worker_ui, application).await {
                Ok(ids) => found.extend(ids.into_iter().map(|id| (id, worker_ui.clone()))),
                Err(error) => tracing::debug!(job = %job.id, %error, "a worker tells nothing"),
            }
        }
        found.sort_by_key(|(id, _)| id.parse::<u64>().unwrap_or(u64::MAX));
        let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
        let mut candidates = found.into_iter();
        let chosen = candidates.find(|(id, _)| wanted.is_none_or(|wanted| wanted == id));
        let Some((executor, worker_ui)) = chosen else {
            return Err(Error::NoLog(match (wanted, ids.is_empty()) {
                (Some(wanted), false) => format!(
                    "the job has no executor `{wanted}`; it has {}",
                    ids.join(", ")
                ),
                _ => "no worker that is there knows of an executor of the job".to_owned(),
            }));
        };
        let place = LogPlace {
            worker_ui,
            output: Output::Executor {
                application,
                executor: &executor,
            },
        };
        let part = self.part(&place, range).await;
        let part = part.map_err(|error| Error::NoLog(error.to_string()))?;
        Ok(part.into_log(Some(executor.clone()), ids))
    }

    /// A part with what stands before it.
    async fn part(
        &self,
        place: &LogPlace<'_>,
        range: LogRange,
    ) -> Result<PartInContext, MasterError> {
        let read = |part| self.master.log(&place.worker_ui, place.output, part);
        match range {
            LogRange::Tail(bytes) => {
                let both = read(Part::Last(bytes.saturating_add(CONTEXT))).await?;
                Ok(PartInContext::tail(&both, bytes))
            }
            LogRange::From { offset, bytes } => {
                let part = read(Part::Range { offset, bytes }).await?;
                let before = offset.min(part.total).min(CONTEXT.into());
                let context = match u32::try_from(before) {
                    Ok(0) | Err(_) => String::new(),
                    Ok(bytes) => {
                        let offset = part.start.saturating_sub(before);
                        read(Part::Range { offset, bytes }).await?.text
                    }
                };
                Ok(PartInContext { context, part })
            }
        }
    }
}

/// The web pages of the workers that are there, that of `named` first.
fn worker_pages(overview: &Overview, named: Option<&str>) -> Vec<String> {
    let mut workers: Vec<_> = overview.alive_workers().collect();
    workers.sort_by_key(|worker| Some(worker.id.as_str()) != named);
    workers.iter().map(|worker| worker.ui.clone()).collect()
}

/// A part of a log, and what stands before it.
#[derive(Debug)]
struct PartInContext {
    context: String,
    part: LogPart,
}

impl PartInContext {
    /// Splits the end of a log so that about the last `bytes` are the part. It begins with a line
    /// if one begins there.
    fn tail(both: &LogPart, bytes: u32) -> Self {
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
        let from = both
            .text
            .ceil_char_boundary(both.text.len().saturating_sub(wanted));
        let line = match from {
            0 => Some(0),
            _ => both.text[from - 1..].find('\n').map(|at| from + at),
        };
        let split = line.filter(|line| *line < both.text.len()).unwrap_or(from);
        let (context, text) = both.text.split_at(split);
        let length = u64::try_from(text.len()).unwrap_or_default();
        Self {
            context: context.to_owned(),
            part: LogPart {
                text: text.to_owned(),
                start: both.end.saturating_sub(length),
                end: both.end,
                total: both.total,
            },
        }
    }

    /// Masks the part, and leaves out the line that goes on after it.
    fn into_log(self, executor: Option<String>, executors: Vec<String>) -> JobLog {
        let LogPart {
            mut text,
            start,
            mut end,
            total,
        } = self.part;
        if end < total
            && let Some(line) = text.rfind('\n')
        {
            let cut = text.len() - line - 1;
            text.truncate(line + 1);
            end = end.saturating_sub(u64::try_from(cut).unwrap_or_default());
        }
        JobLog {
            text: mask_after(&self.context, &text),
            start,
            end,
            total,
            executor,
            executors,
        }
    }
}

/// `text` masked as it stands after `context`.
fn mask_after(context: &str, text: &str) -> String {
    let before = masking::text(context);
    let whole = masking::text(&format!("{context}{text}"));
    // Where they part, a credential goes on from the context into the text, and its mask is shown.
    let common = before.bytes().zip(whole.bytes());
    let common = common.take_while(|(a, b)| a == b).count();
    whole[whole.floor_char_boundary(common)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_masks_a_credential_wherever_the_part_begins_in_it() {
        let log = "a\nlogin with password=hunter2hunter2 done\n-----BEGIN PRIVATE KEY-----\nQUJD\n\
                   REVG\n-----END PRIVATE KEY-----\nb\n";
        for at in 0..log.len() {
            let shown = mask_after(&log[..at], &log[at..]);
            for secret in ["unter2", "QUJD", "REVG", "JD\n", "EVG"] {
                assert!(!shown.contains(secret), "{at}: {shown}");
            }
            assert!(shown.ends_with('\n'), "{at}: {shown}");
        }
        assert_eq!(mask_after("", "1\n2\n"), "1\n2\n");
        assert_eq!(mask_after("1\n", "2\n"), "2\n");
    }

    fn part(text: &str, start: u64, total: u64) -> LogPart {
        let length = u64::try_from(text.len()).expect("short");
        LogPart {
            text: text.to_owned(),
            start,
            end: start + length,
            total,
        }
    }

    #[test]
    fn it_gives_whole_lines_and_tells_where_to_read_on() {
        let context = String::new();
        let part = part("one\ntwo\nthr", 0, 20);
        let log = PartInContext { context, part }.into_log(None, Vec::new());
        assert_eq!(
            (log.text.as_str(), log.start, log.end),
            ("one\ntwo\n", 0, 8)
        );
    }

    #[test]
    fn it_begins_the_tail_of_a_log_with_a_line() {
        for (bytes, expected, start) in [
            (3, "hre", 17),
            (4, "thre", 16),
            (6, "thre", 16),
            (8, "two\nthre", 12),
            (99, "one\ntwo\nthre", 8),
        ] {
            let tail = PartInContext::tail(&part("one\ntwo\nthre", 8, 20), bytes);
            assert_eq!(
                (tail.part.text.as_str(), tail.part.start),
                (expected, start)
            );
            assert_eq!(tail.part.end, 20);
        }
    }
}
