//! `list_tables`: what there is to query in PostgreSQL.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::postgres::TextRow;
use crate::services::Services;

const DEFAULT_LIMIT: i64 = 100;

/// The tool `list_tables`: what PostgreSQL has to query, page by page.
pub struct ListTables;

/// The arguments of a call of `list_tables`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    limit: Option<u16>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Tool for ListTables {
    const NAME: &'static str = "list_tables";
    const TITLE: &'static str = "List PostgreSQL tables";
    const DESCRIPTION: &'static str = "List PostgreSQL tables, views and foreign tables with \
                                       estimated rows and size. Start here when you do not know \
                                       the names.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "schema": {"type": "string", "description": "Only this schema; all but the \
                     system's when left out"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 1000,
                    "description": "Tables per page, 100 when left out"},
                "cursor": {"type": "string", "description": "`next_cursor` of the page before"}
            },
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let nullable = |kind: &str| json!({"type": [kind, "null"]});
        json!({
            "properties": {
                "tables": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "schema": {"type": "string"},
                        "name": {"type": "string"},
                        "kind": {"enum": ["table", "partitioned table", "view", "materialized view",
                            "foreign table"]},
                        "partition_of": nullable("string"),
                        "rows_estimate": nullable("integer"),
                        "bytes": nullable("integer"),
                        "comment": nullable("string")
                    },
                    "required": ["schema", "name", "kind", "partition_of", "rows_estimate", "bytes",
                        "comment"]
                }},
                "next_cursor": nullable("string")
            },
            "required": ["tables", "next_cursor"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let limit = match arguments.limit {
            None => DEFAULT_LIMIT,
            Some(limit @ 1..=1000) => i64::from(limit),
            Some(_) => {
                return Err(ToolFailure::invalid_arguments(
                    "`limit` must be from 1 to 1000",
                ));
            }
        };
        let after = arguments
            .cursor
            .as_deref()
            .map(Position::decode)
            .transpose()?;
        let (after_schema, after_name) = after.map(|after| (after.schema, after.name)).unzip();
        let look = async {
            let most = (limit + 1).to_string();
            let mut transaction = services.postgres.read().await?;
            let mut rows = transaction
                .rows(
                    TABLES,
                    &[
                        arguments.schema.as_deref(),
                        after_schema.as_deref(),
                        after_name.as_deref(),
                        Some(&most),
                    ],
                )
                .await?;
            transaction.end().await;
            let more = i64::try_from(rows.len()).is_ok_and(|found| found > limit);
            if more {
                rows.pop();
            }
            Ok(output(arguments.schema.as_deref(), &rows, more))
        };
        call.unless_cancelled(services.postgres.in_time(look))
            .await?
    }
}

/// Where a page ended. Opaque to clients.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    schema: String,
    name: String,
}

impl Position {
    fn encode(schema: &str, name: &str) -> String {
        URL_SAFE_NO_PAD.encode(json!([schema, name]).to_string())
    }

    fn decode(cursor: &str) -> Result<Self, ToolFailure> {
        URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<(String, String)>(&bytes).ok())
            .map(|(schema, name)| Self { schema, name })
            .ok_or_else(|| ToolFailure::invalid_arguments("`cursor` is none that this tool gave"))
    }
}

fn output(schema: Option<&str>, rows: &[TextRow], more: bool) -> Output {
    let mut tables = Vec::with_capacity(rows.len());
    let mut lines = Vec::with_capacity(rows.len() + 1);
    let mut last = None;
    for row in rows {
        let schema = row.text("schema");
        let name = row.text("name");
        let kind = row.text("kind");
        let partition_of = row.get("partition_of");
        let estimate: Option<i64> = row.number("rows_estimate");
        let bytes: Option<i64> = row.number("bytes");
        let comment = row.get("comment");
        let mut line = format!("{schema}.{name}: {kind}");
        if let Some(parent) = partition_of {
            line.push_str(&format!(", partition of {parent}"));
        }
        if let Some(estimate) = estimate {
            line.push_str(&format!(", about {estimate} rows"));
        }
        if let Some(bytes) = bytes {
            line.push_str(&format!(", {bytes} bytes"));
        }
        lines.push(line);
        last = Some(Position::encode(&schema, &name));
        tables.push(json!({
            "schema": schema,
            "name": name,
            "kind": kind,
            "partition_of": partition_of,
            "rows_estimate": estimate,
            "bytes": bytes,
            "comment": comment,
        }));
    }
    if lines.is_empty() {
        lines.push(match schema {
            Some(schema) => format!("no tables in schema `{schema}`"),
            None => "no tables".to_owned(),
        });
    }
    let next_cursor = last.filter(|_| more);
    if let Some(cursor) = &next_cursor {
        lines.push(format!("more with cursor {cursor}"));
    }
    Output {
        structured: json!({"tables": tables, "next_cursor": next_cursor}),
        text: lines.join("\n"),
    }
}

/// A partitioned table has no storage of its own: its size is that of its partitions. `reltuples`
/// is -1 before the first ANALYZE. The size of a table that is locked is not asked for.
const TABLES: &str = concat!(
    include_str!("locked_tables.sql"),
    "
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind,
       (SELECT pn.nspname || '.' || pc.relname
        FROM pg_catalog.pg_inherits i
        JOIN pg_catalog.pg_class pc ON pc.oid = i.inhparent
        JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
        WHERE i.inhrelid = c.oid AND c.relispartition) AS partition_of,
       CASE WHEN c.relkind <> 'v' AND c.reltuples >= 0 THEN c.reltuples::bigint END
       AS rows_estimate,
       CASE WHEN c.oid IN (SELECT l.relid FROM locked l) THEN NULL ELSE CASE c.relkind
            WHEN 'p' THEN (SELECT sum(pg_catalog.pg_total_relation_size(t.relid))::bigint
            FROM pg_catalog.pg_partition_tree(c.oid) t)
            WHEN 'v' THEN NULL WHEN 'f' THEN NULL
            ELSE pg_catalog.pg_total_relation_size(c.oid) END END AS bytes,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (n.nspname = $1::text OR ($1::text IS NULL AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%'))
  AND ($2::text IS NULL OR (n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\") >
  ($2::text, $3::text))
ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"
LIMIT $4::bigint"
);
