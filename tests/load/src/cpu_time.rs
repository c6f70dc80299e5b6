//! CPU time of another process, from the kernel's scheduler statistics.

use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result};

/// The error that reading the file of a thread that has ended says besides "not found" (`ESRCH`).
const NO_SUCH_THREAD: i32 = 3;

/// Time on a CPU that a process has spent so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTime {
    /// The time of all threads that the process has now.
    pub process: Duration,
    /// The time of those threads whose name is the watched one; zero when there is none.
    pub thread: Duration,
}

/// Reads the first field of `/proc/<pid>/task/*/schedstat`, in nanoseconds; `watched` is the name
/// of a thread. A thread that ends meanwhile is passed over.
///
/// # Errors
/// The process is gone, or the kernel keeps no such statistics.
pub fn of_process(pid: u32, watched: &str) -> Result<CpuTime> {
    let tasks = format!("/proc/{pid}/task");
    let mut total = None;
    let mut thread = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("no threads at `{tasks}`"))? {
        let task = task?.path();
        let file = task.join("schedstat");
        let read = fs::read_to_string(&file)
            .and_then(|text| Ok((text, fs::read_to_string(task.join("comm"))?)));
        let (text, name) = match read {
            Ok(read) => read,
            Err(error) if has_ended(&error) => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read `{}`", file.display()));
            }
        };
        let nanoseconds = text
            .split_ascii_whitespace()
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .with_context(|| format!("`{}` does not start with a number", file.display()))?;
        total = Some(total.unwrap_or(0) + nanoseconds);
        if name.trim_end() == watched {
            thread += nanoseconds;
        }
    }
    let total = total.with_context(|| {
        format!(
            "no thread in `{tasks}` has a schedstat: is the process gone, or does the kernel \
             keep none?"
        )
    })?;
    Ok(CpuTime {
        process: Duration::from_nanos(total),
        thread: Duration::from_nanos(thread),
    })
}

fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(NO_SUCH_THREAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Reading takes time on a CPU itself, a few microseconds each: many more than are needed for
    /// the kernel's clock to go on.
    const READINGS: usize = 100_000;

    fn ours(watched: &str) -> CpuTime {
        of_process(std::process::id(), watched).expect("our own process")
    }

    #[test]
    fn it_passes_over_threads_that_end() {
        for _ in 0..200 {
            let ends = thread::spawn(|| ());
            ours("");
            ends.join().expect("it does nothing");
        }
    }

    #[test]
    fn it_grows_while_a_thread_works_and_tells_that_thread_apart() {
        let watched = "worker";
        let work = move || {
            let before = ours(watched);
            let grown = (0..READINGS).any(|_| ours(watched).thread > before.thread);
            assert!(grown, "not after {READINGS} readings");
        };
        let worker = thread::Builder::new().name(watched.to_owned()).spawn(work);
        worker.expect("a thread").join().expect("its time grows");
        assert_eq!(ours("no such thread").thread, Duration::ZERO);
    }

    #[test]
    fn it_says_that_a_process_is_gone() {
        assert!(of_process(u32::MAX, "").is_err());
    }
}
