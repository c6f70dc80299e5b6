//! JSON that is written already, on its way to the wire.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// A JSON value as bytes: compact, valid, and without a line break, so that it fits into one line
/// of an event stream or of standard output.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Bytes);

impl RawJson {
    /// The bytes of a small value.
    pub fn of(value: &Value) -> Self {
        Self(Bytes::from(value.to_string()))
    }

    /// Bytes of a writer of this module, which writes nothing else.
    pub(super) fn written(bytes: Vec<u8>) -> Self {
        Self(Bytes::from(bytes))
    }

    /// The rows that [`crate::RowWriter`] has written as lines, as one array.
    pub fn of_lines(mut lines: Vec<u8>) -> Self {
        // No JSON that this crate writes holds a line break.
        for byte in &mut lines {
            // Written either way, so that many bytes are done at once.
            *byte = if *byte == b'\n' { b',' } else { *byte };
        }
        match lines.last_mut() {
            Some(last) => *last = b']',
            None => lines.push(b']'),
        }
        lines.insert(0, b'[');
        Self::written(lines)
    }

    /// The bytes of the value.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The value as a tree, for transports that cannot carry bytes.
    pub fn to_value(&self) -> Value {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// A JSON object that is written member by member.
#[derive(Debug)]
pub struct RawObject(Vec<u8>);

impl Default for RawObject {
    fn default() -> Self {
        Self(vec![b'{'])
    }
}

impl RawObject {
    /// Adds a member. `value` must be one that JSON can hold: no map whose keys are no strings.
    #[must_use]
    pub fn member(mut self, name: &str, value: &impl Serialize) -> Self {
        self.name(name);
        let start = self.0.len();
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.truncate(start);
            self.0.extend_from_slice(b"null");
        }
        self
    }

    /// Adds a member whose value is written already.
    #[must_use]
    pub fn raw_member(mut self, name: &str, value: &RawJson) -> Self {
        self.0.reserve(value.0.len() + name.len() + 8);
        self.name(name);
        self.0.extend_from_slice(&value.0);
        self
    }

    /// The object, which is complete now.
    #[must_use]
    pub fn close(mut self) -> RawJson {
        self.0.push(b'}');
        RawJson::written(self.0)
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        write_string(name, &mut self.0);
        self.0.push(b':');
    }
}

/// Writes text as a JSON string.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_makes_an_array_of_lines() {
        for (lines, expected) in [
            ("", json!([])),
            ("[]\n", json!([[]])),
            ("[1,\"a\\nb\"]\n[2,null]\n", json!([[1, "a\nb"], [2, null]])),
        ] {
            let array = RawJson::of_lines(lines.as_bytes().to_vec());
            assert_eq!(array.to_value(), expected);
        }
    }

    #[test]
    fn it_writes_an_object_member_by_member() {
        let inner = RawJson::of(&json!([1, "x"]));
        let object = RawObject::default()
            .member("a\"b", &Some(1))
            .raw_member("rows", &inner)
            .close();
        let expected = json!({"a\"b": 1, "rows": [1, "x"]});
        assert_eq!(object.to_value(), expected);
        assert_eq!(RawObject::default().close().to_value(), json!({}));
    }
}
