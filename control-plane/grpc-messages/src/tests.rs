//! Messages are read from bodies of frames that are cut in every way.

use std::sync::Arc;

use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

const MOST: usize = 1 << 20;

/// A message of that many bytes, each of them `byte`.
fn message(length: usize, byte: u8) -> Vec<u8> {
    let mut message = vec![0];
    message.extend(u32::try_from(length).unwrap().to_be_bytes());
    message.resize(PREFIX + length, byte);
    message
}

/// The messages of a body of these frames.
fn messages_of(frames: impl IntoIterator<Item = Bytes>) -> Messages {
    let frames: Vec<Result<_, Status>> = frames
        .into_iter()
        .map(|frame| Ok(Frame::data(frame)))
        .collect();
    let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
    Messages::new(body, MOST)
}

async fn all_of(mut messages: Messages) -> Result<Vec<Bytes>, Status> {
    let mut all = Vec::new();
    while let Some(message) = messages.next().await? {
        all.push(message);
    }
    Ok(all)
}

#[test]
fn it_tells_whole_messages_from_the_beginning_of_the_next() {
    let two = [message(3, 7), message(0, 7)].concat();
    for (cut, whole) in [(0, 0), (4, 0), (7, 0), (8, 8), (12, 8), (13, 13)] {
        assert_eq!(whole_messages(&two[..cut], MOST), whole, "{cut}");
    }
    let mut too_long = message(3, 7);
    too_long.extend([0, 255, 255, 255, 255, 1]);
    assert_eq!(whole_messages(&too_long, MOST), too_long.len());
}

#[tokio::test]
async fn it_reads_the_same_messages_however_their_bytes_are_cut() {
    let all = [message(3, 1), message(0, 2), message(4000, 3)].concat();
    for size in [1, 2, 5, 7, 8, 13, 1000, all.len()] {
        let frames = all.chunks(size).map(Bytes::copy_from_slice);
        let read = all_of(messages_of(frames)).await.unwrap();
        assert_eq!(read, [vec![1; 3], vec![], vec![3; 4000]], "{size}");
    }
}

#[tokio::test]
async fn it_refuses_what_is_too_long_compressed_or_broken_off() {
    let too_long = u32::try_from(MOST + 1).unwrap().to_be_bytes();
    let too_long = [&[0][..], &too_long].concat();
    let mut compressed = message(3, 7);
    compressed[0] = 1;
    let rows = [
        (too_long, Code::OutOfRange),
        (compressed, Code::Unimplemented),
        (message(3, 7)[..6].to_vec(), Code::Internal),
        (message(3, 7)[..2].to_vec(), Code::Internal),
    ];
    for (bytes, code) in rows {
        let whole = [message(1, 7), bytes].concat();
        for size in [1, whole.len()] {
            let frames = whole.chunks(size).map(Bytes::copy_from_slice);
            let status = all_of(messages_of(frames)).await.unwrap_err();
            assert_eq!(status.code(), code, "{size}");
        }
    }
}

/// The bytes of a frame, and something that goes when they do.
struct Owned(
    Vec<u8>,
    #[expect(dead_code, reason = "it is counted")] Arc<()>,
);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[tokio::test]
async fn it_keeps_nothing_of_a_message_that_it_has_handed_out() {
    let alive = Arc::new(());
    let largest = message(MOST, 7);
    // One that comes whole, and one that comes in parts of which the last has a beginning too.
    let parts = [largest.clone(), message(9, 7)[..6].to_vec()].concat();
    let frames = std::iter::once(largest).chain(parts.chunks(16 << 10).map(<[u8]>::to_vec));
    let mut messages = messages_of(frames.map({
        let alive = Arc::clone(&alive);
        move |frame| Bytes::from_owner(Owned(frame, Arc::clone(&alive)))
    }));
    let unread = Arc::strong_count(&alive);
    let first = messages.next().await.unwrap().unwrap();
    assert_eq!(first.len(), MOST);
    assert_eq!(Arc::strong_count(&alive), unread, "the message is in use");
    drop(first);
    assert_eq!(Arc::strong_count(&alive), unread - 1, "it is kept");
    let second = messages.next().await.unwrap().unwrap();
    assert_eq!(second.len(), MOST);
    drop(second);
    let next = messages.next();
    assert_eq!(next.await.unwrap_err().code(), Code::Internal);
    assert_eq!(Arc::strong_count(&alive), 1, "a frame is kept");
    assert_eq!((messages.begun.len(), messages.frame.len()), (6, 0));
    assert!(messages.begun.capacity() < 1 << 10);
}
