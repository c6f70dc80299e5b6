//! A data row that is too long to be held: its values one after the other, long ones in pieces.

use bytes::{Buf as _, BytesMut};

use super::{Wire, WireError};

/// Values up to this long are held as a whole, so that they keep the form of their type; a document
/// of this size is still a document.
const WHOLE_VALUE: usize = 1 << 20;

/// The bytes of a piece: many enough that a piece costs less than its bytes, few enough to be held
/// for each connection.
const PIECE: usize = 64 << 10;

/// The first piece of a value has at least this, so that a model can be shown a beginning of it.
const FIRST_PIECE: usize = 4 << 10;

/// A long row that is being read. Its connection can be used again when no piece is left.
#[derive(Debug)]
pub(crate) struct LongRow {
    /// How many values are still to come.
    values: u16,
    /// The bytes of the value that is being read, all of them and those that are still to come.
    length: usize,
    left: usize,
}

/// A value of a long row, or a piece of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RowPiece {
    /// A value that is NULL.
    Null,
    /// A value as a whole.
    Value(BytesMut),
    /// A piece of a value.
    Part {
        bytes: BytesMut,
        is_first: bool,
        is_last: bool,
        /// The bytes of the whole value.
        length: usize,
    },
}

impl Wire {
    /// Begins to read the data row whose length [`Wire::receive`] has refused.
    pub(crate) async fn begin_long_row(&mut self) -> Result<LongRow, WireError> {
        // Tag, length and the number of values.
        const HEADER: usize = 7;
        self.fill(HEADER).await?;
        self.incoming.advance(HEADER - 2);
        Ok(LongRow {
            values: self.incoming.get_u16(),
            length: 0,
            left: 0,
        })
    }

    /// The next piece of a long row; `None` at its end.
    pub(crate) async fn next_piece(
        &mut self,
        row: &mut LongRow,
    ) -> Result<Option<RowPiece>, WireError> {
        if row.left == 0 {
            if row.values == 0 {
                return Ok(None);
            }
            row.values -= 1;
            self.fill(4).await?;
            // NULL is announced as -1.
            let Ok(length) = usize::try_from(self.incoming.get_i32()) else {
                return Ok(Some(RowPiece::Null));
            };
            if length <= WHOLE_VALUE {
                self.fill(length).await?;
                return Ok(Some(RowPiece::Value(self.incoming.split_to(length))));
            }
            (row.length, row.left) = (length, length);
        }
        let is_first = row.left == row.length;
        self.fill(if is_first { FIRST_PIECE } else { 1 }).await?;
        let bytes = self.incoming.len().min(row.left).min(PIECE);
        let bytes = self.incoming.split_to(bytes);
        if self.incoming.is_empty() {
            // What was split off is gone by the time at which this is filled.
            self.incoming = BytesMut::with_capacity(PIECE);
        }
        row.left -= bytes.len();
        Ok(Some(RowPiece::Part {
            bytes,
            is_first,
            is_last: row.left == 0,
            length: row.length,
        }))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::super::MessageBounds;
    use super::*;

    #[tokio::test]
    async fn it_reads_a_long_row_in_pieces_and_then_the_next_message() {
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        let bounds = MessageBounds {
            row: 100,
            notice: 100,
        };
        let mut wire = Wire::new(Box::new(ours), bounds);
        let long = 3 * WHOLE_VALUE + 5;
        let sent = tokio::spawn(async move {
            let length = u32::try_from(4 + 2 + 4 + 4 + 3 + 4 + long).expect("short");
            let mut row = vec![b'D'];
            row.extend(length.to_be_bytes());
            row.extend(3_u16.to_be_bytes());
            row.extend((-1_i32).to_be_bytes());
            row.extend(3_i32.to_be_bytes());
            row.extend(b"abc");
            row.extend(i32::try_from(long).expect("short").to_be_bytes());
            theirs.write_all(&row).await.expect("it is read");
            for _ in 0..long {
                theirs.write_all(b"x").await.expect("it is read");
            }
            theirs.write_all(b"Z\0\0\0\x05I").await.expect("it is read");
        });
        assert!(matches!(
            wire.receive().await,
            Err(WireError::RowTooLong(_))
        ));
        let mut row = wire.begin_long_row().await.expect("it is there");
        let mut next = async || wire.next_piece(&mut row).await.expect("it is there");
        assert_eq!(next().await, Some(RowPiece::Null));
        let value = RowPiece::Value(BytesMut::from("abc"));
        assert_eq!(next().await, Some(value));
        let (mut read, mut pieces) = (0, 0);
        while let Some(piece) = next().await {
            let RowPiece::Part {
                bytes,
                is_first,
                is_last,
                length,
            } = piece
            else {
                panic!("{piece:?}");
            };
            assert!(bytes.capacity() <= 4 * PIECE, "{}", bytes.capacity());
            assert_eq!((is_first, length), (pieces == 0, long));
            (read, pieces) = (read + bytes.len(), pieces + 1);
            assert_eq!(is_last, read == long);
        }
        assert_eq!(read, long);
        assert!(wire.receive().await.is_ok());
        sent.await.expect("all is read");
    }
}
