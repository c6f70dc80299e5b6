//! Addresses of stores: a file, or a PostgreSQL.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::OpenError;

/// The address of a store: the path of a SQLite file, the URL of a PostgreSQL, or `@` and the path
/// of a file that holds one of these.
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
    /// The path of a file that holds one of the two as its only line.
    InFile(PathBuf),
}

impl StoreAddress {
    /// The address itself, where this names a file that holds it.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no address.
    pub fn resolved(self) -> Result<Self, OpenError> {
        let Self::InFile(path) = self else {
            return Ok(self);
        };
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| OpenError::AddressFile {
            path: path.clone(),
            source,
        })?;
        match Self::from(text.trim()) {
            Self::File(file) if file.as_os_str().is_empty() || text.trim().contains('\n') => {
                Err(OpenError::NoAddress(path))
            }
            Self::InFile(_) => Err(OpenError::NoAddress(path)),
            address => Ok(address),
        }
    }

    /// Refuses an address with a password that is one of the program's arguments: every user of the
    /// machine can read those.
    ///
    /// # Errors
    /// When it is.
    pub fn check_arguments(
        &self,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<(), OpenError> {
        let Self::Postgres(url) = self else {
            return Ok(());
        };
        let is_argument = |argument: OsString| argument.to_string_lossy().contains(&**url);
        if has_password(url) && arguments.into_iter().any(is_argument) {
            return Err(OpenError::Address(
                "`--store` shows its password to everybody on this machine: set \
                 CONTROL_PLANE_STORE instead, or write the address into a file and give \
                 `--store @/path/of/the/file`"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// Whether an address has a password, or may have one where it cannot be read.
fn has_password(url: &str) -> bool {
    postgres_url(url).is_none_or(|url| {
        url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password")
    })
}

impl From<&str> for StoreAddress {
    fn from(text: &str) -> Self {
        if let Some(path) = text.strip_prefix('@') {
            return Self::InFile(PathBuf::from(path));
        }
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
            Self::InFile(path) => write!(formatter, "@{}", path.display()),
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

    #[test]
    fn it_reads_the_address_from_a_file_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store");
        let named = || StoreAddress::from(&*format!("@{}", file.display()));
        assert!(matches!(
            named().resolved(),
            Err(OpenError::AddressFile { .. })
        ));
        for (text, address) in [
            ("postgres://u:secret@h/d\n", Some("postgres://u:secret@h/d")),
            (
                "/var/lib/control-plane.db",
                Some("/var/lib/control-plane.db"),
            ),
            ("", None),
            ("@/another", None),
            ("one\ntwo", None),
        ] {
            std::fs::write(&file, text).unwrap();
            let resolved = named().resolved().ok();
            assert_eq!(resolved, address.map(StoreAddress::from), "{text}");
        }
    }

    #[test]
    fn it_refuses_a_password_among_the_arguments() {
        let check = |url: &str, argument: &str| {
            let arguments = ["control-plane", argument].map(OsString::from);
            StoreAddress::from(url).check_arguments(arguments)
        };
        let with = "postgres://u:secret@h/d";
        for argument in [with, &format!("--store={with}")] {
            let refused = check(with, argument).unwrap_err().to_string();
            assert!(refused.contains("CONTROL_PLANE_STORE"), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
        let in_query = "postgres://h/d?password=secret";
        check(in_query, in_query).unwrap_err();
        check(with, "--relist-seconds=1").unwrap();
        for without in [
            "postgres://u@h/d",
            "/var/lib/control-plane.db",
            "@/run/secrets/store",
        ] {
            check(without, without).unwrap();
        }
    }
}
