//! One call as tools, resources and prompts see it: who asks, what their client understands, how
//! long they wait, and where word of the progress goes.
//!
//! It knows no transport, and no tool. The data server's `mcp` makes a [`Call`] of every request;
//! whatever does the work reads it.

mod answers;
mod audit_mark;
mod client_log;
mod deadline;
mod progress;
mod statistics;

use std::future::Future;

use rmcp::model::{ClientCapabilities, ProtocolVersion};
use tokio_util::sync::CancellationToken;

pub use answers::Answers;
pub use audit_mark::AuditMark;
pub use client_log::{ClientLog, LogListener, Severity};
pub use deadline::{Deadline, spell_time};
pub use fair_shares::Claimant;
pub use progress::{Progress, ProgressListener};
pub use statistics::{CallCounts, CallStatistics, RunningCall};

/// One call: who asks, under which id, and whether they still want the answer.
#[derive(Debug, Clone)]
pub struct Call {
    /// The correlation id, the same in every log line of the call, in Envoy's access log and in the
    /// answer.
    pub request_id: CorrelationId,
    /// The caller, as far as known.
    pub principal: Principal,
    /// Whether the audit log has a line of the request.
    pub audit: AuditMark,
    /// On whose account the call takes what there is little of.
    pub claimant: Claimant,
    /// The revision of MCP that the client speaks.
    pub revision: Revision,
    /// The abilities of the client that a call may use.
    pub client: ClientAbilities,
    /// The session of a client whose revision has sessions: what a caller leaves behind for its
    /// next call is found by it, and ends with it.
    pub session: Option<String>,
    /// Fires when the client cancelled or went away, when the deadline has passed, and when the
    /// server stops.
    pub cancelled: CancellationToken,
    /// Until when the answer must be there; `None` where nobody said.
    pub deadline: Option<Deadline>,
    /// The answers to what an earlier attempt at this call has asked.
    pub answers: Answers,
    /// The way of progress reports to the client.
    pub progress: Progress,
    /// The way of messages to the client's log.
    pub log: ClientLog,
    /// Whether the answer may travel in a way in which some clients take few bytes: 1 MiB as a
    /// server-sent event, 10 MiB as a line.
    pub takes_short_answers: bool,
}

impl Call {
    /// The result of `work`, unless the caller no longer wants it; `work` is dropped then.
    ///
    /// # Errors
    /// The caller has cancelled or gone away, or the time is over ([`Cancelled`]).
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Cancelled> {
        tokio::select! {
            result = work => Ok(result),
            () = self.cancelled.cancelled() => Err(Cancelled),
        }
    }
}

/// The caller cancelled, or went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call was cancelled")]
pub struct Cancelled;

/// The id of one call from the client's proxy to the last log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(pub String);

impl CorrelationId {
    /// A new id, for a call whose transport brought none.
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }
}

impl Default for CorrelationId {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of the name of a caller.
pub const LONGEST_NAME: usize = 256;

/// The name of a caller is longer than names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of the caller is longer than {LONGEST_NAME} bytes")]
pub struct NameTooLong;

/// Who calls, as the gateway found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Nobody said who it is.
    #[default]
    Anonymous,
    /// The caller's name, by whatever stands before this server.
    Named(String),
}

impl Principal {
    /// The caller whom a header of a request names. A header that is there and names nobody is
    /// nobody's; so is one that is there twice.
    ///
    /// # Errors
    /// A value is longer than names are ([`NameTooLong`]): the name would stand in each line of the
    /// log.
    pub fn named<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Self, NameTooLong> {
        let values: Vec<&[u8]> = values.collect();
        if values.iter().any(|value| value.len() > LONGEST_NAME) {
            return Err(NameTooLong);
        }
        let mut values = values.into_iter();
        let name = values
            .next()
            .and_then(|value| std::str::from_utf8(value).ok());
        match name.map(str::trim) {
            Some(name) if !name.is_empty() && values.next().is_none() => {
                Ok(Self::Named(name.to_owned()))
            }
            _ => Ok(Self::Anonymous),
        }
    }

