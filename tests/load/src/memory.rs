//! Memory of another process, from the kernel's record of it.

use std::fs;

use anyhow::{Context, Result};

/// The bytes of a process that are in memory now (`VmRSS` of `/proc/<pid>/status`).
///
/// # Errors
/// The process is gone, or the kernel does not say.
pub fn resident(pid: u32) -> Result<u64> {
    let file = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&file).with_context(|| format!("cannot read `{file}`"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("no `VmRSS` in `{file}`"))? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_memory_that_a_process_has_filled() {
        let before = resident(std::process::id()).expect("our own process");
        let filled = vec![1_u8; 64 << 20];
        let after = resident(std::process::id()).expect("our own process");
        assert!(after >= before + (48 << 20), "{before} {after}");
        assert_eq!(filled[1 << 20], 1);
    }
}
