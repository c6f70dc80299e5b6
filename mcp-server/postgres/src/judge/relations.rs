//! Judges relations by what PostgreSQL's catalogue says of them: foreign ones, and those whose
//! columns hold secrets, are refused.

use std::collections::{BTreeMap, BTreeSet};

use super::functions::{NORMAL_FROM, PINNED_BELOW, array};
use super::refused::Refused;
use super::{JudgeError, secrets};
use crate::session::Session;

/// Judges relations of which these columns are read, by their numbers; 0 is the whole row.
pub(super) async fn judge_relations(
    session: &mut Session,
    relations: &BTreeMap<u32, BTreeSet<i16>>,
) -> Result<(), JudgeError> {
    let asked: Vec<u32> = relations
        .keys()
        .copied()
        .filter(|oid| !session.known_harmless.contains(&('r', *oid)))
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let rows = session.rows(RELATIONS, &[Some(&array(&asked))]).await?;
    if rows.len() != asked.len() {
        return Err(Refused::Unknown.into());
    }
    for row in &rows {
        let oid: u32 = row.number("oid").unwrap_or_default();
        let name = row.text("name");
        let full_name = || format!("{}.{name}", row.text("schema"));
        match row.get("kind") {
            Some("r" | "p" | "v" | "m" | "S") => {}
            Some("f") => return Err(Refused::Foreign(full_name()).into()),
            // The overflow of other tables, catalogues included.
            _ => return Err(Refused::Secret(full_name()).into()),
        }
        if row.get("schema") != Some("pg_catalog") || oid >= NORMAL_FROM {
            continue;
        }
        let read = relations.get(&oid).cloned().unwrap_or_default();
        let named = row.text("columns");
        let columns: Vec<&str> = named
            .split(',')
            .filter_map(|column| column.split_once(':'))
            .filter(|(number, _)| number.parse().is_ok_and(|number| read.contains(&number)))
            .map(|(_, name)| name)
            .collect();
        if let Some(secret) = secrets::secret_that_is_read(&name, &columns, read.contains(&0)) {
            return Err(Refused::Secret(secret).into());
        }
        if oid < PINNED_BELOW && !secrets::has_secrets(&name) {
            session.known_harmless.insert(('r', oid));
        }
    }
    Ok(())
}

/// The columns of the catalogue's own relations, so that secret ones can be told by their numbers.
const RELATIONS: &str = "
SELECT c.oid AS oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relkind AS kind,
       CASE WHEN n.nspname = 'pg_catalog' THEN (
           SELECT pg_catalog.string_agg(a.attnum || ':' || a.attname, ',')
           FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
       ) END AS columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::pg_catalog.oid[])";
