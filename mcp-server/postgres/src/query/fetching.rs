//! Hands rows to a sink as they arrive, until it is full.

use std::borrow::Cow;
use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Message};
use results::{Cell, CellPart, OversizedCell, Room, RowSink, Truncation};

use crate::error::Error;
use crate::session::{Session, SessionError};
use crate::shape::{Columns, TypeInfo};
use crate::values;
use crate::wire::{RowPiece, ServerReport, WireError};

/// Rows beyond the limit are read past up to so many bytes, since a new connection costs more; when
/// there are more, the connection is closed instead.
const READ_PAST: usize = 16 << 20;

/// How the reading of a result ended.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The limit that cut the result, if there were more rows.
    pub(crate) truncation: Option<Truncation>,
    /// The longest cell of the row that was cut off, where that row alone is over the limit.
    pub(crate) oversized: Option<OversizedCell>,
    /// Whether the server has answered everything, so that the session can be used again.
    pub(crate) is_complete: bool,
    /// The rows that the statement affected, as PostgreSQL counts them.
    pub(crate) affected_rows: Option<u64>,
}

/// Sends what is waiting, and hands the rows of the first answer to the sink, until the server has
/// answered everything.
pub(crate) async fn fetch(
    session: &mut Session,
    columns: &Columns,
    sink: &mut dyn RowSink,
) -> Result<Fetched, Error> {
    session.flush().await?;
    sink.columns(&columns.columns)?;
    let (mut is_first, mut refused) = (true, None);
    let (mut truncation, mut oversized, mut read_past) = (None, None, 0);
    let (mut scratch, mut affected_rows) = (Vec::new(), None);
    while !session.is_answered() {
        // Many rows come with one read. Whoever waits beside the query, for its time limit or to
        // tell its progress, has a turn all the same.
        tokio::task::consume_budget().await;
        let message = match session.receive().await {
            Err(WireError::RowTooLong(_)) if truncation.is_none() && sink.takes_parts() => {
                let room = put_long(session, &columns.types, sink, &mut scratch).await?;
                truncation = room.truncation();
                continue;
            }
            Err(WireError::RowTooLong(_)) => {
                if truncation.is_none() {
                    truncation = Some(Truncation::Bytes);
                    oversized = oversized_cell(session.longest_value().await, columns);
                }
                return Ok(Fetched {
                    truncation,
                    oversized,
                    is_complete: false,
                    affected_rows: None,
                });
            }
            message => message.map_err(SessionError::from)?,
        };
        match message {
            Message::DataRow(row) if truncation.is_some() => {
                read_past += row.buffer().len();
                if read_past > READ_PAST {
                    return Ok(Fetched {
                        truncation,
                        oversized,
                        is_complete: false,
                        affected_rows: None,
                    });
                }
            }
            Message::DataRow(row) => {
                let room = put(&row, &columns.types, sink, &mut scratch)?;
                truncation = room.truncation();
                if room == Room::TooLarge {
                    oversized = oversized_cell(longest_value(&row)?, columns);
                }
            }
            Message::ErrorResponse(body) => {
                let report = ServerReport::read(body.fields())?;
                let is_over = report.severity != "ERROR";
                let report = refused.get_or_insert(report);
                if is_over {
                    return Err(SessionError::Server(Box::new(std::mem::take(report))).into());
                }
            }
            Message::CommandComplete(body) if is_first => {
                // `INSERT 0 5`, `DELETE 5`
                let rows = body.tag()?.rsplit(' ').next().map(str::parse);
                affected_rows = rows.and_then(Result::ok);
            }
            Message::ReadyForQuery(_) => is_first = false,
            _ => {}
        }
    }
    match refused {
        Some(report) => Err(SessionError::Server(Box::new(report)).into()),
        None => Ok(Fetched {
            truncation,
            oversized,
            is_complete: true,
            affected_rows,
        }),
    }
}

/// The text of a value. A database in UTF-8 sends nothing else, and to find only that is faster.
fn readable(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(value),
    }
}

