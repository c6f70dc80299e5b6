//! Opens the file, checks it, and brings it to today's layout.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::OpenError;

static MIGRATIONS: Migrator = sqlx::migrate!();

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
    MIGRATIONS
        .run(&pool)
        .await
        .map_err(|source| OpenError::Layout {
            path: path.to_owned(),
            source,
        })?;
    Ok(pool)
}

/// Creates what is missing, for this user's eyes only, and finds out whether it can be written. SQLite would create the
/// file with the process's usual mode, and give the `-wal` file the mode of the main one.
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
    let path = path.to_owned();
    // SQLITE_CORRUPT and SQLITE_NOTADB, with or without the extension in the higher bits.
    let damaged = source
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 11 | 26));
    if damaged {
        return OpenError::Damaged {
            path,
            detail: source.to_string(),
        };
    }
    OpenError::Database { path, source }
}
