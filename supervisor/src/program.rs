//! Programs, as they are described before they run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use crate::watch::Watch;
use crate::{Account, Readiness, Restart};

/// A program to run: everything that is known before it starts.
#[derive(Debug, Clone)]
pub struct Program {
    pub(crate) name: String,
    pub(crate) command: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) account: Option<Account>,
    pub(crate) log: PathBuf,
    pub(crate) readiness: Readiness,
    pub(crate) patience: Duration,
    pub(crate) watch: Option<Watch>,
    pub(crate) restart: Restart,
    pub(crate) stop: Stop,
    pub(crate) orphan_signal: Signal,
}

/// How a process is asked to end, and how long it may take before it is killed.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// The signal that it is sent.
    pub signal: Signal,
    /// The time that it has.
    pub patience: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            signal: Signal::TERM,
            patience: Duration::from_secs(10),
        }
    }
}

impl Program {
    /// `command`, known to the user as `name`, writing what it prints to the file `log`.
    pub fn new(
        name: impl Into<String>,
        command: impl Into<PathBuf>,
        log: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            command: command.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            folder: None,
            account: None,
            log: log.into(),
            readiness: Readiness::Started,
            patience: Duration::from_secs(60),
            watch: None,
            restart: Restart::Never,
            stop: Stop::default(),
            orphan_signal: Signal::KILL,
        }
    }

    /// Adds an argument to the command line.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several arguments to the command line.
    #[must_use]
    pub fn args<I: IntoIterator>(mut self, arguments: I) -> Self
    where
        I::Item: Into<OsString>,
    {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable to those of this process.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets the folder that it starts in; this process's own by default.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets the user that it runs as; only root can name another one than itself.
    #[must_use]
    pub fn run_as(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// Sets the condition under which it counts as ready.
    #[must_use]
    pub fn ready_when(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Sets how long it may take to become ready.
    #[must_use]
    pub fn ready_within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Has it ended when it runs and no longer works: when `check`, which has held once since its
    /// start, fails three times in a row, `pause` apart. Without a check it works while it runs.
    #[must_use]
    pub fn works_while(mut self, check: Readiness, pause: Duration) -> Self {
        self.watch = Some(Watch { check, pause });
        self
    }

    /// Sets whether it is started again when it ends by itself, or no longer works.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Sets how it is asked to end.
    #[must_use]
    pub fn stop_with(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Sets the signal that the kernel sends it when the supervising process has died: `KILL`
    /// unless it has children of its own to end.
    #[must_use]
    pub fn when_orphaned(mut self, signal: Signal) -> Self {
        self.orphan_signal = signal;
        self
    }
}
