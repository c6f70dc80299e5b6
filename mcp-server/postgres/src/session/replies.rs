//! The answers of the server, gathered until it is ready for more.

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};

use super::{Session, SessionError};
use crate::wire::ServerReport;

/// Everything that came between a request and the server's "ready for query".
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) rows: Vec<DataRowBody>,
    pub(crate) columns: Option<RowDescriptionBody>,
    pub(crate) parameters: Vec<u32>,
    pub(crate) notices: Vec<ServerReport>,
    /// The end of the last statement: `INSERT 0 3`, `COPY 3`.
    pub(crate) tag: Option<String>,
    /// `I` outside of a transaction, `T` in one, `E` in one that failed.
    pub(crate) status: u8,
}

impl Reply {
    /// How many rows the last statement was about.
    pub(crate) fn row_count(&self) -> u64 {
        let last = self
            .tag
            .as_deref()
            .and_then(|tag| tag.split(' ').next_back());
        last.and_then(|count| count.parse().ok())
            .unwrap_or_default()
    }
}

impl Session {
    /// Collects what comes until the server is ready; a refusal is returned once it is.
    pub(crate) async fn reply(&mut self) -> Result<Reply, SessionError> {
        let mut reply = Reply::default();
        let mut refused = None;
        loop {
            match self.receive().await? {
                Message::ReadyForQuery(body) => {
                    reply.status = body.status();
                    break;
                }
                Message::ErrorResponse(body) => {
                    let report = ServerReport::read(body.fields())?;
                    let is_over = report.severity == "FATAL" || report.severity == "PANIC";
                    refused.get_or_insert(report);
                    if is_over {
                        break;
                    }
                }
                Message::NoticeResponse(body) => {
                    reply.notices.push(ServerReport::read(body.fields())?);
                }
                Message::DataRow(row) => reply.rows.push(row),
                Message::CommandComplete(body) => reply.tag = Some(body.tag()?.to_owned()),
                Message::RowDescription(columns) => reply.columns = Some(columns),
                Message::ParameterDescription(body) => {
                    reply.parameters = body.parameters().collect()?;
                }
                _ => {}
            }
        }
        match refused {
            Some(report) => Err(SessionError::Server(Box::new(report))),
            None => Ok(reply),
        }
    }

    /// Collects all answers that are due, those behind a refusal too, and returns the last of them;
    /// or the first refusal, once all have come.
    pub(crate) async fn last_reply(&mut self) -> Result<Reply, SessionError> {
        let mut last = Ok(Reply::default());
        while !self.is_answered() {
            match self.reply().await {
                Err(error) if !error.spares_session() => return Err(error),
                reply if last.is_ok() => last = reply,
                _ => {}
            }
        }
        last
    }
}
