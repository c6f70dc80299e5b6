//! A database cluster belongs to the major version of PostgreSQL that made it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The server programs of the version that made the cluster.
pub(crate) fn programs_for(cluster: &Path, found: PathBuf) -> anyhow::Result<PathBuf> {
    let file = cluster.join("PG_VERSION");
    let version = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read `{}`", file.display()))?
        .trim()
        .to_owned();
    let output = std::process::Command::new(found.join("postgres"))
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run `{}`", found.join("postgres").display()))?;
    let says = String::from_utf8_lossy(&output.stdout);
    if major(&says) == Some(version.as_str()) {
        return Ok(found);
    }
    let other = Path::new("/usr/lib/postgresql").join(&version).join("bin");
    if other.join("postgres").exists() {
        return Ok(other);
    }
    bail!(
        "the database in `{}` was made by PostgreSQL {version}, and this machine has `{}`: \
         install PostgreSQL {version}, or move that folder away to begin a new one",
        cluster.display(),
        says.trim()
    )
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
