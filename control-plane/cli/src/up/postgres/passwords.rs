//! The passwords of the local PostgreSQL's users: made once, kept in a file that only this user can
//! read.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Hexadecimal, so that they need no escaping in URLs and SQL.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Passwords {
    /// Of the superuser `postgres`.
    pub(crate) superuser: String,
    /// Of `portcullis`, which owns the databases.
    pub(crate) owner: String,
    /// Of `portcullis_reader`, which reads the demo data.
    pub(crate) reader: String,
    /// Of `portcullis_writer`, which changes the demo data; empty in a file from before there was
    /// one.
    #[serde(default)]
    pub(crate) writer: String,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(…)")
    }
}

impl Passwords {
    /// Those in the file, or new ones that are put there.
    pub(crate) fn keep(file: &Path) -> anyhow::Result<Self> {
        let about = || {
            format!(
                "in the passwords of the local PostgreSQL, `{}`",
                file.display()
            )
        };
        if file.exists() {
            let text = std::fs::read_to_string(file).with_context(about)?;
            return serde_json::from_str(&text).with_context(about);
        }
        let passwords = Self {
            superuser: random()?,
            owner: random()?,
            reader: random()?,
            writer: random()?,
        };
        passwords.save(file)?;
        Ok(passwords)
    }

    /// Makes up the password of the user that may write, where the file had none; whether it did.
    pub(crate) fn add_writer(&mut self) -> anyhow::Result<bool> {
        let is_missing = self.writer.is_empty();
        if is_missing {
            self.writer = random()?;
        }
        Ok(is_missing)
    }

    /// Puts all passwords into the file.
    pub(crate) fn save(&self, file: &Path) -> anyhow::Result<()> {
        let about = || format!("cannot write the passwords, `{}`", file.display());
        // Under another name first: a half-written file would lock us out of the database.
        let fresh = file.with_extension("new");
        let mut writer = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .with_context(about)?;
        writer
            .write_all(serde_json::to_string_pretty(self)?.as_bytes())
            .with_context(about)?;
        writer.sync_all().with_context(about)?;
        std::fs::rename(&fresh, file).with_context(about)
    }
}

fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_makes_passwords_once_and_only_this_user_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwords.json");
        let made = Passwords::keep(&file).unwrap();
        assert_ne!(made.owner, made.reader);
        assert_eq!(Passwords::keep(&file).unwrap().owner, made.owner);
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn it_makes_up_what_an_older_file_lacks_and_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwords.json");
        let older = r#"{"superuser": "a", "owner": "b", "reader": "c"}"#;
        std::fs::write(&file, older).unwrap();
        let mut passwords = Passwords::keep(&file).unwrap();
        assert!(passwords.add_writer().unwrap());
        passwords.save(&file).unwrap();
        let mut kept = Passwords::keep(&file).unwrap();
        assert!(!kept.add_writer().unwrap());
        assert_eq!((kept.reader.as_str(), kept.writer), ("c", passwords.writer));
    }
}
