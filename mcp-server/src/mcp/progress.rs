//! Progress reports as notifications of MCP.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext, RoleServer};

use crate::call::{Progress, ProgressListener};

/// The client of one request that asked for its progress.
struct Notified {
    peer: Peer<RoleServer>,
    token: ProgressToken,
}

/// The way of reports to the client of this request, which gave a token if it wants any.
pub(super) fn of_request(context: &RequestContext<RoleServer>) -> Progress {
    match context.meta.get_progress_token() {
        None => Progress::default(),
        Some(token) => Progress::to(Notified {
            peer: context.peer.clone(),
            token,
        }),
    }
}

impl ProgressListener for Notified {
    fn report(&self, done: f64, total: Option<f64>, message: Option<String>) -> BoxFuture<'_, ()> {
        let mut params = ProgressNotificationParam::new(self.token.clone(), done);
        params.total = total;
        params.message = message;
        async move {
            // A client that does not listen any more misses nothing that it would read.
            if let Err(error) = self.peer.notify_progress(params).await {
                tracing::debug!(%error, "a progress report did not reach its client");
            }
        }
        .boxed()
    }
}
