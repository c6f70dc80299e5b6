//! Problems of a document, each with its place.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// JSON Pointer (RFC 6901) into the document.
    pub path: String,
    /// The problem in words, with what to do about it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "/"
        } else {
            &self.path
        };
        write!(f, "{path}: {}", self.reason)
    }
}

/// A place in the document, as a JSON Pointer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pointer(String);

impl Pointer {
    /// The place of a field, key or index below this one.
    pub(crate) fn at(&self, token: impl fmt::Display) -> Self {
        let token = token.to_string().replace('~', "~0").replace('/', "~1");
        Self(format!("{}/{token}", self.0))
    }

    /// The place that `pointer` leads to from here.
    pub(crate) fn join(&self, pointer: &str) -> Self {
        Self(format!("{}{pointer}", self.0))
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Problems, collected so that an author sees all of them at once.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, at: Pointer, reason: impl Into<String>) {
        self.0.push(Problem {
            path: at.into_string(),
            reason: reason.into(),
        });
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}
