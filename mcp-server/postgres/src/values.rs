//! Values in PostgreSQL's text form become JSON, and lose nothing on the way. Pure.
//!
//! One rule for numbers, wherever they stand: one that a double holds exactly is a JSON number, any
//! other is a string with its digits.
//! `numeric` is always a string, so that a column does not change its kind from row to row by more
//! than it must.

mod arrays;
mod exact_json;

use results::Cell;
use serde_json::Value;

use super::shape::{Form, TypeInfo};

/// The greatest integer up to which a double holds every one: 2^53.
const EXACT: i64 = 1 << 53;

/// A whole number of so many characters, its sign among them, is always exact in a double.
const EXACT_CHARACTERS: usize = 15;

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
            match exact_json::read(text) {
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
            arrays::write_array(text, element, *delimiter, scratch)
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
