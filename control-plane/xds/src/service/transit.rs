//! Messages of generated services in transit: the memory that they take counts as theirs until the
//! connection has sent them.

use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt as _};
use http_body_util::BodyExt as _;
use tonic::{
    Response, Status,
    codegen::{Bytes, http},
};

use super::ResponseStream;
use crate::{connections::UnreadResponse, fleet::lock};

/// The messages of a response that were taken to be encoded, and whose bytes are still to come.
#[derive(Clone, Debug, Default)]
struct TakenMessages(Arc<Mutex<Vec<UnreadResponse>>>);

/// The response that carries these messages, each with its part of the memory.
pub(super) fn in_transit<R>(
    messages: impl Stream<Item = (Result<R, Status>, Option<UnreadResponse>)> + Send + 'static,
) -> Response<ResponseStream<R>> {
    let taken = TakenMessages::default();
    let taking = taken.clone();
    let messages = messages.map(move |(message, unread)| {
        lock(&taking.0).extend(unread);
        message
    });
    let mut response = Response::new(Box::pin(messages) as ResponseStream<R>);
    response.extensions_mut().insert(taken);
    response
}

/// The response that carries one message alone.
pub(super) fn alone_in_transit<R>(message: R, unread: Option<UnreadResponse>) -> Response<R> {
    let mut response = Response::new(message);
    let taken = TakenMessages(Arc::new(Mutex::new(unread.into_iter().collect())));
    response.extensions_mut().insert(taken);
    response
}

/// Bytes that count as unread until the connection has sent or dropped them.
struct UnreadBytes {
    bytes: Bytes,
    _unread: Vec<UnreadResponse>,
}

impl AsRef<[u8]> for UnreadBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes that keep their part of the memory until the connection has sent or dropped them.
pub(super) fn keep_until_sent_with(bytes: Bytes, unread: Vec<UnreadResponse>) -> Bytes {
    if unread.is_empty() {
        return bytes;
    }
    Bytes::from_owner(UnreadBytes {
        bytes,
        _unread: unread,
    })
}

/// Has the bytes of a response keep the part of the memory that its messages had: the transport
/// asks for the next message long before the last one is read.
pub(crate) fn keep_until_sent(
    mut response: http::Response<tonic::body::Body>,
) -> http::Response<tonic::body::Body> {
    let Some(taken) = response.extensions_mut().remove::<TakenMessages>() else {
        return response;
    };
    response.map(|body| {
        tonic::body::Body::new(body.map_frame(move |frame| {
            frame
                .map_data(|bytes| keep_until_sent_with(bytes, std::mem::take(&mut *lock(&taken.0))))
        }))
    })
}
