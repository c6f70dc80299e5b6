//! Addresses of stores: a file, or a PostgreSQL.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// The address of a store: the path of a SQLite file, or the URL of a PostgreSQL.
///
/// ```
/// use store::StoreAddress;
///
/// let address = StoreAddress::from("postgres://gateway:secret@db.example.org/portcullis");
/// assert_eq!(address.to_string(), "postgres://db.example.org/portcullis");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// The path of a SQLite file.
    File(PathBuf),
    /// The URL of a database on a PostgreSQL, which may hold a password.
    Postgres(String),
}

impl From<&str> for StoreAddress {
    fn from(text: &str) -> Self {
        // Also one of another database, or in capitals: as the name of a file it would make folders
        // that show its password. Whoever opens it refuses what is no PostgreSQL's.
        if text.contains("://") {
            Self::Postgres(text.to_owned())
        } else {
            Self::File(PathBuf::from(text))
        }
    }
}

impl From<OsString> for StoreAddress {
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some(text) => Self::from(text),
            None => Self::File(PathBuf::from(text)),
        }
    }
}

impl From<&Path> for StoreAddress {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<PathBuf> for StoreAddress {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// Shows no user, no password and no parameters.
impl fmt::Display for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Postgres(url) => {
                formatter.write_str("postgres://")?;
                // What cannot be read is not shown either: any part may be the password.
                let Some(url) = postgres_url(url) else {
                    return Ok(());
                };
                formatter.write_str(url.host_str().unwrap_or_default())?;
                if let Some(port) = url.port() {
                    write!(formatter, ":{port}")?;
                }
                formatter.write_str(url.path())
            }
        }
    }
}

/// The parts of a PostgreSQL's address; none where it is something else.
pub(crate) fn postgres_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "postgres" | "postgresql").then_some(url)
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StoreAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_a_file_from_a_postgresql_and_shows_no_password() {
        for (text, shown) in [
            ("/var/lib/control-plane.db", "/var/lib/control-plane.db"),
            ("postgres.db", "postgres.db"),
            (
                "postgres://u:secret@h:5433/d?sslmode=x",
                "postgres://h:5433/d",
            ),
            ("postgresql://u:se@cret@h/d", "postgres://h/d"),
            ("postgres://h/d?user=u&password=secret", "postgres://h/d"),
            ("postgres://h/d?password=a@secret", "postgres://h/d"),
            ("postgres://u:secret?@h/d", "postgres://"),
            ("POSTGRES://u:secret@h/d", "postgres://h/d"),
            (" postgres://u:secret@h/d", "postgres://h/d"),
            ("mysql://u:secret@h/d", "postgres://"),
            ("jdbc:postgresql://u:secret@h/d", "postgres://"),
        ] {
            let address = StoreAddress::from(text);
            assert_eq!(address.to_string(), shown);
            let is_postgres = matches!(address, StoreAddress::Postgres(_));
            assert_eq!(is_postgres, text.contains("://"), "{text}");
            assert!(!format!("{address:?}").contains("secret"), "{address:?}");
        }
    }
}
