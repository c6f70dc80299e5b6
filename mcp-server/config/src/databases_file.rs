//! Further databases by name, from a YAML file.
//!
//! ```yaml
//! databases:
//!   sales:
//!     host: sales.example.com
//!     user: reader
//!     password: {env: SALES_PASSWORD}
//!     database: sales
//!     write: {user: writer, password: {file: /run/secrets/sales-writer}}
//! ```
//!
//! Passwords are references, never values. What bounds statements (their time, rows, bytes and
//! number at once) is as for the first database where an entry says nothing; who connects, and
//! what that user may do, is the entry's alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use super::{PostgresConfig, Secret, Signatures, SslMode};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatabasesFile {
    databases: BTreeMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    host: String,
    port: Option<u16>,
    user: String,
    password: Option<Reference>,
    database: String,
    write: Option<WriteLogin>,
    role: Option<String>,
    caller_roles: Option<String>,
    allow_superuser: Option<String>,
    sslmode: Option<SslMode>,
    sslrootcert: Option<PathBuf>,
    connections: Option<u32>,
    statement_timeout_ms: Option<u64>,
    max_rows: Option<usize>,
    max_bytes: Option<usize>,
    max_cost: Option<f64>,
    #[serde(default)]
    allowed_functions: Vec<String>,
    #[serde(default)]
    allow_triggers: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteLogin {
    user: String,
    password: Option<Reference>,
}

/// Where a secret is to be found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    /// The name of an environment variable.
    env: Option<String>,
    /// The path of a file; the line's end is not part of the secret.
    file: Option<PathBuf>,
}

impl PostgresConfig {
    /// The databases of the file, by name; none where no file is named.
    ///
    /// # Errors
    /// When the file cannot be read or understood, or a password is not where it should be.
    pub fn further_databases(&self) -> anyhow::Result<BTreeMap<String, Self>> {
        let Some(file) = &self.databases_file else {
            return Ok(BTreeMap::new());
        };
        self.read_databases(file)
            .with_context(|| format!("POSTGRES_DATABASES_FILE `{}`", file.display()))
    }

    fn read_databases(&self, file: &Path) -> anyhow::Result<BTreeMap<String, Self>> {
        let text = std::fs::read_to_string(file).context("it cannot be read")?;
        let file: DatabasesFile = yaml_serde::from_str(&text)?;
        let databases = file.databases.into_iter();
        databases
            .map(|(name, entry)| {
                let config = self
                    .further(&name, entry)
                    .with_context(|| format!("the database `{name}`"))?;
                Ok((name, config))
            })
            .collect()
    }

    fn further(&self, name: &str, entry: Entry) -> anyhow::Result<Self> {
        ensure!(
            is_database_name(name),
            "its name must be lower-case letters, digits, `_` and `-`, and begin with a letter"
        );
        if name == Self::FIRST {
            bail!("this is the name of the database of the POSTGRES_* settings: take another one");
        }
        let write = entry.write;
        let (write_user, write_password) = match write {
            None => (None, None),
            Some(login) => (Some(login.user), login.password),
        };
        let connections = entry.connections.unwrap_or(self.most_sessions());
        ensure!(
            (1..=1000).contains(&connections),
            "`connections` is from 1 to 1000"
        );
        Ok(Self {
            host: entry.host,
            port: entry.port.unwrap_or(5432),
            user: entry.user,
            password: entry.password.map(Reference::read).transpose()?,
            write_user,
            write_password: write_password.map(Reference::read).transpose()?,
            databases_file: None,
            database: entry.database,
            role: entry.role,
            caller_roles: entry
                .caller_roles
                .map(|roles| roles.parse())
                .transpose()
                .map_err(anyhow::Error::msg)?,
            connections,
            pool_max_size: None,
            pool_min_size: self.pool_min_size.min(connections),
            statement_timeout_ms: entry
                .statement_timeout_ms
                .unwrap_or(self.statement_timeout_ms),
            max_rows: entry.max_rows.unwrap_or(self.max_rows),
            max_bytes: entry.max_bytes.unwrap_or(self.max_bytes),
            max_cost: entry.max_cost.or(self.max_cost),
            allowed_functions: entry
                .allowed_functions
                .join(",")
                .parse::<Signatures>()
                .map_err(anyhow::Error::msg)?,
            allow_triggers: entry.allow_triggers,
            allow_superuser: entry.allow_superuser,
            ssl_mode: entry.sslmode,
            ssl_root_cert: entry.sslrootcert,
        })
    }
}

