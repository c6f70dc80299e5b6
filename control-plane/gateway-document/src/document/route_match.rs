//! The requests that a route takes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::path_regex::PathRegex;
use crate::route_path::RoutePath;
use crate::unique;

/// The requests that a route takes: one of `path`, `prefix` and `regex`, and everything else that
/// is given, must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteMatch {
    /// Requests of exactly this path, whatever their query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<RoutePath>,
    /// Requests of this path and of all below it: `/a` takes `/a` and `/a/b`, but not `/ab`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<RoutePath>,
    /// Requests whose whole path matches this regular expression (RE2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<PathRegex>,
    /// Requests of these methods; without any, of all.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<HttpMethod>,
    /// Requests with all of these headers: the value, or `*` for any.
    #[serde(
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub headers: BTreeMap<HeaderName, String>,
    /// Requests with all of these parameters in their query: the value, or `*` for any.
    #[serde(
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub query: BTreeMap<String, String>,
}

/// A value in `headers` or `query` that stands for any.
pub const ANY_VALUE: &str = "*";

impl RouteMatch {
    /// Whether it takes every request that `other` takes; `false` also where that is not known.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.covers_path(other)
            && (self.methods.is_empty()
                || !other.methods.is_empty() && other.methods.is_subset(&self.methods))
            && cover(&self.headers, &other.headers)
            && cover(&self.query, &other.query)
    }

    fn covers_path(&self, other: &Self) -> bool {
        if let Some(prefix) = &self.prefix {
            let inner = other.path.as_ref().or(other.prefix.as_ref());
            return prefix.is_root() || inner.is_some_and(|inner| prefix.contains(inner));
        }
        if let Some(path) = &self.path {
            return other.path.as_ref() == Some(path);
        }
        self.regex.is_some() && self.regex == other.regex
    }
}

/// Whether whatever fulfils `inner` fulfils `outer`.
fn cover<K: Ord>(outer: &BTreeMap<K, String>, inner: &BTreeMap<K, String>) -> bool {
    outer.iter().all(|(name, value)| {
        let given = inner.get(name);
        given.is_some_and(|given| value == ANY_VALUE || given == value)
    })
}

/// A method of HTTP.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// The method that removes a resource.
    Delete,
    /// The method that reads a resource.
    Get,
    /// The method that asks what `GET` would say of a resource, without it.
    Head,
    /// The method that asks what may be done.
    Options,
    /// The method that changes a part of a resource.
    Patch,
    /// The method that hands something in.
    Post,
    /// The method that replaces a resource.
    Put,
}

impl HttpMethod {
    /// The method as it stands in a request.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// The name of a header, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderName(String);

/// The reason why a text is no [`HeaderName`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not the name of a header that routes can go by: write letters, digits and `-`, such \
     as `x-version`; those that begin with `x-envoy-` or `x-portcullis-` are the gateway's own"
)]
pub struct InvalidHeaderName(String);

impl HeaderName {
    /// The name as text, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = InvalidHeaderName;
    fn from_str(text: &str) -> Result<Self, InvalidHeaderName> {
        let name = text.to_ascii_lowercase();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_ours = ["x-envoy-", "x-portcullis-"]
            .iter()
            .any(|ours| name.starts_with(ours));
        // A name with `_` is refused by the listener whatever it says.
        if (1..=64).contains(&name.len()) && name.bytes().all(is_plain) && !is_ours {
            Ok(Self(name))
        } else {
            Err(InvalidHeaderName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for HeaderName {
    type Error = InvalidHeaderName;
    fn try_from(text: String) -> Result<Self, InvalidHeaderName> {
        text.parse()
    }
}

impl From<HeaderName> for String {
    fn from(name: HeaderName) -> String {
        name.0
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for HeaderName {
    fn schema_name() -> Cow<'static, str> {
        "HeaderName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(outer: &str, inner: &str) -> bool {
        let read = |text| serde_json::from_str::<RouteMatch>(text).unwrap();
        read(outer).covers(&read(inner))
    }

    #[test]
    fn it_knows_which_of_two_matches_takes_all_of_the_other() {
        for (outer, inner) in [
            (r#"{"prefix": "/"}"#, r#"{"regex": "/x.*"}"#),
            (r#"{"prefix": "/a"}"#, r#"{"path": "/a/b"}"#),
            (r#"{"prefix": "/a/"}"#, r#"{"prefix": "/a"}"#),
            (r#"{"path": "/a"}"#, r#"{"path": "/a", "methods": ["GET"]}"#),
            (r#"{"regex": "/x.*"}"#, r#"{"regex": "/x.*"}"#),
            (
                r#"{"prefix": "/a", "headers": {"x": "*"}, "query": {"q": "1"}}"#,
                r#"{"prefix": "/a", "headers": {"X": "2"}, "query": {"q": "1", "r": "2"}}"#,
            ),
            (
                r#"{"path": "/a", "methods": ["GET", "PUT"]}"#,
                r#"{"path": "/a", "methods": ["PUT"]}"#,
            ),
        ] {
            assert!(covers(outer, inner), "{outer} {inner}");
        }
        for (outer, inner) in [
            (r#"{"prefix": "/a"}"#, r#"{"path": "/ab"}"#),
            (r#"{"prefix": "/a/b"}"#, r#"{"prefix": "/a"}"#),
            (r#"{"path": "/a"}"#, r#"{"prefix": "/a"}"#),
            (r#"{"path": "/a", "methods": ["GET"]}"#, r#"{"path": "/a"}"#),
            (
                r#"{"path": "/a", "headers": {"x": "1"}}"#,
                r#"{"path": "/a"}"#,
            ),
            (r#"{"regex": "/x.*"}"#, r#"{"path": "/x"}"#),
        ] {
            assert!(!covers(outer, inner), "{outer} {inner}");
        }
    }

    #[test]
    fn it_takes_no_header_that_only_the_gateway_may_write() {
        for name in [
            "",
            ":path",
            "a_b",
            "a b",
            "X-Envoy-Retry-On",
            "x-portcullis-cluster",
        ] {
            assert!(name.parse::<HeaderName>().is_err(), "{name}");
        }
        assert_eq!(
            "X-Version".parse::<HeaderName>().unwrap().as_str(),
            "x-version"
        );
    }
}
