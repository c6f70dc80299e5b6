//! An error that is too long to be held, since it quotes a value of any length: its fields, each
//! cut.

use bytes::{Buf as _, BufMut as _, BytesMut};
use postgres_protocol::message::backend::Message;

use super::{OTHER_BYTES, READ_BYTES, Wire, WireError};

/// The bytes that are kept of a field. A sentence of PostgreSQL's has some hundred before what it
/// quotes; nobody reads more of that than a page.
const FIELD: usize = 8 << 10;

/// The end of a field that was cut.
const CUT: &[u8] = "…".as_bytes();

impl Wire {
    /// The error whose header is at the front, which announces so many bytes without its tag. They
    /// are all read, so the connection can be used again.
    ///
    /// # Errors
    /// The connection broke, or it is no error with a few dozen fields.
    pub(super) async fn receive_long_error(&mut self, length: usize) -> Result<Message, WireError> {
        const TAG_AND_LENGTH: usize = 5;
        self.fill(TAG_AND_LENGTH).await?;
        self.incoming.advance(TAG_AND_LENGTH);
        let mut left = length.saturating_sub(TAG_AND_LENGTH - 1);
        let mut fields = CutFields::default();
        while left > 0 {
            if self.incoming.is_empty() {
                self.incoming.reserve(READ_BYTES);
            }
            self.fill(1).await?;
            let piece = self.incoming.len().min(left);
            fields.take(&self.incoming[..piece]);
            self.incoming.advance(piece);
            left -= piece;
            if fields.kept.len() > OTHER_BYTES {
                return Err(WireError::MessageTooLong(length));
            }
        }
        Ok(fields.into_message()?)
    }
}

/// The fields of an error, as PostgreSQL writes them: each a letter and a text that ends by NUL,
/// and one more NUL behind the last.
#[derive(Debug, Default)]
struct CutFields {
    kept: Vec<u8>,
    /// The bytes of the field that is being read.
    read: usize,
    is_cut: bool,
}

impl CutFields {
    /// Keeps of these bytes what is near enough to the begin of its field. A character is kept as a
    /// whole.
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let goes_on = byte & 0b1100_0000 == 0b1000_0000;
            if *byte == 0 {
                (self.read, self.is_cut) = (0, false);
                self.kept.push(0);
            } else if self.read < FIELD || (goes_on && !self.is_cut) {
                self.read += 1;
                self.kept.push(*byte);
            } else if !self.is_cut {
                self.is_cut = true;
                self.kept.extend(CUT);
            }
        }
    }

    fn into_message(self) -> std::io::Result<Message> {
        let mut message = BytesMut::with_capacity(self.kept.len() + 5);
        message.put_u8(b'E');
        let length = u32::try_from(self.kept.len() + 4).unwrap_or_default();
        message.put_u32(length);
        message.extend_from_slice(&self.kept);
        let read = Message::parse(&mut message)?;
        read.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::super::{MessageBounds, ServerReport};
    use super::*;

    #[tokio::test]
    async fn it_cuts_what_an_error_quotes_and_reads_the_next_message() {
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        let bounds = MessageBounds {
            row: 100,
            notice: 100,
        };
        let mut wire = Wire::new(Box::new(ours), bounds);
        let value = "é".repeat(3 << 20);
        let sent = tokio::spawn(async move {
            let fields = format!("VERROR\0C22P02\0Mno integer: {value}\0Rscan\0\0");
            let length = u32::try_from(4 + fields.len()).expect("short");
            let head = [b"E".to_vec(), length.to_be_bytes().to_vec()].concat();
            theirs.write_all(&head).await.expect("it is read");
            let sent = theirs.write_all(fields.as_bytes()).await;
            sent.expect("it is read");
            theirs.write_all(b"Z\0\0\0\x05I").await.expect("it is read");
        });
        let Ok(Message::ErrorResponse(body)) = wire.receive().await else {
            panic!("it is no error");
        };
        let report = ServerReport::read(body.fields()).expect("it has its form");
        assert_eq!((&*report.code, &*report.routine), ("22P02", "scan"));
        let quoted = report.message.strip_prefix("no integer: ").expect("it");
        let whole = quoted.strip_suffix('…').expect("it was cut");
        assert!(whole.chars().all(|letter| letter == 'é'));
        assert!(
            report.message.len() < FIELD + 10,
            "{}",
            report.message.len()
        );
        assert!(wire.incoming.capacity() <= 4 * READ_BYTES);
        assert!(matches!(
            wire.receive().await,
            Ok(Message::ReadyForQuery(_))
        ));
        sent.await.expect("all is read");
    }

    #[tokio::test]
    async fn it_holds_no_error_of_endless_fields() {
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        let bounds = MessageBounds {
            row: 100,
            notice: 100,
        };
        let mut wire = Wire::new(Box::new(ours), bounds);
        let sent = tokio::spawn(async move {
            let head = [b"E".to_vec(), i32::MAX.to_be_bytes().to_vec()].concat();
            theirs.write_all(&head).await.expect("it is read");
            while theirs.write_all(&b"Ma\0".repeat(1000)).await.is_ok() {}
        });
        let refused = wire.receive().await;
        assert!(matches!(refused, Err(WireError::MessageTooLong(_))));
        drop(wire);
        sent.await.expect("it hears that nobody reads");
    }
}