fn is_database_name(name: &str) -> bool {
    let is_part =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    name.len() <= 63
        && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.bytes().all(is_part)
}

impl Reference {
    fn read(self) -> anyhow::Result<Secret> {
        match (self.env, self.file) {
            (Some(name), None) => std::env::var(&name)
                .ok()
                .map(Secret::new)
                .with_context(|| format!("the environment has no variable `{name}`")),
            (None, Some(file)) => Secret::read(&file),
            _ => bail!("a password is either {{env: NAME}} or {{file: PATH}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Config;

    fn read(text: &str) -> Result<BTreeMap<String, PostgresConfig>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, password) = (folder.path().join("d.yaml"), folder.path().join("p"));
        std::fs::write(&password, "hidden\n").expect("written");
        let text = text.replace("PASSWORD_FILE", &password.display().to_string());
        std::fs::write(&file, text).expect("written");
        let file = file.display().to_string();
        let flags = ["mcp-server", "--postgres-max-rows=7", "--postgres-role=r"];
        let config = Config::parse_from(
            flags
                .into_iter()
                .chain(["--postgres-databases-file", file.as_str()]),
        );
        let read = config.postgres.further_databases();
        read.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn it_takes_bounds_from_the_first_database_and_nothing_of_who_connects() {
        let databases = read(
            "databases:\n  sales: {host: h, user: u, password: {file: PASSWORD_FILE}, \
             database: d, sslmode: verify-full, write: {user: w}}",
        );
        let databases = databases.expect("a good file");
        let sales = &databases["sales"];
        assert_eq!((sales.max_rows, &sales.role), (7, &None));
        assert_eq!(
            (sales.port, sales.ssl_mode),
            (5432, Some(SslMode::VerifyFull))
        );
        let password = sales.password.as_ref().map(Secret::expose);
        assert_eq!(
            (password, sales.write_user.as_deref()),
            (Some("hidden"), Some("w"))
        );
        assert!(!format!("{databases:?}").contains("hidden"));
    }

    #[test]
    fn it_refuses_what_it_does_not_understand_and_names_it() {
        const LOGIN: &str = "host: h, user: u, database: d";
        for (entry, named) in [
            (format!("default: {{{LOGIN}}}"), "POSTGRES_*"),
            (format!("Sales: {{{LOGIN}}}"), "lower-case"),
            (format!("a: {{{LOGIN}, passwort: x}}"), "passwort"),
            (format!("a: {{{LOGIN}, password: plain}}"), "password"),
            (
                format!("a: {{{LOGIN}, password: {{env: PORTCULLIS_NONE}}}}"),
                "PORTCULLIS_NONE",
            ),
            (
                format!("a: {{{LOGIN}, password: {{env: A, file: b}}}}"),
                "either",
            ),
            (format!("a: {{{LOGIN}, connections: 0}}"), "connections"),
            (format!("a: {{{LOGIN}, allowed_functions: [dice]}}"), "dice"),
            ("a: {user: u, database: d}".to_owned(), "host"),
        ] {
            let refused = read(&format!("databases:\n  {entry}")).expect_err(&entry);
            assert!(refused.contains(named), "{entry}: {refused}");
            assert!(refused.contains("POSTGRES_DATABASES_FILE"), "{refused}");
        }
    }
}
