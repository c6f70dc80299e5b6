//! A schema as a tree of JSON, with its numbers as they are written. Instances never become one.

use super::decimal::Decimal;
use super::scan::{self, NumberForm, Syntax, Wanted};

/// How deep a schema may be nested.
const DEEPEST: u32 = 100;

/// A JSON value of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Decimal),
    String(String),
    Array(Vec<Json>),
    /// In the order of the text; no key comes twice.
    Object(Vec<(String, Json)>),
}

/// A text is no JSON that can be a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadJson {
    #[error("expected {0}")]
    Syntax(Syntax),
    #[error("the key at byte {0} comes twice in its object")]
    DuplicateKey(usize),
    #[error("nested deeper than {DEEPEST} levels")]
    TooDeep,
}

impl From<Syntax> for BadJson {
    fn from(syntax: Syntax) -> Self {
        Self::Syntax(syntax)
    }
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, BadJson> {
        let bytes = text.as_bytes();
        let (value, end) = value(bytes, 0, 0)?;
        let end = scan::skip_space(bytes, end);
        if end == bytes.len() {
            Ok(value)
        } else {
            Err(Syntax {
                wanted: Wanted::End,
                at: end,
            }
            .into())
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether the bytes at `start`, which are well formed and hold no key twice, are this value;
    /// if so, where they end.
    pub(crate) fn matches(&self, bytes: &[u8], start: usize) -> Option<usize> {
        let start = scan::skip_space(bytes, start);
        match self {
            Self::Null => scan::literal(bytes, start, b"null").ok(),
            Self::Bool(true) => scan::literal(bytes, start, b"true").ok(),
            Self::Bool(false) => scan::literal(bytes, start, b"false").ok(),
            Self::Number(expected) => {
                let number = scan::number(bytes, start).ok()?;
                let text = bytes.get(start..number.end)?;
                let equal = match (number.form, expected.to_i64(), integer(text)) {
                    (NumberForm::Digits, Some(expected), Some(found)) => expected == found,
                    _ => Decimal::new(text) == *expected,
                };
                equal.then_some(number.end)
            }
            Self::String(expected) => {
                let (text, end) = string(bytes, start).ok()?;
                (*text == *expected.as_bytes()).then_some(end)
            }
            Self::Array(expected) => array_matches(expected, bytes, start),
            Self::Object(expected) => object_matches(expected, bytes, start),
        }
    }
}

/// The integer of so few digits that it surely fits.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.len() > 18 {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| {
        number * 10 + i64::from(digit.wrapping_sub(b'0'))
    });
    Some(if negative { -number } else { number })
}

fn array_matches(expected: &[Json], bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = scan::skip_space(bytes, punctuation(bytes, start, b'[')?);
    for (index, item) in expected.iter().enumerate() {
        if index > 0 {
            at = punctuation(bytes, at, b',')?;
        }
        at = scan::skip_space(bytes, item.matches(bytes, at)?);
    }
    punctuation(bytes, at, b']')
}

fn object_matches(expected: &[(String, Json)], bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = scan::skip_space(bytes, punctuation(bytes, start, b'{')?);
    // No key comes twice, so as many known keys as are expected are all of them.
    for index in 0..expected.len() {
        if index > 0 {
            at = scan::skip_space(bytes, punctuation(bytes, at, b',')?);
        }
        let (key, end) = string(bytes, at).ok()?;
        let (_, value) = expected.iter().find(|(name, _)| *name.as_bytes() == *key)?;
        at = punctuation(bytes, scan::skip_space(bytes, end), b':')?;
        at = scan::skip_space(bytes, value.matches(bytes, at)?);
    }
    punctuation(bytes, at, b'}')
}

fn punctuation(bytes: &[u8], at: usize, mark: u8) -> Option<usize> {
    (bytes.get(at) == Some(&mark)).then_some(at + 1)
}

/// The string whose opening quote is at `start`.
fn string(bytes: &[u8], start: usize) -> Result<(std::borrow::Cow<'_, [u8]>, usize), Syntax> {
    if bytes.get(start) != Some(&b'"') {
        return Err(Syntax {
            wanted: Wanted::Key,
            at: start,
        });
    }
    let quoted = scan::string(bytes, start + 1)?;
    let raw = bytes.get(start + 1..quoted.end).unwrap_or_default();
    Ok((scan::unescape(raw, quoted.form), quoted.end + 1))
}

