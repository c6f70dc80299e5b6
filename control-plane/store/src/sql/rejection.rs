//! Rejections and withheld inputs in the database.

use super::{SqlStore, micros, natural, stored, time};
use crate::database::{Row, Session};
use crate::{
    Input, ListHash, RevisionNumber, StoreError, StoredRejection, StoredRejectionChange,
    WithheldInput,
};

const READ: &str = "read what Envoys rejected";
const WRITE: &str = "remember what an Envoy rejected";

/// How many rejections are kept, the newest. A fleet of thousands that rejects a few resources each
/// stays below; an Envoy that invents names fills no disk.
const MOST_REJECTIONS: i64 = 50_000;

/// Takes in changes in one transaction: a fleet that rejects a generation tells so all at once.
pub(super) async fn change(
    store: &SqlStore,
    changes: &[StoredRejectionChange],
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut session = store.write(WRITE).await?;
    for change in changes {
        match change {
            StoredRejectionChange::Rejected(rejection) => {
                session
                    .execute(
                        "INSERT INTO rejection \
                         (node, type_url, name, version, message, run_on, at) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7) \
                         ON CONFLICT (node, type_url, name) DO UPDATE SET \
                         version = excluded.version, message = excluded.message, \
                         run_on = excluded.run_on, at = excluded.at",
                        &[
                            (&rejection.node).into(),
                            (&rejection.type_url).into(),
                            (&rejection.name).into(),
                            (&rejection.version).into(),
                            (&rejection.message).into(),
                            rejection.run_on.as_deref().unwrap_or_default().into(),
                            micros(rejection.at).into(),
                        ],
                    )
                    .await?;
            }
            StoredRejectionChange::Ended {
                node,
                type_url,
                name,
            } => {
                session
                    .execute(
                        "DELETE FROM rejection \
                         WHERE node = $1 AND type_url = $2 AND name = $3",
                        &[node.into(), type_url.into(), name.into()],
                    )
                    .await?;
            }
        }
    }
    session
        .execute(
            "DELETE FROM rejection WHERE (node, type_url, name) IN \
             (SELECT node, type_url, name FROM rejection ORDER BY at LIMIT \
             (SELECT CASE WHEN count(*) > $1 THEN count(*) - $1 ELSE 0 END FROM rejection))",
            &[MOST_REJECTIONS.into()],
        )
        .await?;
    session.commit().await
}

pub(super) async fn all(store: &SqlStore) -> Result<Vec<StoredRejection>, StoreError> {
    let mut session = store.read(READ).await?;
    let rows = session
        .rows(
            "SELECT node, type_url, name, version, message, run_on, at FROM rejection \
             ORDER BY node, type_url, name",
            &[],
        )
        .await?;
    session.commit().await?;
    rows.iter()
        .map(|row| {
            let run_on = row.text("run_on")?;
            Ok(StoredRejection {
                node: row.text("node")?,
                type_url: row.text("type_url")?,
                name: row.text("name")?,
                version: row.text("version")?,
                message: row.text("message")?,
                run_on: (!run_on.is_empty()).then_some(run_on),
                at: time("rejection's time", row.number("at")?)?,
            })
        })
        .collect()
}

pub(super) async fn withhold(store: &SqlStore, withheld: &WithheldInput) -> Result<(), StoreError> {
    let (kind, name, value) = key(&withheld.input);
    let mut session = store.write(WRITE).await?;
    if !withheld.is_in_force {
        end_keep(&mut session).await?;
    }
    session
        .execute(
            "INSERT INTO withheld (kind, name, value, reason, at, is_in_force) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (kind, name, value) DO UPDATE \
             SET reason = excluded.reason, at = excluded.at, is_in_force = excluded.is_in_force",
            &[
                kind.into(),
                (&name).into(),
                (&value).into(),
                (&withheld.reason).into(),
                micros(withheld.at).into(),
                i64::from(withheld.is_in_force).into(),
            ],
        )
        .await?;
    session.commit().await
}

pub(super) async fn withheld(store: &SqlStore) -> Result<Vec<WithheldInput>, StoreError> {
    let mut session = store.read(READ).await?;
    let rows = session
        .rows(
            "SELECT kind, name, value, reason, at, is_in_force FROM withheld \
             ORDER BY kind, name, value",
            &[],
        )
        .await?;
    session.commit().await?;
    rows.iter()
        .map(|row| {
            Ok(WithheldInput {
                input: input(row)?,
                reason: row.text("reason")?,
                at: time("withheld input's time", row.number("at")?)?,
                is_in_force: row.number("is_in_force")? != 0,
            })
        })
        .collect()
}

/// Forgets what Envoys keep: all of them are given something else.
pub(super) async fn end_keep(session: &mut Session) -> Result<(), StoreError> {
    session
        .execute("DELETE FROM withheld WHERE is_in_force <> 0", &[])
        .await?;
    Ok(())
}

pub(super) async fn release_all(store: &SqlStore) -> Result<(), StoreError> {
    let mut session = store.write(WRITE).await?;
    session.execute("DELETE FROM withheld", &[]).await?;
    session.commit().await
}

fn key(input: &Input) -> (&'static str, String, String) {
    match input {
        Input::Revision(number) => ("revision", String::new(), stored(number.0).to_string()),
        Input::List { server, hash } => ("list", server.clone(), hash.to_string()),
        Input::Module(sha256) => ("module", String::new(), sha256.clone()),
    }
}

fn input(row: &Row) -> Result<Input, StoreError> {
    let kind = row.text("kind")?;
    let value = row.text("value")?;
    match kind.as_str() {
        "revision" => {
            let number = value.parse().map_err(|_| StoreError::Unreadable {
                what: "withheld revision",
                value,
            })?;
            Ok(Input::Revision(RevisionNumber(natural(
                "revision number",
                number,
            )?)))
        }
        "list" => Ok(Input::List {
            server: row.text("name")?,
            hash: ListHash::stored(value),
        }),
        "module" => Ok(Input::Module(value)),
        _ => Err(StoreError::Unreadable {
            what: "kind of withheld input",
            value: kind,
        }),
    }
}
