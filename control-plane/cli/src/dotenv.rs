//! The file `.env` of the current folder: settings of the Portcullis that `portcullis up` brings up
//! on this machine.
//!
//! It is for `up`, and for `down`, which has to find what `up` runs. No other command reads it:
//! whoever asks a gateway from a folder that somebody else has filled is not to be led to another
//! one, with other credentials.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::output;

/// The name of the file, in the current folder.
const FILE: &str = ".env";

/// The commands that it is for.
const READERS: [&str; 2] = ["up", "down"];

/// Set in the process that has the file's variables, so that it does not look again.
const ENTERED: &str = "PORTCULLIS_DOTENV";

/// Goes on in an environment that has the variables of `.env`, and tells which: by running this
/// very program again in its own place, because the environment of a running process cannot be
/// changed safely.
///
/// # Errors
/// When the file has a line that is no setting.
pub(crate) fn enter() -> anyhow::Result<()> {
    let command = std::env::args_os().nth(1);
    let is_reader = READERS
        .iter()
        .any(|reader| command.as_deref() == Some(OsStr::new(reader)));
    if !is_reader || std::env::var_os(ENTERED).is_some() {
        return Ok(());
    }
    let fresh = settings()?;
    if fresh.is_empty() {
        return Ok(());
    }
    output::tell(format_args!("`{FILE}` sets {}", names_of(&fresh)));
    let program = std::env::current_exe().context("cannot find this program")?;
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .envs(fresh)
        .env(ENTERED, "read")
        .exec();
    Err(error).context(format!("cannot go on with the settings of `{FILE}`"))
}

/// The hint for whoever finds nobody at an address, where the file names one that was not asked.
pub(crate) fn hint(variables: &[&str]) -> Option<String> {
    let mut fresh = settings().ok()?;
    fresh.retain(|name, _| variables.contains(&name.as_str()));
    (!fresh.is_empty()).then(|| {
        format!(
            "`{FILE}` sets {}, and `portcullis up` and `down` alone read that file: give the \
             address by a flag, or export the variable",
            names_of(&fresh)
        )
    })
}

/// The settings of the file that the environment does not have.
fn settings() -> anyhow::Result<BTreeMap<String, String>> {
    let file = Path::new(FILE);
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{FILE}`"))?;
    let settings = parse(&text).with_context(|| format!("in `{FILE}`"))?;
    let is_fresh = |(name, _): &(String, String)| std::env::var_os(name).is_none();
    Ok(settings.into_iter().filter(is_fresh).collect())
}

/// The names alone: a value may be a password.
fn names_of(settings: &BTreeMap<String, String>) -> String {
    let names: Vec<&str> = settings.keys().map(String::as_str).collect();
    names.join(", ")
}

/// `NAME=value` lines, without one pair of quotes around a value; passed over are empty lines,
/// comments, and names without a value: those keep their default.
fn parse(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            bail!("line {} is `{line}`: write `NAME=value`", number + 1);
        };
        let (name, value) = (name.trim(), unquoted(value.trim()));
        // It is shown on the terminal.
        if !is_name(name) {
            bail!(
                "line {} has no name of letters, digits and `_` before its `=`: write \
                 `NAME=value`",
                number + 1
            );
        }
        if !value.is_empty() {
            settings.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(settings)
}

fn is_name(text: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(is_of_name)
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_settings_and_passes_over_comments() {
        let text = "# a comment\n\nPOSTGRES_HOST=db.example.org\nexport POSTGRES_USER = \
            me\nPOSTGRES_PASSWORD='p#a=b'\nPOSTGRES_DB=\n";
        let pairs: Vec<_> = parse(text).unwrap();
        let expected = [
            ("POSTGRES_HOST", "db.example.org"),
            ("POSTGRES_USER", "me"),
            ("POSTGRES_PASSWORD", "p#a=b"),
        ];
        assert_eq!(
            pairs,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn it_names_the_line_that_is_no_setting() {
        assert!(
            parse("A=1\nwhat")
                .unwrap_err()
                .to_string()
                .contains("line 2 is `what`")
        );
    }

    #[test]
    fn it_takes_no_name_that_a_terminal_would_obey() {
        for text in ["A\u{1b}[2J=1", "=1", "A B=1"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("line 1 has no name"), "{error}");
        }
    }

    #[test]
    fn it_reads_the_shipped_example() {
        parse(include_str!("../../../.env.example")).unwrap();
    }
}
