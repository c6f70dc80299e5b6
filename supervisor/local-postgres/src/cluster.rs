//! Makes a cluster: the files of a server and of all its databases.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use supervisor::Account;

use super::Programs;

/// Makes the cluster `folder/cluster`, whose superuser is `postgres` with this password. `more` are
/// further arguments of `initdb`.
///
/// # Errors
/// When it cannot be made; what `initdb` said is part of it.
pub fn make_cluster(
    programs: &Programs,
    folder: &Path,
    account: Option<&Account>,
    password: &str,
    more: &[&str],
) -> anyhow::Result<()> {
    let password_file = folder.join("superuser-password");
    std::fs::write(&password_file, password)
        .with_context(|| format!("cannot write `{}`", password_file.display()))?;
    own(&password_file, account)?;
    let mut initdb = programs.command("initdb", folder, account);
    initdb.arg("--pgdata").arg(folder.join("cluster"));
    initdb.arg("--pwfile").arg(&password_file);
    initdb.args([
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-instructions",
    ]);
    let made = initdb.args(more).output().context("cannot run `initdb`")?;
    std::fs::remove_file(&password_file)?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        bail!("`initdb` failed:\n{}", said.trim());
    }
    Ok(())
}

/// Makes a folder that only the server's user can enter.
///
/// # Errors
/// When it cannot be made, or given to that user.
pub fn make_folder(folder: &Path, account: Option<&Account>) -> anyhow::Result<()> {
    std::fs::create_dir(folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    own(folder, account)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    Ok(())
}

fn own(path: &Path, account: Option<&Account>) -> anyhow::Result<()> {
    if let Some(account) = account {
        std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
            .with_context(|| format!("cannot give `{}` to `{}`", path.display(), account.name))?;
    }
    Ok(())
}
