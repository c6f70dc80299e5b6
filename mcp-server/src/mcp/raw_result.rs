//! A result's JSON on its way around the DOM that rmcp would make of it.
//!
//! rmcp takes structured content as a tree of values, which for a megabyte of rows is many times
//! the size of the bytes and as many allocations as there are cells. A transport that can edit its
//! answers gives each request a [`RawResult`]: the server leaves the bytes there and puts a mark
//! that nobody can guess into the tree; the transport replaces the mark by the bytes.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;
use uuid::Uuid;

/// The place for the structured content of one answer, and the mark that stands for it.
#[derive(Debug)]
pub struct RawResult {
    mark: String,
    bytes: Mutex<Option<Bytes>>,
}

impl Default for RawResult {
    fn default() -> Self {
        Self {
            mark: format!("portcullis-raw-{}", Uuid::new_v4().simple()),
            bytes: Mutex::default(),
        }
    }
}

impl RawResult {
    /// Keeps the JSON `bytes`, and gives back the value that stands for them in the answer.
    pub fn keep(&self, bytes: Bytes) -> Value {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
        Value::from(self.mark.as_str())
    }

    /// The bytes that were kept, which are kept no more.
    pub fn take(&self) -> Option<Bytes> {
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take()
    }

    /// The part of an answer with the kept bytes in the place of their mark; as it is when the mark
    /// is not in this part.
    pub fn put_into(&self, part: Bytes) -> Bytes {
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            return part;
        }
        let quoted = format!("\"{}\"", self.mark);
        let Some(at) = memmem::find(&part, quoted.as_bytes()) else {
            return part;
        };
        let raw = kept.take().unwrap_or_default();
        let after = at + quoted.len();
        let mut whole = Vec::with_capacity(part.len() - quoted.len() + raw.len());
        whole.extend_from_slice(&part[..at]);
        whole.extend_from_slice(&raw);
        whole.extend_from_slice(&part[after..]);
        Bytes::from(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_puts_the_bytes_in_the_place_of_their_mark_once() {
        let raw = RawResult::default();
        let untouched = Bytes::from_static(b"{\"a\":1}");
        assert_eq!(raw.put_into(untouched.clone()), untouched);
        let mark = raw.keep(Bytes::from_static(b"[1,2]"));
        assert_eq!(raw.put_into(untouched.clone()), untouched);
        let answer = Bytes::from(serde_json::json!({"x": mark, "y": mark}).to_string());
        let text = raw.put_into(answer);
        assert_eq!(text, format!("{{\"x\":[1,2],\"y\":{mark}}}"));
    }
}
