//! How much of each thing is stored: a run that everybody may start must not fill the database.

use serde_json::Value;

/// Steps of one pipeline. A run's rows are locked and read together at every change; a hundred of
/// them are one page of work, a thousand would be felt.
pub const STEPS: usize = 100;

/// Steps that one step may wait for, all of which it is given the outputs of.
pub const STEPS_BEFORE: usize = 32;

/// Parameters that one pipeline may declare.
pub const PARAMETERS: usize = 64;

/// Letters of a name of a pipeline, a step, a parameter or a kind of step.
pub const NAME_LETTERS: usize = 64;

/// Bytes of a definition as JSON: a hundred statements of a screenful each.
pub const DEFINITION_BYTES: usize = 256 << 10;

/// Bytes of a run's parameters as JSON.
pub const PARAMETER_BYTES: usize = 64 << 10;

/// Bytes of a step's output as JSON. An output tells where the data is; it is not the data.
pub const OUTPUT_BYTES: usize = 64 << 10;

/// Bytes of a sentence: of progress, or on a failure.
pub const SENTENCE_BYTES: usize = 4 << 10;

/// Bytes of a caller's key against repeats.
pub const KEY_BYTES: usize = 200;

/// Pipelines that one owner may have.
pub const PIPELINES: i64 = 500;

/// Versions of one pipeline; the oldest that no run needs give way.
pub const VERSIONS: i64 = 100;

/// Runs of one owner that are not over.
pub const OPEN_RUNS: i64 = 1_000;

/// Text of at most `most` bytes; what is cut off is told by an ellipsis.
pub fn cut(mut text: String, most: usize) -> String {
    const ELLIPSIS: char = '…';
    if text.len() > most {
        let room = most.saturating_sub(ELLIPSIS.len_utf8());
        text.truncate(text.floor_char_boundary(room));
        text.push(ELLIPSIS);
    }
    // PostgreSQL keeps no NUL in a text.
    text.replace('\0', "")
}

/// Whether some text in it, a key's included, holds a NUL: PostgreSQL's `jsonb` keeps none.
pub fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_cuts_text_between_letters_and_says_so() {
        assert_eq!(cut("short".to_owned(), 5), "short");
        assert_eq!(cut("äääää".to_owned(), 8), "ää…");
        assert_eq!(cut("a\0b".to_owned(), 8), "ab");
    }

    #[test]
    fn it_finds_a_nul_wherever_it_is() {
        let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        for text in [
            r#""a\u0000""#,
            r#"[1, ["\u0000"]]"#,
            r#"{"a\u0000": 1}"#,
            r#"{"a": ["\u0000"]}"#,
        ] {
            assert!(holds_nul(&json(text)), "{text}");
        }
        for text in [r#""a\\u0000""#, r#"{"a": [1, null, true, "b"]}"#] {
            assert!(!holds_nul(&json(text)), "{text}");
        }
    }
}