    /// Under whom records are kept that only their owner may see; `None` for callers without
    /// identity.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Named(name) => Some(name),
        }
    }
}

/// The revision of MCP that a request is made in. Revisions are dates and compare as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(ProtocolVersion);

impl Revision {
    /// The revision that the client named; one who names none speaks the first that had headers
    /// to leave out (2025-03-26, base protocol, transports).
    pub fn named(version: Option<ProtocolVersion>) -> Self {
        Self(version.unwrap_or(ProtocolVersion::V_2025_03_26))
    }

    /// Whether results have structured content, tools have output schemas, and content may link to
    /// resources: from 2025-06-18 on.
    pub fn has_structured_content(&self) -> bool {
        self.is_at_least(&ProtocolVersion::V_2025_06_18)
    }

    /// Whether each request stands alone, without a session before it: from 2026-07-28 on.
    pub fn is_stateless(&self) -> bool {
        self.is_at_least(&ProtocolVersion::V_2026_07_28)
    }

    fn is_at_least(&self, other: &ProtocolVersion) -> bool {
        self.0.as_str() >= other.as_str()
    }
}

/// The abilities of a client, as far as this request or its session told them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ClientAbilities {
    /// It can have its user fill in a form.
    pub elicitation: bool,
    /// It can have its model write something.
    pub sampling: bool,
    /// It can name the folders that it works in.
    pub roots: bool,
    /// It can follow a task that outlives the call.
    pub tasks: bool,
}

impl ClientAbilities {
    /// Whether there is anything that it can be asked for in the middle of a call.
    pub fn can_be_asked(self) -> bool {
        self.elicitation || self.sampling || self.roots
    }
}

impl From<&ClientCapabilities> for ClientAbilities {
    fn from(capabilities: &ClientCapabilities) -> Self {
        // One that names neither forms nor URLs means forms (MCP 2025-11-25, elicitation).
        let elicitation = capabilities
            .elicitation
            .as_ref()
            .is_some_and(|known| known.form.is_some() || known.url.is_none());
        Self {
            elicitation,
            sampling: capabilities.sampling.is_some(),
            roots: capabilities.roots.is_some(),
            tasks: capabilities.supports_tasks(),
        }
    }
}

impl From<ClientAbilities> for ClientCapabilities {
    /// The capabilities of a client of the revisions with sessions, which knows no tasks.
    fn from(abilities: ClientAbilities) -> Self {
        let mut capabilities = Self::default();
        capabilities.elicitation = abilities.elicitation.then(Default::default);
        capabilities.sampling = abilities.sampling.then(Default::default);
        capabilities.roots = abilities.roots.then(Default::default);
        capabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_one_name_for_a_caller_and_nothing_else() {
        let named = |values: &[&[u8]]| Principal::named(values.iter().copied());
        let alice = named(&[b" alice "]).expect("a name");
        assert_eq!(alice.owner(), Some("alice"));
        let nobody: [&[&[u8]]; 5] = [&[], &[b""], &[b" "], &[b"\xff"], &[b"alice", b"bob"]];
        for values in nobody {
            assert_eq!(named(values), Ok(Principal::Anonymous));
        }
    }

    #[test]
    fn it_takes_no_name_that_is_longer_than_names_are() {
        let named = |bytes: usize| Principal::named([&*vec![b'a'; bytes]].into_iter());
        assert!(named(LONGEST_NAME).is_ok_and(|principal| principal.owner().is_some()));
        assert_eq!(named(LONGEST_NAME + 1), Err(NameTooLong));
    }

    #[test]
    fn it_knows_which_revisions_have_structured_content_and_which_have_no_sessions() {
        for (version, structured, stateless) in [
            (Some(ProtocolVersion::V_2024_11_05), false, false),
            (None, false, false),
            (Some(ProtocolVersion::V_2025_06_18), true, false),
            (Some(ProtocolVersion::V_2025_11_25), true, false),
            (Some(ProtocolVersion::V_2026_07_28), true, true),
        ] {
            let revision = Revision::named(version);
            assert_eq!(
                (revision.has_structured_content(), revision.is_stateless()),
                (structured, stateless),
                "{revision:?}"
            );
        }
    }
}
