//! A task as its file has it: one line of facts, and behind it the bytes of a structured answer.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::shares::Account;

/// When a task began and changed, and how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When it began, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it changed last, in milliseconds since 1970.
    pub updated_ms: i64,
    /// Milliseconds from its beginning to its expiry.
    pub ttl_ms: u64,
}

impl Times {
    pub(super) fn beginning_now(ttl: Duration) -> Self {
        let now = now_ms();
        Self {
            created_ms: now,
            updated_ms: now,
            ttl_ms: milliseconds(ttl),
        }
    }

    /// The same after a change now, and kept for at least `least` from now on.
    pub(super) fn updated(self, least: Duration) -> Self {
        let now = now_ms();
        let age = u64::try_from(now - self.created_ms).unwrap_or(0);
        Self {
            updated_ms: now,
            ttl_ms: self.ttl_ms.max(age + milliseconds(least)),
            ..self
        }
    }

    /// When the task expires.
    pub(super) fn expiry(&self) -> SystemTime {
        let created = Duration::from_millis(u64::try_from(self.created_ms).unwrap_or(0));
        UNIX_EPOCH + created + Duration::from_millis(self.ttl_ms)
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.map_or(0, |since| since.as_millis())).unwrap_or(i64::MAX)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskOutcome {
    /// With the answer to its call.
    Completed {
        /// The answer without its structured content.
        result: Map<String, Value>,
        /// The JSON of its structured content, where it has any.
        structured: Option<Bytes>,
    },
    /// With an error of JSON-RPC.
    Failed(Map<String, Value>),
    /// Its caller stopped it; the text says what they should know of its work.
    Cancelled(Option<String>),
}

/// A task as its file has it.
#[derive(Debug)]
pub(super) struct TaskRecord {
    pub(super) owner: Option<String>,
    pub(super) account: Account,
    pub(super) tool: String,
    pub(super) changes: bool,
    pub(super) times: Times,
    pub(super) end: Option<TaskOutcome>,
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Facts {
    owner: Option<String>,
    #[serde(default)]
    account: Account,
    tool: String,
    changes: bool,
    times: Times,
    end: Option<End>,
}

/// The one fact by which tasks are counted.
#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    account: Account,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Completed {
        result: Map<String, Value>,
        has_structured: bool,
    },
    Failed(Map<String, Value>),
    Cancelled(Option<String>),
}

impl TaskRecord {
    /// The bytes of the file.
    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut behind = None;
        let end = self.end.as_ref().map(|end| match end {
            TaskOutcome::Completed { result, structured } => {
                behind.clone_from(structured);
                End::Completed {
                    result: result.clone(),
                    has_structured: structured.is_some(),
                }
            }
            TaskOutcome::Failed(error) => End::Failed(error.clone()),
            TaskOutcome::Cancelled(message) => End::Cancelled(message.clone()),
        });
        let mut bytes = serde_json::to_vec(&Facts {
            owner: self.owner.clone(),
            account: self.account.clone(),
            tool: self.tool.clone(),
            changes: self.changes,
            times: self.times,
            end,
        })?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&behind.unwrap_or_default());
        Ok(bytes)
    }

    /// Reads on whose account the task is, and nothing behind the facts.
    pub(super) fn read_account(file: &File) -> io::Result<Account> {
        let mut line = Vec::new();
        BufReader::new(file).read_until(b'\n', &mut line)?;
        let counted: Counted = serde_json::from_slice(&line)?;
        Ok(counted.account)
    }

    /// Reads what [`TaskRecord::to_bytes`] has made.
    pub(super) fn read(mut file: &File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "the file is no task");
        let line = memchr::memchr(b'\n', &bytes).ok_or_else(broken)?;
        let facts: Facts = serde_json::from_slice(&bytes[..line])?;
        let end = match facts.end {
            None => None,
            Some(End::Cancelled(message)) => Some(TaskOutcome::Cancelled(message)),
            Some(End::Failed(error)) => Some(TaskOutcome::Failed(error)),
            Some(End::Completed {
                result,
                has_structured,
            }) => Some(TaskOutcome::Completed {
                result,
                structured: has_structured.then(|| Bytes::from(bytes).slice(line + 1..)),
            }),
        };
        Ok(Self {
            owner: facts.owner,
            account: facts.account,
            tool: facts.tool,
            changes: facts.changes,
            times: facts.times,
            end,
        })
    }
}
