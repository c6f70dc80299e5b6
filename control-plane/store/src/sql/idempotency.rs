//! Requests that had an idempotency key, in the database.

use time::OffsetDateTime;

use super::{SqlStore, micros, now, stored, time};
use crate::answer::MOST_KEYS;
use crate::database::{Row, Session};
use crate::{KeptAnswer, KeyPlace, StoreError, StoredAnswer};

const READ: &str = "read the answer to an earlier request";
const WRITE: &str = "remember the answer to a request";

/// How many bytes the bodies of the answers may have together: a report on a change is a few KiB,
/// and some hundred where thousands of Envoys answered.
const MOST_BYTES: i64 = 16 << 20;
/// How many of them stay where that is too much: so room is made once for many answers.
const LEFT_BYTES: i64 = 15 << 20;

/// Takes a key for a request that begins, where there is a place for it, and forgets the keys whose
/// time is over.
pub(super) async fn begin(
    store: &SqlStore,
    key: &str,
    request: &str,
    ends_at: OffsetDateTime,
) -> Result<KeyPlace, StoreError> {
    let mut session = store.write(WRITE).await?;
    forget_old(&mut session).await?;
    let kept = session
        .row("SELECT count(*) AS keys FROM idempotency", &[])
        .await?;
    let kept = kept.map_or(Ok(0), |row| row.number("keys"))?;
    let place = if kept < i64::from(MOST_KEYS) {
        let begun = StoredAnswer {
            key: key.to_owned(),
            request: request.to_owned(),
            answer: KeptAnswer::Begun,
            ends_at,
        };
        insert(&mut session, &begun).await?;
        KeyPlace::Taken
    } else {
        KeyPlace::NoneFree
    };
    session.commit().await?;
    Ok(place)
}

/// Remembers an answer, and of the oldest ones no more than that they were given, where all
/// together are too large.
pub(super) async fn put(store: &SqlStore, answer: &StoredAnswer) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    insert(&mut session, answer).await?;
    forget_old(&mut session).await?;
    make_room(&mut session, &answer.key).await?;
    session.commit().await
}

async fn insert(session: &mut Session, answer: &StoredAnswer) -> Result<(), StoreError> {
    let (status, done_with, headers, body) = match &answer.answer {
        KeptAnswer::Begun => (0, 0, "", &[][..]),
        KeptAnswer::Whole {
            status,
            headers,
            body,
        } => (*status, 0, &**headers, &**body),
        KeptAnswer::Status(status) => (0, *status, "", &[][..]),
    };
    session
        .execute(
            "INSERT INTO idempotency \
             (key, request, status, headers, body, ends_at, done_with, bytes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (key) DO UPDATE SET request = excluded.request, \
             status = excluded.status, headers = excluded.headers, body = excluded.body, \
             ends_at = excluded.ends_at, done_with = excluded.done_with, bytes = excluded.bytes",
            &[
                (&answer.key).into(),
                (&answer.request).into(),
                i64::from(status).into(),
                headers.into(),
                body.into(),
                micros(answer.ends_at).into(),
                i64::from(done_with).into(),
                stored(body.len() as u64).into(),
            ],
        )
        .await?;
    Ok(())
}

async fn forget_old(session: &mut Session) -> Result<(), StoreError> {
    session
        .execute(
            "DELETE FROM idempotency WHERE ends_at < $1",
            &[now().1.into()],
        )
        .await?;
    Ok(())
}

/// Forgets the headers and bodies of the oldest answers where all together are too large; those of
/// the answer to `newest` stay.
async fn make_room(session: &mut Session, newest: &str) -> Result<(), StoreError> {
    let kept = session
        .row(
            "SELECT CAST(sum(bytes) AS BIGINT) AS bytes FROM idempotency",
            &[],
        )
        .await?;
    let kept = kept.map(|row| row.optional_number("bytes")).transpose()?;
    let kept = kept.flatten().unwrap_or_default();
    if kept <= MOST_BYTES {
        return Ok(());
    }
    session
        .execute(
            "UPDATE idempotency \
             SET done_with = status, status = 0, headers = '', body = $1, bytes = 0 \
             WHERE bytes > 0 AND key <> $2 AND ends_at <= COALESCE((\
             SELECT min(ends_at) FROM (SELECT ends_at, \
             sum(bytes) OVER (ORDER BY ends_at ROWS UNBOUNDED PRECEDING) AS room \
             FROM idempotency WHERE bytes > 0 AND key <> $2) AS oldest_first \
             WHERE room >= CAST($3 AS BIGINT)), 9223372036854775807)",
            &[
                [].as_slice().into(),
                newest.into(),
                (kept - LEFT_BYTES).into(),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn by_key(
    store: &SqlStore,
    key: &str,
) -> Result<Option<StoredAnswer>, StoreError> {
    let mut session = store.read(READ).await?;
    let row = session
        .row(
            "SELECT key, request, status, headers, body, ends_at, done_with FROM idempotency \
             WHERE key = $1 AND ends_at >= $2",
            &[key.into(), now().1.into()],
        )
        .await?;
    session.commit().await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<StoredAnswer, StoreError> {
    let answer = match (status(row, "status")?, status(row, "done_with")?) {
        (0, 0) => KeptAnswer::Begun,
        (0, done_with) => KeptAnswer::Status(done_with),
        (status, _) => KeptAnswer::Whole {
            status,
            headers: row.text("headers")?,
            body: row.bytes("body")?,
        },
    };
    Ok(StoredAnswer {
        key: row.text("key")?,
        request: row.text("request")?,
        answer,
        ends_at: time("end of an answer", row.number("ends_at")?)?,
    })
}

fn status(row: &Row, column: &'static str) -> Result<u16, StoreError> {
    let status = row.number(column)?;
    u16::try_from(status).map_err(|_| StoreError::Unreadable {
        what: "status of an answer",
        value: status.to_string(),
    })
}
