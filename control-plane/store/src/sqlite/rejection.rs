//! Rejections and withheld inputs in SQLite.

use sqlx::{Row, sqlite::SqliteRow};

use super::{SqliteStore, failed, micros, natural, stored, time};
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
    store: &SqliteStore,
    changes: &[StoredRejectionChange],
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut transaction = store.begin(WRITE).await?;
    for change in changes {
        let query = match change {
            StoredRejectionChange::Rejected(rejection) => sqlx::query(
                "INSERT INTO rejection (node, type_url, name, version, message, at) \
                 VALUES (?, ?, ?, ?, ?, ?) \
                 ON CONFLICT (node, type_url, name) DO UPDATE \
                 SET version = excluded.version, message = excluded.message, at = excluded.at",
            )
            .bind(&rejection.node)
            .bind(&rejection.type_url)
            .bind(&rejection.name)
            .bind(&rejection.version)
            .bind(&rejection.message)
            .bind(micros(rejection.at)),
            StoredRejectionChange::Ended {
                node,
                type_url,
                name,
            } => sqlx::query("DELETE FROM rejection WHERE node = ? AND type_url = ? AND name = ?")
                .bind(node)
                .bind(type_url)
                .bind(name),
        };
        let executed = query.execute(&mut *transaction).await;
        executed.map_err(failed(WRITE))?;
    }
    sqlx::query(
        "DELETE FROM rejection WHERE (node, type_url, name) IN \
         (SELECT node, type_url, name FROM rejection ORDER BY at \
          LIMIT max(0, (SELECT count(*) FROM rejection) - ?))",
    )
    .bind(MOST_REJECTIONS)
    .execute(&mut *transaction)
    .await
    .map_err(failed(WRITE))?;
    transaction.commit().await.map_err(failed(WRITE))
}

pub(super) async fn all(store: &SqliteStore) -> Result<Vec<StoredRejection>, StoreError> {
    let rejections = "SELECT node, type_url, name, version, message, at FROM rejection \
                      ORDER BY node, type_url, name";
    read(store, rejections, |row| {
        Ok(StoredRejection {
            node: column(row, "node")?,
            type_url: column(row, "type_url")?,
            name: column(row, "name")?,
            version: column(row, "version")?,
            message: column(row, "message")?,
            at: time("rejection's time", column(row, "at")?)?,
        })
    })
    .await
}

pub(super) async fn withhold(
    store: &SqliteStore,
    withheld: &WithheldInput,
) -> Result<(), StoreError> {
    let (kind, name, value) = key(&withheld.input);
    sqlx::query(
        "INSERT INTO withheld (kind, name, value, reason, at, is_in_force) \
         VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (kind, name, value) DO UPDATE \
         SET reason = excluded.reason, at = excluded.at, is_in_force = excluded.is_in_force",
    )
    .bind(kind)
    .bind(name)
    .bind(value)
    .bind(&withheld.reason)
    .bind(micros(withheld.at))
    .bind(i64::from(withheld.is_in_force))
    .execute(&store.pool)
    .await
    .map(drop)
    .map_err(failed(WRITE))
}

pub(super) async fn withheld(store: &SqliteStore) -> Result<Vec<WithheldInput>, StoreError> {
    let inputs = "SELECT kind, name, value, reason, at, is_in_force FROM withheld \
                  ORDER BY kind, name, value";
    read(store, inputs, |row| {
        Ok(WithheldInput {
            input: input(row)?,
            reason: column(row, "reason")?,
            at: time("withheld input's time", column(row, "at")?)?,
            is_in_force: column::<i64>(row, "is_in_force")? != 0,
        })
    })
    .await
}

/// Every row that `query` finds, as the type that it stands for.
async fn read<T>(
    store: &SqliteStore,
    query: &'static str,
    from_row: impl Fn(&SqliteRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let rows = sqlx::query(query)
        .fetch_all(&store.pool)
        .await
        .map_err(failed(READ))?;
    rows.iter().map(from_row).collect()
}

pub(super) async fn release_all(store: &SqliteStore) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM withheld")
        .execute(&store.pool)
        .await
        .map(drop)
        .map_err(failed(WRITE))
}

fn key(input: &Input) -> (&'static str, String, String) {
    match input {
        Input::Revision(number) => ("revision", String::new(), stored(number.0).to_string()),
        Input::List { server, hash } => ("list", server.clone(), hash.to_string()),
        Input::Module(sha256) => ("module", String::new(), sha256.clone()),
    }
}

fn input(row: &SqliteRow) -> Result<Input, StoreError> {
    let kind: String = column(row, "kind")?;
    let value: String = column(row, "value")?;
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
            server: column(row, "name")?,
            hash: ListHash::stored(value),
        }),
        "module" => Ok(Input::Module(value)),
        _ => Err(StoreError::Unreadable {
            what: "kind of withheld input",
            value: kind,
        }),
    }
}

fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(failed(READ))
}
