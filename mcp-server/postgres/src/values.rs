//! Values in PostgreSQL's text form become JSON, and lose nothing on the way. Pure.
//!
//! One rule for numbers, wherever they stand: one that a double holds exactly is a JSON number, any
//! other is a string with its digits.
//! `numeric` is always a string, so that a column does not change its kind from row to row by more
//! than it must.

use results::Cell;
use serde_json::{Map, Value};

use super::shape::{Form, TypeInfo};

/// The greatest integer up to which a double holds every one: 2^53.
const EXACT: i64 = 1 << 53;

/// A whole number of so many characters, its sign among them, is always exact in a double.
const EXACT_CHARACTERS: usize = 15;

/// JSON nested deeper than this stays text: many clients cannot read an answer that nests deeper
/// than 128, with what is around it.
const DEEPEST: usize = 64;

/// The cell that `text` is; text that is not what its type promises stays text. What has to be
/// written anew is written into `scratch`.
pub(super) fn cell<'a>(text: &'a str, info: &TypeInfo, scratch: &'a mut Vec<u8>) -> Cell<'a> {
    let rewritten = match &info.form {
        Form::Bool => match text {
            "t" | "true" => return Cell::Json("true"),
            "f" | "false" => return Cell::Json("false"),
            _ => return Cell::Text(text),
        },
        Form::Integer if is_exact_integer(text) => return Cell::Json(text),
        Form::Float if is_finite(text) => return Cell::Json(text),
        Form::Integer | Form::Float | Form::Text => return Cell::Text(text),
        Form::Timestamp => {
            scratch.clear();
            return match write_iso_8601(text, scratch).and_then(|()| written(scratch)) {
                Some(iso) => Cell::Text(iso),
                None => Cell::Text(text),
            };
        }
        Form::Json => {
            scratch.clear();
            match json(text) {
                Some(Value::String(content)) => {
                    scratch.extend_from_slice(content.as_bytes());
                    return Cell::Text(written(scratch).unwrap_or(text));
                }
                Some(value) => serde_json::to_writer(&mut *scratch, &value).ok(),
                None => None,
            }
        }
        Form::Array { element, delimiter } => {
            scratch.clear();
            write_array(text, element, *delimiter, scratch)
        }
    };
    match rewritten.and_then(|()| written(scratch)) {
        Some(json) => Cell::Json(json),
        None => Cell::Text(text),
    }
}

fn written(scratch: &[u8]) -> Option<&str> {
    std::str::from_utf8(scratch).ok()
}

fn is_exact_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_short = text.len() <= EXACT_CHARACTERS
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_short
        || text
            .parse::<i64>()
            .is_ok_and(|number| (-EXACT..=EXACT).contains(&number))
}

/// PostgreSQL writes finite numbers as JSON does, the others as words.
fn is_finite(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte))
}

/// PostgreSQL writes `2024-01-31 12:00:00+00`; the standard has a `T` and minutes in the offset.
/// Years before our era and the infinities stay as they are.
fn write_iso_8601(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (date, time) = text.split_once(' ')?;
    if time.contains(' ') || time.ends_with("BC") {
        return None;
    }
    let offset_has_no_minutes = time
        .rfind(['+', '-'])
        .is_some_and(|sign| !time[sign..].contains(':'));
    for part in [date, "T", time] {
        out.extend_from_slice(part.as_bytes());
    }
    if offset_has_no_minutes {
        out.extend_from_slice(b":00");
    }
    Some(())
}

fn json(text: &str) -> Option<Value> {
    if !is_shallow(text) {
        return None;
    }
    if holds_only_exact_numbers(text) && !may_hold_a_magic_key(text) {
        return serde_json::from_str(text).ok();
    }
    careful_json(text)
}

/// Whether a key may begin with a dollar sign. A tree of serde_json takes an object with such a key
/// of its own for the JSON inside of its text.
fn may_hold_a_magic_key(text: &str) -> bool {
    ["$", "\\u0024"].iter().any(|sign| text.contains(sign))
}

