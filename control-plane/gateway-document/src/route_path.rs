//! Paths of HTTP routes, as they are once the listener has normalised them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A path that requests can have when routes are chosen: decoded where that changes nothing, and
/// without empty segments and dot segments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoutePath(String);

/// The reason why a text is no [`RoutePath`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not the path of a route: {reason}")]
pub struct InvalidRoutePath {
    text: String,
    reason: &'static str,
}

/// As long as the longest path that servers commonly take.
const LONGEST: usize = 1_024;

impl RoutePath {
    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `/`, below which is everything.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The path without the slash at its end; empty for the root.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or(&self.0)
    }

    /// Whether `other` is this path, or below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let rest = other.0.strip_prefix(self.stem());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for RoutePath {
    type Err = InvalidRoutePath;
    fn from_str(text: &str) -> Result<Self, InvalidRoutePath> {
        let invalid = |reason| {
            Err(InvalidRoutePath {
                text: text.chars().take(LONGEST).collect(),
                reason,
            })
        };
        // RFC 3986 section 3.3, but for escapes.
        let may_stand =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
        if !text.starts_with('/') {
            return invalid("write it from the first `/` on, such as `/reports`");
        }
        if text.len() > LONGEST {
            return invalid("write at most 1024 bytes");
        }
        if !text.bytes().all(may_stand) {
            return invalid(
                "it holds a character that no path has when routes are chosen; leave out `?` and \
                 what follows, spaces and escapes",
            );
        }
        let mut segments = text.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            if segment.is_empty() && !is_last || matches!(segment, "." | "..") {
                return invalid(
                    "the listener takes `//`, `/./` and `/../` out of every path, so that nothing \
                     would match; leave them out",
                );
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for RoutePath {
    type Error = InvalidRoutePath;
    fn try_from(text: String) -> Result<Self, InvalidRoutePath> {
        text.parse()
    }
}

impl From<RoutePath> for String {
    fn from(path: RoutePath) -> String {
        path.0
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for RoutePath {
    fn schema_name() -> Cow<'static, str> {
        "RoutePath".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^/[A-Za-z0-9._~!$&'()*+,;=:@/-]*$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_paths_that_a_request_can_have() {
        for path in ["/", "/a", "/a/", "/a.b/~c@1"] {
            assert!(path.parse::<RoutePath>().is_ok(), "{path}");
        }
        for path in [
            "", "a", "/a?b", "/a b", "/%41", "//", "/a//b", "/a/./b", "/..", "/ä",
        ] {
            assert!(path.parse::<RoutePath>().is_err(), "{path}");
        }
    }

    #[test]
    fn it_contains_whole_segments_only() {
        let path = |text: &str| text.parse::<RoutePath>().unwrap();
        for (outer, inner, contained) in [
            ("/", "/a", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a/", "/a", true),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
        ] {
            assert_eq!(
                path(outer).contains(&path(inner)),
                contained,
                "{outer} {inner}"
            );
        }
    }
}
