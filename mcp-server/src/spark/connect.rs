//! A thin client of Spark Connect: one statement in, a stream of Arrow batches out
//!
//! ```text
//! Connect::execute(user, Statement) → Execution ── next() ──▶ Event::{Schema, Batch, Progress} … None
//! ```
//!
//! The connection is lazy and comes back by itself. An [`Execution`] is *reattachable*: the server
//! ends every stream after a while, whether or not the result is complete, and only
//! `ResultComplete` means the end. An execution that is dropped before its end is interrupted on
//! the server, where it would otherwise run on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::spark::protocol as pb;
use pb::spark_connect_service_client::SparkConnectServiceClient;

mod execution;
mod failure;
mod remote;
mod statement;
mod stop;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use execution::{Event, Execution, Progress};
pub use failure::{ConnectError, SparkFailure};
pub use remote::{InvalidRemote, Remote};
pub use statement::{InvalidParameters, Parameters, Statement};

/// The largest message that is accepted: one Arrow batch has 10 000 rows of any width.
const LARGEST_MESSAGE: usize = 128 << 20;
/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server may take over a call that does no work (interrupt, release, version).
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Sent with every call; Spark writes it into its logs.
const CLIENT_TYPE: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// Whom Spark runs a statement for: its sessions, and so temporary views and settings, are kept
/// apart per user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SparkUser(Arc<str>);

impl SparkUser {
    /// The user `name`.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }
}

/// A client of one Spark Connect server. Cheap to clone; clones share connection and sessions.
#[derive(Debug, Clone)]
pub struct Connect {
    service: SparkConnectServiceClient<Channel>,
    remote: Remote,
    sessions: Arc<Mutex<HashMap<SparkUser, Uuid>>>,
    /// Interrupts and releases, which run on after those who wanted them.
    aftermath: TaskTracker,
}

/// One user's Spark session.
#[derive(Debug, Clone)]
struct Session {
    user: SparkUser,
    id: Uuid,
}

impl Session {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn user_context(&self) -> Option<pb::UserContext> {
        Some(pb::UserContext {
            user_id: self.user.0.to_string(),
            user_name: self.user.0.to_string(),
            extensions: Vec::new(),
        })
    }
}

impl Connect {
    /// A client of the server at `remote`; it connects when first used.
    ///
    /// # Errors
    /// [`InvalidRemote`] if the address is none that a connection can be made to.
    pub fn new(remote: Remote) -> Result<Self, InvalidRemote> {
        let channel = Endpoint::from_shared(remote.http())
            .map_err(|_| InvalidRemote::Malformed(remote.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            // Not HTTP/2 pings: Spark's server takes frequent ones for abuse and hangs up.
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .tcp_nodelay(true)
            .http2_adaptive_window(true)
            .connect_lazy();
        let service =
            SparkConnectServiceClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        Ok(Self {
            service,
            remote,
            sessions: Arc::default(),
            aftermath: TaskTracker::new(),
        })
    }

    /// Starts `statement` for `user`, in the user's session. Nothing is sent before the first
    /// [`Execution::next`].
    pub fn execute(&self, user: &SparkUser, statement: Statement) -> Execution {
        Execution::new(self.clone(), self.session(user), statement.into_plan())
    }

    /// Waits until every interrupt and release is over.
    pub async fn drain(&self) {
        self.aftermath.close();
        self.aftermath.wait().await;
    }

    /// The version of the Spark behind the server: a call that costs nothing, for health.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] if no server answers within ten seconds, or what it refused with.
    pub async fn version(&self, user: &SparkUser) -> Result<String, ConnectError> {
        let session = self.session(user);
        match self.version_in(&session).await {
            Err(refused) if refused.is_stale_session() => {
                self.forget(&session);
                self.version_in(&self.session(user)).await
            }
            answered => answered,
        }
    }

    async fn version_in(&self, session: &Session) -> Result<String, ConnectError> {
        use pb::analyze_plan_request::{Analyze, SparkVersion};
        use pb::analyze_plan_response::Result::SparkVersion as Version;

        let request = pb::AnalyzePlanRequest {
            session_id: session.id(),
            user_context: session.user_context(),
            client_type: Some(CLIENT_TYPE.to_owned()),
            analyze: Some(Analyze::SparkVersion(SparkVersion {})),
            ..Default::default()
        };
        let mut service = self.service.clone();
        let answer = timeout(CALL_TIMEOUT, service.analyze_plan(request))
            .await
            .map_err(|_| self.unreachable("no answer within 10 seconds"))?
            .map_err(|status| failure::read(self, &status))?;
        match answer.into_inner().result {
            Some(Version(version)) => Ok(version.version),
            other => Err(ConnectError::Malformed(format!("no version but {other:?}"))),
        }
    }

    /// The session of `user`, made up here and now if there is none: Spark opens one for any id.
    fn session(&self, user: &SparkUser) -> Session {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *sessions.entry(user.clone()).or_insert_with(Uuid::new_v4);
        Session {
            user: user.clone(),
            id,
        }
    }

    /// Drops a session that the server has closed, unless another call already has.
    fn forget(&self, session: &Session) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.get(&session.user) == Some(&session.id) {
            sessions.remove(&session.user);
        }
    }

    fn unreachable(&self, reason: impl Into<String>) -> ConnectError {
        ConnectError::Unreachable {
            remote: self.remote.to_string(),
            reason: reason.into(),
        }
    }
}
