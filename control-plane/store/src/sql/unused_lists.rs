//! Lists of tools that nothing names any more: how long they stay, and how much room they have.

use sqlx::AssertSqlSafe;

use super::now;
use crate::StoreError;
use crate::database::Session;

/// How long one is kept, if there is room for it.
const KEPT_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// How many of a server are kept, the newest. A server is asked every ten seconds, or when it says
/// that it has another list: what is judged meanwhile has been listed within these.
const MOST_OF_SERVER: i64 = 32;
/// How many bytes the definitions in them may have: four lists of the largest size.
const MOST_BYTES_OF_SERVER: i64 = 64 << 20;
/// How many bytes those of all servers may have. The newest of each server that has a catalogue
/// stays besides in any case: one list for each, of the largest size at most.
const MOST_BYTES: i64 = 256 << 20;

/// The lists that neither a catalogue nor a stored generation names.
const UNNAMED: &str = "hash NOT IN (SELECT list_hash FROM catalogue \
                       UNION SELECT list_hash FROM accepted_list \
                       UNION SELECT list_hash FROM rollout_list)";

/// Deletes the unnamed lists, once no generation can be about to be stored that began with them: a
/// day later, or when newer ones have taken their room.
pub(super) async fn drop_unused_lists(session: &mut Session) -> Result<(), StoreError> {
    // An earlier version wrote these.
    session
        .execute(
            "UPDATE tool_list SET bytes = (SELECT COALESCE(SUM(octet_length(tool.json)), 0) \
             FROM tool WHERE tool.list_hash = tool_list.hash) WHERE bytes IS NULL",
            &[],
        )
        .await?;
    let of_each = format!(
        "SELECT hash, server, stored_at, bytes, ROW_NUMBER() OVER of_server AS place, \
         SUM(bytes) OVER of_server AS so_far FROM tool_list WHERE {UNNAMED} \
         WINDOW of_server AS (PARTITION BY server ORDER BY stored_at DESC, hash)"
    );
    let of_all = format!(
        "SELECT hash, server, place, SUM(bytes) OVER (ORDER BY stored_at DESC, hash) AS so_far \
         FROM ({of_each}) AS of_each WHERE place = 1 OR (place <= $2 AND so_far <= $3)"
    );
    let statement = format!(
        "DELETE FROM tool_list WHERE {UNNAMED} AND (stored_at < $1 OR hash NOT IN \
         (SELECT hash FROM ({of_all}) AS of_all WHERE so_far <= $4 \
         OR (place = 1 AND server IN (SELECT server FROM catalogue))))"
    );
    session
        .execute(
            AssertSqlSafe(statement),
            &[
                (now().1 - KEPT_MICROS).into(),
                MOST_OF_SERVER.into(),
                MOST_BYTES_OF_SERVER.into(),
                MOST_BYTES.into(),
            ],
        )
        .await
        .map(drop)
}
