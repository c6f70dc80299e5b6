//! Why a request has no answer: what can be said of its effect depends on it.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// There was no connection, so nothing was sent.
    NobodyIsThere,
    /// Something is there that speaks another protocol.
    NoHttp,
    /// The request was sent, or a part of it, and nobody knows what became of it.
    Lost,
}

impl Unanswered {
    /// Reads it from the error of an HTTP client, or from what has caused it.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        for cause in causes(error) {
            let client = cause.downcast_ref::<legacy::Error>();
            if client.is_some_and(legacy::Error::is_connect) {
                return Self::NobodyIsThere;
            }
            let http = cause.downcast_ref::<hyper::Error>();
            if http.is_some_and(is_of_another_protocol) {
                return Self::NoHttp;
            }
        }
        Self::Lost
    }
}

/// Whether the peer has sent something that is no HTTP, or before it was asked.
fn is_of_another_protocol(error: &hyper::Error) -> bool {
    let is_broken = error.is_incomplete_message()
        || error.is_canceled()
        || error.is_closed()
        || error.is_body_write_aborted()
        || error.is_timeout()
        || error.source().is_some();
    error.is_parse() || !is_broken
}

/// An error and all that has caused it.
pub(crate) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error: &'e (dyn Error + 'static) = next?;
        // An I/O error passes over what it holds when it is asked for its source.
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held as &(dyn Error + 'static)),
            None => error.source(),
        };
        Some(error)
    })
}
