//! Arguments that clients repeat in headers: what `x-mcp-header` names, and what a call says there
//! (2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters").

use std::borrow::Cow;

use key_folding::read_loosely;

use super::decimal::Decimal;
use super::scan;
use super::violation::{Violation, echo};

/// The keyword that asks for the header.
pub(super) const KEYWORD: &str = "x-mcp-header";

/// A property of a tool's schema whose value clients repeat in a header of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderParameter {
    path: Vec<String>,
    header: String,
}

impl HeaderParameter {
    /// The annotation `header` on the property at `path`.
    ///
    /// # Errors
    /// A name that cannot be part of a header's name (RFC 9110 section 5.6.2).
    pub(super) fn new(path: Vec<String>, header: &str) -> Result<Self, NotAToken> {
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
    pub fn path(&self) -> &[String] {
        &self.path
    }
}

/// The text of an annotation cannot be part of a header's name.
pub(super) struct NotAToken;

/// The names of the properties that lead to a subschema; nothing where other keywords are on the
/// way.
pub(super) fn properties_to(pointer: &str) -> Option<Vec<String>> {
    let mut segments = pointer.strip_prefix('/')?.split('/');
    let mut path = Vec::new();
    while let Some(keyword) = segments.next() {
        if keyword != "properties" {
            return None;
        }
        path.push(segments.next()?.replace("~1", "/").replace("~0", "~"));
    }
    Some(path)
}

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
            [b'"', ..] => match scan::string(raw, 1) {
                Ok(quoted) => Self::Text(scan::unescape(
                    raw.get(1..quoted.end).unwrap_or_default(),
                    quoted.form,
                )),
                Err(_) => Self::Nested,
            },
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
            Self::Number(text) => {
                scan::number(header, 0).is_ok_and(|number| number.end == header.len())
                    && Decimal::new(text) == Decimal::new(header)
            }
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

/// Whether somebody has seen to it that every key comes once, and as the schema writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Checked,
    Unchecked,
}

/// Finds the values that well-formed arguments have for each of the parameters, in their order, in
/// one pass.
///
/// # Errors
/// A key on the way to a parameter comes twice, or is one that a loose reader takes for
/// it, and nobody has looked for such keys before.
pub(crate) fn values<'a>(
    parameters: &[HeaderParameter],
    arguments: &'a [u8],
    keys: Keys,
) -> Result<Vec<ArgumentValue<'a>>, Violation> {
    let mut search = Search {
        parameters,
        bytes: arguments,
        values: vec![ArgumentValue::Absent; parameters.len()],
        keys,
        found: vec![0; parameters.len()],
    };
    let start = scan::skip_space(arguments, 0);
    if arguments.get(start) == Some(&b'{') {
        let all: Vec<usize> = (0..parameters.len()).collect();
        search.object(start, 0, &all)?;
    }
    Ok(search.values)
}

struct Search<'s, 'a> {
    parameters: &'s [HeaderParameter],
    bytes: &'a [u8],
    values: Vec<ArgumentValue<'a>>,
    keys: Keys,
    /// How many names of each parameter's path have been found.
    found: Vec<usize>,
}

impl Search<'_, '_> {
    /// Looks through the object at `start`, to which the first `level` names of the parameters in
    /// `open` have led. Gives where it ends. Goes no deeper than the paths do.
    fn object(&mut self, start: usize, level: usize, open: &[usize]) -> Result<usize, Violation> {
        let mut at = start + 1;
        loop {
            at = scan::skip_space(self.bytes, at);
            match self.bytes.get(at) {
                Some(b',') => at += 1,
                Some(b'"') => at = self.member(at, level, open)?,
                Some(_) => return Ok(at + 1),
                None => return Ok(at),
            }
        }
    }

    /// Looks at the member whose key is at `start`. Gives where its value ends.
    fn member(&mut self, start: usize, level: usize, open: &[usize]) -> Result<usize, Violation> {
        let Ok(quoted) = scan::string(self.bytes, start + 1) else {
            return Ok(self.bytes.len());
        };
        let raw = self.bytes.get(start + 1..quoted.end).unwrap_or_default();
        let key = scan::unescape(raw, quoted.form);
        let colon = scan::skip_space(self.bytes, quoted.end + 1);
        let value = scan::skip_space(self.bytes, colon + 1);
        let name = |parameter: &usize| {
            let path = self.parameters.get(*parameter).map(HeaderParameter::path);
            path.and_then(|path| path.get(level))
        };
        let meant: Vec<usize> = open
            .iter()
            .copied()
            .filter(|parameter| name(parameter).is_some_and(|name| *name.as_bytes() == *key))
            .collect();
        if self.keys == Keys::Unchecked {
            self.check_key(&key, level, open, &meant)?;
        }
        let end = if !meant.is_empty() && self.bytes.get(value) == Some(&b'{') {
            self.object(value, level + 1, &meant)?
        } else {
            end_of_value(self.bytes, value)
        };
        let found = ArgumentValue::read(self.bytes.get(value..end).unwrap_or_default());
        for parameter in meant {
            let ends_here = |parameter: &HeaderParameter| parameter.path.len() == level + 1;
            if self.parameters.get(parameter).is_some_and(ends_here)
                && let Some(place) = self.values.get_mut(parameter)
            {
                *place = found.clone();
            }
        }
        Ok(end)
    }