fn value(bytes: &[u8], start: usize, depth: u32) -> Result<(Json, usize), BadJson> {
    let start = scan::skip_space(bytes, start);
    match bytes.get(start) {
        Some(b'n') => Ok((Json::Null, scan::literal(bytes, start, b"null")?)),
        Some(b't') => Ok((Json::Bool(true), scan::literal(bytes, start, b"true")?)),
        Some(b'f') => Ok((Json::Bool(false), scan::literal(bytes, start, b"false")?)),
        Some(b'-' | b'0'..=b'9') => {
            let end = scan::number(bytes, start)?.end;
            Ok((
                Json::Number(Decimal::new(bytes.get(start..end).unwrap_or_default())),
                end,
            ))
        }
        Some(b'"') => {
            let (text, end) = string(bytes, start)?;
            Ok((
                Json::String(String::from_utf8_lossy(&text).into_owned()),
                end,
            ))
        }
        Some(b'[' | b'{') if depth == DEEPEST => Err(BadJson::TooDeep),
        Some(b'[') => array(bytes, start, depth),
        Some(b'{') => object(bytes, start, depth),
        _ => Err(Syntax {
            wanted: Wanted::Value,
            at: start,
        }
        .into()),
    }
}

fn array(bytes: &[u8], start: usize, depth: u32) -> Result<(Json, usize), BadJson> {
    let mut items = Vec::new();
    let mut at = scan::skip_space(bytes, start + 1);
    if bytes.get(at) == Some(&b']') {
        return Ok((Json::Array(items), at + 1));
    }
    loop {
        let (item, end) = value(bytes, at, depth + 1)?;
        items.push(item);
        at = scan::skip_space(bytes, end);
        match bytes.get(at) {
            Some(b',') => at += 1,
            Some(b']') => return Ok((Json::Array(items), at + 1)),
            _ => {
                return Err(Syntax {
                    wanted: Wanted::CommaOrBracket,
                    at,
                }
                .into());
            }
        }
    }
}

fn object(bytes: &[u8], start: usize, depth: u32) -> Result<(Json, usize), BadJson> {
    let mut members: Vec<(String, Json)> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    let mut at = scan::skip_space(bytes, start + 1);
    if bytes.get(at) == Some(&b'}') {
        return Ok((Json::Object(members), at + 1));
    }
    loop {
        at = scan::skip_space(bytes, at);
        let (key, end) = string(bytes, at)?;
        let key = String::from_utf8_lossy(&key).into_owned();
        if !names.insert(key.clone()) {
            return Err(BadJson::DuplicateKey(at));
        }
        at = scan::skip_space(bytes, end);
        if bytes.get(at) != Some(&b':') {
            return Err(Syntax {
                wanted: Wanted::Colon,
                at,
            }
            .into());
        }
        let (member, end) = value(bytes, at + 1, depth + 1)?;
        members.push((key, member));
        at = scan::skip_space(bytes, end);
        match bytes.get(at) {
            Some(b',') => at += 1,
            Some(b'}') => return Ok((Json::Object(members), at + 1)),
            _ => {
                return Err(Syntax {
                    wanted: Wanted::CommaOrBrace,
                    at,
                }
                .into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_json() {
        let json = Json::parse(
            r#" {"a": [1, 2.50, "\u0041é"], "b": {"c": null}, "d": [true, false, [], {}]} "#,
        )
        .unwrap();
        assert_eq!(
            json.get("b"),
            Some(&Json::Object(vec![("c".into(), Json::Null)]))
        );
        let number = |text: &str| Json::Number(Decimal::new(text.as_bytes()));
        assert_eq!(
            json.get("a"),
            Some(&Json::Array(vec![
                number("1"),
                number("2.5"),
                Json::String("Aé".into())
            ]))
        );
    }

    #[test]
    fn it_refuses_what_is_no_json() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "1 2",
            "nul",
            "[1 2]",
            "\"a",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert_eq!(Json::parse(&"[".repeat(10_000)), Err(BadJson::TooDeep));
    }

    #[test]
    fn it_compares_values_however_they_are_written() {
        let check = |expected: &str, found: &str, equal: bool| {
            let matched = Json::parse(expected).unwrap().matches(found.as_bytes(), 0);
            assert_eq!(matched.is_some(), equal, "{expected} {found}");
            if let Some(end) = matched {
                assert_eq!(end, found.len());
            }
        };
        check("1", "1.0", true);
        check("1", "10e-1", true);
        check("1", "-1", false);
        check("9007199254740993", "9007199254740992", false);
        check("18446744073709551615", "18446744073709551615", true);
        check("18446744073709551615", "18446744073709551614", false);
        check(r#""aé""#, r#""\u0061\u00e9""#, true);
        check(r#""a""#, r#""b""#, false);
        check(r#""1""#, "1", false);
        check("null", "null", true);
        check("false", "0", false);
        check("[1, [2]]", "[ 1.0 ,[ 2 ] ]", true);
        check("[1, 2]", "[1]", false);
        check("[1]", "[1,2]", false);
        check("[]", "[ ]", true);
        check(r#"{"a":1,"b":[]}"#, r#"{ "b" : [ ] , "\u0061" : 1 }"#, true);
        check(r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false);
        check(r#"{"a":1,"b":2}"#, r#"{"a":1}"#, false);
        check("{}", "{ }", true);
        check("{}", "[]", false);
    }
}
