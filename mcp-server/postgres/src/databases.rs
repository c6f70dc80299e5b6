//! The databases of this server, by name.

use std::collections::BTreeMap;

use config::PostgresConfig;

use super::error::UnknownDatabase;
use super::{Database, DatabaseCaller, Error};

/// The databases of this server, by name. The one of the POSTGRES_* settings is always there.
#[derive(Debug)]
pub struct Databases {
    by_name: BTreeMap<String, Database>,
}

impl Databases {
    /// Prepares every database without connecting.
    ///
    /// # Errors
    /// When a setting or the file of further databases cannot be understood.
    pub fn new(config: &PostgresConfig) -> anyhow::Result<Self> {
        let first = (PostgresConfig::FIRST.to_owned(), config.clone());
        let all = config.further_databases()?.into_iter().chain([first]);
        let by_name = all.map(|(name, config)| {
            let database = Database::new(&name, &config)?;
            Ok((name, database))
        });
        Ok(Self {
            by_name: by_name.collect::<anyhow::Result<_>>()?,
        })
    }

    /// The database of this name as a caller sees it; the one of the POSTGRES_* settings when no
    /// name is given.
    ///
    /// # Errors
    /// No database has this name ([`Error::UnknownDatabase`]), or the operator has given this
    /// caller no role there ([`Error::NoRole`]).
    pub fn get(&self, name: Option<&str>, caller: DatabaseCaller<'_>) -> Result<Database, Error> {
        let name = name.unwrap_or(PostgresConfig::FIRST);
        let database = self.by_name.get(name).ok_or_else(|| UnknownDatabase {
            name: name.to_owned(),
            known: self.names().map(ToOwned::to_owned).collect(),
        })?;
        database.for_caller(caller)
    }

    /// The names of all databases, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The databases in which a caller may do anything, in the order of their names.
    pub fn of_caller(&self, caller: DatabaseCaller<'_>) -> impl Iterator<Item = Database> {
        self.all()
            .filter_map(move |one| one.for_caller(caller).ok())
    }

    /// All databases, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Database> {
        self.by_name.values()
    }
}
