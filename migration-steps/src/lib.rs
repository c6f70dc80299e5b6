//! The migrations of a database, as steps that a program carries in itself.
//!
//! sqlx could read the folder while the program is built; its macros would more than double the
//! time that takes, because they bring all of sqlx into the compiler a second time. So a program
//! names its files one by one as [`Step`]s, and a test of it asks [`misfits`] whether it names all
//! of them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use sqlx::PgPool;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

/// One step from an empty database to today's layout. A step that was released is never changed:
/// its checksum is in every database that took it.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Its place in the order of steps, from 1.
    pub number: i64,
    /// A few words, which are in the file's name with underscores.
    pub title: &'static str,
    /// The statements that make the change.
    pub sql: &'static str,
}

/// The migrator that takes a database through `steps`.
#[must_use]
pub fn migrator(steps: &[Step]) -> Migrator {
    let migration = |step: &Step| {
        let title = Cow::Borrowed(step.title);
        let sql = step.sql.into_sql_str();
        Migration::new(step.number, title, MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(steps.iter().map(migration).collect())
}

/// The migrator that takes one program's tables in `schema` through `steps`. The schema is made if
/// need be, and `record` in it says which steps were taken: programs that share a schema each have
/// a record of their own.
#[must_use]
pub fn migrator_in(schema: &'static str, record: &str, steps: &[Step]) -> Migrator {
    let mut migrator = migrator(steps);
    migrator.create_schema(schema);
    migrator.dangerous_set_table_name(format!("{schema}.{record}"));
    migrator
}

/// Takes a database through the steps of `migrator`. Once begun it goes on to its end, also when
/// nobody waits for it any more: a migration that is dropped in its middle would leave its lock on
/// a connection of the pool, and every other process would wait for that.
///
/// # Errors
/// A step fails, or the database has taken steps that the migrator does not know.
pub async fn run_to_end(migrator: Migrator, pool: PgPool) -> Result<(), MigrateError> {
    let running = tokio::spawn(async move { migrator.run(&pool).await });
    running
        .await
        .unwrap_or_else(|error| Err(MigrateError::Source(error.into())))
}

/// The names of files of `folder` that are no step, and those of steps that are no file there.
///
/// # Errors
/// When the folder cannot be read.
pub fn misfits(folder: &Path, steps: &[Step]) -> io::Result<BTreeSet<String>> {
    let files: BTreeSet<String> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    let named: BTreeSet<String> = steps
        .iter()
        .map(|step| format!("{:04}_{}.sql", step.number, step.title.replace(' ', "_")))
        .collect();
    Ok(files.symmetric_difference(&named).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_files_that_are_no_step_and_steps_that_are_no_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0001_first_tables.sql", "0003_later.sql"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let step = |number, title| Step {
            number,
            title,
            sql: "",
        };
        let steps = [step(1, "first tables"), step(2, "forgotten")];
        let misfits = misfits(folder.path(), &steps).unwrap();
        let expected = ["0002_forgotten.sql", "0003_later.sql"];
        assert!(misfits.iter().eq(expected), "{misfits:?}");
    }

    #[test]
    fn it_takes_the_steps_as_they_are_written() {
        let steps = [Step {
            number: 7,
            title: "a title",
            sql: "SELECT 1",
        }];
        let migrator = migrator(&steps);
        let migration = migrator.iter().next().unwrap();
        assert_eq!((migration.version, &*migration.description), (7, "a title"));
        assert_eq!(migration.sql.as_str(), "SELECT 1");
    }
}
