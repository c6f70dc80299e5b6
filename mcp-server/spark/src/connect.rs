//! A thin client of Spark Connect: one statement in, a stream of Arrow batches out.
//!
//! ```text
//! Connect::execute(session, Statement) → Execution
//! Execution ── next() ──▶ Event::{Schema, Batch, Progress} … None
//! ```
//!
//! The connection is lazy and comes back by itself. An [`Execution`] is *reattachable*: the server
//! ends every stream after a while, whether or not the result is complete, and only
//! `ResultComplete` means the end. An execution that is dropped before its end is interrupted on
//! the server, where it would otherwise run on.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::protocol as pb;
use pb::spark_connect_service_client::SparkConnectServiceClient;

mod attempts;
mod execution;
mod failure;
mod progress;
mod remote;
mod session;
mod statement;
mod stop;

#[cfg(test)]
mod encryption_tests;
#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
pub(super) use failure::samples;
#[cfg(test)]
mod tests;

pub use execution::{Event, Execution};
pub use failure::{ConnectError, SparkFailure};
pub use progress::StatementProgress;
use remote::Credentials;
pub use remote::{InvalidRemote, Remote};
pub use session::Session;
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
    /// The user of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }
}

/// A client of one Spark Connect server. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Connect {
    service: SparkConnectServiceClient<InterceptedService<Channel, Credentials>>,
    remote: Remote,
    /// Interrupts and releases, which run on after those who wanted them.
    aftermath: TaskTracker,
}

impl Connect {
    /// A client of the server at `remote`; it connects when first used.
    ///
    /// # Errors
    /// [`InvalidRemote`] if the address is none that a connection can be made to, or a token would
    /// travel in clear.
    pub fn new(remote: Remote) -> Result<Self, InvalidRemote> {
        let channel = remote
            .endpoint()?
            .connect_timeout(CONNECT_TIMEOUT)
            // Not HTTP/2 pings: Spark's server takes frequent ones for abuse and hangs up.
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .tcp_nodelay(true)
            .http2_adaptive_window(true)
            .connect_lazy();
        let credentials = remote.credentials()?;
        let service = SparkConnectServiceClient::with_interceptor(channel, credentials)
            .max_decoding_message_size(LARGEST_MESSAGE);
        Ok(Self {
            service,
            remote,
            aftermath: TaskTracker::new(),
        })
    }

    /// Starts `statement` in `session`. Nothing is sent before the first [`Execution::next`].
    pub fn execute(&self, session: &Session, mut statement: Statement) -> Execution {
        let listener = statement.take_listener();
        Execution::new(
            self.clone(),
            session.clone(),
            statement.into_plan(),
            listener,
        )
    }

    /// Waits until every interrupt and release is over.
    pub async fn drain(&self) {
        self.aftermath.close();
        self.aftermath.wait().await;
    }

    /// Runs on after its caller; outside a runtime (at shutdown) there is nothing to run on.
    fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = Handle::try_current() {
            self.aftermath.spawn_on(work, &runtime);
        }
    }

    fn unreachable(&self, reason: impl Into<String>) -> ConnectError {
        ConnectError::Unreachable {
            remote: self.remote.to_string(),
            reason: reason.into(),
        }
    }
}