/// Hands one row to the sink, each cell from PostgreSQL's text straight to the sink's form.
fn put(
    row: &DataRowBody,
    types: &[Arc<TypeInfo>],
    sink: &mut dyn RowSink,
    scratch: &mut Vec<u8>,
) -> Result<Room, Error> {
    let mut types = types.iter();
    let mut ranges = row.ranges();
    while let Some(range) = ranges.next()? {
        match (range, types.next()) {
            (Some(range), Some(info)) => {
                let text = readable(&row.buffer()[range]);
                sink.cell(values::cell(&text, info, scratch))?;
            }
            _ => sink.cell(Cell::Null)?,
        }
    }
    Ok(sink.end_row()?)
}

/// Hands a row to the sink that is too long to be held. What is longer than a piece is text, as
/// PostgreSQL writes it, whatever its type.
async fn put_long(
    session: &mut Session,
    types: &[Arc<TypeInfo>],
    sink: &mut dyn RowSink,
    scratch: &mut Vec<u8>,
) -> Result<Room, Error> {
    let mut row = session.begin_long_row().await.map_err(SessionError::from)?;
    let mut types = types.iter();
    let mut text = TextInPieces::default();
    while let Some(piece) = session
        .next_piece(&mut row)
        .await
        .map_err(SessionError::from)?
    {
        match piece {
            RowPiece::Null => {
                types.next();
                sink.cell(Cell::Null)?;
            }
            RowPiece::Value(bytes) => {
                let value = readable(&bytes);
                match types.next() {
                    Some(info) => sink.cell(values::cell(&value, info, scratch))?,
                    None => sink.cell(Cell::Text(&value))?,
                }
            }
            RowPiece::Part {
                bytes,
                is_first,
                is_last,
                length,
            } => {
                if is_first {
                    types.next();
                }
                sink.part(CellPart {
                    text: &text.decode(&bytes, is_last),
                    is_first,
                    is_last,
                    cell_bytes: length,
                })?;
            }
        }
    }
    Ok(sink.end_row()?)
}

/// Text that comes in pieces, which may end within a character.
#[derive(Debug, Default)]
struct TextInPieces {
    begun: Vec<u8>,
}

impl TextInPieces {
    /// The characters that this piece completes.
    fn decode(&mut self, piece: &[u8], is_last: bool) -> String {
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(piece);
        let incomplete = match std::str::from_utf8(&bytes) {
            Err(error) if error.error_len().is_none() && !is_last => error.valid_up_to(),
            _ => bytes.len(),
        };
        self.begun = bytes.split_off(incomplete);
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }
}

/// The place of a row's longest value, and its bytes.
fn longest_value(row: &DataRowBody) -> Result<Option<(usize, usize)>, Error> {
    let lengths = row
        .ranges()
        .map(|range| Ok(range.map_or(0, |range| range.len())));
    let lengths: Vec<usize> = lengths.collect()?;
    Ok(lengths
        .into_iter()
        .enumerate()
        .max_by_key(|(_, length)| *length))
}

/// The value at a place among the columns, with its bytes, by the name of its column.
fn oversized_cell(longest: Option<(usize, usize)>, columns: &Columns) -> Option<OversizedCell> {
    let (at, bytes) = longest?;
    Some(OversizedCell {
        column: columns.columns.get(at)?.name.clone(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::TextInPieces;

    #[test]
    fn it_decodes_text_wherever_its_pieces_end() {
        let whole = "aé€😀z".as_bytes();
        for length in 1..=whole.len() {
            let mut text = TextInPieces::default();
            let pieces: Vec<&[u8]> = whole.chunks(length).collect();
            let last = pieces.len() - 1;
            let decoded = pieces.iter().enumerate();
            let decoded = decoded.map(|(at, piece)| text.decode(piece, at == last));
            assert_eq!(decoded.collect::<String>(), "aé€😀z", "{length}");
        }
        let mut text = TextInPieces::default();
        assert_eq!(text.decode(b"a\xe2\x82", true), "a\u{fffd}");
    }
}
