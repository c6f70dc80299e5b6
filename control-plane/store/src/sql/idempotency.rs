//! Answers to requests that had an idempotency key, in the database.

use super::{SqlStore, micros, now, time};
use crate::database::Session;
use crate::{StoreError, StoredAnswer};

const READ: &str = "read the answer to an earlier request";
const WRITE: &str = "remember the answer to a request";

/// How many answers are kept, the newest: more writes than operators and their scripts make in an
/// hour, and no disk full of keys.
const MOST_ANSWERS: i64 = 1000;
/// How many bytes the bodies of the answers may have together: a report on a change is a few KiB,
/// and some hundred where thousands of Envoys answered.
const MOST_BYTES: i64 = 16 << 20;

/// Remembers an answer, and forgets those whose time is over and the oldest of too many.
pub(super) async fn put(store: &SqlStore, answer: &StoredAnswer) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    session
        .execute(
            "INSERT INTO idempotency (key, request, status, headers, body, ends_at) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (key) DO UPDATE SET request = excluded.request, \
             status = excluded.status, headers = excluded.headers, body = excluded.body, \
             ends_at = excluded.ends_at",
            &[
                (&answer.key).into(),
                (&answer.request).into(),
                i64::from(answer.status).into(),
                (&answer.headers).into(),
                (&answer.body).into(),
                micros(answer.ends_at).into(),
            ],
        )
        .await?;
    session
        .execute(
            "DELETE FROM idempotency WHERE ends_at < $1 OR key NOT IN \
             (SELECT key FROM idempotency ORDER BY ends_at DESC, key LIMIT $2)",
            &[now().1.into(), MOST_ANSWERS.into()],
        )
        .await?;
    forget_beyond_the_bytes(&mut session).await?;
    session.commit().await
}

/// Forgets the oldest answers beyond as many bytes as are kept; the newest one stays.
async fn forget_beyond_the_bytes(session: &mut Session) -> Result<(), StoreError> {
    let answers = session
        .rows(
            "SELECT key, CAST(length(body) AS BIGINT) AS bytes FROM idempotency \
             ORDER BY ends_at DESC, key",
            &[],
        )
        .await?;
    let mut bytes = 0;
    for (place, answer) in answers.iter().enumerate() {
        bytes += answer.number("bytes")?;
        if bytes > MOST_BYTES && place > 0 {
            let key = answer.text("key")?;
            session
                .execute("DELETE FROM idempotency WHERE key = $1", &[(&key).into()])
                .await?;
        }
    }
    Ok(())
}

pub(super) async fn by_key(
    store: &SqlStore,
    key: &str,
) -> Result<Option<StoredAnswer>, StoreError> {
    let mut session = store.read(READ).await?;
    let row = session
        .row(
            "SELECT key, request, status, headers, body, ends_at FROM idempotency \
             WHERE key = $1 AND ends_at >= $2",
            &[key.into(), now().1.into()],
        )
        .await?;
    session.commit().await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let status = row.number("status")?;
    Ok(Some(StoredAnswer {
        key: row.text("key")?,
        request: row.text("request")?,
        status: u16::try_from(status).map_err(|_| StoreError::Unreadable {
            what: "status of an answer",
            value: status.to_string(),
        })?,
        headers: row.text("headers")?,
        body: row.bytes("body")?,
        ends_at: time("end of an answer", row.number("ends_at")?)?,
    }))
}
