//! A schema as a tree of JSON, with its numbers as they are written. Instances never become one.

mod builder;
mod comparison;

use json_reader::{Fault, Halt, Input, Misplaced, Scalar, ScalarKind, Scanner, Text, decoded};

use super::MAX_DEPTH;
use super::decimal::Decimal;
use super::texts::NumberedTexts;
use builder::{Builder, Part};
use comparison::Comparison;

/// How deep a schema may be nested.
const DEEPEST: usize = 100;

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
    Syntax(Misplaced),
    #[error("the key at byte {0} comes twice in its object")]
    DuplicateKey(usize),
    #[error("nested deeper than {DEEPEST} levels")]
    TooDeep,
}

impl Json {
    /// The schema that a text is; what no compiler asks for is left out of it.
    pub(crate) fn parse_schema(text: &str) -> Result<Self, BadJson> {
        Self::parse(text, Part::Schema)
    }

    fn parse(text: &str, read: Part) -> Result<Self, BadJson> {
        let input = Input::new(text.as_bytes(), 0);
        let mut scanner = Scanner::new(DEEPEST);
        let mut builder = Builder::new(read);
        let read = scanner.read_to_end(input, &mut builder);
        match (read, scanner.fault(), builder.whole) {
            (Ok(()), _, Some(whole)) => Ok(whole),
            (Err(Halt::Sink), ..) => Err(BadJson::DuplicateKey(builder.twice)),
            (_, Some(Fault::NotJson { instead, .. }), _) => Err(BadJson::Syntax(instead)),
            _ => Err(BadJson::TooDeep),
        }
    }

    /// How many values it holds, itself among them.
    #[inline(never)]
    pub(crate) fn values(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::values).sum::<usize>(),
            Self::Object(members) => {
                1 + members
                    .iter()
                    .map(|(_, value)| value.values())
                    .sum::<usize>()
            }
            _ => 1,
        }
    }

    #[inline(never)]
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// A copy with the members of each object in the order of their names.
    pub(crate) fn in_order(&self) -> Self {
        match self {
            Self::Array(items) => Self::Array(items.iter().map(Self::in_order).collect()),
            Self::Object(members) => {
                let mut names = NumberedTexts::default();
                for (number, (name, _)) in members.iter().enumerate() {
                    names.number(name, number);
                }
                let numbers = names.into_numbers().into_iter();
                let sorted = numbers.filter_map(|number| members.get(number));
                Self::Object(
                    sorted
                        .map(|(name, value)| (name.clone(), value.in_order()))
                        .collect(),
                )
            }
            scalar => scalar.clone(),
        }
    }

    /// Whether the bytes of a value, which are well formed and hold no key twice, are this value,
    /// whose members are in the order of their names.
    pub(crate) fn is_written(&self, value: &[u8]) -> bool {
        let input = Input::new(value, 0);
        let mut scanner = Scanner::new(MAX_DEPTH as usize);
        let mut comparison = Comparison::with(self);
        scanner.read_to_end(input, &mut comparison).is_ok()
    }

    /// Whether a scalar that has been read is this value.
    fn is_scalar(&self, input: Input<'_>, scalar: Scalar) -> bool {
        let raw = input.slice(scalar.start, scalar.end);
        match self {
            Self::Null => raw == b"null",
            Self::Bool(true) => raw == b"true",
            Self::Bool(false) => raw == b"false",
            Self::Number(expected) => match (scalar.kind, expected.to_i64(), integer(raw)) {
                (ScalarKind::Digits, Some(expected), Some(found)) => expected == found,
                (ScalarKind::Digits | ScalarKind::Decimal, ..) => Decimal::new(raw) == *expected,
                _ => false,
            },
            Self::String(expected) => scalar.text().is_some_and(|text| {
                let raw = input.slice(text.start, text.end);
                *decoded(raw, text.escaped) == *expected.as_bytes()
            }),
            Self::Array(_) | Self::Object(_) => false,
        }
    }

    /// A scalar that has been read.
    fn of_scalar(input: Input<'_>, scalar: Scalar) -> Self {
        let raw = input.slice(scalar.start, scalar.end);
        match (scalar.text(), raw) {
            (Some(text), _) => Self::String(string(input, text)),
            (None, b"null") => Self::Null,
            (None, b"true") => Self::Bool(true),
            (None, b"false") => Self::Bool(false),
            (None, number) => Self::Number(Decimal::new(number)),
        }
    }
}

fn string(input: Input<'_>, text: Text) -> String {
    let text = decoded(input.slice(text.start, text.end), text.escaped);
    String::from_utf8_lossy(&text).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_json() {
        let text = r#" {"a": [1, 2.50, "\u0041é"], "b": {"c": null}, "d": [true, false, [], {}]} "#;
        let json = Json::parse(text, Part::Whole).unwrap();
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
            assert!(Json::parse_schema(text).is_err(), "{text}");
        }
        let deep = "[".repeat(10_000);
        assert_eq!(Json::parse_schema(&deep), Err(BadJson::TooDeep));
    }

    #[test]
    fn it_keeps_of_a_schema_what_a_compiler_asks_for() {
        let check = |text: &str, expected: &str| {
            let read = Json::parse_schema(text).unwrap();
            assert_eq!(read, Json::parse(expected, Part::Whole).unwrap(), "{text}");
        };
        check(
            r#"{"default":[[1]],"examples":[{"a":1}],"x-a":{"b":{}},"title":"a","wrong":[[1]]}"#,
            r#"{"default":[],"examples":[],"x-a":{},"title":"a","wrong":[]}"#,
        );
        let named = r#"{"properties":{"default":{"const":[{"default":[1]}]},"enum":{"enum":[[2]]},
            "const":{"type":["null"]},"$defs":{"required":["a"]}},"$defs":{"examples":{"items":
            {"allOf":[{"additionalProperties":{"anyOf":[{"oneOf":[{"maximum":1}]}]}}]}}}}"#;
        check(named, named);
        check(
            r#"{"items":{"$defs":{"a":{"type":"null"}},"items":[{"type":"null"}]},"minimum":[{}]}"#,
            r#"{"items":{"$defs":{},"items":[]},"minimum":[]}"#,
        );
        check("[[1]]", "[]");
        let twice = Json::parse_schema(r#"{"default":{"a":1,"a":2}}"#);
        assert!(matches!(twice, Err(BadJson::DuplicateKey(_))));
    }

    #[test]
    fn it_compares_values_however_they_are_written() {
        let check = |expected: &str, found: &str, equal: bool| {
            let is_written = Json::parse(expected, Part::Whole)
                .unwrap()
                .in_order()
                .is_written(found.as_bytes());
            assert_eq!(is_written, equal, "{expected} {found}");
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
        check(
            r#"{"c":1,"b":[{"f":1,"e":2}],"a":3,"d":4}"#,
            r#"{"d":4,"c":1,"a":3,"b":[{"f":1,"e":2}]}"#,
            true,
        );
        check(r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false);
        check(r#"{"a":1,"b":2}"#, r#"{"a":1}"#, false);
        check("{}", "{ }", true);
        check("{}", "[]", false);
    }
}
