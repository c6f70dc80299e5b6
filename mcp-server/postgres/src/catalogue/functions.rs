//! The functions and procedures of a schema.

use serde::Serialize;

use super::asking::Asked;
use crate::{Database, Error, ReadTransaction};

/// A function or procedure in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionSummary {
    /// Its name within the schema.
    pub name: String,
    /// `function`, `procedure`, `aggregate` or `window function`.
    pub kind: String,
    /// Its arguments, as SQL writes them.
    pub arguments: String,
    /// The type of its result; `None` for a procedure.
    pub returns: Option<String>,
    /// The language that it is written in.
    pub language: String,
    /// The comment that somebody gave it.
    pub comment: Option<String>,
}

impl Database {
    /// The first `most` functions of a schema; `None` when there is no such schema.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, is too busy, or refuses to read this ([`Error`]).
    pub async fn functions(
        &self,
        schema: &str,
        most: u32,
    ) -> Result<Option<Vec<FunctionSummary>>, Error> {
        let most = most.to_string();
        let parameters = [Some(schema), Some(most.as_str())];
        let question = self.question(FUNCTIONS, &parameters);
        if let Some(functions) = self.known_answer(&question).await {
            return Ok(functions);
        }
        let lease = self.lease(&self.catalogue).await?;
        self.in_time(lease.begun, async {
            let mut asking = match self.ask(lease, question).await? {
                Asked::Known(functions) => return Ok(functions),
                Asked::Anew(asking) => asking,
            };
            let functions = read(&mut asking.transaction, &parameters).await;
            asking.end(functions).await
        })
        .await
    }
}

/// The functions of the schema that the first parameter names, if there is such a schema.
async fn read(
    transaction: &mut ReadTransaction,
    parameters: &[Option<&str>; 2],
) -> Result<Option<Vec<FunctionSummary>>, Error> {
    if transaction.rows(SCHEMA, &parameters[..1]).await?.is_empty() {
        return Ok(None);
    }
    let rows = transaction.rows(FUNCTIONS, parameters).await?;
    let functions = rows.iter().map(|row| FunctionSummary {
        name: row.text("name"),
        kind: row.text("kind"),
        arguments: row.text("arguments"),
        returns: row.get("returns").map(ToOwned::to_owned),
        language: row.text("language"),
        comment: row.get("comment").map(ToOwned::to_owned),
    });
    Ok(Some(functions.collect()))
}

const SCHEMA: &str = "SELECT 1 AS found FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text";

const FUNCTIONS: &str = "
SELECT p.proname::text AS name,
       CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
            WHEN 'w' THEN 'window function' ELSE 'function' END AS kind,
       pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
       pg_catalog.pg_get_function_result(p.oid) AS returns,
       l.lanname::text AS language,
       pg_catalog.obj_description(p.oid, 'pg_proc') AS comment
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE n.nspname = $1::text
ORDER BY p.proname::text COLLATE \"C\", p.oid
LIMIT $2::bigint";
