//! Judges what hangs on the tables that a statement changes: their triggers, checks, generated
//! columns, indexes, partitions, and the tables that their foreign keys change with them.
//!
//! Rules, defaults of an INSERT and row-level policies are in the statement's own tree.

use std::collections::{BTreeMap, BTreeSet};

use super::functions::{Allowed, FUNCTIONS, PINNED_BELOW, array, text_array};
use super::tree::{self, Layout, TreeFindings};
use super::{JudgeError, Refused, harmless};
use crate::session::Session;

/// The objects that a change reaches besides the rows that it names.
#[derive(Default)]
pub(super) struct ReachedByChange {
    /// The objects that have to be judged next.
    pub(super) found: TreeFindings,
    /// Whether a trigger that the operator allowed runs, which may leave traces in the session.
    pub(super) leaves_traces: bool,
}

/// Judges the triggers of `changed` relations, and finds what else has to be judged.
pub(super) async fn judge(
    session: &mut Session,
    changed: &BTreeMap<u32, i16>,
    allowed: &Allowed<'_>,
) -> Result<ReachedByChange, JudgeError> {
    let relations: Vec<u32> = changed.keys().copied().collect();
    let events: Vec<u32> = changed
        .values()
        .map(|events| u32::from(events.unsigned_abs()))
        .collect();
    let parameters = [Some(array(&relations)), Some(array(&events))];
    let parameters: Vec<_> = parameters.iter().map(Option::as_deref).collect();
    let edges = session.rows(EDGES, &parameters).await?;
    let version = session.facts().version;
    let mut reached = ReachedByChange::default();
    let mut triggers: BTreeMap<u32, String> = BTreeMap::new();
    for edge in &edges {
        let found = &mut reached.found;
        let target: u32 = edge.number("target").unwrap_or_default();
        if let Some(tree) = edge.get("tree") {
            tree::read(tree.as_bytes(), Layout::Stored, version, found).map_err(Refused::Tree)?;
        }
        match edge.get("edge") {
            Some("own") => return Err(not_changeable(edge.text("name"), OWN)),
            Some("extension") => return Err(not_changeable(edge.text("name"), EXTENSION)),
            Some("rule") => return Err(not_changeable(edge.text("name"), RULE)),
            Some("x") => {}
            Some("c") => _ = found.called.insert(target),
            Some("o") => _ = found.operators.insert(target),
            Some("t") => _ = found.types.insert(target),
            Some("r") => _ = found.relations.entry(target).or_default(),
            Some("w") => {
                let events: i16 = edge.number("events").unwrap_or_default();
                found.relations.entry(target).or_default();
                *found.changed.entry(target).or_default() |= events;
            }
            Some("trigger") => _ = triggers.insert(target, edge.text("name")),
            _ => return Err(Refused::Unknown.into()),
        }
    }
    reached.leaves_traces = judge_triggers(session, &triggers, allowed).await?;
    Ok(reached)
}

/// Judges the functions of triggers; whether one may leave traces.
pub(super) async fn judge_triggers(
    session: &mut Session,
    triggers: &BTreeMap<u32, String>,
    allowed: &Allowed<'_>,
) -> Result<bool, JudgeError> {
    if triggers.is_empty() {
        return Ok(false);
    }
    let functions: Vec<u32> = triggers.keys().copied().collect();
    let parameters = [array(&functions), text_array(allowed.functions)];
    let rows = session
        .rows(FUNCTIONS, &[Some(&parameters[0]), Some(&parameters[1])])
        .await?;
    if rows.len() != functions.len() {
        return Err(Refused::Unknown.into());
    }
    let mut leaves_traces = false;
    for row in &rows {
        let oid: u32 = row.number("oid").unwrap_or_default();
        let is_own = oid < PINNED_BELOW && harmless::is_harmless_in_a_trigger(&row.text("name"));
        if is_own {
            continue;
        }
        if !allowed.triggers && !row.is_true("allowed") {
            let trigger = triggers.get(&oid).cloned().unwrap_or_default();
            let signature = row.text("signature");
            return Err(Refused::Trigger { trigger, signature }.into());
        }
        leaves_traces = true;
    }
    Ok(leaves_traces)
}

/// Refuses sequences that belong to none of the `changed` relations.
pub(super) async fn judge_sequences(
    session: &mut Session,
    sequences: &BTreeSet<u32>,
    changed: &BTreeMap<u32, i16>,
) -> Result<(), JudgeError> {
    let sequences: Vec<u32> = sequences.iter().copied().collect();
    let changed: Vec<u32> = changed.keys().copied().collect();
    let parameters = [array(&sequences), array(&changed)];
    let strange = session
        .rows(SEQUENCES, &[Some(&parameters[0]), Some(&parameters[1])])
        .await?;
    match strange.first() {
        Some(row) => Err(Refused::Sequence(row.text("name")).into()),
        None => Ok(()),
    }
}

fn not_changeable(name: String, reason: &'static str) -> JudgeError {
    Refused::NotChangeable(name, reason).into()
}

const OWN: &str = "belongs to PostgreSQL or to this server";

const EXTENSION: &str = "belongs to an extension, which may act by it";

const RULE: &str = "a foreign key changes with it and which has rules";

/// Finds everything that hangs on the relations $1, to whose rows $2 happens. The edges: `w` a
/// relation whose rows change with them, `x` a tree, and the letters of `edges.sql`.
const EDGES: &str = include_str!("changes.sql");

/// Those of the sequences $1 that are of none of the relations $2, nor of what these are
/// partitions of.
const SEQUENCES: &str = "
WITH tables AS MATERIALIZED (
    SELECT given.relid FROM pg_catalog.unnest($2::pg_catalog.oid[]) AS given (relid)
    UNION
    SELECT above.relid::pg_catalog.oid
    FROM pg_catalog.unnest($2::pg_catalog.oid[]) AS given (relid),
         LATERAL pg_catalog.pg_partition_ancestors(given.relid) AS above (relid)
)
SELECT COALESCE(pg_catalog.to_regclass(asked.sequence::pg_catalog.regclass::pg_catalog.text)
                ::pg_catalog.text, asked.sequence::pg_catalog.text) AS name
FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS asked (sequence)
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = asked.sequence
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refobjid IN (SELECT relid FROM tables) AND d.deptype IN ('a', 'i'))
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_attrdef a
    JOIN pg_catalog.pg_depend d ON d.objid = a.oid
    WHERE a.adrelid IN (SELECT relid FROM tables)
      AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refobjid = asked.sequence)";
