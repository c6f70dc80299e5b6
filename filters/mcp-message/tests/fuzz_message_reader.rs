//! Whatever bytes a caller sends, and however they are cut, the reader says the same, and what it
//! takes for a message is JSON.

use mcp_message::{EndOfBody, Message, MessageBounds, ReadError, ReadProgress, Reader};

type Outcome = Result<ReadProgress, ReadError>;

/// Reads a body in pieces of one size, member by member, letting go of what has been read.
fn in_pieces(mut reader: Reader, body: &[u8], size: usize) -> (Message, Outcome) {
    let mut buffered = Vec::new();
    let mut outcome = Ok(ReadProgress::Partial);
    let pieces: Vec<&[u8]> = body.chunks(size.max(1)).collect();
    for (number, piece) in pieces.iter().enumerate() {
        buffered.extend_from_slice(piece);
        let end = if number + 1 == pieces.len() {
            EndOfBody::Reached
        } else {
            EndOfBody::NotYet
        };
        outcome = loop {
            match reader.push_to_member(&buffered, end) {
                Ok(None) => {}
                Ok(Some(progress)) => break Ok(progress),
                Err(error) => break Err(error),
            }
        };
        if outcome.is_err() {
            break;
        }
        if end == EndOfBody::Reached {
            outcome = reader.read_skipped(&buffered).and(outcome);
        } else {
            reader.release(&mut buffered);
        }
    }
    (*reader.message(), outcome)
}

fn attack(body: &[u8]) {
    let bounds = MessageBounds {
        max_bytes: 4096,
        max_depth: 24,
        max_keys: 16,
    };
    let mut reader = Reader::new(bounds);
    let outcome = reader.push(body, EndOfBody::Reached);
    let message = *reader.message();
    if let Ok(ReadProgress::Complete(_)) = outcome {
        let read = serde_json::from_slice::<serde::de::IgnoredAny>(body);
        assert!(read.is_ok(), "no JSON, but a message");
    }
    if body.is_empty() {
        return;
    }
    for size in [1, 2, 3, 16, 64, body.len()] {
        for reader in [Reader::new(bounds), Reader::skipping_arguments(bounds)] {
            let (cut, found) = in_pieces(reader, body, size);
            assert_eq!(found, outcome, "in pieces of {size}");
            if outcome.is_ok() {
                assert_eq!(cut, message, "in pieces of {size}");
            }
        }
    }
}

#[test]
fn it_reads_whatever_is_sent_without_a_panic_and_the_same_in_every_cut() {
    fuzz::run("message-reader", attack);
}
