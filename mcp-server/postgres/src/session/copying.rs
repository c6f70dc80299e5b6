//! The messages of a load in PostgreSQL's own form.

use futures::FutureExt as _;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::super::wire::ServerReport;
use super::{Reply, Session, SessionError};

/// Bytes of one message: large enough that its header costs nothing, small enough to be sent soon.
const SLICE: usize = 64 << 10;

impl Session {
    /// Runs a `COPY … FROM STDIN` up to where PostgreSQL waits for rows.
    pub(in super::super) async fn begin_copy(&mut self, sql: &str) -> Result<(), SessionError> {
        self.send_simple(sql)?;
        self.flush().await?;
        loop {
            match self.receive().await? {
                Message::CopyInResponse(_) => return Ok(()),
                Message::ErrorResponse(body) => {
                    let report = ServerReport::read(body.fields())?;
                    return Err(self.refused(report).await);
                }
                _ => {}
            }
        }
    }

    /// Sends rows, unless PostgreSQL has refused earlier ones.
    pub(in super::super) async fn send_copy(&mut self, rows: &[u8]) -> Result<(), SessionError> {
        for slice in rows.chunks(SLICE) {
            // What has come by now; nothing is waited for.
            while let Some(message) = self.receive().now_or_never() {
                if let Message::ErrorResponse(body) = message? {
                    let report = ServerReport::read(body.fields())?;
                    return Err(self.refused(report).await);
                }
            }
            frontend::CopyData::new(slice)?.write(self.wire.outgoing());
            self.flush().await?;
        }
        Ok(())
    }

    /// Ends the rows, and waits for PostgreSQL's word on them.
    pub(in super::super) async fn end_copy(&mut self) -> Result<Reply, SessionError> {
        frontend::copy_done(self.wire.outgoing());
        self.flush().await?;
        self.reply().await
    }

    /// Waits until the server is ready after an error.
    async fn refused(&mut self, report: ServerReport) -> SessionError {
        let is_over = report.severity != "ERROR";
        if !is_over && let Err(error) = self.reply().await {
            return error;
        }
        SessionError::Server(Box::new(report))
    }
}
