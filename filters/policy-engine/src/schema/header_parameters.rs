//! Arguments that clients repeat in headers: what `x-mcp-header` names, and what a call says there
//! (2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters").

mod search;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use json_reader::{decoded, is_number};
use step_count::count;

use super::Compiled;
use super::decimal::Decimal;

pub(crate) use search::{Keys, values};

/// The keyword that asks for the header.
pub(super) const KEYWORD: &str = "x-mcp-header";

/// A property of a tool's schema whose value clients repeat in a header of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderParameter {
    path: Box<[Arc<str>]>,
    header: String,
}

impl HeaderParameter {
    /// The annotation `header` on the property at `path`.
    ///
    /// # Errors
    /// A name that cannot be part of a header's name (RFC 9110 section 5.6.2).
    pub(super) fn new(path: Box<[Arc<str>]>, header: &str) -> Result<Self, NotAToken> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if header.is_empty() || !header.bytes().all(is_token) {
            return Err(NotAToken);
        }
        Ok(Self {
            path,
            header: header.to_owned(),
        })
    }

    /// The end of the header's name, behind `Mcp-Param-`, as the tool's author wrote it.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether a header's name says this after `Mcp-Param-`, in any case.
    #[must_use]
    pub fn is_named(&self, name: &[u8]) -> bool {
        self.header.as_bytes().eq_ignore_ascii_case(name)
    }

    /// The names of the properties that lead to the value, outermost first; never none.
    #[must_use]
    pub fn path(&self) -> &[Arc<str>] {
        &self.path
    }
}

/// The order of paths, in which a call's arguments are searched. Equal names are one copy: a long
/// way that many parameters share is not compared text by text.
pub(super) fn in_order(one: &HeaderParameter, other: &HeaderParameter) -> Ordering {
    let names = one.path.iter().zip(&other.path);
    let apart = names
        .inspect(|_| count(1))
        .find(|(one, other)| !Arc::ptr_eq(one, other));
    let shorter = || one.path.len().cmp(&other.path.len());
    apart.map_or_else(shorter, |(one, other)| one.cmp(other))
}

/// The text of an annotation cannot be part of a header's name.
pub(super) struct NotAToken;

/// The value that a call has where a [`HeaderParameter`] points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentValue<'a> {
    /// Nothing, or `null`: there is no header.
    Absent,
    /// A string with its escapes decoded.
    Text(Cow<'a, [u8]>),
    /// A number, as it is written.
    Number(&'a [u8]),
    /// The literal `true` or `false`.
    Boolean(&'a [u8]),
    /// An array or object, which no header can say.
    Nested,
}

impl<'a> ArgumentValue<'a> {
    /// The value whose well-formed bytes these are.
    fn read(raw: &'a [u8]) -> Self {
        match raw {
            [b'"', text @ .., b'"'] => {
                Self::Text(decoded(text, memchr::memchr(b'\\', text).is_some()))
            }
            [b't' | b'f', ..] => Self::Boolean(raw),
            [b'-' | b'0'..=b'9', ..] => Self::Number(raw),
            [b'n', ..] => Self::Absent,
            _ => Self::Nested,
        }
    }

    /// Whether the decoded value of a header says the same: text and booleans byte by byte, numbers
    /// by what they are worth.
    #[must_use]
    pub fn is_said_by(&self, header: &[u8]) -> bool {
        match self {
            Self::Absent | Self::Nested => false,
            Self::Text(text) => **text == *header,
            Self::Boolean(text) => *text == header,
            Self::Number(text) => is_number(header) && Decimal::new(text) == Decimal::new(header),
        }
    }

    /// The value in words, where there is one that a header can say.
    #[must_use]
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Absent | Self::Nested => None,
            Self::Text(text) => Some(text),
            Self::Number(text) | Self::Boolean(text) => Some(text),
        }
    }
}

/// The arguments of a call that its headers must repeat.
#[derive(Debug, Default)]
pub struct RepeatedArguments<'a> {
    /// The schema that names them; none where nothing does.
    pub(crate) schema: Option<Arc<Compiled>>,
    /// Their values, in the order of the schema.
    pub(crate) values: Vec<ArgumentValue<'a>>,
}

impl<'a> RepeatedArguments<'a> {
    /// Each with what the call says there.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderParameter, &ArgumentValue<'a>)> {
        let schema = self.schema.as_deref();
        let named = schema.and_then(|schema| schema.header_parameters.as_deref());
        named.unwrap_or_default().iter().zip(&self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_compares_a_value_with_what_a_header_says() {
        let check = |raw: &str, said: &[&str], unsaid: &[&str]| {
            let value = ArgumentValue::read(raw.as_bytes());
            for header in said {
                assert!(value.is_said_by(header.as_bytes()), "{raw} {header}");
            }
            for header in unsaid {
                assert!(!value.is_said_by(header.as_bytes()), "{raw} {header}");
            }
        };
        check(
            r#""us-west1""#,
            &["us-west1"],
            &["US-west1", "us-west", "", "\"us-west1\""],
        );
        check(r#""a\n\u00e9""#, &["a\né"], &["a\\n\\u00e9"]);
        check(r#""""#, &[""], &["null"]);
        check(r#""42""#, &["42"], &["42.0"]);
        check(
            "42",
            &["42", "42.0", "4.2e1", "420E-1"],
            &["43", "", "042", "+42", "42 ", "0x2a", "-42", "42,42"],
        );
        check("42.0", &["42"], &["42.1"]);
        check(
            "9007199254740993",
            &["9007199254740993"],
            &["9007199254740992"],
        );
        check("true", &["true"], &["false", "TRUE", "1", ""]);
        check("false", &["false"], &["true", "0"]);
        check("null", &[], &["null", ""]);
        check("{}", &[], &["{}", ""]);
        check("[1]", &[], &["[1]", "1"]);
    }
}
