//! The lines of the log: nothing in one begins another, or is carried out by a terminal.

use std::io::{self, Write};

/// Writes whole entries of a log, as `tracing_subscriber` hands them over: each as one line,
/// whatever letters servers, Envoys and callers have put into its fields.
#[derive(Debug)]
pub struct LogLines<W> {
    to: W,
    form: Form,
}

/// The form of a log's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines of words alone.
    Text,
    /// Words in colours. Their escape sequences stay; `tracing_subscriber` itself writes no others.
    Coloured,
    /// An object of JSON each.
    Json,
}

impl<W: Write> LogLines<W> {
    /// Lines of this form, written to `to`.
    pub fn new(to: W, form: Form) -> Self {
        Self { to, form }
    }
}

impl<W: Write> Write for LogLines<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        let (line, end) = match text.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (&*text, ""),
        };
        let mut shown = match self.form {
            Form::Json => shown_text::escape_json(line).into_owned(),
            Form::Text => shown_text::on_one_line(line),
            Form::Coloured => line.replace(
                |letter| shown_text::is_obeyed(letter) && letter != '\u{1b}',
                " ",
            ),
        };
        shown.push_str(end);
        self.to.write_all(shown.as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form, entry: &str) -> String {
        let mut lines = Vec::new();
        LogLines::new(&mut lines, form)
            .write_all(entry.as_bytes())
            .unwrap();
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn it_makes_one_line_of_each_entry() {
        let entry = "INFO error=a\n2026 INFO all is well\u{202e}\r\n";
        let line = "INFO error=a 2026 INFO all is well  \n";
        assert_eq!(written(Form::Text, entry), line);
        let coloured = written(Form::Coloured, &format!("\u{1b}[32m{entry}"));
        assert_eq!(coloured, format!("\u{1b}[32m{line}"));
        let entry = "{\"reason\":\"a\\n\u{202e}b\"}\n";
        assert_eq!(
            written(Form::Json, entry),
            "{\"reason\":\"a\\n\\u202eb\"}\n"
        );
    }
}
