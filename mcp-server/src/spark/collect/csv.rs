//! CSV by RFC 4180, in which NULL and the empty string differ.

use serde_json::Value;

use crate::spark::types::Column;

/// Appends the line of names.
pub(super) fn header(columns: &[Column], text: &mut String) {
    if columns.is_empty() {
        return;
    }
    join(columns.iter().map(|column| quoted(&column.name)), text);
}

/// Appends a row to the text.
pub(super) fn line(row: &[Value], text: &mut String) {
    join(
        row.iter().map(|value| match value {
            Value::Null => String::new(),
            Value::String(value) => quoted(value),
            other => quoted(&other.to_string()),
        }),
        text,
    );
}

fn join(fields: impl Iterator<Item = String>, text: &mut String) {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&field);
    }
    text.push_str("\r\n");
}

fn quoted(field: &str) -> String {
    if field.is_empty() || field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_tells_null_from_the_empty_string_and_quotes_what_must_be() {
        let row = [
            json!(null),
            json!(""),
            json!("a,b"),
            json!("say \"x\"\n"),
            json!(1.5),
            json!([1, "x"]),
        ];
        let mut text = String::new();
        line(&row, &mut text);
        assert_eq!(
            text,
            ",\"\",\"a,b\",\"say \"\"x\"\"\n\",1.5,\"[1,\"\"x\"\"]\"\r\n"
        );
    }
}
