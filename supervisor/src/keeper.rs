//! The life of one program: started, ready, ended, started again, stopped.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::Program;
use crate::log_tail::log_tail;
use crate::process::{Process, in_words};
use crate::restart::{Backoff, Retry};

/// How much of a log is shown with a failure.
const TAIL_LINES: usize = 15;
/// Between two questions whether a program is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// The reason why a program could not be started. Each carries what the user needs to see.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such program, or no permission to run it or to write its log.
    #[error("{name} cannot be started from `{}`: {cause}", command.display())]
    Spawn {
        /// The name under which the user knows it.
        name: String,
        /// The file that was to be run.
        command: PathBuf,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("{name} {how} before it was ready; the end of `{}`:\n{tail}", log.display())]
    Ended {
        /// The name under which the user knows it.
        name: String,
        /// How it ended, in words.
        how: String,
        /// The file that its output is in.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// It runs, but did not become ready in time.
    #[error("{name} is not ready after {} s: {reason}; the end of \
             `{}`:\n{tail}", waited.as_secs(), log.display())]
    NotReady {
        /// The name under which the user knows it.
        name: String,
        /// How long it had.
        waited: Duration,
        /// The finding of the last check.
        reason: String,
        /// The file that its output is in.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// It was stopped before it was ready.
    #[error("{name} was stopped before it was ready")]
    Stopped {
        /// The name under which the user knows it.
        name: String,
    },
}

impl StartError {
    /// How it went wrong, in one line that goes on from the name of the program, and the end of
    /// its log.
    fn into_how_and_tail(self) -> (String, String) {
        match self {
            Self::Ended { how, tail, .. } => (how, tail),
            Self::NotReady {
                waited,
                reason,
                tail,
                ..
            } => {
                let seconds = waited.as_secs();
                (format!("was not ready after {seconds} s: {reason}"), tail)
            }
            Self::Spawn { command, cause, .. } => {
                let command = command.display();
                let how = format!("cannot be started from `{command}`: {cause}");
                (how, String::new())
            }
            Self::Stopped { .. } => ("was stopped before it was ready".to_owned(), String::new()),
        }
    }
}

/// The state of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs and is not ready yet.
    Starting {
        /// The number of its process.
        pid: u32,
    },
    /// It is ready to be used.
    Ready {
        /// The number of its process.
        pid: u32,
        /// The time when it became ready.
        since: Instant,
    },
    /// It ended, and is started again after a pause.
    Waiting,
    /// It was stopped by us.
    Stopped,
    /// It ended, and is not started again.
    Failed,
}

/// Something that happened to a program after its first start.
#[derive(Debug)]
pub enum Event {
    /// It ended by itself, or because it no longer worked, and will be started again after a pause.
    Restarting {
        /// The name under which the user knows it.
        name: String,
        /// How it ended, in words.
        how: String,
        /// The file that its output is in.
        log: PathBuf,
        /// The last lines of that file.
        tail: String,
        /// The pause before that.
        pause: Duration,
        /// How many ends in a row there were; [`CRASH_LOOP`](crate::CRASH_LOOP) are a crash loop.
        ends: u32,
    },
    /// It is ready again.
    Recovered {
        /// The name under which the user knows it.
        name: String,
    },
    /// It ended by itself, or because it no longer worked, and will not be started again.
    GivenUp {
        /// The name under which the user knows it.
        name: String,
        /// How it ended, in words.
        how: String,
        /// The file that its output is in.
        log: PathBuf,
        /// The last lines of that file.
        tail: String,
    },
}

/// How one keeper is told to stop, and how it tells what happens to its program.
pub(crate) struct KeeperChannels {
    pub(crate) stop: oneshot::Receiver<()>,
    pub(crate) first_start: oneshot::Sender<Result<(), StartError>>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

/// Runs `program` until it is told to stop, or the program has ended for good.
pub(crate) async fn keep(program: Program, channels: KeeperChannels) {
    let KeeperChannels {
        mut stop,
        first_start,
        status,
        events,
    } = channels;
    let mut first_start = Some(first_start);
    let mut backoff = Backoff::new(program.restart);
    loop {
        let began = Instant::now();
        let failure = match Process::spawn(&program) {
            Err(cause) => StartError::Spawn {
                name: program.name.clone(),
                command: program.command.clone(),
                cause,
            },
            Ok(mut process) => {
                status.send_replace(Status::Starting { pid: process.pid() });
                let outcome = tokio::select! {
                    outcome = until_ready(&program, &mut process) => outcome,
                    _ = &mut stop => Err(StartError::Stopped { name: program.name.clone() }),
                };
                match outcome {
                    Ok(()) => {
                        status.send_replace(Status::Ready {
                            pid: process.pid(),
                            since: Instant::now(),
                        });
                        match first_start.take() {
                            Some(first) => drop(first.send(Ok(()))),
                            None => drop(events.send(Event::Recovered {
                                name: program.name.clone(),
                            })),
                        }
                        tokio::select! {
                            how = process.wait() => ended(&program, in_words(how)),
                            reason = until_broken(&program) => {
                                process.stop().await;
                                let how = format!("no longer worked ({reason}) and was stopped");
                                ended(&program, how)
                            }
                            _ = &mut stop => {
                                process.stop().await;
                                status.send_replace(Status::Stopped);
                                return;
                            }
                        }
                    }
                    Err(error) => {
                        process.stop().await;
                        if matches!(error, StartError::Stopped { .. }) {
                            status.send_replace(Status::Stopped);
                            if let Some(first) = first_start.take() {
                                drop(first.send(Err(error)));
                            }
                            return;
                        }
                        error
                    }
                }
            }
        };
        // The first start is the caller's to judge; afterwards we try on.
        if let Some(first) = first_start.take() {
            status.send_replace(Status::Failed);
            drop(first.send(Err(failure)));
            return;
        }
        let (how, tail) = failure.into_how_and_tail();
        let (name, log) = (program.name.clone(), program.log.clone());
        let Some(Retry { pause, ends }) = backoff.count_end(began.elapsed()) else {
            status.send_replace(Status::Failed);
            drop(events.send(Event::GivenUp {
                name,
                how,
                log,
                tail,
            }));
            return;
        };
        status.send_replace(Status::Waiting);
        drop(events.send(Event::Restarting {
            name,
            how,
            log,
            tail,
            pause,
            ends,
        }));
        tokio::select! {
            () = sleep(pause) => {}
            _ = &mut stop => {
                status.send_replace(Status::Stopped);
                return;
            }
        }
    }
}

fn ended(program: &Program, how: String) -> StartError {
    StartError::Ended {
        name: program.name.clone(),
        how,
        log: program.log.clone(),
        tail: log_tail(&program.log, TAIL_LINES),
    }
}

/// Returns why the program no longer works; never for one that nobody watches.
async fn until_broken(program: &Program) -> String {
    match &program.watch {
        Some(watch) => watch.until_broken().await,
        None => std::future::pending().await,
    }
}

async fn until_ready(program: &Program, process: &mut Process) -> Result<(), StartError> {
    let mut reason = String::new();
    let asking = async {
        while let Err(not_yet) = program.readiness.check().await {
            reason = not_yet;
            sleep(ASK_EVERY).await;
        }
    };
    tokio::select! {
        how = process.wait() => Err(ended(program, in_words(how))),
        outcome = timeout(program.patience, asking) => outcome.map_err(|_| StartError::NotReady {
            name: program.name.clone(),
            waited: program.patience,
            reason,
            log: program.log.clone(),
            tail: log_tail(&program.log, TAIL_LINES),
        }),
    }
}