/// Whether no part lies deeper than [`DEEPEST`].
fn is_shallow(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > DEEPEST {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Whether no run of digits is so long, and no exponent there, that a double might not hold it.
/// Cheap, and may err towards no.
fn holds_only_exact_numbers(text: &str) -> bool {
    let mut run = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => run += 1,
            b'.' if run > 0 => {}
            b'e' | b'E'
                if run > 0
                    && text
                        .as_bytes()
                        .get(at + 1)
                        .is_some_and(|next| !next.is_ascii_alphabetic()) =>
            {
                return false;
            }
            _ => run = 0,
        }
        if run > 15 {
            return false;
        }
    }
    true
}

/// Parses level by level, with every number's own text at hand.
fn careful_json(text: &str) -> Option<Value> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    match text.as_bytes().first()? {
        b'{' => {
            let members: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
                serde_json::from_str(text).ok()?;
            let members = members
                .into_iter()
                .map(|(name, value)| Some((name, careful_json(value.get())?)))
                .collect::<Option<Map<_, _>>>()?;
            Some(Value::Object(members))
        }
        b'[' => {
            let items: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(text).ok()?;
            items
                .iter()
                .map(|item| careful_json(item.get()))
                .collect::<Option<Vec<_>>>()
                .map(Value::Array)
        }
        b'-' | b'0'..=b'9' => Some(number(text)),
        _ => serde_json::from_str(text).ok(),
    }
}

fn number(text: &str) -> Value {
    let exact = serde_json::from_str::<serde_json::Number>(text)
        .ok()
        .filter(|number| match number.as_i64() {
            Some(integer) => (-EXACT..=EXACT).contains(&integer),
            None => {
                number.is_f64()
                    && significant_digits(text) <= 15
                    && number.as_f64().is_some_and(f64::is_normal)
            }
        });
    exact.map_or_else(|| Value::from(text), Value::Number)
}

fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    mantissa
        .trim_start_matches(['-', '0', '.'])
        .bytes()
        .filter(u8::is_ascii_digit)
        .count()
}

/// `{a,"b c",NULL,{d}}`. An array whose bounds do not start at 1 says so in front (`[0:1]={…}`) and
/// stays text.
fn write_array(text: &str, element: &TypeInfo, delimiter: char, out: &mut Vec<u8>) -> Option<()> {
    let mut reader = ArrayReader {
        rest: text,
        element,
        delimiter,
        scratch: Vec::new(),
    };
    reader.array(out)?;
    reader.rest.is_empty().then_some(())
}

struct ArrayReader<'a> {
    rest: &'a str,
    element: &'a TypeInfo,
    delimiter: char,
    scratch: Vec<u8>,
}

