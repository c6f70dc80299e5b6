//! A schema as a tree of JSON, with its numbers as they are written. Instances never become one.

use std::collections::BTreeSet;

use json_reader::{
    Container, Event, Fault, Halt, Input, Misplaced, Scalar, ScalarKind, Scanner, Sink, Text,
    decoded,
};

use step_count::count;

use super::MAX_DEPTH;
use super::decimal::Decimal;
use super::texts::NumberedTexts;

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
    pub(crate) fn parse(text: &str) -> Result<Self, BadJson> {
        let input = Input::new(text.as_bytes(), 0);
        let mut scanner = Scanner::new(DEEPEST);
        let mut builder = Builder::default();
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
        let mut comparison = Comparison {
            next: Some(self),
            open: Vec::new(),
        };
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

/// Makes a tree of what it is told.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    whole: Option<Json>,
    /// Offset of the key that comes twice in its object.
    twice: usize,
}

/// An array or object whose end has not come.
enum Open {
    Array(Vec<Json>),
    Object {
        members: Vec<(String, Json)>,
        names: BTreeSet<String>,
        key: String,
    },
}

impl Builder {
    fn add(&mut self, value: Json) -> Event {
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some(Open::Array(items)) => items.push(value),
            Some(Open::Object { members, key, .. }) => members.push((std::mem::take(key), value)),
        }
        Event::ReadOn
    }
}

impl Sink for Builder {
    fn key(&mut self, input: Input<'_>, text: Text, _: usize) -> Event {
        if let Some(Open::Object { names, key, .. }) = self.open.last_mut() {
            *key = string(input, text);
            if !names.insert(key.clone()) {
                self.twice = text.start.saturating_sub(1);
                return Event::Stop;
            }
        }
        Event::ReadOn
    }

    fn begin(&mut self, _: Input<'_>, first: u8, _: usize, _: usize) -> Event {
        match first {
            b'[' => self.open.push(Open::Array(Vec::new())),
            b'{' => self.open.push(Open::Object {
                members: Vec::new(),
                names: BTreeSet::new(),
                key: String::new(),
            }),
            _ => {}
        }
        Event::ReadOn
    }

    fn scalar(&mut self, input: Input<'_>, scalar: Scalar, _: usize) -> Event {
        self.add(Json::of_scalar(input, scalar))
    }

    fn close(&mut self, _: Input<'_>, _: Container, _: usize, _: usize) -> Event {
        match self.open.pop() {
            Some(Open::Array(items)) => self.add(Json::Array(items)),
            Some(Open::Object { members, .. }) => self.add(Json::Object(members)),
            None => Event::ReadOn,
        }
    }
}

/// Compares what it is told with a value, up to the first difference.
struct Comparison<'j> {
    /// The value that must come next; none where none may come.
    next: Option<&'j Json>,
    open: Vec<Compared<'j>>,
}

/// An array or object that is being compared.
enum Compared<'j> {
    Items(std::slice::Iter<'j, Json>),
    /// No key comes twice, so as many known keys as are expected are all of them.
    Members {
        expected: &'j [(String, Json)],
        found: usize,
    },
}

fn goes_on(is_same: bool) -> Event {
    if is_same { Event::ReadOn } else { Event::Stop }
}

impl Sink for Comparison<'_> {
    fn key(&mut self, input: Input<'_>, key: Text, _: usize) -> Event {
        let Some(Compared::Members { expected, found }) = self.open.last_mut() else {
            return Event::Stop;
        };
        let name = decoded(input.slice(key.start, key.end), key.escaped);
        let place = expected.binary_search_by(|(known, _)| {
            count(1 + name.len().min(known.len()));
            known.as_bytes().cmp(&name)
        });
        *found += 1;
        let member = place.ok().and_then(|place| expected.get(place));
        self.next = member.map(|(_, value)| value);
        goes_on(self.next.is_some())
    }

    fn begin(&mut self, _: Input<'_>, first: u8, _: usize, _: usize) -> Event {
        if let Some(Compared::Items(items)) = self.open.last_mut() {
            self.next = items.next();
        }
        match (first, self.next) {
            (b'[', Some(Json::Array(items))) => self.open.push(Compared::Items(items.iter())),
            (b'{', Some(Json::Object(members))) => self.open.push(Compared::Members {
                expected: members,
                found: 0,
            }),
            (b'[' | b'{', _) | (_, None) => return Event::Stop,
            _ => {}
        }
        Event::ReadOn
    }

    fn scalar(&mut self, input: Input<'_>, scalar: Scalar, _: usize) -> Event {
        goes_on(self.next.is_some_and(|next| next.is_scalar(input, scalar)))
    }

    fn close(&mut self, _: Input<'_>, _: Container, _: usize, _: usize) -> Event {
        goes_on(match self.open.pop() {
            Some(Compared::Items(mut items)) => items.next().is_none(),
            Some(Compared::Members { expected, found }) => expected.len() == found,
            None => false,
        })
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
            let is_written = Json::parse(expected)
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
