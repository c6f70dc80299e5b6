//! The filter modules in SQLite.

use std::path::PathBuf;

use super::rows::row_by_columns;
use super::{SqliteStore, failed, micros, natural, stored, time};
use crate::{Module, StoreError};

const READ: &str = "read the modules";
const WRITE: &str = "remember a module";

struct Row {
    sha256: String,
    bytes: i64,
    path: String,
    first_seen: i64,
}

row_by_columns!(Row {
    sha256,
    bytes,
    path,
    first_seen
});

impl TryFrom<Row> for Module {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            sha256: row.sha256,
            bytes: natural("module's size", row.bytes)?,
            path: PathBuf::from(row.path),
            first_seen: time("module's time", row.first_seen)?,
        })
    }
}

pub(super) async fn put(store: &SqliteStore, module: &Module) -> Result<(), StoreError> {
    let Some(path) = module.path.to_str() else {
        return Err(StoreError::Unstorable {
            what: "module's path",
            value: module.path.display().to_string(),
        });
    };
    sqlx::query(
        "INSERT INTO module (sha256, bytes, path, first_seen) VALUES (?, ?, ?, ?) \
         ON CONFLICT (sha256) DO UPDATE SET path = excluded.path",
    )
    .bind(&module.sha256)
    .bind(stored(module.bytes))
    .bind(path)
    .bind(micros(module.first_seen))
    .execute(&store.pool)
    .await
    .map(drop)
    .map_err(failed(WRITE))
}

pub(super) async fn by_hash(
    store: &SqliteStore,
    sha256: &str,
) -> Result<Option<Module>, StoreError> {
    sqlx::query_as::<_, Row>("SELECT sha256, bytes, path, first_seen FROM module WHERE sha256 = ?")
        .bind(sha256)
        .fetch_optional(&store.pool)
        .await
        .map_err(failed(READ))?
        .map(Module::try_from)
        .transpose()
}

pub(super) async fn all(store: &SqliteStore) -> Result<Vec<Module>, StoreError> {
    sqlx::query_as::<_, Row>(
        "SELECT sha256, bytes, path, first_seen FROM module ORDER BY first_seen, sha256",
    )
    .fetch_all(&store.pool)
    .await
    .map_err(failed(READ))?
    .into_iter()
    .map(Module::try_from)
    .collect()
}
