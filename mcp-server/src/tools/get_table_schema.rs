//! `get_table_schema`: everything that one needs to know of a table to query it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::postgres::{ReadTransaction, TextRow};
use crate::services::Services;

/// Names that a failure offers.
const SUGGESTIONS: usize = 5;

/// The bytes of PostgreSQL's longest name (`NAMEDATALEN` less one).
const LONGEST_NAME: usize = 63;

/// The tool `get_table_schema`: one table or view of PostgreSQL in full.
pub struct GetTableSchema;

/// The arguments of a call of `get_table_schema`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    table: String,
    #[serde(default)]
    schema: Option<String>,
}

impl Tool for GetTableSchema {
    const NAME: &'static str = "get_table_schema";
    const TITLE: &'static str = "Describe a PostgreSQL table";
    const DESCRIPTION: &'static str = "Columns, types, keys, checks, indexes, comments and size \
                                       of one PostgreSQL table or view. Use it before writing SQL.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "table": {"type": "string", "minLength": 1},
                "schema": {"type": "string", "minLength": 1,
                    "description": "`public` when left out"}
            },
            "required": ["table"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let text_or_null = json!({"type": ["string", "null"]});
        let number_or_null = json!({"type": ["integer", "null"]});
        let names = json!({"type": "array", "items": {"type": "string"}});
        let list = |properties: Value| {
            json!({"type": "array",
            "items": {"type": "object", "properties": properties}})
        };
        json!({
            "properties": {
                "schema": {"type": "string"},
                "table": {"type": "string"},
                "kind": {"type": "string"},
                "comment": text_or_null,
                "rows_estimate": number_or_null,
                "bytes": number_or_null,
                "columns": list(json!({
                    "name": {"type": "string"}, "type": {"type": "string"},
                    "nullable": {"type": "boolean"},
                    "default": text_or_null, "comment": text_or_null
                })),
                "primary_key": names,
                "unique": list(json!({"name": {"type": "string"}, "columns": names})),
                "foreign_keys": list(json!({
                    "name": {"type": "string"}, "columns": names, "references": {"type": "string"},
                    "referenced_columns": names
                })),
                "checks": list(json!({"name": {"type": "string"},
                    "definition": {"type": "string"}})),
                "indexes": list(json!({"name": {"type": "string"},
                    "definition": {"type": "string"}}))
            },
            "required": ["schema", "table", "kind", "columns", "primary_key", "unique",
                "foreign_keys", "checks", "indexes"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let look = async {
            let mut transaction = services.postgres.read().await?;
            let described = describe(&mut transaction, &arguments).await;
            transaction.end().await;
            described
        };
        call.unless_cancelled(services.postgres.in_time(look))
            .await?
    }
}

async fn describe(
    transaction: &mut ReadTransaction,
    arguments: &Arguments,
) -> Result<Output, ToolFailure> {
    let Some(table) = find(transaction, arguments).await? else {
        return Err(not_found(transaction, arguments).await?);
    };
    let id = table.text("id");
    let columns = transaction.rows(COLUMNS, &[Some(&id)]).await?;
    let constraints = transaction.rows(CONSTRAINTS, &[Some(&id)]).await?;
    let indexes = transaction.rows(INDEXES, &[Some(&id)]).await?;
    Ok(output(&table, &columns, &constraints, &indexes))
}

/// The table in its schema; when no schema is given, a name with a point may hold both.
async fn find(
    transaction: &mut ReadTransaction,
    arguments: &Arguments,
) -> Result<Option<TextRow>, ToolFailure> {
    let schema = arguments.schema.as_deref().unwrap_or("public");
    let mut found = transaction
        .rows(TABLE, &[Some(schema), Some(&arguments.table)])
        .await?;
    if let (true, None, Some((schema, table))) = (
        found.is_empty(),
        &arguments.schema,
        arguments.table.split_once('.'),
    ) {
        found = transaction
            .rows(TABLE, &[Some(schema), Some(table)])
            .await?;
    }
    Ok(found.pop())
}

async fn not_found(
    transaction: &mut ReadTransaction,
    arguments: &Arguments,
) -> Result<ToolFailure, ToolFailure> {
    let schema = arguments.schema.as_deref().unwrap_or("public");
    let names = transaction.rows(NAMES, &[]).await?;
    let wanted = arguments
        .table
        .rsplit('.')
        .next()
        .unwrap_or(&arguments.table)
        .to_lowercase();
    let mut near: Vec<(usize, String)> = names
        .into_iter()
        .filter_map(|row| {
            let (schema, name) = (row.text("schema"), row.text("name"));
            let distance = near(&wanted, &name.to_lowercase())?;
            Some((distance, format!("`{schema}.{name}`")))
        })
        .collect();
    near.sort();
    near.truncate(SUGGESTIONS);
    let near: Vec<String> = near.into_iter().map(|(_, name)| name).collect();
    let failure = ToolFailure::not_found(format!(
        "there is no table `{}` in schema `{schema}`",
        arguments.table
    ));
    Ok(failure.with_hint(if near.is_empty() {
        "list_tables names the tables there are".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    }))
}

/// How far apart two names are, if they are near each other.
fn near(wanted: &str, name: &str) -> Option<usize> {
    // What is longer than a name can be is no slip, and would be compared for minutes.
    if wanted.len() > LONGEST_NAME {
        return None;
    }
    let distance = distance(wanted, name);
    (distance <= wanted.chars().count().div_ceil(3)).then_some(distance)
}

/// How many letters must be put in, left out or changed to make one word of the other; 0 or 1 where
/// one holds the other whole.
fn distance(wanted: &str, name: &str) -> usize {
    if wanted == name {
        return 0;
    }
    if wanted.len() >= 3 && (name.contains(wanted) || wanted.contains(name)) {
        return 1;
    }
    let name: Vec<char> = name.chars().collect();
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (at, letter) in wanted.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in name.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[name.len()]
}

fn output(
    table: &TextRow,
    columns: &[TextRow],
    constraints: &[TextRow],
    indexes: &[TextRow],
) -> Output {
    let (schema, name, kind) = (table.text("schema"), table.text("name"), table.text("kind"));
    let mut lines = vec![format!("{schema}.{name} ({kind})")];
    let mut listed = Vec::with_capacity(columns.len());
    for column in columns {
        let (name, type_name) = (column.text("name"), column.text("type"));
        let nullable = column.is_true("nullable");
        lines.push(format!(
            "{name} {type_name}{}",
            if nullable { "" } else { " not null" }
        ));
        listed.push(json!({
            "name": name,
            "type": type_name,
            "nullable": nullable,
            "default": column.get("default"),
            "comment": column.get("comment"),
        }));
    }
    let mut primary_key = Vec::new();
    let (mut unique, mut foreign_keys, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for constraint in constraints {
        let (name, definition) = (constraint.text("name"), constraint.text("definition"));
        let columns = names_of(constraint, "columns");
        lines.push(definition.clone());
        match constraint.get("kind") {
            Some("p") => primary_key = columns,
            Some("u") => unique.push(json!({"name": name, "columns": columns})),
            Some("f") => foreign_keys.push(json!({
                "name": name,
                "columns": columns,
                "references": constraint.get("references"),
                "referenced_columns": names_of(constraint, "referenced_columns"),
            })),
            _ => checks.push(json!({"name": name, "definition": definition})),
        }
    }
    let indexes: Vec<Value> = indexes
        .iter()
        .map(|index| json!({"name": index.text("name"), "definition": index.text("definition")}))
        .collect();
    Output {
        structured: json!({
            "schema": schema,
            "table": name,
            "kind": kind,
            "comment": table.get("comment"),
            "rows_estimate": table.number::<i64>("rows_estimate"),
            "bytes": table.number::<i64>("bytes"),
            "columns": listed,
            "primary_key": primary_key,
            "unique": unique,
            "foreign_keys": foreign_keys,
            "checks": checks,
            "indexes": indexes,
        }),
        text: lines.join("\n"),
    }
}

/// A list of names, which PostgreSQL has written as JSON.
fn names_of(row: &TextRow, column: &str) -> Vec<String> {
    row.get(column)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The size of a table that is locked is not asked for.
const TABLE: &str = concat!(
    include_str!("locked_tables.sql"),
    "
SELECT c.oid AS id,
       n.nspname::text AS schema,
       c.relname::text AS name,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       CASE WHEN c.relkind <> 'v' AND c.reltuples >= 0 THEN c.reltuples::bigint END
       AS rows_estimate,
       CASE WHEN c.oid IN (SELECT l.relid FROM locked l) THEN NULL ELSE CASE c.relkind
            WHEN 'p' THEN (SELECT sum(pg_catalog.pg_total_relation_size(t.relid))::bigint
            FROM pg_catalog.pg_partition_tree(c.oid) t)
            WHEN 'v' THEN NULL WHEN 'f' THEN NULL
            ELSE pg_catalog.pg_total_relation_size(c.oid) END END AS bytes
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
);

/// A generated column's expression stands where others have their default.
const COLUMNS: &str = "
SELECT a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull AS nullable,
       CASE WHEN a.attidentity = 'a' THEN 'generated always as identity'
            WHEN a.attidentity = 'd' THEN 'generated by default as identity'
            WHEN a.attgenerated = 's' THEN 'generated always as (' ||
            pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') stored'
            WHEN a.attgenerated = 'v' THEN 'generated always as (' ||
            pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ')'
            ELSE pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS default,
       pg_catalog.col_description(a.attrelid, a.attnum) AS comment
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

const CONSTRAINTS: &str = "
SELECT k.conname::text AS name,
       k.contype::text AS kind,
       pg_catalog.pg_get_constraintdef(k.oid) AS definition,
       to_json(ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY
       AS u (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
             ORDER BY u.place)) AS columns,
       to_json(ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY
       AS u (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number
             ORDER BY u.place)) AS referenced_columns,
       (SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = k.confrelid)
        AS references
FROM pg_catalog.pg_constraint k
WHERE k.conrelid = $1::oid AND k.contype IN ('p', 'u', 'f', 'c')
ORDER BY k.contype <> 'p', k.conname";

const INDEXES: &str = "
SELECT c.relname::text AS name, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1::oid
ORDER BY c.relname";

const NAMES: &str = "
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema'
    AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2
LIMIT 10000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_compares_nothing_that_is_too_long_for_a_name() {
        assert_eq!(near("order", "orders"), Some(1));
        // It holds the name, which is otherwise near enough.
        assert_eq!(near(&"orders".repeat(LONGEST_NAME), "orders"), None);
    }

    #[test]
    fn it_knows_which_names_are_near() {
        assert_eq!(distance("orders", "orders"), 0);
        assert_eq!(distance("order", "orders"), 1);
        assert_eq!(distance("ordres", "orders"), 2);
        assert_eq!(distance("shop", "cars"), 4);
    }
}
