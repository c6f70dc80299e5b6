//! One question to one Envoy: a process of its own, which ends in time.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::Answer;

/// The exit code of an Envoy that would not take what it was asked about.
const REFUSED: i32 = 1;
/// Envoy's reason is its last line or two; what a module writes before it may be without end.
const MOST_WORDS: usize = 64 << 10;
/// A reason is told in the answer to a change and in the log; Envoy's own are a few hundred bytes.
const MOST_REASON: usize = 2_000;

/// How an Envoy ended that was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It has judged the configuration.
    Answer(Answer),
    /// It looked for a file that is not on this machine, and at nothing behind it; its words.
    FileElsewhere(String),
    /// It crashed or was killed, which says nothing of a configuration without modules.
    Died(ExitStatus),
    /// It was stopped after this time, without an answer.
    TookTooLong(Duration),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(_) => f.write_str("answered"),
            Self::FileElsewhere(words) => write!(
                f,
                "looked for a file that is not on the control plane's machine, and at nothing \
                 behind it: {words}"
            ),
            Self::Died(status) => write!(f, "ended by {status}"),
            Self::TookTooLong(time) => {
                write!(f, "had no answer after {} s", time.as_secs_f32())
            }
        }
    }
}

/// Asks the Envoy that is this program whether it would take a configuration.
///
/// # Errors
/// When it cannot be started, or the configuration not be written for it.
pub(super) async fn ask(
    envoy: &Path,
    configuration: &[u8],
    patience: Duration,
) -> io::Result<Ending> {
    let folder = QuestionFolder::new()?;
    let file = folder.0.join("envoy.pb");
    tokio::fs::write(&file, configuration).await?;
    let mut process = Command::new(envoy)
        .args(["--mode", "validate", "--log-level", "error", "-c"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(id) = process.id() {
        // Where memory ends, the kernel is to take this process and not the one that asks.
        let _ = tokio::fs::write(format!("/proc/{id}/oom_score_adj"), "1000").await;
    }
    let said = process.stderr.take();
    let ended = timeout(patience, async {
        let said = match said {
            Some(said) => end_of(said).await?,
            None => String::new(),
        };
        Ok::<_, io::Error>((process.wait().await?, said))
    });
    let Ok(ended) = ended.await else {
        // Gone before the next one begins: two would take twice the memory.
        process.kill().await?;
        return Ok(Ending::TookTooLong(patience));
    };
    let (status, said) = ended?;
    match status.code() {
        Some(0) => return Ok(Ending::Answer(None)),
        Some(REFUSED) => {}
        _ => return Ok(Ending::Died(status)),
    }
    let words = words(&said, &file);
    // A file on the machine of the Envoys need not be on this one.
    Ok(match words.contains("Invalid path: ") {
        true => Ending::FileElsewhere(words),
        false => Ending::Answer(Some(words)),
    })
}

/// The end of what is written, whatever its length.
async fn end_of(mut written: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut end = Vec::new();
    let mut piece = vec![0; 8 << 10];
    loop {
        let length = written.read(&mut piece).await?;
        if length == 0 {
            return Ok(String::from_utf8_lossy(&end).into_owned());
        }
        end.extend_from_slice(piece.get(..length).unwrap_or_default());
        let over = end.len().saturating_sub(MOST_WORDS);
        end.drain(..over);
    }
}

/// The reason in what Envoy writes before it gives up: `… error initializing configuration
/// '<file>': <reason>`. Where a field breaks a rule of its message, the message comes first, and
/// the reason on the line that begins with a colon.
fn words(said: &str, file: &Path) -> String {
    let before = format!("{}': ", file.display());
    let reason = said.split_once(&before).map(|(_, reason)| reason);
    let reason = reason.or_else(|| said.lines().last());
    let mut lines = reason.unwrap_or_default().lines();
    let mut line = lines.next().unwrap_or_default();
    if line.starts_with("goo.gle/debug") {
        line = lines
            .rev()
            .find_map(|line| line.strip_prefix(": "))
            .unwrap_or(line);
    }
    let line = line.trim();
    let end = line.floor_char_boundary(MOST_REASON);
    line.get(..end).unwrap_or_default().to_owned()
}

/// A folder for this process's eyes, removed when it is dropped: what is asked about may name what
/// others need not know.
struct QuestionFolder(PathBuf);

impl QuestionFolder {
    fn new() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let at = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
        let name = format!("portcullis-preflight-{}-{at}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for QuestionFolder {
    fn drop(&mut self) {
        // Where it stays, whoever clears the temporary folder removes it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    /// How a program ends that stands in the place of Envoy.
    async fn ending(folder: &TempDir, script: &str, patience: Duration) -> io::Result<Ending> {
        let envoy = folder.path().join("envoy");
        std::fs::write(&envoy, format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&envoy, std::fs::Permissions::from_mode(0o755))?;
        ask(&envoy, b"x", patience).await
    }

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn it_takes_the_reason_out_of_what_envoy_writes() {
        let file = Path::new("/tmp/x/envoy.pb");
        let said = "[2026][1][critical][main] error initializing configuration \
                    '/tmp/x/envoy.pb': Failed to load trusted CA certificates from \
                    <inline>\nmore\n";
        assert_eq!(
            words(said, file),
            "Failed to load trusted CA certificates from <inline>"
        );
        assert_eq!(words("a\nthe last words\n", file), "the last words");
        let said = "[1] error initializing configuration '/tmp/x/envoy.pb': goo.gle/debugstr   \n\
                    limit_kbps {\n  value: 7\n}\n: Proto constraint validation failed (X)\n";
        assert_eq!(words(said, file), "Proto constraint validation failed (X)");
        assert_eq!(words("", file), "");
        let long = "é".repeat(MOST_REASON);
        assert_eq!(words(&long, file).len(), MOST_REASON);
    }

    #[tokio::test]
    async fn it_takes_no_crash_for_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let words = Some("words".to_owned());
        let refused = "echo words >&2; exit 1";
        assert_eq!(
            ending(&folder, refused, LONG).await.unwrap(),
            Ending::Answer(words)
        );
        assert_eq!(
            ending(&folder, "exit 0", LONG).await.unwrap(),
            Ending::Answer(None)
        );
        let elsewhere = "echo Invalid path: /x >&2; exit 1";
        assert_eq!(
            ending(&folder, elsewhere, LONG).await.unwrap(),
            Ending::FileElsewhere("Invalid path: /x".to_owned())
        );
        for script in ["exit 2", "kill -SEGV $$"] {
            let ending = ending(&folder, script, LONG).await.unwrap();
            assert!(matches!(ending, Ending::Died(_)), "{script}: {ending}");
        }
        assert!(ask(Path::new("/nowhere/envoy"), b"x", LONG).await.is_err());
    }

    #[tokio::test]
    async fn it_stops_who_does_not_answer_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let process = folder.path().join("process");
        let script = format!("echo $$ > {}; exec sleep 100000", process.display());
        let patience = Duration::from_secs(2);
        let ending = ending(&folder, &script, patience).await.unwrap();
        assert_eq!(ending, Ending::TookTooLong(patience));
        // A shell that had not begun by then has written nothing.
        if let Ok(id) = std::fs::read_to_string(process) {
            let process = format!("/proc/{}", id.trim());
            assert!(!Path::new(&process).exists(), "it still runs");
        }
    }

    #[tokio::test]
    async fn it_keeps_the_end_alone_of_what_is_written_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let script = "yes noise | head -c 3000000 >&2; echo words >&2; exit 1";
        let words = Some("words".to_owned());
        assert_eq!(
            ending(&folder, script, LONG).await.unwrap(),
            Ending::Answer(words)
        );
        let noise = vec![b'x'; 10 * MOST_WORDS];
        assert_eq!(end_of(&noise[..]).await.unwrap().len(), MOST_WORDS);
    }

    #[tokio::test]
    async fn it_has_the_kernel_take_the_envoy_before_the_one_that_asks() {
        let folder = tempfile::tempdir().unwrap();
        let script = "until grep -q 1000 /proc/$$/oom_score_adj; do sleep 0.1; done";
        assert_eq!(
            ending(&folder, script, LONG).await.unwrap(),
            Ending::Answer(None)
        );
    }
}
