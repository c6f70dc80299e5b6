//! The lists of tools in the database, each stored once under its hash.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::unused_lists::drop_unused_lists;
use super::{SqlStore, audit, micros, now, stored, time};
use crate::database::Session;
use crate::{AuditEntry, Catalogue, DefinitionReview, ListHash, RawTool, ReviewState, StoreError};

const READ: &str = "read the catalogue";
const WRITE: &str = "write the catalogue";

pub(super) async fn put(store: &SqlStore, catalogue: &Catalogue) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    write(&mut session, catalogue).await?;
    session.commit().await
}

pub(super) async fn put_reviewed(
    store: &SqlStore,
    catalogue: &Catalogue,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    write(&mut session, catalogue).await?;
    audit::insert(&mut session, entry, now().1).await?;
    session.commit().await
}

pub(super) async fn put_tools(store: &SqlStore, catalogue: &Catalogue) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    write_tools(&mut session, catalogue).await?;
    drop_unused_lists(&mut session).await?;
    session.commit().await
}

/// Writes the list of a catalogue, as the newest of its server, where it is not there.
async fn write_tools(session: &mut Session, catalogue: &Catalogue) -> Result<(), StoreError> {
    let hash = catalogue.hash.as_str();
    let is_known = is_known(session, hash).await?;
    let sizes = catalogue.tools.iter().map(|tool| tool.json.len() as u64);
    session
        .execute(
            "INSERT INTO tool_list (hash, stored_at, server, bytes) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (hash) DO UPDATE SET stored_at = excluded.stored_at, \
             server = excluded.server, bytes = excluded.bytes",
            &[
                hash.into(),
                now().1.into(),
                (&catalogue.server).into(),
                stored(sizes.sum()).into(),
            ],
        )
        .await?;
    if is_known {
        return Ok(());
    }
    for (position, tool) in (0..).zip(&catalogue.tools) {
        session
            .execute(
                "INSERT INTO tool (list_hash, position, name, json) VALUES ($1, $2, $3, $4)",
                &[
                    hash.into(),
                    stored(position).into(),
                    (&tool.name).into(),
                    (&tool.json).into(),
                ],
            )
            .await?;
    }
    Ok(())
}

async fn write(session: &mut Session, catalogue: &Catalogue) -> Result<(), StoreError> {
    write_tools(session, catalogue).await?;
    session
        .execute(
            "INSERT INTO catalogue (server, list_hash, protocol, seen_at, endpoint, about) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (server) DO UPDATE SET list_hash = excluded.list_hash, protocol = \
             excluded.protocol, seen_at = excluded.seen_at, endpoint = excluded.endpoint, \
             about = excluded.about",
            &[
                (&catalogue.server).into(),
                catalogue.hash.as_str().into(),
                (&catalogue.protocol).into(),
                micros(catalogue.seen_at).into(),
                (&catalogue.endpoint).into(),
                (&catalogue.about).into(),
            ],
        )
        .await?;
    for clear in [
        "DELETE FROM tool_since WHERE server = $1",
        "DELETE FROM definition_review WHERE server = $1",
    ] {
        session
            .execute(clear, &[(&catalogue.server).into()])
            .await?;
    }
    for (name, since) in &catalogue.since {
        session
            .execute(
                "INSERT INTO tool_since (server, name, since) VALUES ($1, $2, $3)",
                &[
                    (&catalogue.server).into(),
                    name.into(),
                    micros(*since).into(),
                ],
            )
            .await?;
    }
    for review in &catalogue.reviews {
        session
            .execute(
                "INSERT INTO definition_review (server, name, state, json, author, reason, at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                &[
                    (&catalogue.server).into(),
                    (&review.tool.name).into(),
                    review.state.as_str().into(),
                    (&review.tool.json).into(),
                    (&review.author).into(),
                    (&review.reason).into(),
                    micros(review.at).into(),
                ],
            )
            .await?;
    }
    drop_unused_lists(session).await
}

pub(super) async fn remove(store: &SqlStore, server: &str) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    session
        .execute("DELETE FROM catalogue WHERE server = $1", &[server.into()])
        .await?;
    drop_unused_lists(&mut session).await?;
    session.commit().await
}

pub(super) async fn all(store: &SqlStore) -> Result<BTreeMap<String, Catalogue>, StoreError> {
    // One transaction, so that no list is dropped between the two questions.
    let mut session = store.read(READ).await?;
    let rows = session
        .rows(
            "SELECT server, list_hash, protocol, seen_at, endpoint, about FROM catalogue",
            &[],
        )
        .await?;
    let mut catalogues = BTreeMap::new();
    for row in rows {
        let (server, hash) = (row.text("server")?, row.text("list_hash")?);
        let catalogue = Catalogue {
            tools: tools(&mut session, &hash).await?,
            since: since(&mut session, &server).await?,
            reviews: reviews(&mut session, &server).await?,
            endpoint: row.text("endpoint")?,
            about: row.text("about")?,
            server: server.clone(),
            protocol: row.text("protocol")?,
            seen_at: time("catalogue's time", row.number("seen_at")?)?,
            hash: ListHash::stored(hash),
        };
        catalogues.insert(server, catalogue);
    }
    session.commit().await?;
    Ok(catalogues)
}

pub(super) async fn list(
    store: &SqlStore,
    hash: &ListHash,
) -> Result<Option<Vec<RawTool>>, StoreError> {
    let mut session = store.read(READ).await?;
    let is_known = is_known(&mut session, hash.as_str()).await?;
    let tools = tools(&mut session, hash.as_str()).await?;
    session.commit().await?;
    Ok(is_known.then_some(tools))
}

async fn is_known(session: &mut Session, hash: &str) -> Result<bool, StoreError> {
    let row = session
        .row("SELECT hash FROM tool_list WHERE hash = $1", &[hash.into()])
        .await?;
    Ok(row.is_some())
}

async fn since(
    session: &mut Session,
    server: &str,
) -> Result<BTreeMap<String, OffsetDateTime>, StoreError> {
    let rows = session
        .rows(
            "SELECT name, since FROM tool_since WHERE server = $1",
            &[server.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.text("name")?,
                time("tool's time", row.number("since")?)?,
            ))
        })
        .collect()
}

async fn reviews(session: &mut Session, server: &str) -> Result<Vec<DefinitionReview>, StoreError> {
    let rows = session
        .rows(
            "SELECT name, state, json, author, reason, at FROM definition_review \
             WHERE server = $1 ORDER BY name, state",
            &[server.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let word = row.text("state")?;
            Ok(DefinitionReview {
                tool: RawTool {
                    name: row.text("name")?,
                    json: row.text("json")?,
                },
                state: ReviewState::stored(&word).ok_or_else(|| unknown_state(&word))?,
                author: row.text("author")?,
                reason: row.text("reason")?,
                at: time("definition's time", row.number("at")?)?,
            })
        })
        .collect()
}

fn unknown_state(word: &str) -> StoreError {
    StoreError::Unreadable {
        what: "state of a definition",
        value: word.to_owned(),
    }
}

async fn tools(session: &mut Session, list_hash: &str) -> Result<Vec<RawTool>, StoreError> {
    let rows = session
        .rows(
            "SELECT name, json FROM tool WHERE list_hash = $1 ORDER BY position",
            &[list_hash.into()],
        )
        .await?;
    let tool = |row: &crate::database::Row| {
        Ok(RawTool {
            name: row.text("name")?,
            json: row.text("json")?,
        })
    };
    rows.iter().map(tool).collect()
}
