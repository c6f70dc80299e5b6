//! Opens a SQLite file, checks it, and brings it to today's layout.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use migration_steps::{Step, migrator};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::layout;
use crate::OpenError;

/// The steps from an empty file to today's layout.
const MIGRATIONS: [Step; 17] = [
    Step {
        number: 1,
        title: "initial",
        sql: include_str!("../../migrations/0001_initial.sql"),
    },
    Step {
        number: 2,
        title: "where lists come from",
        sql: include_str!("../../migrations/0002_where_lists_come_from.sql"),
    },
    Step {
        number: 3,
        title: "accepted bytes",
        sql: include_str!("../../migrations/0003_accepted_bytes.sql"),
    },
    Step {
        number: 4,
        title: "rollouts",
        sql: include_str!("../../migrations/0004_rollouts.sql"),
    },
    Step {
        number: 5,
        title: "leader",
        sql: include_str!("../../migrations/0005_leader.sql"),
    },
    Step {
        number: 6,
        title: "idempotency",
        sql: include_str!("../../migrations/0006_idempotency.sql"),
    },
    Step {
        number: 7,
        title: "layout",
        sql: include_str!("../../migrations/0007_layout.sql"),
    },
    Step {
        number: 8,
        title: "reviews and filters",
        sql: include_str!("../../migrations/0008_reviews_and_filters.sql"),
    },
    Step {
        number: 9,
        title: "modules",
        sql: include_str!("../../migrations/0009_modules.sql"),
    },
    Step {
        number: 10,
        title: "version key",
        sql: include_str!("../../migrations/0010_version_key.sql"),
    },
    Step {
        number: 11,
        title: "accepted revisions",
        sql: include_str!("../../migrations/0011_accepted_revisions.sql"),
    },
    Step {
        number: 12,
        title: "usual counts",
        sql: include_str!("../../migrations/0012_usual_counts.sql"),
    },
    Step {
        number: 13,
        title: "generations of rollouts",
        sql: include_str!("../../migrations/0013_generations_of_rollouts.sql"),
    },
    Step {
        number: 14,
        title: "statuses of answers",
        sql: include_str!("../../migrations/0014_statuses_of_answers.sql"),
    },
    Step {
        number: 15,
        title: "promoted waves",
        sql: include_str!("../../migrations/0015_promoted_waves.sql"),
    },
    Step {
        number: 16,
        title: "rejections run on",
        sql: include_str!("../../migrations/0016_rejections_run_on.sql"),
    },
    Step {
        number: 18,
        title: "sizes of lists",
        sql: include_str!("../../migrations/0018_sizes_of_lists.sql"),
    },
];

/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Readers do not wait for writers; a few of each are plenty.
const CONNECTIONS: u32 = 4;

pub(super) async fn open(path: &Path) -> Result<SqlitePool, OpenError> {
    touch(path).map_err(|source| OpenError::Inaccessible {
        path: path.to_owned(),
        source,
    })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_with(options)
        .await
        .map_err(|source| database(path, source))?;
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&pool)
        .await
        .map_err(|source| database(path, source))?;
    if found != "ok" {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            detail: found,
        });
    }
    let needs = needs(&pool)
        .await
        .map_err(|source| database(path, source))?;
    layout::check(needs, &MIGRATIONS, &path.display().to_string())?;
    migrator(&MIGRATIONS)
        .set_ignore_missing(true)
        .run(&pool)
        .await
        .map_err(|source| OpenError::Layout {
            store: path.display().to_string(),
            source,
        })?;
    Ok(pool)
}

/// The least step that a program has to know to work on the store; nothing where it does not say
/// so.
async fn needs(pool: &SqlitePool) -> Result<Option<i64>, sqlx::Error> {
    let is_there = "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'layout'";
    if !sqlx::query_scalar(is_there).fetch_one(pool).await? {
        return Ok(None);
    }
    let needs = "SELECT needs FROM layout";
    sqlx::query_scalar(needs).fetch_optional(pool).await
}

/// Creates what is missing, for this user's eyes only, and finds out whether it can be written.
/// SQLite would create the file with the process's usual mode, and give the `-wal` file the mode of
/// the main one.
fn touch(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
}

fn database(path: &Path, source: sqlx::Error) -> OpenError {
    // SQLITE_CORRUPT and SQLITE_NOTADB, with or without the extension in the higher bits.
    let damaged = source
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 11 | 26));
    if damaged {
        return OpenError::Damaged {
            path: path.to_owned(),
            detail: source.to_string(),
        };
    }
    OpenError::Unreachable {
        store: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_every_file_of_the_migrations_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let misfits = migration_steps::misfits(&folder, &MIGRATIONS).unwrap();
        assert!(misfits.is_empty(), "{misfits:?}");
    }

    #[test]
    fn it_breaks_no_earlier_program_by_a_step_that_does_not_say_so() {
        let breaking = layout::silently_breaking(&MIGRATIONS);
        assert!(breaking.is_empty(), "{breaking:?}");
    }

    #[test]
    fn it_opens_stores_that_were_made_when_sqlx_read_the_folder() {
        // What `sqlx::migrate!` had written into the table of migrations of such a store.
        let migrator = migrator(&MIGRATIONS);
        let first = migrator.iter().next().unwrap();
        assert_eq!((first.version, &*first.description), (1, "initial"));
        let recorded = "0e3a113448009bbd70cb4b29c3bad02513998cf24ded232e1037905aa551fa99\
                        c488800753c013d3fc50cbc2adcfb344";
        assert_eq!(hex::encode(&first.checksum), recorded);
    }
}
