//! The two ways out: data for programs on standard output, words for people on standard error.
//! Neither ends this program when nobody reads it.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use anstream::{AutoStream, ColorChoice};
use anyhow::Context;

/// Whether somebody still reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Reads,
    /// The reader has had enough.
    Gone,
}

/// Writes data and a line feed to standard output. A reader that has gone has had enough: that is
/// no failure.
///
/// # Errors
/// When it cannot be written for another reason, such as a full disk.
pub(crate) fn data(text: impl Display) -> anyhow::Result<Reader> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

/// Whether data are shown in colour: on a terminal, unless `NO_COLOR` or the like says otherwise.
pub(crate) fn is_coloured() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Writes words and a line feed to standard error, and nothing that a terminal would obey: others'
/// words may be among them. Where nobody can be told, there is nobody to tell that either.
pub(crate) fn tell(words: impl Display) {
    let words = shown_text::in_lines(&words.to_string());
    let _ = writeln!(io::stderr().lock(), "{words}");
}

/// Replaces the line at the bottom of the terminal.
pub(crate) fn redraw(line: impl Display) {
    const CLEAR_LINE: &str = "\r\x1b[K";
    let mut terminal = io::stderr().lock();
    let line = shown_text::on_one_line(&line.to_string());
    let _ = write!(terminal, "{CLEAR_LINE}{line}").and_then(|()| terminal.flush());
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_only_way_out() {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![sources];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("output.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let panics = ["print", "eprint"].iter().any(|name| {
                        text.contains(&format!(" {name}!("))
                            || text.contains(&format!(" {name}ln!("))
                    });
                    found.extend(panics.then_some(path));
                }
            }
        }
        assert_eq!(found, [""; 0].map(std::path::PathBuf::from));
    }
}
