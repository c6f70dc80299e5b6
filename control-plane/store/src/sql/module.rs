//! The filter modules in the database.

use std::path::PathBuf;

use super::{SqlStore, audit, micros, natural, now, stored, time};
use crate::database::{Row, Session};
use crate::{AuditEntry, Module, StoreError};

const READ: &str = "read the modules";
const WRITE: &str = "remember a module";

pub(super) async fn put(store: &SqlStore, module: &Module) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    insert(&mut session, module, FIRST).await?;
    session.commit().await
}

/// Remembers a module with its bytes and the time, and who gave them if they were not kept yet; all
/// or nothing.
pub(super) async fn keep(
    store: &SqlStore,
    module: &Module,
    content: &[u8],
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    insert(&mut session, module, LATEST).await?;
    let kept = session
        .execute(
            "INSERT INTO module_content (sha256, value) VALUES ($1, $2) \
             ON CONFLICT (sha256) DO NOTHING",
            &[(&module.sha256).into(), content.into()],
        )
        .await?;
    if kept > 0 {
        audit::insert(&mut session, entry, now().1).await?;
    }
    session.commit().await
}

/// Writes a module and keeps the time that is there.
const FIRST: &str = "INSERT INTO module (sha256, bytes, path, first_seen) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (sha256) DO UPDATE SET path = excluded.path";
/// Writes a module and its time: its day begins anew.
const LATEST: &str = "INSERT INTO module (sha256, bytes, path, first_seen) VALUES ($1, $2, $3, $4) \
                      ON CONFLICT (sha256) DO UPDATE SET path = excluded.path, \
                      first_seen = excluded.first_seen";

async fn insert(
    session: &mut Session,
    module: &Module,
    statement: &'static str,
) -> Result<(), StoreError> {
    let Some(path) = module.path.to_str() else {
        return Err(StoreError::Unstorable {
            what: "module's path",
            value: module.path.display().to_string(),
        });
    };
    session
        .execute(
            statement,
            &[
                (&module.sha256).into(),
                stored(module.bytes).into(),
                path.into(),
                micros(module.since).into(),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn content(store: &SqlStore, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut session = store.read(READ).await?;
    let row = session
        .row(
            "SELECT value FROM module_content WHERE sha256 = $1",
            &[sha256.into()],
        )
        .await?;
    session.commit().await?;
    row.map(|row| row.bytes("value")).transpose()
}

pub(super) async fn is_known(session: &mut Session, sha256: &str) -> Result<bool, StoreError> {
    let row = session
        .row(
            "SELECT sha256 FROM module WHERE sha256 = $1",
            &[sha256.into()],
        )
        .await?;
    Ok(row.is_some())
}

pub(super) async fn remove(
    store: &SqlStore,
    sha256: &str,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let mut session = store.write(WRITE).await?;
    let removed = session
        .execute("DELETE FROM module WHERE sha256 = $1", &[sha256.into()])
        .await?;
    if removed > 0 {
        audit::insert(&mut session, entry, now().1).await?;
    }
    session.commit().await?;
    Ok(removed > 0)
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
        since: time("module's time", row.number("first_seen")?)?,
    })
}
