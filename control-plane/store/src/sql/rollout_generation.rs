//! The generations of the rollouts that go on, and of the one that Envoys keep, in the database.

use super::parts::OF_ROLLOUT;
use super::{SqlStore, natural};
use crate::database::Session;
use crate::{KEPT, RevisionNumber, StoreError, StoredGeneration};

const READ: &str = "read the generation of a rollout";
const WRITE: &str = "keep the generation of a rollout";

/// Keeps the generation of a rollout that is stored, and goes on or is the one that Envoys keep;
/// one that is kept already stays as it is.
pub(super) async fn keep(
    store: &SqlStore,
    rollout: &str,
    generation: &StoredGeneration,
) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    let is_new = session
        .execute(
            "INSERT INTO rollout_generation (rollout, module) VALUES ($1, $2) \
             ON CONFLICT DO NOTHING",
            &[rollout.into(), (&generation.module).into()],
        )
        .await?;
    if is_new > 0 {
        OF_ROLLOUT
            .add(&mut session, rollout.into(), generation)
            .await?;
    }
    session.commit().await
}

/// The generation that is kept of a rollout. Some of its contents may be missing: a version that
/// knows no such tables may have led meanwhile, and deletes what nothing that it knows names.
pub(super) async fn of(
    store: &SqlStore,
    rollout: &str,
) -> Result<Option<StoredGeneration>, StoreError> {
    let mut session = store.read(READ).await?;
    let row = session
        .row(
            "SELECT generation, revision, module FROM rollout_generation \
             JOIN rollout ON rollout.id = rollout_generation.rollout WHERE rollout = $1",
            &[rollout.into()],
        )
        .await?;
    let generation = match row {
        Some(row) => Some(StoredGeneration {
            generation: row.text("generation")?,
            revision: RevisionNumber(natural("revision number", row.number("revision")?)?),
            lists: OF_ROLLOUT.lists(&mut session, rollout.into()).await?,
            module: row.text("module")?,
            resources: OF_ROLLOUT.resources(&mut session, rollout.into()).await?,
        }),
        None => None,
    };
    session.commit().await?;
    Ok(generation)
}

/// Lets go of the generations of rollouts that have ended, but for the last one where its Envoys
/// keep that. Tells whether there was one.
pub(super) async fn forget_ended(session: &mut Session) -> Result<bool, StoreError> {
    let forgotten = session
        .execute(
            "DELETE FROM rollout_generation WHERE rollout IN \
             (SELECT id FROM rollout WHERE ended_at IS NOT NULL AND \
             (state <> $1 OR began_at < (SELECT MAX(began_at) FROM rollout)))",
            &[KEPT.into()],
        )
        .await?;
    Ok(forgotten > 0)
}
