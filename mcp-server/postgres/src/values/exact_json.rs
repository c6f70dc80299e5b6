//! Reads JSON so that no number loses a digit: one that a double does not hold becomes a string.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::EXACT;

/// JSON nested deeper than this stays text: many clients cannot read an answer that nests deeper
/// than 128, with what is around it.
const DEEPEST: usize = 64;

/// The value of a JSON text; `None` where it is none, or nests too deep.
pub(super) fn read(text: &str) -> Option<Value> {
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
            let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
            let members = members
                .into_iter()
                .map(|(name, value)| Some((name, careful_json(value.get())?)))
                .collect::<Option<Map<_, _>>>()?;
            Some(Value::Object(members))
        }
        b'[' => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
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
