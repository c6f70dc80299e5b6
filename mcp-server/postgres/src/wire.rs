//! One connection to PostgreSQL, message by message, each bounded before it is buffered.
//!
//! The messages themselves are read and written by `postgres-protocol`, which `tokio-postgres`
//! stands on too. This module owns the socket: what the server announces as too long never
//! becomes memory here.

mod login;
mod long_error;
mod long_row;
mod tls;

use std::{fmt, io};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use futures::FutureExt as _;
use postgres_protocol::message::backend::{ErrorFields, Header, Message};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub use login::ConnectError;
pub(super) use login::{Backend, Login, cancel, connect};
pub(super) use long_row::{LongRow, RowPiece};

/// The most bytes that a message of any other kind may have: a description of 1 600 columns fits
/// four times. Of a longer error the fields are cut.
const OTHER_BYTES: usize = 1 << 20;

/// The room for each read from the socket. PostgreSQL sends 8 KiB at once, and a few of these have
/// come by the time a reader of many rows returns; less room is one more system call for each of
/// them, and more is memory that every idle session keeps.
const READ_BYTES: usize = 32 << 10;

/// A buffer that has grown beyond this is given back once it is empty.
const KEPT_BUFFER: usize = 64 << 10;

/// The bytes that a data row or a notice may have; longer ones end the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageBounds {
    pub(crate) row: usize,
    pub(crate) notice: usize,
}

/// A transport: a socket of the network or of the file system, encrypted or not.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Transport for T {}

/// A connection whose messages are read one after the other.
pub(super) struct Wire {
    transport: Box<dyn Transport>,
    incoming: BytesMut,
    outgoing: BytesMut,
    bounds: MessageBounds,
}

/// Why no further message can be read from a connection.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket failed, or what came is no message.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server announced a data row that is longer than is accepted.
    #[error("a row of {0} bytes")]
    RowTooLong(usize),
    /// The server announced a notice that is longer than is accepted.
    #[error("a notice of {0} bytes")]
    NoticeTooLong(usize),
    /// The server announced another message that is longer than is accepted.
    #[error("a message of {0} bytes")]
    MessageTooLong(usize),
}

impl Wire {
    pub(super) fn new(transport: Box<dyn Transport>, bounds: MessageBounds) -> Self {
        Self {
            transport,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            bounds,
        }
    }

