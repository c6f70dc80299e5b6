//! The folder of the database cluster.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use supervisor::Account;

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
