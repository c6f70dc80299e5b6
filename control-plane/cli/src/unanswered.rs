//! Why a request has no answer: what can be said of its effect depends on it.

use std::error::Error;

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
        let mut cause = Some(error);
        while let Some(error) = cause {
            let client = error.downcast_ref::<legacy::Error>();
            if client.is_some_and(legacy::Error::is_connect) {
                return Self::NobodyIsThere;
            }
            let http = error.downcast_ref::<hyper::Error>();
            if http.is_some_and(hyper::Error::is_parse) {
                return Self::NoHttp;
            }
            cause = error.source();
        }
        Self::Lost
    }
}