    /// Whether everyone reads this key of an object alike, as far as parameters are concerned.
    fn check_key(
        &mut self,
        key: &[u8],
        level: usize,
        open: &[usize],
        meant: &[usize],
    ) -> Result<(), Violation> {
        let name = |parameter: &usize| {
            let path = self.parameters.get(*parameter).map(HeaderParameter::path)?;
            path.get(level).map(String::as_str)
        };
        let read = read_loosely(key);
        let is_taken_for = |name: &&str| *read_loosely(name.as_bytes()) == *read;
        let taken = open.iter().filter_map(name).find(is_taken_for);
        if let (Some(name), []) = (taken, meant) {
            return Err(ambiguous(format!(
                "the key `{}` to be written `{}`",
                echo(key),
                echo(name.as_bytes())
            )));
        }
        for parameter in meant {
            if let Some(found) = self.found.get_mut(*parameter) {
                if *found > level {
                    let key = echo(key);
                    return Err(ambiguous(format!("each key once, but `{key}` comes twice")));
                }
                *found = level + 1;
            }
        }
        Ok(())
    }
}

/// The fault of arguments that not everyone reads alike.
fn ambiguous(expected: String) -> Violation {
    Violation {
        pointer: String::new(),
        expected,
        found: None,
    }
}

/// Where the well-formed value at `start` ends.
fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        at = match bytes.get(at) {
            None => return at,
            Some(b'"') => match scan::string(bytes, at + 1) {
                Ok(quoted) => quoted.end + 1,
                Err(_) => return bytes.len(),
            },
            Some(b'{' | b'[') => {
                depth += 1;
                at + 1
            }
            Some(b'}' | b']') => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            Some(b',' | b':' | b' ' | b'\n' | b'\r' | b'\t') => at + 1,
            Some(_) => {
                let rest = bytes.get(at..).unwrap_or_default();
                let end = rest.iter().position(|byte| b",]} \n\r\t".contains(byte));
                at + end.unwrap_or(rest.len())
            }
        };
        if depth == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_which_places_only_properties_lead_to() {
        let check = |pointer: &str, expected: Option<&[&str]>| {
            let expected: Option<Vec<String>> =
                expected.map(|path| path.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(properties_to(pointer), expected, "{pointer}");
        };
        check("/properties/a", Some(&["a"]));
        check(
            "/properties/properties/properties/b~1~0",
            Some(&["properties", "b/~"]),
        );
        check("", None);
        check("/$defs/a", None);
        check("/items/properties/a", None);
        check("/properties/a/anyOf/0", None);
        check("/properties/a/items/properties/b", None);
    }

    #[test]
    fn it_finds_the_values_in_one_pass() {
        let parameter = |path: &[&str]| HeaderParameter {
            path: path.iter().map(|name| (*name).to_owned()).collect(),
            header: "x".to_owned(),
        };
        let parameters = [
            parameter(&["a"]),
            parameter(&["b", "a"]),
            parameter(&["b", "c", "d"]),
            parameter(&["é"]),
        ];
        let check = |arguments: &str, expected: [Option<&str>; 4]| {
            let found = values(&parameters, arguments.as_bytes(), Keys::Checked).unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|value| value.text().map(String::from_utf8_lossy))
                .collect();
            let expected: Vec<_> = expected.map(|text| text.map(Cow::from)).to_vec();
            assert_eq!(found, expected, "{arguments}");
        };
        check("{}", [None; 4]);
        check(" [\"a\"] ", [None; 4]);
        check("\"a\"", [None; 4]);
        check(r#"{"a":"1"}"#, [Some("1"), None, None, None]);
        check(
            " { \"x\" : [ { \"a\" : 1 } , \"}\\\"\" ] , \"a\" : 2.50 , \"b\" : { \"a\" : true , \
             \"c\" : { \"d\" : \"\\u00e9\" } } , \"\\u00e9\" : -1 } ",
            [Some("2.50"), Some("true"), Some("é"), Some("-1")],
        );
        check(r#"{"a":null,"b":{"c":{"e":{"d":1}}}}"#, [None; 4]);
        check(
            r#"{"b":{"c":[{"d":1}],"a":false},"a":1}"#,
            [Some("1"), Some("false"), None, None],
        );
        check(r#"{"b":7,"a":{"a":1}}"#, [None; 4]);
    }

    #[test]
    fn it_refuses_keys_that_not_everyone_reads_alike_where_nobody_has_looked() {
        let parameter = |path: &[&str]| HeaderParameter {
            path: path.iter().map(|name| (*name).to_owned()).collect(),
            header: "x".to_owned(),
        };
        let parameters = [
            parameter(&["a"]),
            parameter(&["b", "c"]),
            parameter(&["b", "d"]),
        ];
        let check = |arguments: &str, expected: Option<&str>| {
            let found = values(&parameters, arguments.as_bytes(), Keys::Unchecked);
            let found = found.err().map(|violation| violation.expected);
            assert_eq!(found.as_deref(), expected, "{arguments}");
            assert!(values(&parameters, arguments.as_bytes(), Keys::Checked).is_ok());
        };
        check(r#"{"a":1,"b":{"c":1,"d":2},"x":1,"x":2,"X":3}"#, None);
        check(
            r#"{"a":1,"\u0061":2}"#,
            Some("each key once, but `a` comes twice"),
        );
        check(
            r#"{"b":{},"b":{}}"#,
            Some("each key once, but `b` comes twice"),
        );
        check(
            r#"{"b":{"c":1,"c":1}}"#,
            Some("each key once, but `c` comes twice"),
        );
        check(r#"{"a":1,"A":2}"#, Some("the key `A` to be written `a`"));
        check(r#"{"B":{"c":1}}"#, Some("the key `B` to be written `b`"));
        check(r#"{"b":{"C":1}}"#, Some("the key `C` to be written `c`"));
        check(r#"{"x":{"A":1,"a":1,"a":2}}"#, None);
    }

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
