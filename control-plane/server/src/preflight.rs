//! Asks an Envoy whether it would take a generation, before any that serves traffic is sent it:
//! `envoy --mode validate` on a configuration of the same resources.
//!
//! It knows nothing of documents: what Envoy says is told as Envoy says it, with the resources that
//! it may be about. Where nobody can be asked, nothing is refused: Envoys themselves reject what
//! they cannot take, and the rollout takes it back.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::process::Command;
use tokio::sync::Semaphore;
use xds::Snapshot;

use bootstrap::Depth;

mod bootstrap;
mod changed;

pub use changed::{ChangedResource, changed};

/// A small configuration takes 0.1 s, ten thousand routes 0.8 s, and a module 0.3 s more. On a
/// machine that is so busy that this is not enough, nobody is to wait for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The exit code of an Envoy that would not take what it was asked about.
const REFUSED: i32 = 1;
/// As many changes are tried again, or rolled back to, soon after.
const REMEMBERED: usize = 64;

/// An Envoy that is asked, one question at a time.
pub struct Preflight {
    envoy: PathBuf,
    /// The folder of the modules' files, also of those that other Envoys fetch.
    modules: PathBuf,
    turns: Semaphore,
    /// The answers to configurations of these hashes, the newest last.
    answers: Mutex<VecDeque<([u8; 32], Answer)>>,
}

/// Envoy's words on a configuration that it would not take; nothing where it would.
type Answer = Option<String>;

impl Preflight {
    /// Asks the Envoy that is this program, which finds modules in this folder.
    #[must_use]
    pub fn by(envoy: PathBuf, modules: PathBuf) -> Self {
        Self {
            envoy,
            modules,
            turns: Semaphore::new(1),
            answers: Mutex::default(),
        }
    }

    /// The reason for which Envoy would not take a snapshot, in its own words; none where it would,
    /// where it cannot be asked, and where nothing has changed since `before` that only Envoy can
    /// judge: policies are compiled by the engine that Envoy runs.
    pub async fn objection(&self, before: &Snapshot, after: &Snapshot) -> Option<String> {
        let changed = changed(before, after);
        if changed.is_empty() {
            return None;
        }
        let depth = if changed.iter().any(ChangedResource::is_module) {
            Depth::WithModulesIn(&self.modules)
        } else {
            Depth::WithoutModules
        };
        let configuration = match bootstrap::of(after, &depth) {
            Ok(configuration) => configuration,
            Err(error) => {
                tracing::error!(%error, "Envoy is not asked about a change");
                return None;
            }
        };
        let hash: [u8; 32] = Sha256::digest(&configuration).into();
        if let Some(answer) = self.remembered(&hash) {
            return answer;
        }
        let answer = match self.ask(&configuration).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "Envoy could not be asked about a change");
                return None;
            }
        };
        let mut answers = self.answers();
        if answers.len() == REMEMBERED {
            answers.pop_front();
        }
        answers.push_back((hash, answer.clone()));
        answer
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<Answer> {
        let answers = self.answers();
        let mut known = answers.iter().filter(|(known, _)| known == hash);
        known.next().map(|(_, answer)| answer.clone())
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, VecDeque<([u8; 32], Answer)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, configuration: &[u8]) -> std::io::Result<Answer> {
        let _turn = self.turns.acquire().await.map_err(std::io::Error::other)?;
        let folder = QuestionFolder::new()?;
        let file = folder.0.join("envoy.pb");
        tokio::fs::write(&file, configuration).await?;
        let asked = Command::new(&self.envoy)
            .args(["--mode", "validate", "--log-level", "error", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, asked).await??;
        match output.status.code() {
            Some(0) => return Ok(None),
            Some(REFUSED) => {}
            // It crashed or was killed, which says nothing of what it was asked about.
            _ => return Err(std::io::Error::other(output.status.to_string())),
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let words = words(&said, &file);
        // A file on the machine of the Envoys need not be on this one.
        let is_elsewhere = words.contains("Invalid path: ");
        Ok((!is_elsewhere).then_some(words))
    }
}

/// The reason in what Envoy writes before it gives up: `… error initializing configuration
/// '<file>': <reason>`.
fn words(said: &str, file: &Path) -> String {
    let before = format!("{}': ", file.display());
    let reason = said.split_once(&before).map(|(_, reason)| reason);
    let reason = reason.or_else(|| said.lines().last());
    let mut lines = reason.unwrap_or_default().lines();
    lines.next().unwrap_or_default().trim().to_owned()
}

/// A folder for this process's eyes, removed when it is dropped: what is asked about may hold
/// certificates.
struct QuestionFolder(PathBuf);

impl QuestionFolder {
    fn new() -> std::io::Result<Self> {
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
    use super::*;

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
        assert_eq!(words("", file), "");
    }

    #[tokio::test]
    async fn it_takes_no_crash_for_an_answer() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let envoy = folder.path().join("envoy");
        for (script, is_refusal) in [
            ("exit 1", true),
            ("exit 2", false),
            ("kill -SEGV $$", false),
        ] {
            std::fs::write(&envoy, format!("#!/bin/sh\necho words >&2\n{script}\n")).unwrap();
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&envoy, executable).unwrap();
            let asked = Preflight::by(envoy.clone(), PathBuf::new()).ask(b"x").await;
            let words = Some("words".to_owned());
            assert_eq!(asked.ok() == Some(words), is_refusal, "{script}");
        }
    }

    #[tokio::test]
    async fn it_refuses_nothing_where_there_is_nobody_to_ask() {
        let preflight = Preflight::by("/nowhere/envoy".into(), PathBuf::new());
        assert!(preflight.ask(b"x").await.is_err());
    }
}
