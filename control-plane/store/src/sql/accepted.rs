//! The accepted generations in the database.

use super::parts::{OF_ACCEPTED, tidy};
use super::{SqlStore, natural, rejection, stored};
use crate::database::{Row, Session};
use crate::{RevisionNumber, StoreError, StoredGeneration};

const READ: &str = "read the accepted generations";
const WRITE: &str = "remember the accepted generation";

/// How many accepted generations are kept. The newest is served; where it turns out bad after all,
/// the one before it is. A third lets that happen twice in a row.
const KEPT: i64 = 3;

pub(super) async fn add(store: &SqlStore, accepted: &StoredGeneration) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    // Accepted once more, with other lists or as another revision: it takes no second place.
    forget(&mut session, &accepted.generation).await?;
    let row = session
        .row(
            "INSERT INTO accepted (generation, revision, module) VALUES ($1, $2, $3) \
             RETURNING sequence",
            &[
                (&accepted.generation).into(),
                stored(accepted.revision.0).into(),
                (&accepted.module).into(),
            ],
        )
        .await?;
    let sequence = row.map_or(Ok(0), |row| row.number("sequence"))?;
    session
        .execute(
            "INSERT INTO accepted_revision (revision, generation) VALUES ($1, $2) \
             ON CONFLICT (revision) DO UPDATE SET generation = excluded.generation",
            &[
                stored(accepted.revision.0).into(),
                (&accepted.generation).into(),
            ],
        )
        .await?;
    OF_ACCEPTED
        .add(&mut session, sequence.into(), accepted)
        .await?;
    session
        .execute(
            "DELETE FROM accepted WHERE sequence NOT IN (SELECT sequence FROM accepted \
             ORDER BY sequence DESC LIMIT $1)",
            &[KEPT.into()],
        )
        .await?;
    tidy(&mut session).await?;
    rejection::end_keep(&mut session).await?;
    session.commit().await
}

pub(super) async fn remove(store: &SqlStore, generation: &str) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    forget(&mut session, generation).await?;
    session
        .execute(
            "DELETE FROM accepted_revision WHERE generation = $1",
            &[generation.into()],
        )
        .await?;
    // Those that were accepted with other lists before, as far as that is known.
    session
        .execute(
            "INSERT INTO accepted_revision (revision, generation) \
             SELECT revision, generation FROM accepted WHERE sequence IN \
             (SELECT max(sequence) FROM accepted GROUP BY revision) ON CONFLICT DO NOTHING",
            &[],
        )
        .await?;
    tidy(&mut session).await?;
    session.commit().await
}

/// The newest revision below `before` that Envoys accepted.
pub(super) async fn last_revision(
    store: &SqlStore,
    before: RevisionNumber,
) -> Result<Option<RevisionNumber>, StoreError> {
    let mut session = store.read(READ).await?;
    let row = session
        .row(
            // An earlier version that runs beside this one notes the generations alone.
            "SELECT revision FROM accepted_revision WHERE revision < $1 \
             UNION SELECT revision FROM accepted WHERE revision < $1 \
             ORDER BY revision DESC LIMIT 1",
            &[stored(before.0).into()],
        )
        .await?;
    session.commit().await?;
    row.map(|row| revision_in(&row)).transpose()
}

fn revision_in(row: &Row) -> Result<RevisionNumber, StoreError> {
    let number = row.number("revision")?;
    natural("revision number", number).map(RevisionNumber)
}

pub(super) async fn all(store: &SqlStore) -> Result<Vec<StoredGeneration>, StoreError> {
    let mut session = store.read(READ).await?;
    let rows = session
        .rows(
            "SELECT sequence, generation, revision, module FROM accepted ORDER BY sequence DESC",
            &[],
        )
        .await?;
    let mut all = Vec::new();
    for row in rows {
        let sequence = row.number("sequence")?;
        all.push(StoredGeneration {
            generation: row.text("generation")?,
            revision: revision_in(&row)?,
            lists: OF_ACCEPTED.lists(&mut session, sequence.into()).await?,
            module: row.text("module")?,
            resources: OF_ACCEPTED.resources(&mut session, sequence.into()).await?,
        });
    }
    session.commit().await?;
    Ok(all)
}

async fn forget(session: &mut Session, generation: &str) -> Result<(), StoreError> {
    session
        .execute(
            "DELETE FROM accepted WHERE generation = $1",
            &[generation.into()],
        )
        .await
        .map(drop)
}
