//! A running process: the only place that starts and signals one.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{
    Pid, Signal, kill_process, kill_process_group, set_parent_process_death_signal,
};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::program::{Program, Stop};

pub(crate) struct Process {
    child: Child,
    pid: Pid,
    stop: Stop,
}

impl Process {
    pub(crate) fn spawn(program: &Program) -> io::Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&program.log)?;
        let mut command = Command::new(&program.command);
        command
            .args(&program.arguments)
            .envs(&program.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        if let Some(folder) = &program.folder {
            command.current_dir(folder);
        }
        if let Some(account) = &program.account {
            command.gid(account.gid).uid(account.uid);
        }
        die_with_parent(&mut command, program.orphan_signal);
        let child = command.spawn()?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or_else(|| io::Error::other("no process number"))?;
        Ok(Self {
            child,
            pid,
            stop: program.stop,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Returns when the process has ended, and nothing of its group is left.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.kill_group();
        Ok(status)
    }

    /// Asks the process to end, and ends it when it does not; returns when nothing of its group is
    /// left.
    pub(crate) async fn stop(mut self) {
        // An error means that it has ended already.
        let _ = kill_process(self.pid, self.stop.signal);
        if timeout(self.stop.patience, self.child.wait())
            .await
            .is_err()
        {
            self.kill_group();
            let _ = self.child.wait().await;
        }
        self.kill_group();
    }

    fn kill_group(&self) {
        // An error means that the group is empty.
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

/// How a process ended, in words.
pub(crate) fn in_words(how: io::Result<ExitStatus>) -> String {
    let status = match how {
        Ok(status) => status,
        Err(error) => return error.to_string(),
    };
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended by itself".to_owned(),
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[allow(unsafe_code)]
fn die_with_parent(command: &mut Command, signal: Signal) {
    let parent = rustix::process::getpid();
    let before_exec = move || {
        set_parent_process_death_signal(Some(signal))?;
        // The parent may have died before the line above took effect.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::other("the supervising process has ended"));
        }
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe calls are
    // allowed; it makes two system calls directly and allocates only on the path that gives up.
    unsafe { command.pre_exec(before_exec) };
}
