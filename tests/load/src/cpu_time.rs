//! CPU time of another process, from the kernel's scheduler statistics.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Time on a CPU of all threads that the process has now: the first field of `/proc/<pid>/task/*/schedstat`, in nanoseconds.
///
/// # Errors
/// The process is gone, or the kernel keeps no such statistics.
pub fn of_process(pid: u32) -> Result<Duration> {
    let tasks = format!("/proc/{pid}/task");
    let mut total = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("no threads at `{tasks}`"))? {
        let file = task?.path().join("schedstat");
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        total += text
            .split_ascii_whitespace()
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .with_context(|| format!("`{}` does not start with a number", file.display()))?;
    }
    Ok(Duration::from_nanos(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_a_process_works() {
        let before = of_process(std::process::id()).expect("our own process");
        let mut after = before;
        while after == before {
            after = of_process(std::process::id()).expect("our own process");
        }
        assert!(after > before);
    }
}