impl ArrayReader<'_> {
    fn array(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.take('{')?;
        out.push(b'[');
        if self.take('}').is_some() {
            out.push(b']');
            return Some(());
        }
        loop {
            self.item(out)?;
            if self.take(self.delimiter).is_none() {
                self.take('}')?;
                out.push(b']');
                return Some(());
            }
            out.push(b',');
        }
    }

    fn item(&mut self, out: &mut Vec<u8>) -> Option<()> {
        if self.rest.starts_with('{') {
            return self.array(out);
        }
        if self.take('"').is_some() {
            let text = self.quoted()?;
            return self.write(&text, out);
        }
        let delimiter = self.delimiter;
        let end = self.rest.find([delimiter, '}'])?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        match text {
            "NULL" => {
                out.extend_from_slice(b"null");
                Some(())
            }
            text => self.write(text, out),
        }
    }

    fn write(&mut self, text: &str, out: &mut Vec<u8>) -> Option<()> {
        match cell(text, self.element, &mut self.scratch) {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Text(text) => serde_json::to_writer(out, text).ok()?,
            Cell::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
        Some(())
    }

    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        loop {
            match characters.next()? {
                (_, '\\') => text.push(characters.next()?.1),
                (at, '"') => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                (_, c) => text.push(c),
            }
        }
    }

    fn take(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(form: Form, text: &str, expected: &Value) {
        let info = TypeInfo {
            name: String::new(),
            form,
        };
        let mut scratch = b"left over".to_vec();
        let value: Value = match cell(text, &info, &mut scratch) {
            Cell::Null => Value::Null,
            Cell::Text(text) => text.into(),
            Cell::Json(json) => serde_json::from_str(json).expect("JSON"),
        };
        assert_eq!(&value, expected, "{text}");
    }

    fn array_of(form: Form) -> Form {
        Form::Array {
            element: Arc::new(TypeInfo {
                name: String::new(),
                form,
            }),
            delimiter: ',',
        }
    }

    #[test]
    fn it_loses_no_digit() {
        check(
            Form::Integer,
            "9007199254740992",
            &json!(9_007_199_254_740_992_i64),
        );
        check(
            Form::Integer,
            "9007199254740993",
            &json!("9007199254740993"),
        );
        check(
            Form::Integer,
            "-9223372036854775808",
            &json!("-9223372036854775808"),
        );
        check(Form::Float, "0.1", &json!(0.1));
        check(Form::Float, "NaN", &json!("NaN"));
        check(Form::Float, "-Infinity", &json!("-Infinity"));
        check(Form::Text, "0.10", &json!("0.10"));
        check(
            Form::Json,
            r#"{"a": 12345678901234567890, "b": [1.5, 2]}"#,
            &json!({"a": "12345678901234567890", "b": [1.5, 2]}),
        );
        check(
            Form::Json,
            "0.12345678901234567890",
            &json!("0.12345678901234567890"),
        );
        check(Form::Json, "1e400", &json!("1e400"));
        check(
            Form::Json,
            r#"{"a": "1234567890123456789"}"#,
            &json!({"a": "1234567890123456789"}),
        );
        check(Form::Json, r#"{"a": null}"#, &json!({"a": null}));
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        check(Form::Json, &deep, &json!(deep));
        check(Form::Json, r#"{"\\\"[": 1}"#, &json!({"\\\"[": 1}));
    }

    #[test]
    fn it_takes_no_key_for_one_of_its_own_parsers() {
        let info = TypeInfo {
            name: String::new(),
            form: Form::Json,
        };
        let deep = "[".repeat(120) + &"]".repeat(120);
        for dollar in ["$", "\\u0024"] {
            for content in ["[1,2]", &deep, "{}", "x"] {
                let rest = format!(r#"serde_json::private::RawValue":"{content}"}}}}]"#);
                let mut scratch = Vec::new();
                let text = format!(r#"[{{"a":{{"{dollar}{rest}"#);
                let expected = format!(r#"[{{"a":{{"${rest}"#);
                assert_eq!(cell(&text, &info, &mut scratch), Cell::Json(&expected));
            }
        }
    }

    #[test]
    fn it_writes_times_as_iso_8601() {
        check(
            Form::Timestamp,
            "2024-01-31 12:00:00",
            &json!("2024-01-31T12:00:00"),
        );
        check(
            Form::Timestamp,
            "2024-01-31 12:00:00.5+00",
            &json!("2024-01-31T12:00:00.5+00:00"),
        );
        check(
            Form::Timestamp,
            "2024-01-31 12:00:00+05:30",
            &json!("2024-01-31T12:00:00+05:30"),
        );
        check(Form::Timestamp, "infinity", &json!("infinity"));
        check(
            Form::Timestamp,
            "0044-03-15 12:00:00 BC",
            &json!("0044-03-15 12:00:00 BC"),
        );
    }

    #[test]
    fn it_reads_arrays() {
        check(array_of(Form::Integer), "{1,NULL,3}", &json!([1, null, 3]));
        check(
            array_of(Form::Integer),
            "{{1,2},{3,4}}",
            &json!([[1, 2], [3, 4]]),
        );
        check(
            array_of(Form::Text),
            r#"{a,"b,c","d\"e","NULL",""}"#,
            &json!(["a", "b,c", "d\"e", "NULL", ""]),
        );
        check(array_of(Form::Bool), "{t,f}", &json!([true, false]));
        check(
            array_of(Form::Json),
            r#"{"{\"a\": 1}"}"#,
            &json!([{"a": 1}]),
        );
        check(array_of(Form::Text), "{}", &json!([]));
        check(
            array_of(Form::Integer),
            "[0:1]={1,2}",
            &json!("[0:1]={1,2}"),
        );
    }
}
