//! The file `.env` of the current folder: variables that the environment does not set already.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// Set in the process that has the file's variables, so that it does not look again.
const ENTERED: &str = "PORTCULLIS_DOTENV";

/// Goes on in an environment that has the variables of `.env`: by running this very program again
/// in its own place, because the environment of a running process cannot be changed safely.
///
/// # Errors
/// When the file has a line that is no setting.
pub(crate) fn enter() -> anyhow::Result<()> {
    let file = Path::new(".env");
    if std::env::var_os(ENTERED).is_some() || !file.exists() {
        return Ok(());
    }
    let text = std::fs::read_to_string(file).context("cannot read `.env`")?;
    let settings = parse(&text).context("in `.env`")?;
    let fresh: BTreeMap<_, _> = settings
        .into_iter()
        .filter(|(name, _)| std::env::var_os(name).is_none())
        .collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let program = std::env::current_exe().context("cannot find this program")?;
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .envs(fresh)
        .env(ENTERED, "read")
        .exec();
    Err(error).context("cannot go on with the settings of `.env`")
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
        let value = unquoted(value.trim());
        if !value.is_empty() {
            settings.push((name.trim().to_owned(), value.to_owned()));
        }
    }
    Ok(settings)
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
    fn it_reads_the_shipped_example() {
        parse(include_str!("../../../.env.example")).unwrap();
    }
}