    /// The buffer that the next [`Wire::flush`] sends.
    pub(super) fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let sent = self.transport.write_all(&self.outgoing).await;
        self.outgoing.clear();
        if self.outgoing.capacity() > KEPT_BUFFER {
            self.outgoing = BytesMut::new();
        }
        sent?;
        self.transport.flush().await
    }

    /// The next message. Its length is compared with the bound as soon as its header is there.
    pub(super) async fn receive(&mut self) -> Result<Message, WireError> {
        if self.incoming.is_empty() && self.incoming.capacity() > KEPT_BUFFER {
            self.incoming = BytesMut::new();
        }
        loop {
            if let Some(header) = Header::parse(&self.incoming)? {
                let length = usize::try_from(header.len())
                    .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                if header.tag() == b'E' && length > OTHER_BYTES {
                    return self.receive_long_error(length).await;
                }
                self.check_length(header.tag(), length)?;
                if self.incoming.len() > length {
                    if let Some(message) = Message::parse(&mut self.incoming)? {
                        return Ok(message);
                    }
                    return Err(io::Error::from(io::ErrorKind::InvalidData).into());
                }
                self.incoming.reserve(length + 1 - self.incoming.len());
            }
            if self.incoming.capacity() - self.incoming.len() < READ_BYTES / 2 {
                self.incoming.reserve(READ_BYTES);
            }
            if self.transport.read_buf(&mut self.incoming).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// The longest value that a refused data row is known to hold: its place among the columns,
    /// from 0, and its bytes. No more is read for it than an accepted row may have.
    pub(super) async fn longest_value(&mut self) -> Result<Option<(usize, usize)>, WireError> {
        const VALUES: usize = 7;
        self.fill(VALUES).await?;
        let count = u16::from_be_bytes([self.incoming[5], self.incoming[6]]);
        let (mut at, mut longest) = (VALUES, None);
        for column in 0..usize::from(count) {
            self.fill(at + 4).await?;
            let announced = self.incoming[at..at + 4].try_into().unwrap_or([0; 4]);
            // NULL is announced as -1.
            let length = usize::try_from(i32::from_be_bytes(announced)).unwrap_or(0);
            if longest.is_none_or(|(_, known)| length > known) {
                longest = Some((column, length));
            }
            at += 4 + length;
            if at > self.bounds.row {
                break;
            }
        }
        Ok(longest)
    }

    /// Reads until so many bytes are there.
    async fn fill(&mut self, length: usize) -> io::Result<()> {
        self.incoming
            .reserve(length.saturating_sub(self.incoming.len()));
        while self.incoming.len() < length {
            if self.transport.read_buf(&mut self.incoming).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn check_length(&self, tag: u8, length: usize) -> Result<(), WireError> {
        match tag {
            b'D' if length > self.bounds.row => Err(WireError::RowTooLong(length)),
            b'N' if length > self.bounds.notice => Err(WireError::NoticeTooLong(length)),
            b'D' | b'N' => Ok(()),
            _ if length > OTHER_BYTES => Err(WireError::MessageTooLong(length)),
            _ => Ok(()),
        }
    }

    /// Whether nothing waits to be read: no farewell of the server, no answer that was not asked
    /// for.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.incoming.is_empty()
            && self
                .transport
                .read_buf(&mut self.incoming)
                .now_or_never()
                .is_none()
    }

    /// Reads until the server closes the connection.
    async fn drain(&mut self) {
        let mut rest = [0; 64];
        while matches!(self.transport.read(&mut rest).await, Ok(1..)) {}
    }
}

/// An error or a notice, as the server reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerReport {
    /// `ERROR`, `FATAL`, `NOTICE` …, whatever the server's language.
    pub severity: String,
    /// The SQLSTATE of the report.
    pub code: String,
    /// The sentence of the server.
    pub message: String,
    /// More about it, in the database's encoding.
    pub detail: Option<Vec<u8>>,
    /// The advice of the server.
    pub hint: Option<String>,
    /// The character of the statement that it is about, counted from 1.
    pub position: Option<usize>,
    /// The function of the server's source that reports.
    pub routine: String,
}

impl ServerReport {
    pub(super) fn read(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut report = Self::default();
        while let Some(field) = fields.next()? {
            let bytes = field.value_bytes();
            let text = || String::from_utf8_lossy(bytes).into_owned();
            match field.type_() {
                b'V' => report.severity = text(),
                b'C' => report.code = text(),
                b'M' => report.message = text(),
                b'D' => report.detail = Some(bytes.to_vec()),
                b'H' => report.hint = Some(text()),
                b'P' => report.position = text().parse().ok(),
                b'R' => report.routine = text(),
                _ => {}
            }
        }
        Ok(report)
    }
}

/// The message with its detail and the place that it is about.
impl fmt::Display for ServerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            let detail = String::from_utf8_lossy(detail);
            write!(f, ": {}", detail.trim_end_matches('.'))?;
        }
        match self.position {
            Some(position) => write!(f, " (at character {position})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: MessageBounds = MessageBounds {
        row: 100,
        notice: 200,
    };

    async fn received(tag: u8, announced: u32) -> (Result<Message, WireError>, usize) {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut wire = Wire::new(Box::new(ours), BOUNDS);
        let header: Vec<u8> = [vec![tag], announced.to_be_bytes().to_vec()].concat();
        theirs.write_all(&header).await.expect("it is read");
        let answer = wire.receive().await;
        (answer, wire.incoming.capacity())
    }

    #[tokio::test]
    async fn it_refuses_a_message_by_its_header_before_it_is_buffered() {
        for (tag, announced) in [(b'D', 600 << 20), (b'N', 201), (b'T', 2 << 20)] {
            let (answer, buffered) = received(tag, announced).await;
            assert!(answer.is_err(), "{}", char::from(tag));
            let most = 2 * READ_BYTES;
            assert!(buffered < most, "{buffered} bytes for {}", char::from(tag));
        }
    }

    #[tokio::test]
    async fn it_finds_the_longest_value_of_a_refused_row_without_reading_it() {
        for (lengths, expected) in [
            (&[-1, 5, 600 << 20, 900 << 20][..], (2, 600 << 20)),
            (&[60, 50, -1], (0, 60)),
            (&[0, 101], (1, 101)),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let mut wire = Wire::new(Box::new(ours), BOUNDS);
            let mut row = vec![b'D'];
            row.extend((600_u32 << 20).to_be_bytes());
            row.extend(u16::try_from(lengths.len()).expect("few").to_be_bytes());
            for length in lengths {
                row.extend(i32::to_be_bytes(*length));
                let value = usize::try_from(*length).unwrap_or(0).min(100);
                row.extend(vec![b'x'; value]);
            }
            theirs.write_all(&row).await.expect("it is read");
            let refused = wire.receive().await;
            assert!(matches!(refused, Err(WireError::RowTooLong(_))));
            let longest = wire.longest_value().await.expect("it is there");
            assert_eq!(longest, Some(expected), "{lengths:?}");
        }
    }

    #[tokio::test]
    async fn it_hears_a_farewell_on_an_idle_connection() {
        let (ours, theirs) = tokio::io::duplex(64);
        let mut wire = Wire::new(Box::new(ours), BOUNDS);
        assert!(wire.is_quiet());
        drop(theirs);
        assert!(!wire.is_quiet());
    }
}
