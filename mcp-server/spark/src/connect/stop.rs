//! Ending a statement on the server: closing the stream alone lets it run on.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{CALL_TIMEOUT, CLIENT_TYPE, Connect, Session};
use crate::protocol as pb;
use pb::release_execute_request::{Release as Kind, ReleaseAll, ReleaseUntil};

/// An interrupt can overtake its statement on the way to the server, so it is repeated until it
/// hits …
const INTERRUPTS: u32 = 5;
/// … with this pause between.
const PAUSE: Duration = Duration::from_millis(200);

/// The means to end one statement, in the background and without the one who started it.
#[derive(Debug)]
pub(super) struct Stop {
    connect: Connect,
    session: Session,
    operation: Uuid,
}

/// The part of a statement that the server need not keep any longer.
#[derive(Debug)]
pub(super) enum Release {
    /// The statement and all it answered; ends it if it still runs.
    All,
    /// The responses up to this one.
    Until(String),
}

impl Stop {
    pub(super) fn new(connect: &Connect, session: &Session, operation: Uuid) -> Self {
        Self {
            connect: connect.clone(),
            session: session.clone(),
            operation,
        }
    }

    /// Interrupts the statement and releases it.
    pub(super) fn interrupt(self) {
        let connect = self.connect.clone();
        connect.in_background(async move {
            for _ in 0..INTERRUPTS {
                match self.try_interrupt().await {
                    Some(hit) if hit.is_empty() => sleep(PAUSE).await,
                    _ => break,
                }
            }
            self.send(Release::All).await;
            tracing::debug!(operation = %self.operation, "interrupted a Spark statement");
        });
    }

    /// Tells the server what it may forget.
    pub(super) fn release(self, what: Release) {
        let connect = self.connect.clone();
        connect.in_background(async move { self.send(what).await });
    }

    /// The operations that were interrupted; `None` if the server did not answer.
    async fn try_interrupt(&self) -> Option<Vec<String>> {
        let request = pb::InterruptRequest {
            session_id: self.session.id(),
            user_context: self.session.user_context(),
            client_type: Some(CLIENT_TYPE.to_owned()),
            interrupt_type: pb::interrupt_request::InterruptType::OperationId.into(),
            interrupt: Some(pb::interrupt_request::Interrupt::OperationId(
                self.operation.to_string(),
            )),
            ..Default::default()
        };
        let mut service = self.connect.service.clone();
        let answer = timeout(CALL_TIMEOUT, service.interrupt(request)).await;
        Some(answer.ok()?.ok()?.into_inner().interrupted_ids)
    }

    /// A release that fails costs the server memory until its own time-out, and the caller nothing.
    async fn send(&self, what: Release) {
        let request = pb::ReleaseExecuteRequest {
            session_id: self.session.id(),
            user_context: self.session.user_context(),
            operation_id: self.operation.to_string(),
            client_type: Some(CLIENT_TYPE.to_owned()),
            release: Some(match what {
                Release::All => Kind::ReleaseAll(ReleaseAll {}),
                Release::Until(response_id) => Kind::ReleaseUntil(ReleaseUntil { response_id }),
            }),
            ..Default::default()
        };
        let mut service = self.connect.service.clone();
        if let Ok(Err(status)) = timeout(CALL_TIMEOUT, service.release_execute(request)).await {
            tracing::debug!(operation = %self.operation, %status, "Spark refused a release");
        }
    }
}
