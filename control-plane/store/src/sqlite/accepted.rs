use std::collections::BTreeMap;

use super::{SqliteStore, catalogue, failed, natural, stored};
use crate::{AcceptedGeneration, ListHash, RevisionNumber, StoreError};

const READ: &str = "read the accepted generation";
const WRITE: &str = "remember the accepted generation";

pub(super) async fn set(
    store: &SqliteStore,
    accepted: &AcceptedGeneration,
) -> Result<(), StoreError> {
    let mut transaction = store.begin(WRITE).await?;
    sqlx::query(
        "INSERT INTO accepted (only, generation, revision, module) VALUES (1, ?, ?, ?) \
         ON CONFLICT (only) DO UPDATE SET generation = excluded.generation, revision = excluded.revision, module = excluded.module",
    )
    .bind(&accepted.generation)
    .bind(stored(accepted.revision.0))
    .bind(&accepted.module)
    .execute(&mut *transaction)
    .await
    .map_err(failed(WRITE))?;
    sqlx::query("DELETE FROM accepted_list")
        .execute(&mut *transaction)
        .await
        .map_err(failed(WRITE))?;
    for (server, hash) in &accepted.catalogues {
        sqlx::query("INSERT INTO accepted_list (server, list_hash) VALUES (?, ?)")
            .bind(server)
            .bind(hash.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed(WRITE))?;
    }
    catalogue::drop_unused_lists(&mut *transaction).await?;
    transaction.commit().await.map_err(failed(WRITE))
}

pub(super) async fn get(store: &SqliteStore) -> Result<Option<AcceptedGeneration>, StoreError> {
    let mut transaction = store.pool.begin().await.map_err(failed(READ))?;
    let row: Option<(String, i64, String)> =
        sqlx::query_as("SELECT generation, revision, module FROM accepted")
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(READ))?;
    let lists: Vec<(String, String)> =
        sqlx::query_as("SELECT server, list_hash FROM accepted_list")
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed(READ))?;
    transaction.commit().await.map_err(failed(READ))?;
    let Some((generation, revision, module)) = row else {
        return Ok(None);
    };
    let catalogues: BTreeMap<_, _> = lists
        .into_iter()
        .map(|(server, hash)| (server, ListHash::stored(hash)))
        .collect();
    Ok(Some(AcceptedGeneration {
        generation,
        revision: RevisionNumber(natural("revision number", revision)?),
        catalogues,
        module,
    }))
}
