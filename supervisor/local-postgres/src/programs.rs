//! The server's programs. A cluster belongs to the major version that made it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use supervisor::Account;

/// The folder with `postgres` and `initdb` of one version.
#[derive(Debug, Clone)]
pub struct Programs(PathBuf);

impl Programs {
    /// The programs that are in `folder`.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Those that `pg_config` on the PATH belongs to.
    ///
    /// # Errors
    /// When there are none.
    pub fn of_this_machine() -> anyhow::Result<Self> {
        const MISSING: &str = "PostgreSQL 14 or newer with `pg_config` on the PATH is needed: on \
                               Debian, `apt-get install postgresql libpq-dev`";
        let found = Command::new("pg_config").arg("--bindir").output();
        let found = found.context(MISSING)?;
        ensure!(found.status.success(), MISSING);
        let folder = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
        let is_whole = ["initdb", "postgres"]
            .iter()
            .all(|name| folder.join(name).exists());
        ensure!(is_whole, MISSING);
        Ok(Self(folder))
    }

    /// The folder that they are in.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Those of the version that made `cluster`: these, or the ones that Debian keeps beside them.
    ///
    /// # Errors
    /// When this machine does not have that version.
    pub fn for_cluster(self, cluster: &Path) -> anyhow::Result<Self> {
        let file = cluster.join("PG_VERSION");
        let version = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read `{}`", file.display()))?
            .trim()
            .to_owned();
        let postgres = self.0.join("postgres");
        let output = Command::new(&postgres)
            .arg("--version")
            .output()
            .with_context(|| format!("cannot run `{}`", postgres.display()))?;
        let says = String::from_utf8_lossy(&output.stdout);
        if major(&says) == Some(version.as_str()) {
            return Ok(self);
        }
        let other = Path::new("/usr/lib/postgresql").join(&version).join("bin");
        if other.join("postgres").exists() {
            return Ok(Self(other));
        }
        bail!(
            "the database in `{}` was made by PostgreSQL {version}, and this machine has `{}`: \
             install PostgreSQL {version}, or move that folder away to begin a new one",
            cluster.display(),
            says.trim()
        )
    }

    /// A command that runs one of them in `folder`, as `account` where that is not us.
    pub fn command(&self, name: &str, folder: &Path, account: Option<&Account>) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(self.0.join(name));
        command.current_dir(folder).env("LC_ALL", "C.UTF-8");
        if let Some(account) = account {
            command.gid(account.gid).uid(account.uid);
        }
        command
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → `15`.
fn major(says: &str) -> Option<&str> {
    says.split_once("(PostgreSQL) ")?
        .1
        .split(['.', ' ', '\n'])
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_major_version() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some("15")
        );
        assert_eq!(major("postgres (PostgreSQL) 18\n"), Some("18"));
        assert_eq!(major("mysqld"), None);
    }
}
