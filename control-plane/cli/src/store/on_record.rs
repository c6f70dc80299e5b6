//! Who does something with the store, and why, as it is put on the audit trail.

use std::iter;

use clap::Args;
use rustix::process::{Uid, geteuid};
use store::AuditEntry;

/// The author of a deed and the reason for it.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct OnRecord {
    /// Your name, for the record [default: your login name, or your number]
    #[arg(long, value_parser = plain_words)]
    author: Option<String>,

    /// Why you do it, for the record
    #[arg(long, value_parser = plain_words, default_value = "", hide_default_value = true)]
    reason: String,
}

impl OnRecord {
    /// The entry that says who did `what`, with what came from the file `origin`, if any did.
    pub(super) fn entry(&self, what: &str, origin: String) -> AuditEntry {
        AuditEntry {
            who: self.author.clone().unwrap_or_else(login_name),
            what: what.to_owned(),
            revision: None,
            origin,
            reason: self.reason.clone(),
        }
    }
}

/// The name of whoever runs the command: as the shell says it, or else the password database, as
/// where a timer runs it.
fn login_name() -> String {
    let variables = ["USER", "LOGNAME"].into_iter();
    let of_shell = variables.filter_map(|name| std::env::var(name).ok());
    let of_database = iter::once_with(|| whoami::username().ok()).flatten();
    first_name(of_shell.chain(of_database), geteuid())
}

/// The first name that can be put on record; a number where there is none.
fn first_name(mut names: impl Iterator<Item = String>, uid: Uid) -> String {
    let name = names.find_map(|name| plain_words(&name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| format!("uid {}", uid.as_raw()))
}

/// Reads a text that goes on the record: as short, and as plain, as those of changes.
fn plain_words(text: &str) -> Result<String, String> {
    const MOST_CHARACTERS: usize = 500;
    let text = text.trim();
    if text.contains(shown_text::is_obeyed) || text.chars().count() > MOST_CHARACTERS {
        return Err(format!(
            "write at most {MOST_CHARACTERS} characters, and no control characters"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_puts_the_first_plain_name_on_record_and_a_number_where_there_is_none() {
        for (names, expected) in [
            (["ada", "root"], "ada"),
            (["", "root"], "root"),
            (["a\nb", " grace "], "grace"),
            (["", "a\tb"], "uid 4711"),
        ] {
            let names = names.into_iter().map(str::to_owned);
            assert_eq!(first_name(names, Uid::from_raw(4711)), expected);
        }
    }
}
