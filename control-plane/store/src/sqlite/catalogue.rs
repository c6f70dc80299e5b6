//! The lists of tools in SQLite, each stored once under its hash.

use std::collections::BTreeMap;

use sqlx::SqliteExecutor;
use time::OffsetDateTime;

use super::rows::row_by_columns;
use super::{SqliteStore, failed, micros, now, stored, time};
use crate::{Catalogue, ListHash, RawTool, StoreError};

const READ: &str = "read the catalogue";
const WRITE: &str = "write the catalogue";

/// How long a list is kept that nothing names any more.
const UNUSED_KEPT_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

struct CatalogueRow {
    server: String,
    list_hash: String,
    protocol: String,
    seen_at: i64,
    endpoint: String,
}

row_by_columns!(CatalogueRow {
    server,
    list_hash,
    protocol,
    seen_at,
    endpoint
});

pub(super) async fn put(store: &SqliteStore, catalogue: &Catalogue) -> Result<(), StoreError> {
    let mut transaction = store.begin(WRITE).await?;
    let hash = catalogue.hash.as_str();
    let known: Option<String> = sqlx::query_scalar("SELECT hash FROM tool_list WHERE hash = ?")
        .bind(hash)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed(WRITE))?;
    sqlx::query(
        "INSERT INTO tool_list (hash, stored_at) VALUES (?, ?) \
         ON CONFLICT (hash) DO UPDATE SET stored_at = excluded.stored_at",
    )
    .bind(hash)
    .bind(now().1)
    .execute(&mut *transaction)
    .await
    .map_err(failed(WRITE))?;
    if known.is_none() {
        for (position, tool) in (0..).zip(&catalogue.tools) {
            sqlx::query("INSERT INTO tool (list_hash, position, name, json) VALUES (?, ?, ?, ?)")
                .bind(hash)
                .bind(stored(position))
                .bind(&tool.name)
                .bind(&tool.json)
                .execute(&mut *transaction)
                .await
                .map_err(failed(WRITE))?;
        }
    }
    sqlx::query(
        "INSERT INTO catalogue (server, list_hash, protocol, seen_at, endpoint) \
         VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (server) DO UPDATE SET list_hash = excluded.list_hash, protocol = \
         excluded.protocol, seen_at = excluded.seen_at, endpoint = excluded.endpoint",
    )
    .bind(&catalogue.server)
    .bind(hash)
    .bind(&catalogue.protocol)
    .bind(micros(catalogue.seen_at))
    .bind(&catalogue.endpoint)
    .execute(&mut *transaction)
    .await
    .map_err(failed(WRITE))?;
    sqlx::query("DELETE FROM tool_since WHERE server = ?")
        .bind(&catalogue.server)
        .execute(&mut *transaction)
        .await
        .map_err(failed(WRITE))?;
    for (name, since) in &catalogue.since {
        sqlx::query("INSERT INTO tool_since (server, name, since) VALUES (?, ?, ?)")
            .bind(&catalogue.server)
            .bind(name)
            .bind(micros(*since))
            .execute(&mut *transaction)
            .await
            .map_err(failed(WRITE))?;
    }
    drop_unused_lists(&mut *transaction).await?;
    transaction.commit().await.map_err(failed(WRITE))
}

pub(super) async fn remove(store: &SqliteStore, server: &str) -> Result<(), StoreError> {
    let mut transaction = store.begin(WRITE).await?;
    sqlx::query("DELETE FROM catalogue WHERE server = ?")
        .bind(server)
        .execute(&mut *transaction)
        .await
        .map_err(failed(WRITE))?;
    drop_unused_lists(&mut *transaction).await?;
    transaction.commit().await.map_err(failed(WRITE))
}

pub(super) async fn all(store: &SqliteStore) -> Result<BTreeMap<String, Catalogue>, StoreError> {
    // One transaction, so that no list is dropped between the two questions.
    let mut transaction = store.pool.begin().await.map_err(failed(READ))?;
    let rows: Vec<CatalogueRow> =
        sqlx::query_as("SELECT server, list_hash, protocol, seen_at, endpoint FROM catalogue")
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed(READ))?;
    let mut catalogues = BTreeMap::new();
    for row in rows {
        let catalogue = Catalogue {
            tools: tools(&mut *transaction, &row.list_hash).await?,
            since: since(&mut *transaction, &row.server).await?,
            endpoint: row.endpoint,
            server: row.server.clone(),
            protocol: row.protocol,
            seen_at: time("catalogue's time", row.seen_at)?,
            hash: ListHash::stored(row.list_hash),
        };
        catalogues.insert(row.server, catalogue);
    }
    transaction.commit().await.map_err(failed(READ))?;
    Ok(catalogues)
}

pub(super) async fn list(
    store: &SqliteStore,
    hash: &ListHash,
) -> Result<Option<Vec<RawTool>>, StoreError> {
    let mut transaction = store.pool.begin().await.map_err(failed(READ))?;
    let known: Option<String> = sqlx::query_scalar("SELECT hash FROM tool_list WHERE hash = ?")
        .bind(hash.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed(READ))?;
    let tools = tools(&mut *transaction, hash.as_str()).await?;
    transaction.commit().await.map_err(failed(READ))?;
    Ok(known.map(|_| tools))
}

/// Deletes the lists that neither a catalogue nor the accepted generation names, once no roll-out
/// that began with them can still be under way.
pub(super) async fn drop_unused_lists(executor: impl SqliteExecutor<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM tool_list WHERE stored_at < ? AND hash NOT IN \
         (SELECT list_hash FROM catalogue UNION SELECT list_hash FROM accepted_list)",
    )
    .bind(now().1 - UNUSED_KEPT_MICROS)
    .execute(executor)
    .await
    .map(drop)
    .map_err(failed(WRITE))
}

async fn since(
    executor: impl SqliteExecutor<'_>,
    server: &str,
) -> Result<BTreeMap<String, OffsetDateTime>, StoreError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT name, since FROM tool_since WHERE server = ?")
            .bind(server)
            .fetch_all(executor)
            .await
            .map_err(failed(READ))?;
    rows.into_iter()
        .map(|(name, since)| Ok((name, time("tool's time", since)?)))
        .collect()
}

async fn tools(
    executor: impl SqliteExecutor<'_>,
    list_hash: &str,
) -> Result<Vec<RawTool>, StoreError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT name, json FROM tool WHERE list_hash = ? ORDER BY position")
            .bind(list_hash)
            .fetch_all(executor)
            .await
            .map_err(failed(READ))?;
    Ok(rows
        .into_iter()
        .map(|(name, json)| RawTool { name, json })
        .collect())
}
