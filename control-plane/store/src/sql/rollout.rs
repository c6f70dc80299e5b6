//! Rollouts in the database.

use super::parts::tidy;
use super::{SqlStore, micros, natural, rollout_generation, stored, time};
use crate::database::{Row, Session};
use crate::{RevisionNumber, StoreError, StoredRollout, StoredWave, UsualCounts};

const READ: &str = "read the rollouts";
const WRITE: &str = "remember how far a rollout is";

/// How many rollouts that have ended are kept, the newest. Operators look at those of the last
/// days; revisions and the audit trail say what happened before.
const MOST_ENDED: i64 = 100;

/// Stores how far a rollout is, and forgets the oldest of those that have ended, and the
/// generations of all of those.
pub(super) async fn put(store: &SqlStore, rollout: &StoredRollout) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    session
        .execute(
            "INSERT INTO rollout \
             (id, revision, generation, wave, state, is_paused, promoted_wave, reason, began_at, \
             ended_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (id) DO UPDATE \
             SET wave = excluded.wave, state = excluded.state, is_paused = excluded.is_paused, \
             promoted_wave = excluded.promoted_wave, reason = excluded.reason, \
             began_at = excluded.began_at, ended_at = excluded.ended_at",
            &[
                (&rollout.id).into(),
                stored(rollout.revision.0).into(),
                (&rollout.generation).into(),
                i64::from(rollout.wave).into(),
                (&rollout.state).into(),
                i64::from(rollout.is_paused).into(),
                rollout.promoted_wave.map(i64::from).into(),
                (&rollout.reason).into(),
                micros(rollout.began_at).into(),
                rollout.ended_at.map(micros).into(),
            ],
        )
        .await?;
    put_waves(&mut session, rollout).await?;
    put_usual(&mut session, rollout).await?;
    session
        .execute(
            "DELETE FROM rollout WHERE ended_at IS NOT NULL AND id NOT IN \
             (SELECT id FROM rollout WHERE ended_at IS NOT NULL \
             ORDER BY ended_at DESC, id LIMIT $1)",
            &[MOST_ENDED.into()],
        )
        .await?;
    if rollout_generation::forget_ended(&mut session).await? {
        tidy(&mut session).await?;
    }
    session.commit().await
}

async fn put_waves(session: &mut Session, rollout: &StoredRollout) -> Result<(), StoreError> {
    session
        .execute(
            "DELETE FROM rollout_wave WHERE rollout = $1",
            &[(&rollout.id).into()],
        )
        .await?;
    for (position, wave) in (0_i64..).zip(&rollout.waves) {
        session
            .execute(
                "INSERT INTO rollout_wave (rollout, position, reach, soak_ms) \
                 VALUES ($1, $2, $3, $4)",
                &[
                    (&rollout.id).into(),
                    position.into(),
                    (&wave.reach).into(),
                    stored(wave.soak_ms).into(),
                ],
            )
            .await?;
        for node in &wave.nodes {
            session
                .execute(
                    "INSERT INTO rollout_node (rollout, position, node) VALUES ($1, $2, $3)",
                    &[(&rollout.id).into(), position.into(), node.into()],
                )
                .await?;
        }
    }
    Ok(())
}

async fn put_usual(session: &mut Session, rollout: &StoredRollout) -> Result<(), StoreError> {
    session
        .execute(
            "DELETE FROM rollout_usual WHERE rollout = $1",
            &[(&rollout.id).into()],
        )
        .await?;
    for counts in &rollout.usual {
        session
            .execute(
                "INSERT INTO rollout_usual (rollout, node, requests, failures, refusals) \
                 VALUES ($1, $2, $3, $4, $5)",
                &[
                    (&rollout.id).into(),
                    (&counts.node).into(),
                    stored(counts.requests).into(),
                    stored(counts.failures).into(),
                    stored(counts.refusals).into(),
                ],
            )
            .await?;
    }
    Ok(())
}

/// Every rollout that is kept: those that go on first, then the newest.
pub(super) async fn all(store: &SqlStore) -> Result<Vec<StoredRollout>, StoreError> {
    let mut session = store.read(READ).await?;
    let rollouts = session
        .rows(
            "SELECT id, revision, generation, wave, state, is_paused, promoted_wave, reason, \
             began_at, ended_at FROM rollout ORDER BY ended_at IS NOT NULL, began_at DESC, id",
            &[],
        )
        .await?;
    let waves = session
        .rows(
            "SELECT rollout, position, reach, soak_ms FROM rollout_wave \
             ORDER BY rollout, position",
            &[],
        )
        .await?;
    let nodes = session
        .rows(
            "SELECT rollout, position, node FROM rollout_node ORDER BY rollout, position, node",
            &[],
        )
        .await?;
    let usual = session
        .rows(
            "SELECT rollout, node, requests, failures, refusals FROM rollout_usual \
             ORDER BY rollout, node",
            &[],
        )
        .await?;
    session.commit().await?;
    rollouts
        .iter()
        .map(|row| from_rows(row, &waves, &nodes, &usual))
        .collect()
}

fn from_rows(
    row: &Row,
    waves: &[Row],
    nodes: &[Row],
    usual: &[Row],
) -> Result<StoredRollout, StoreError> {
    let id = row.text("id")?;
    let mut of_rollout = Vec::new();
    for wave in waves {
        if wave.text("rollout")? == id {
            of_rollout.push(StoredWave {
                reach: wave.text("reach")?,
                soak_ms: natural("wave's soak", wave.number("soak_ms")?)?,
                nodes: nodes_of(wave, nodes)?,
            });
        }
    }
    let promoted_wave = row.optional_number("promoted_wave")?;
    let ended_at = row.optional_number("ended_at")?;
    Ok(StoredRollout {
        revision: RevisionNumber(natural("revision number", row.number("revision")?)?),
        generation: row.text("generation")?,
        wave: position(row.number("wave")?)?,
        state: row.text("state")?,
        is_paused: row.number("is_paused")? != 0,
        promoted_wave: promoted_wave.map(position).transpose()?,
        reason: row.text("reason")?,
        began_at: time("rollout's beginning", row.number("began_at")?)?,
        ended_at: ended_at
            .map(|micros| time("rollout's end", micros))
            .transpose()?,
        usual: usual_of(&id, usual)?,
        id,
        waves: of_rollout,
    })
}

fn position(wave: i64) -> Result<u32, StoreError> {
    u32::try_from(wave).map_err(|_| StoreError::Unreadable {
        what: "position of a wave",
        value: wave.to_string(),
    })
}

/// The counts of Envoys before one rollout.
fn usual_of(rollout: &str, usual: &[Row]) -> Result<Vec<UsualCounts>, StoreError> {
    let mut of_rollout = Vec::new();
    for row in usual {
        if row.text("rollout")? == rollout {
            let count = |name| natural("count of an Envoy", row.number(name)?);
            of_rollout.push(UsualCounts {
                node: row.text("node")?,
                requests: count("requests")?,
                failures: count("failures")?,
                refusals: count("refusals")?,
            });
        }
    }
    Ok(of_rollout)
}

/// The Envoys of one wave.
fn nodes_of(wave: &Row, nodes: &[Row]) -> Result<Vec<String>, StoreError> {
    let (rollout, position) = (wave.text("rollout")?, wave.number("position")?);
    let mut of_wave = Vec::new();
    for node in nodes {
        if node.number("position")? == position && node.text("rollout")? == rollout {
            of_wave.push(node.text("node")?);
        }
    }
    Ok(of_wave)
}
