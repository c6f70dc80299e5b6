//! JSON-RPC answers that a gateway gives itself.
//!
//! ```
//! use mcp_message::reply;
//!
//! let body = reply::error(Some(b"7"), -32602, "unknown tool `drop`", None);
//! let expected =
//!     r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"unknown tool `drop`"}}"#;
//! assert_eq!(body, expected);
//! ```

use std::fmt::Write as _;

use crate::era::Era;

/// An error response. `id` is the caller's, as it was sent ([`crate::Message::id`]), and `null`
/// where it could not be read; `data` is JSON.
#[must_use]
pub fn error(id: Option<&[u8]>, code: i32, message: &str, data: Option<&str>) -> String {
    let mut body = begin(id);
    let _ = write!(body, ",\"error\":{{\"code\":{code},\"message\":");
    push_string(&mut body, message);
    if let Some(data) = data {
        body.push_str(",\"data\":");
        body.push_str(data);
    }
    body.push_str("}}");
    body
}

/// A tool's result that says that the call failed, which a model sees and can correct (`isError`).
#[must_use]
pub fn tool_error(id: Option<&[u8]>, era: Era, text: &str) -> String {
    let mut body = begin(id);
    body.push_str(",\"result\":{");
    if era == Era::Modern {
        body.push_str("\"resultType\":\"complete\",");
    }
    body.push_str("\"content\":[{\"type\":\"text\",\"text\":");
    push_string(&mut body, text);
    body.push_str("}],\"isError\":true}}");
    body
}

fn begin(id: Option<&[u8]>) -> String {
    let mut body = String::with_capacity(256);
    body.push_str("{\"jsonrpc\":\"2.0\",\"id\":");
    body.push_str(
        id.and_then(|id| std::str::from_utf8(id).ok())
            .unwrap_or("null"),
    );
    body
}

/// Appends `text` as a JSON string.
pub fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::era::LegacyRevision;

    #[test]
    fn it_escapes_whatever_a_message_quotes() {
        let message: String = (0..0x80)
            .filter_map(char::from_u32)
            .chain("é世😀".chars())
            .collect();
        let body: Value = serde_json::from_str(&error(None, -32700, &message, None)).unwrap();
        assert_eq!(
            body,
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": message}})
        );
    }

    #[test]
    fn it_echoes_the_id_byte_for_byte() {
        for id in ["7", "-0", "12345678901234567890123", r#""a\u00e9\"""#] {
            assert!(
                error(Some(id.as_bytes()), 1, "m", Some("{\"a\":1}"))
                    .contains(&format!("\"id\":{id},"))
            );
        }
    }

    #[test]
    fn it_gives_modern_results_their_type() {
        let parse =
            |era| serde_json::from_str::<Value>(&tool_error(Some(b"1"), era, "no")).unwrap();
        let legacy = json!({"content": [{"type": "text", "text": "no"}], "isError": true});
        assert_eq!(
            parse(Era::Legacy(LegacyRevision::V2025_11_25))["result"],
            legacy
        );
        assert_eq!(parse(Era::Modern)["result"]["resultType"], "complete");
        assert_eq!(parse(Era::Modern)["result"]["isError"], true);
    }
}
