//! The filter modules in the database.

use std::path::PathBuf;

use super::{SqlStore, micros, natural, stored, time};
use crate::database::Row;
use crate::{Module, StoreError};

const READ: &str = "read the modules";
const WRITE: &str = "remember a module";

pub(super) async fn put(store: &SqlStore, module: &Module) -> Result<(), StoreError> {
    let Some(path) = module.path.to_str() else {
        return Err(StoreError::Unstorable {
            what: "module's path",
            value: module.path.display().to_string(),
        });
    };
    let mut session = store.write(WRITE).await?;
    session
        .execute(
            "INSERT INTO module (sha256, bytes, path, first_seen) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (sha256) DO UPDATE SET path = excluded.path",
            &[
                (&module.sha256).into(),
                stored(module.bytes).into(),
                path.into(),
                micros(module.first_seen).into(),
            ],
        )
        .await?;
    session.commit().await
}

pub(super) async fn by_hash(store: &SqlStore, sha256: &str) -> Result<Option<Module>, StoreError> {
    let mut session = store.read(READ).await?;
    let row = session
        .row(
            "SELECT sha256, bytes, path, first_seen FROM module WHERE sha256 = $1",
            &[sha256.into()],
        )
        .await?;
    session.commit().await?;
    row.as_ref().map(module).transpose()
}

pub(super) async fn all(store: &SqlStore) -> Result<Vec<Module>, StoreError> {
    let mut session = store.read(READ).await?;
    let rows = session
        .rows(
            "SELECT sha256, bytes, path, first_seen FROM module ORDER BY first_seen, sha256",
            &[],
        )
        .await?;
    session.commit().await?;
    rows.iter().map(module).collect()
}

fn module(row: &Row) -> Result<Module, StoreError> {
    Ok(Module {
        sha256: row.text("sha256")?,
        bytes: natural("module's size", row.number("bytes")?)?,
        path: PathBuf::from(row.text("path")?),
        first_seen: time("module's time", row.number("first_seen")?)?,
    })
}
