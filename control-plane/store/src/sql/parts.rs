//! The lists and contents of generations in the database: of the accepted ones, and of rollouts.
//!
//! Contents are stored once, whoever names them.

use std::collections::BTreeMap;

use super::unused_lists::drop_unused_lists;
use crate::database::{Row, Session, Value};
use crate::{GenerationList, ListHash, StoreError, StoredGeneration, StoredResource};

/// Whose parts they are: the statements that write and read them, of which the first parameter is
/// the owner.
pub(super) struct PartsOf {
    add_list: &'static str,
    add_content: &'static str,
    lists: &'static str,
    resources: &'static str,
}

/// The parts of an accepted generation, by its sequence number.
pub(super) const OF_ACCEPTED: PartsOf = PartsOf {
    add_list: "INSERT INTO accepted_list \
               (sequence, server, list_hash, endpoint, protocol, about) \
               VALUES ($1, $2, $3, $4, $5, $6)",
    add_content: "INSERT INTO accepted_content (sequence, type_url, version) VALUES ($1, $2, $3)",
    lists: "SELECT server, list_hash, endpoint, protocol, about FROM accepted_list \
            WHERE sequence = $1",
    resources: "SELECT type_url, version, value FROM accepted_content \
                JOIN content USING (type_url, version) \
                WHERE sequence = $1 ORDER BY type_url, version",
};

/// The parts of a rollout's generation, by the rollout's name.
pub(super) const OF_ROLLOUT: PartsOf = PartsOf {
    add_list: "INSERT INTO rollout_list \
               (rollout, server, list_hash, endpoint, protocol, about) \
               VALUES ($1, $2, $3, $4, $5, $6)",
    add_content: "INSERT INTO rollout_content (rollout, type_url, version) VALUES ($1, $2, $3)",
    lists: "SELECT server, list_hash, endpoint, protocol, about FROM rollout_list \
            WHERE rollout = $1",
    resources: "SELECT type_url, version, value FROM rollout_content \
                JOIN content USING (type_url, version) \
                WHERE rollout = $1 ORDER BY type_url, version",
};

impl PartsOf {
    /// Writes the lists and the contents of a generation.
    pub(super) async fn add(
        &self,
        session: &mut Session,
        owner: Value<'_>,
        generation: &StoredGeneration,
    ) -> Result<(), StoreError> {
        for (server, list) in &generation.lists {
            let values = [
                owner,
                server.into(),
                list.hash.as_str().into(),
                (&list.endpoint).into(),
                (&list.protocol).into(),
                (&list.about).into(),
            ];
            session.execute(self.add_list, &values).await?;
        }
        for resource in &generation.resources {
            let (type_url, version) = ((&resource.type_url).into(), (&resource.version).into());
            // Most contents are those of the generation before.
            session
                .execute(
                    "INSERT INTO content (type_url, version, value) VALUES ($1, $2, $3) \
                     ON CONFLICT DO NOTHING",
                    &[type_url, version, (&resource.value).into()],
                )
                .await?;
            let values = [owner, type_url, version];
            session.execute(self.add_content, &values).await?;
        }
        Ok(())
    }

    /// The lists of a generation, by their servers.
    pub(super) async fn lists(
        &self,
        session: &mut Session,
        owner: Value<'_>,
    ) -> Result<BTreeMap<String, GenerationList>, StoreError> {
        let rows = session.rows(self.lists, &[owner]).await?;
        let list = |row: &Row| {
            let list = GenerationList {
                hash: ListHash::stored(row.text("list_hash")?),
                endpoint: row.text("endpoint")?,
                protocol: row.text("protocol")?,
                about: row.text("about")?,
            };
            Ok((row.text("server")?, list))
        };
        rows.iter().map(list).collect()
    }

    /// The resources of a generation, in the order of their types and versions.
    pub(super) async fn resources(
        &self,
        session: &mut Session,
        owner: Value<'_>,
    ) -> Result<Vec<StoredResource>, StoreError> {
        let rows = session.rows(self.resources, &[owner]).await?;
        let resource = |row: &Row| {
            Ok(StoredResource {
                type_url: row.text("type_url")?,
                version: row.text("version")?,
                value: row.bytes("value")?,
            })
        };
        rows.iter().map(resource).collect()
    }
}

/// Deletes the contents and lists that nothing names any more.
pub(super) async fn tidy(session: &mut Session) -> Result<(), StoreError> {
    session
        .execute(
            "DELETE FROM content WHERE NOT EXISTS (SELECT 1 FROM accepted_content AS used \
             WHERE used.type_url = content.type_url AND used.version = content.version) \
             AND NOT EXISTS (SELECT 1 FROM rollout_content AS used \
             WHERE used.type_url = content.type_url AND used.version = content.version)",
            &[],
        )
        .await?;
    drop_unused_lists(session).await
}
