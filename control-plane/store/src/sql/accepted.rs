//! The accepted generations in the database.

use std::collections::BTreeMap;

use super::{SqlStore, catalogue, natural, stored};
use crate::database::{Row, Session};
use crate::{
    AcceptedGeneration, AcceptedList, ListHash, RevisionNumber, StoreError, StoredResource,
};

const READ: &str = "read the accepted generations";
const WRITE: &str = "remember the accepted generation";

/// How many accepted generations are kept. The newest is served; where it turns out bad after all,
/// the one before it is. A third lets that happen twice in a row.
const KEPT: i64 = 3;

pub(super) async fn add(store: &SqlStore, accepted: &AcceptedGeneration) -> Result<(), StoreError> {
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
    for (server, list) in &accepted.lists {
        session
            .execute(
                "INSERT INTO accepted_list \
                 (sequence, server, list_hash, endpoint, protocol, about) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &[
                    sequence.into(),
                    server.into(),
                    list.hash.as_str().into(),
                    (&list.endpoint).into(),
                    (&list.protocol).into(),
                    (&list.about).into(),
                ],
            )
            .await?;
    }
    for resource in &accepted.resources {
        // Most contents are those of the generation before.
        session
            .execute(
                "INSERT INTO content (type_url, version, value) VALUES ($1, $2, $3) \
                 ON CONFLICT DO NOTHING",
                &[
                    (&resource.type_url).into(),
                    (&resource.version).into(),
                    (&resource.value).into(),
                ],
            )
            .await?;
        session
            .execute(
                "INSERT INTO accepted_content (sequence, type_url, version) VALUES ($1, $2, $3)",
                &[
                    sequence.into(),
                    (&resource.type_url).into(),
                    (&resource.version).into(),
                ],
            )
            .await?;
    }
    session
        .execute(
            "DELETE FROM accepted WHERE sequence NOT IN (SELECT sequence FROM accepted \
             ORDER BY sequence DESC LIMIT $1)",
            &[KEPT.into()],
        )
        .await?;
    tidy(&mut session).await?;
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

pub(super) async fn all(store: &SqlStore) -> Result<Vec<AcceptedGeneration>, StoreError> {
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
        all.push(AcceptedGeneration {
            generation: row.text("generation")?,
            revision: revision_in(&row)?,
            lists: lists(&mut session, sequence).await?,
            module: row.text("module")?,
            resources: resources(&mut session, sequence).await?,
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

async fn lists(
    session: &mut Session,
    sequence: i64,
) -> Result<BTreeMap<String, AcceptedList>, StoreError> {
    let rows = session
        .rows(
            "SELECT server, list_hash, endpoint, protocol, about FROM accepted_list \
             WHERE sequence = $1",
            &[sequence.into()],
        )
        .await?;
    let list = |row: &Row| {
        let list = AcceptedList {
            hash: ListHash::stored(row.text("list_hash")?),
            endpoint: row.text("endpoint")?,
            protocol: row.text("protocol")?,
            about: row.text("about")?,
        };
        Ok((row.text("server")?, list))
    };
    rows.iter().map(list).collect()
}

async fn resources(
    session: &mut Session,
    sequence: i64,
) -> Result<Vec<StoredResource>, StoreError> {
    let rows = session
        .rows(
            "SELECT type_url, version, value FROM accepted_content \
             JOIN content USING (type_url, version) \
             WHERE sequence = $1 ORDER BY type_url, version",
            &[sequence.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredResource {
                type_url: row.text("type_url")?,
                version: row.text("version")?,
                value: row.bytes("value")?,
            })
        })
        .collect()
}

/// Deletes the contents and lists that nothing names any more.
async fn tidy(session: &mut Session) -> Result<(), StoreError> {
    session
        .execute(
            "DELETE FROM content WHERE NOT EXISTS (SELECT 1 FROM accepted_content AS used \
             WHERE used.type_url = content.type_url AND used.version = content.version)",
            &[],
        )
        .await?;
    catalogue::drop_unused_lists(session).await
}
