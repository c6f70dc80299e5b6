//! The end of a log file, for messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the end is looked at, in bytes.
const WINDOW: u64 = 16 * 1024;

/// The last `lines` lines of the file; what cannot be read is empty. Frames of stack traces, Java's
/// and Rust's, do not count: there may be dozens of them below the one sentence that tells.
#[must_use]
pub fn log_tail(file: &Path, lines: usize) -> String {
    let end = read_end(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&end);
    let all: Vec<&str> = text.lines().filter(|line| !is_stack_frame(line)).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn is_stack_frame(line: &str) -> bool {
    let text = line.trim_start();
    let numbered = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    text.len() < line.len()
        && (text.starts_with("at ") || (numbered.len() < text.len() && numbered.starts_with(": ")))
}

fn read_end(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        std::fs::write(&file, "one\ntwo\nthree\n").unwrap();
        assert_eq!(log_tail(&file, 2), "two\nthree");
        assert_eq!(log_tail(&file, 9), "one\ntwo\nthree");
        assert_eq!(log_tail(&folder.path().join("absent"), 2), "");
    }

    #[test]
    fn it_leaves_stack_frames_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        std::fs::write(&file, "java.lang.Error: no disk\n\tat a.b\n\tat c.d\n").unwrap();
        assert_eq!(log_tail(&file, 1), "java.lang.Error: no disk");
        std::fs::write(
            &file,
            "no port\nstack backtrace:\n  15: tokio::run\n             at runtime.rs:65:16\n",
        )
        .unwrap();
        assert_eq!(log_tail(&file, 2), "no port\nstack backtrace:");
    }
}
