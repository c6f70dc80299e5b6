//! Judges the tables that rows are loaded into, and what making a table calls.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::judge_objects;
use super::functions::Allowed;
use super::tree::{self, Admitted, Layout, TreeFindings};
use super::{Harmless, JudgeError, Refused, changes};
use crate::session::Session;

/// Judges a load of rows into `table`, to whose rows `events` happen, as `pg_trigger.tgtype` has
/// them: it calls nothing that is not harmless, by a default or by whatever hangs on the table.
pub(crate) async fn judge_load(
    session: &mut Session,
    table: u32,
    events: i16,
    allowed: &Allowed<'_>,
) -> Result<Harmless, JudgeError> {
    let version = session.facts().version;
    let mut findings = TreeFindings::default();
    findings.relations.insert(table, BTreeSet::new());
    findings.changed.insert(table, events);
    let defaults = session.rows(DEFAULTS, &[Some(&table.to_string())]).await?;
    for default in &defaults {
        let tree = default.text("tree");
        let admitted = Admitted::Changes;
        let (tree, layout) = (tree.as_bytes(), Layout::Stored);
        tree::read_admitted(tree, layout, version, admitted, &mut findings)
            .map_err(Refused::Tree)?;
    }
    judge_objects(session, findings, allowed).await
}

/// Judges the types of columns that do not exist yet: what reads, writes, checks and sorts their
/// values.
pub(crate) async fn judge_types(
    session: &mut Session,
    types: BTreeSet<u32>,
    allowed: &Allowed<'_>,
) -> Result<Harmless, JudgeError> {
    let findings = TreeFindings {
        types,
        ..TreeFindings::default()
    };
    judge_objects(session, findings, allowed).await
}

/// Judges the event triggers of the database that fire on a statement with this tag.
pub(crate) async fn judge_event_triggers(
    session: &mut Session,
    tag: &str,
    allowed: &Allowed<'_>,
) -> Result<Harmless, JudgeError> {
    let rows = session.rows(EVENT_TRIGGERS, &[Some(tag)]).await?;
    let triggers: BTreeMap<u32, String> = rows
        .iter()
        .filter_map(|row| Some((row.number("function")?, row.text("name"))))
        .collect();
    Ok(Harmless {
        leaves_traces: changes::judge_triggers(session, &triggers, allowed).await?,
    })
}

/// The expressions of the defaults of the table $1. Those of generated columns are judged with the
/// rest that hangs on it.
const DEFAULTS: &str = "
SELECT d.adbin::pg_catalog.text AS tree
FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = $1::pg_catalog.oid AND a.attgenerated = ''";

const EVENT_TRIGGERS: &str = "
SELECT e.evtfoid::pg_catalog.oid AS function,
       pg_catalog.format('`%s` of the database', e.evtname) AS name
FROM pg_catalog.pg_event_trigger e
WHERE e.evtenabled <> 'D' AND e.evtevent IN ('ddl_command_start', 'ddl_command_end')
  AND (e.evttags IS NULL OR $1::pg_catalog.text = ANY (e.evttags))";
