//! The user that the server runs as: PostgreSQL refuses to run as root.

use anyhow::bail;
use supervisor::Account;

/// The users that the server may run as when we are root.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// The user that the server runs as, when it cannot be ours.
///
/// # Errors
/// When we are root, and this machine has no user for it.
pub fn account() -> anyhow::Result<Option<Account>> {
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
