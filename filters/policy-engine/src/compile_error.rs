//! The faults of a configuration, each with its place.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct CompileError {
    /// JSON Pointer (RFC 6901) into what was compiled: the configuration, or the one schema.
    pub path: String,
    /// The fault, and how to mend it.
    pub reason: String,
}

/// Everything that is wrong, in the order of the configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CompileErrors(Vec<CompileError>);

impl CompileErrors {
    /// `Ok` where nothing was wrong.
    pub(crate) fn check(errors: Vec<CompileError>) -> Result<(), Self> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Self(errors))
        }
    }

    /// The errors, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, CompileError> {
        self.0.iter()
    }
}

impl IntoIterator for CompileErrors {
    type Item = CompileError;
    type IntoIter = std::vec::IntoIter<CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a CompileErrors {
    type Item = &'a CompileError;
    type IntoIter = std::slice::Iter<'a, CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for CompileErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("; ")?;
            }
            error.fmt(out)?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileErrors {}

/// `pointer` with one more segment, escaped as RFC 6901 section 3 says.
#[inline(never)]
pub(crate) fn join(pointer: &str, segment: &str) -> String {
    let mut joined = String::with_capacity(pointer.len() + 1 + segment.len());
    joined.push_str(pointer);
    push_segment(&mut joined, segment);
    joined
}

/// Adds one segment to a pointer, escaped.
#[inline(never)]
pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for char in segment.chars() {
        match char {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            char => pointer.push(char),
        }
    }
}
