//! MCP on the standard input and output of this process: one message a line, in both protocol eras,
//! for the one client that started it.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use futures::future::BoxFuture;
use line_transport::LineTransport;
use rmcp::model::Extensions;
use rmcp::service::{ServerInitializeError, ServiceExt as _};
use rmcp::transport::io::stdio_pipes;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::attended_messages::{AttendedMessages, write_refusal};
use crate::background::BackgroundWork;
use crate::call::CorrelationId;
use crate::config::Config;
use crate::mcp::{Catalogue, Incoming, McpServer, WayBack};
use crate::services::Services;

/// The session of the one client: what a call leaves behind for the next one is found by it.
static SESSION: LazyLock<String> = LazyLock::new(|| Uuid::new_v4().simple().to_string());

/// Serves the client until it closes standard input or `shutdown` fires. Nothing but messages is
/// written to standard output.
///
/// # Errors
/// When a setting cannot be understood, or the client speaks something else than MCP.
pub fn serve(
    config: Config,
    shutdown: CancellationToken,
) -> BoxFuture<'static, anyhow::Result<()>> {
    Box::pin(serve_client(config, shutdown))
}

async fn serve_client(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let catalogue = Catalogue::offered(&config)?;
    let services = Arc::new(Services::new(&config)?);
    catalogue.tools.check_declared(&services).await?;
    let background = BackgroundWork::begin(&services, &catalogue.tools, &shutdown);
    let server = McpServer::new(
        Arc::new(catalogue),
        Arc::clone(&services),
        Arc::default(),
        shutdown.clone(),
        |extensions: &Extensions| extensions.get::<Incoming>().cloned(),
    );
    let (read, write) = stdio_pipes();
    let lines = LineTransport::new(read, write, |code| {
        write_refusal(&describe(), "", Instant::now(), code);
    });
    let lines = AttendedMessages::new(lines, describe);
    let served = match server.serve_with_ct(lines, shutdown.child_token()).await {
        Ok(running) => running.waiting().await.map(drop).map_err(Into::into),
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            Ok(())
        }
        // The error of rmcp repeats the whole message.
        Err(ServerInitializeError::ExpectedInitializeRequest(_)) => Err(anyhow::anyhow!(
            "the client's first message is none that a session of MCP begins with: it is \
             `initialize`, or a request whose `_meta` names a revision without sessions"
        )),
        Err(error) => Err(error.into()),
    };
    services.spark.end_session(&SESSION);
    shutdown.cancel();
    background.end().await;
    served
}

/// The facts of a request of the one client.
fn describe() -> Incoming {
    Incoming {
        id: CorrelationId::new(),
        session: Some(SESSION.clone()),
        takes_short_answers: true,
        way_back: WayBack::Peer,
        ..Incoming::default()
    }
}
