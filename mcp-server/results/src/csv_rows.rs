//! CSV by RFC 4180, in which NULL and the empty string differ.

use super::{Cell, Column};

/// Appends the line of names, if there are any.
pub(super) fn write_header(columns: &[Column], line_end: &str, text: &mut String) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_field(&column.name, text);
    }
    if !columns.is_empty() {
        text.push_str(line_end);
    }
}

/// Appends a cell to the text.
pub(super) fn write_cell(cell: Cell<'_>, text: &mut String) {
    match cell {
        Cell::Null => {}
        Cell::Text(value) | Cell::Json(value) => write_field(value, text),
    }
}

fn write_field(field: &str, text: &mut String) {
    if !field.is_empty() && !field.contains(['"', ',', '\r', '\n']) {
        text.push_str(field);
        return;
    }
    text.push('"');
    for part in field.split_inclusive('"') {
        text.push_str(part);
        if part.ends_with('"') {
            text.push('"');
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_null_from_the_empty_string_and_quotes_what_must_be() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            type_name: String::new(),
        };
        let mut text = String::new();
        write_header(&[column("a"), column("b,c")], "\r\n", &mut text);
        assert_eq!(text, "a,\"b,c\"\r\n");
        for (cell, expected) in [
            (Cell::Null, ""),
            (Cell::Text(""), "\"\""),
            (Cell::Text("a,b"), "\"a,b\""),
            (Cell::Text("say \"x\"\n"), "\"say \"\"x\"\"\n\""),
            (Cell::Json("1.5"), "1.5"),
            (Cell::Json("[1,\"x\"]"), "\"[1,\"\"x\"\"]\""),
        ] {
            let mut text = String::new();
            write_cell(cell, &mut text);
            assert_eq!(text, expected);
        }
    }
}
