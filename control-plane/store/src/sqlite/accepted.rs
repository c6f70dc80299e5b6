//! The accepted generations in SQLite.

use std::collections::BTreeMap;

use sqlx::{Row, Sqlite, Transaction};

use super::{SqliteStore, catalogue, failed, natural, stored};
use crate::{AcceptedGeneration, ListHash, RevisionNumber, StoreError, StoredResource};

const READ: &str = "read the accepted generations";
const WRITE: &str = "remember the accepted generation";

/// How many accepted generations are kept. The newest is served; where it turns out bad after all,
/// the one before it is. A third lets that happen twice in a row.
const KEPT: i64 = 3;

pub(super) async fn add(
    store: &SqliteStore,
    accepted: &AcceptedGeneration,
) -> Result<(), StoreError> {
    let mut transaction = store.begin(WRITE).await?;
    // Accepted once more, with other lists or as another revision: it takes no second place.
    sqlx::query("DELETE FROM accepted WHERE generation = ?")
        .bind(&accepted.generation)
        .execute(&mut *transaction)
        .await
        .map_err(failed(WRITE))?;
    let sequence =
        sqlx::query("INSERT INTO accepted (generation, revision, module) VALUES (?, ?, ?)")
            .bind(&accepted.generation)
            .bind(stored(accepted.revision.0))
            .bind(&accepted.module)
            .execute(&mut *transaction)
            .await
            .map_err(failed(WRITE))?
            .last_insert_rowid();
    for (server, hash) in &accepted.catalogues {
        sqlx::query("INSERT INTO accepted_list (sequence, server, list_hash) VALUES (?, ?, ?)")
            .bind(sequence)
            .bind(server)
            .bind(hash.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed(WRITE))?;
    }
    for resource in &accepted.resources {
        // Most contents are those of the generation before.
        sqlx::query(
            "INSERT INTO content (type_url, version, value) VALUES (?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&resource.type_url)
        .bind(&resource.version)
        .bind(&resource.value)
        .execute(&mut *transaction)
        .await
        .map_err(failed(WRITE))?;
        sqlx::query("INSERT INTO accepted_content (sequence, type_url, version) VALUES (?, ?, ?)")
            .bind(sequence)
            .bind(&resource.type_url)
            .bind(&resource.version)
            .execute(&mut *transaction)
            .await
            .map_err(failed(WRITE))?;
    }
    sqlx::query(
        "DELETE FROM accepted WHERE sequence NOT IN (SELECT sequence FROM accepted \
         ORDER BY sequence DESC LIMIT ?)",
    )
    .bind(KEPT)
    .execute(&mut *transaction)
    .await
    .map_err(failed(WRITE))?;
    tidy(&mut transaction).await?;
    transaction.commit().await.map_err(failed(WRITE))
}

pub(super) async fn remove(store: &SqliteStore, generation: &str) -> Result<(), StoreError> {
    let mut transaction = store.begin(WRITE).await?;
    sqlx::query("DELETE FROM accepted WHERE generation = ?")
        .bind(generation)
        .execute(&mut *transaction)
        .await
        .map_err(failed(WRITE))?;
    tidy(&mut transaction).await?;
    transaction.commit().await.map_err(failed(WRITE))
}

pub(super) async fn all(store: &SqliteStore) -> Result<Vec<AcceptedGeneration>, StoreError> {
    let mut transaction = store.pool.begin().await.map_err(failed(READ))?;
    let rows = sqlx::query(
        "SELECT sequence, generation, revision, module FROM accepted ORDER BY sequence DESC",
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(failed(READ))?;
    let mut all = Vec::new();
    for row in rows {
        let column = |source| StoreError::Database {
            operation: READ,
            source,
        };
        let sequence: i64 = row.try_get("sequence").map_err(column)?;
        all.push(AcceptedGeneration {
            generation: row.try_get("generation").map_err(column)?,
            revision: RevisionNumber(natural(
                "revision number",
                row.try_get("revision").map_err(column)?,
            )?),
            catalogues: lists(&mut transaction, sequence).await?,
            module: row.try_get("module").map_err(column)?,
            resources: resources(&mut transaction, sequence).await?,
        });
    }
    transaction.commit().await.map_err(failed(READ))?;
    Ok(all)
}

async fn lists(
    transaction: &mut Transaction<'_, Sqlite>,
    sequence: i64,
) -> Result<BTreeMap<String, ListHash>, StoreError> {
    let rows = sqlx::query("SELECT server, list_hash FROM accepted_list WHERE sequence = ?")
        .bind(sequence)
        .fetch_all(&mut **transaction)
        .await
        .map_err(failed(READ))?;
    rows.into_iter()
        .map(|row| {
            Ok((
                row.try_get("server")?,
                ListHash::stored(row.try_get("list_hash")?),
            ))
        })
        .collect::<Result<_, sqlx::Error>>()
        .map_err(failed(READ))
}

async fn resources(
    transaction: &mut Transaction<'_, Sqlite>,
    sequence: i64,
) -> Result<Vec<StoredResource>, StoreError> {
    let rows = sqlx::query(
        "SELECT type_url, version, value FROM accepted_content \
         JOIN content USING (type_url, version) \
         WHERE sequence = ? ORDER BY type_url, version",
    )
    .bind(sequence)
    .fetch_all(&mut **transaction)
    .await
    .map_err(failed(READ))?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredResource {
                type_url: row.try_get("type_url")?,
                version: row.try_get("version")?,
                value: row.try_get("value")?,
            })
        })
        .collect::<Result<_, sqlx::Error>>()
        .map_err(failed(READ))
}

/// Deletes the contents and lists that nothing names any more.
async fn tidy(transaction: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM content WHERE NOT EXISTS (SELECT 1 FROM accepted_content AS used \
         WHERE used.type_url = content.type_url AND used.version = content.version)",
    )
    .execute(&mut **transaction)
    .await
    .map_err(failed(WRITE))?;
    catalogue::drop_unused_lists(&mut **transaction).await
}
