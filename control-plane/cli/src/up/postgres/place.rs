//! The folder of the database cluster, and the user whom it belongs to.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use supervisor::Account;

/// The users that the server may run as when we are root, which it refuses to run as.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// The user that the server runs as, when it cannot be ours.
pub(crate) fn account() -> anyhow::Result<Option<Account>> {
    if !Account::we_are_root() {
        return Ok(None);
    }
    match Account::first_of(&ACCOUNTS) {
        Some(account) => Ok(Some(account)),
        None => bail!(
            "PostgreSQL does not run as root, and this machine has no user `postgres` or \
             `nobody`: create one"
        ),
    }
}

/// The folder of the cluster: under the data folder, or, where the server's user cannot reach that,
/// beside the system's state.
pub(crate) fn place(data: &Path, account: Option<&Account>) -> anyhow::Result<PathBuf> {
    let usual = data.join("postgres");
    let place = match account {
        Some(account) if !account.can_enter(data).unwrap_or(false) => {
            let name: String = data
                .display()
                .to_string()
                .chars()
                .map(|letter| {
                    if letter.is_alphanumeric() {
                        letter
                    } else {
                        '-'
                    }
                })
                .collect();
            PathBuf::from("/var/lib/portcullis/postgres-of").join(name.trim_matches('-'))
        }
        _ => usual,
    };
    std::fs::create_dir_all(&place)
        .with_context(|| format!("cannot make the folder `{}`", place.display()))?;
    if let Some(account) = account {
        std::os::unix::fs::chown(&place, Some(account.uid), Some(account.gid))
            .with_context(|| format!("cannot give `{}` to `{}`", place.display(), account.name))?;
        if !account.can_enter(&place)? {
            bail!(
                "the user `{}` cannot reach `{}`: name another folder in PORTCULLIS_DATA",
                account.name,
                place.display()
            );
        }
    }
    Ok(place)
}
