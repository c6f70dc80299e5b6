//! Who does something with the store, and why, as it is put on the audit trail.

use clap::Args;
use store::AuditEntry;

/// The author of a deed and the reason for it.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct OnRecord {
    /// Your name, for the record [default: the name that you are logged in by]
    #[arg(long, value_parser = plain_words)]
    author: Option<String>,

    /// Why you do it, for the record
    #[arg(long, value_parser = plain_words, default_value = "", hide_default_value = true)]
    reason: String,
}

impl OnRecord {
    /// The entry that says who did `what`, with what came from the file `origin`, if any did.
    pub(super) fn entry(&self, what: &str, origin: String) -> AuditEntry {
        let name = ["USER", "LOGNAME"].into_iter().find_map(|name| {
            let name = std::env::var(name).ok()?;
            plain_words(&name).ok().filter(|name| !name.is_empty())
        });
        let author = self.author.clone().or(name);
        AuditEntry {
            who: author.unwrap_or_else(|| "anonymous".to_owned()),
            what: what.to_owned(),
            revision: None,
            origin,
            reason: self.reason.clone(),
        }
    }
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
