//! The key of secrets' versions, in the database.

use super::SqlStore;
use crate::StoreError;

const READ: &str = "read the key of secrets' versions";
const WRITE: &str = "store the key of secrets' versions";

/// The key that is stored, or else `new`, which is from then on.
pub(super) async fn get_or_insert(store: &SqlStore, new: &[u8]) -> Result<Vec<u8>, StoreError> {
    let known = store
        .read(READ)
        .await?
        .row("SELECT key FROM version_key", &[])
        .await?;
    if let Some(row) = known {
        return row.bytes("key");
    }
    let mut session = store.write(WRITE).await?;
    session
        .execute(
            "INSERT INTO version_key (id, key) VALUES (1, $1) ON CONFLICT (id) DO NOTHING",
            &[new.into()],
        )
        .await?;
    // Another process may have been first.
    let row = session.row("SELECT key FROM version_key", &[]).await?;
    session.commit().await?;
    row.map_or_else(|| Ok(new.to_vec()), |row| row.bytes("key"))
}
