//! Turns rows into JSON as they arrive, until a limit is reached.

use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Message};
use serde_json::Value;

use super::{Column, OversizedValue, ResultLimits, TruncatedBy};
use crate::postgres::session::{Session, SessionError};
use crate::postgres::types::TypeInfo;
use crate::postgres::values;
use crate::postgres::wire::{ServerReport, WireError};

/// Rows beyond the limit are read past up to so many bytes, since a new connection costs more; when
/// there are more, the connection is closed instead.
const READ_PAST: usize = 16 << 20;

pub(super) type Columns = Vec<(Column, Arc<TypeInfo>)>;

/// The rows of a result.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) truncated_by: Option<TruncatedBy>,
    pub(super) oversized: Option<OversizedValue>,
    /// Whether the server has answered everything, so that the session can be used again.
    pub(super) is_complete: bool,
}

/// Sends what is waiting, and reads rows until the server has given `answers` answers.
pub(super) async fn fetch(
    session: &mut Session,
    columns: &Columns,
    limits: ResultLimits,
    answers: usize,
) -> Result<Fetched, SessionError> {
    session.flush().await?;
    let mut result = Collected::new(limits);
    let (mut ready, mut refused) = (0, None);
    while ready < answers {
        let message = match session.receive().await {
            Err(WireError::RowTooLong(_)) => {
                if !result.is_full() {
                    result.truncated_by = Some(TruncatedBy::Bytes);
                    result.oversized = oversized(session.longest_value().await, columns);
                }
                return Ok(result.into_fetched(false));
            }
            message => message?,
        };
        match message {
            Message::DataRow(row) => {
                if result.is_full() {
                    result.read_past += row.buffer().len();
                    if result.read_past > READ_PAST {
                        return Ok(result.into_fetched(false));
                    }
                } else {
                    result.take(&row, columns)?;
                }
            }
            Message::ErrorResponse(body) => {
                let report = ServerReport::read(body.fields())?;
                let is_over = report.severity != "ERROR";
                let report = refused.get_or_insert(report);
                if is_over {
                    return Err(SessionError::Server(Box::new(std::mem::take(report))));
                }
            }
            Message::ReadyForQuery(_) => ready += 1,
            _ => {}
        }
    }
    match refused {
        Some(report) => Err(SessionError::Server(Box::new(report))),
        None => Ok(result.into_fetched(true)),
    }
}

struct Collected {
    limits: ResultLimits,
    rows: Vec<Vec<Value>>,
    bytes: usize,
    read_past: usize,
    truncated_by: Option<TruncatedBy>,
    oversized: Option<OversizedValue>,
}

impl Collected {
    fn new(limits: ResultLimits) -> Self {
        Self {
            limits,
            rows: Vec::new(),
            bytes: 0,
            read_past: 0,
            truncated_by: None,
            oversized: None,
        }
    }

    fn is_full(&self) -> bool {
        self.truncated_by.is_some()
    }

    fn take(&mut self, row: &DataRowBody, columns: &Columns) -> Result<(), SessionError> {
        if self.rows.len() == self.limits.rows {
            self.truncated_by = Some(TruncatedBy::Rows);
            return Ok(());
        }
        let row = json_row(row, columns)?;
        let length = json_length(&row) + 1;
        if self.bytes + length > self.limits.bytes {
            self.truncated_by = Some(TruncatedBy::Bytes);
            if length > self.limits.bytes {
                let lengths = row
                    .iter()
                    .map(|value| json_length(std::slice::from_ref(value)));
                let longest = lengths.enumerate().max_by_key(|(_, length)| *length);
                self.oversized = oversized(longest, columns);
            }
            return Ok(());
        }
        self.bytes += length;
        self.rows.push(row);
        Ok(())
    }

    fn into_fetched(self, is_complete: bool) -> Fetched {
        Fetched {
            rows: self.rows,
            truncated_by: self.truncated_by,
            oversized: self.oversized,
            is_complete,
        }
    }
}

/// The value at a place among the columns, with its bytes, by the name of its column.
fn oversized(longest: Option<(usize, usize)>, columns: &Columns) -> Option<OversizedValue> {
    let (at, bytes) = longest?;
    let (column, _) = columns.get(at)?;
    Some(OversizedValue {
        column: column.name.clone(),
        bytes,
    })
}

fn json_row(row: &DataRowBody, columns: &Columns) -> Result<Vec<Value>, SessionError> {
    let mut infos = columns.iter().map(|(_, info)| info);
    let values = row.ranges().map(|range| {
        let info = infos.next();
        Ok(match (range, info) {
            (Some(range), Some(info)) => {
                let text = String::from_utf8_lossy(&row.buffer()[range]);
                values::to_json(&text, info)
            }
            _ => Value::Null,
        })
    });
    Ok(values.collect()?)
}
fn json_length(row: &[Value]) -> usize {
    struct Counted(usize);
    impl std::io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    match serde_json::to_writer(&mut counted, row) {
        Ok(()) => counted.0,
        Err(_) => usize::MAX / 2,
    }
}
