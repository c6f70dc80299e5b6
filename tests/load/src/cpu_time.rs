//! CPU time of another process, from the kernel's scheduler statistics.

use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result};

/// What reading the file of a thread that has ended says besides "not found" (`ESRCH`).
const NO_SUCH_THREAD: i32 = 3;

/// Time on a CPU of all threads that the process has now: the first field of `/proc/<pid>/task/*/schedstat`, in nanoseconds.
/// A thread that ends meanwhile is passed over.
///
/// # Errors
/// The process is gone, or the kernel keeps no such statistics.
pub fn of_process(pid: u32) -> Result<Duration> {
    let tasks = format!("/proc/{pid}/task");
    let mut total = None;
    for task in fs::read_dir(&tasks).with_context(|| format!("no threads at `{tasks}`"))? {
        let file = task?.path().join("schedstat");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
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
    }
    total.map(Duration::from_nanos).with_context(|| {
        format!("no thread in `{tasks}` has a schedstat: is the process gone, or does the kernel keep none?")
    })
}

fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(NO_SUCH_THREAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn it_grows_while_a_process_works_and_its_threads_come_and_go() {
        let before = of_process(std::process::id()).expect("our own process");
        for _ in 0..200 {
            let ends = thread::spawn(|| ());
            of_process(std::process::id()).expect("a thread that ends is passed over");
            ends.join().expect("it does nothing");
        }
        // Threads of other tests may take their time with them when they end.
        let mut after = before;
        while after <= before {
            after = of_process(std::process::id()).expect("our own process");
        }
        assert!(after > before);
    }

    #[test]
    fn it_says_that_a_process_is_gone() {
        assert!(of_process(u32::MAX).is_err());
    }
}
