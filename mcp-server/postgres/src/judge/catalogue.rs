//! Judges objects by what PostgreSQL's catalogue says of them, and of what they call in turn.

use std::collections::{BTreeMap, BTreeSet};

use super::functions::{Allowed, FUNCTIONS, NORMAL_FROM, PINNED_BELOW, array, text_array};
use super::refused::{FunctionRefused, Refused};
use super::relations::judge_relations;
use super::tree::{self, Layout, TreeFindings};
use super::{Harmless, JudgeError, changes, harmless, receive_analysis, send_analysis};
use crate::session::{Session, SessionError, TextRow};

/// The objects that one query may reach; a view on a view on a view of a large schema has hundreds.
const MOST_OBJECTS: usize = 20_000;

/// Judges everything that `findings` name, and whatever is reached from there.
pub(crate) async fn judge_objects(
    session: &mut Session,
    findings: TreeFindings,
    allowed: &Allowed<'_>,
) -> Result<Harmless, JudgeError> {
    let mut closure = Closure::default();
    closure.add(findings, false);
    while closure.has_more() {
        if closure.seen > MOST_OBJECTS {
            return Err(Refused::TooLarge.into());
        }
        closure.step(session, allowed).await?;
    }
    if !closure.sequences.is_empty() {
        changes::judge_sequences(session, &closure.sequences, &closure.changed).await?;
    }
    Ok(Harmless {
        leaves_traces: closure.leaves_traces,
    })
}

/// Who calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CalledBy {
    /// The query, by name or through an operator.
    Query,
    /// PostgreSQL: to read a type's values, to plan, to search an index.
    PostgreSql,
}

/// Whether a function in the language `internal` is one that came with a range type.
fn is_constructor(symbol: &str) -> bool {
    matches!(
        symbol,
        "range_constructor2"
            | "range_constructor3"
            | "multirange_constructor0"
            | "multirange_constructor1"
            | "multirange_constructor2"
    )
}

/// The objects that a query reaches: those that have been judged, and those to be judged next.
#[derive(Default)]
struct Closure {
    next: TreeFindings,
    /// Views and tables to be looked into, since a stored tree does not show what is behind them.
    next_stored: BTreeSet<u32>,
    functions: BTreeSet<u32>,
    internal: BTreeSet<u32>,
    operators: BTreeSet<u32>,
    types: BTreeSet<u32>,
    relations: BTreeMap<u32, BTreeSet<i16>>,
    stored: BTreeSet<u32>,
    changed: BTreeMap<u32, i16>,
    sequences: BTreeSet<u32>,
    seen: usize,
    leaves_traces: bool,
}

impl Closure {
    fn add(&mut self, found: TreeFindings, is_stored: bool) {
        let new = |known: &BTreeSet<u32>, found: BTreeSet<u32>| {
            found.difference(known).copied().collect::<Vec<_>>()
        };
        self.next.called.extend(new(&self.functions, found.called));
        // What PostgreSQL calls by itself is trusted where it is PostgreSQL's own.
        self.next.internal.extend(
            new(&self.internal, found.internal)
                .into_iter()
                .filter(|oid| *oid >= PINNED_BELOW),
        );
        self.next
            .operators
            .extend(new(&self.operators, found.operators));
        self.next.types.extend(new(&self.types, found.types));
        self.sequences.extend(found.sequences);
        for (relation, events) in found.changed {
            let known = self.changed.get(&relation).copied().unwrap_or_default();
            if events & !known != 0 {
                *self.next.changed.entry(relation).or_default() |= events;
            }
        }
        for (relation, columns) in found.relations {
            let known = self.relations.get(&relation);
            if known.is_none_or(|known| !columns.is_subset(known)) {
                self.next
                    .relations
                    .entry(relation)
                    .or_default()
                    .extend(columns);
            }
            if is_stored && !self.stored.contains(&relation) {
                self.next_stored.insert(relation);
            }
        }
    }

    fn has_more(&self) -> bool {
        self.next != TreeFindings::default() || !self.next_stored.is_empty()
    }

    /// Judges what is next, and finds out what that reaches.
    async fn step(
        &mut self,
        session: &mut Session,
        allowed: &Allowed<'_>,
    ) -> Result<(), JudgeError> {
        let next = std::mem::take(&mut self.next);
        let stored = std::mem::take(&mut self.next_stored);
        self.seen += next.called.len() + next.internal.len();
        self.seen += next.operators.len() + next.types.len();
        self.seen += next.relations.len() + stored.len();
        self.seen += next.changed.len();
        for (relation, events) in &next.changed {
            *self.changed.entry(*relation).or_default() |= events;
        }
        if !next.changed.is_empty() {
            let change = changes::judge(session, &next.changed, allowed).await?;
            self.leaves_traces |= change.leaves_traces;
            self.add(change.found, true);
        }
        self.functions.extend(&next.called);
        self.internal.extend(&next.internal);
        self.operators.extend(&next.operators);
        self.types.extend(&next.types);
        self.stored.extend(&stored);
        for (relation, columns) in &next.relations {
            self.relations.entry(*relation).or_default().extend(columns);
        }

        let mut opened = self
            .judge_functions(session, &next.called, allowed.functions, CalledBy::Query)
            .await?;
        opened.extend(
            self.judge_functions(
                session,
                &next.internal,
                allowed.functions,
                CalledBy::PostgreSql,
            )
            .await?,
        );
        judge_relations(session, &next.relations).await?;
        let beyond = |oids: &BTreeSet<u32>| -> Vec<u32> {
            oids.iter()
                .copied()
                .filter(|oid| *oid >= PINNED_BELOW)
                .collect()
        };
        let relations: BTreeSet<u32> = next.relations.keys().copied().collect();
        self.follow(
            session,
            [
                &opened,
                &beyond(&next.operators),
                &beyond(&next.types),
                &beyond(&relations),
                &stored.into_iter().collect::<Vec<_>>(),
            ],
        )
        .await
    }

    /// Judges functions; returns those whose parts have to be judged too.
    async fn judge_functions(
        &mut self,
        session: &mut Session,
        functions: &BTreeSet<u32>,
        allowed: &[String],
        by: CalledBy,
    ) -> Result<Vec<u32>, JudgeError> {
        let asked: Vec<u32> = functions
            .iter()
            .copied()
            .filter(|oid| !session.known_harmless.contains(&('f', *oid)))
            .collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let rows = session
            .rows(
                FUNCTIONS,
                &[Some(&array(&asked)), Some(&text_array(allowed))],
            )
            .await?;
        if rows.len() != asked.len() {
            return Err(Refused::Unknown.into());
        }
        let mut opened = Vec::new();
        for row in &rows {
            let oid: u32 = row.number("oid").unwrap_or_default();
            let is_volatile = row.get("volatility") == Some("v");
            let refused = |reason| {
                let signature = row.text("signature");
                Err(JudgeError::from(Refused::Function { signature, reason }))
            };
            let name = row.text("name");
            let is_built_in = oid < PINNED_BELOW
                || (oid < NORMAL_FROM
                    && matches!(row.get("schema"), Some("pg_catalog" | "information_schema")));
            if row.is_true("allowed") {
                self.leaves_traces = true;
            } else if is_built_in {
                if !row.is_true("is_handler") && !harmless::is_harmless(&name, is_volatile) {
                    return refused(FunctionRefused::BuiltIn);
                }
                if session.facts().sees_all_settings && harmless::shows_settings(&name) {
                    return Err(Refused::Secret(row.text("signature")).into());
                }
                match harmless::leaves_traces(&name) {
                    true => self.leaves_traces = true,
                    false => _ = session.known_harmless.insert(('f', oid)),
                }
            } else if let Some(extension) = row.get("extension") {
                // A type cannot be read without its own functions, nor a table without its
                // indexes'.
                let is_harmless = by == CalledBy::PostgreSql
                    || harmless::is_harmless_of_extension(extension, &name, is_volatile);
                if !is_harmless {
                    return refused(match is_volatile {
                        true => FunctionRefused::Volatile,
                        false => FunctionRefused::Extension,
                    });
                }
                opened.push(oid);
            } else if is_volatile {
                return refused(FunctionRefused::Volatile);
            } else if row.get("kind") == Some("a") || row.get("symbol").is_some_and(is_constructor)
            {
                opened.push(oid);
            } else if row.get("language") == Some("sql") {
                // What it calls, or casts its result by, depends on the types that a caller gives.
                if row.is_true("has_callers_types") {
                    return refused(FunctionRefused::CallersTypes);
                }
                if let Some(body) = row.get("body") {
                    if row.is_true("is_configured") {
                        return refused(FunctionRefused::Body);
                    }
                    let Some(found) = read_body(session, body, row).await? else {
                        return refused(FunctionRefused::Body);
                    };
                    self.add(found, false);
                }
                opened.push(oid);
            } else {
                return refused(FunctionRefused::Language);
            }
        }
        Ok(opened)
    }

    /// Adds what the objects call or are made of.
    async fn follow(
        &mut self,
        session: &mut Session,
        objects: [&[u32]; 5],
    ) -> Result<(), JudgeError> {
        if objects.iter().all(|oids| oids.is_empty()) {
            return Ok(());
        }
        let arrays = objects.map(array);
        let arrays: Vec<_> = arrays.iter().map(|array| Some(array.as_str())).collect();
        let edges = session.rows(EDGES, &arrays).await?;
        let version = session.facts().version;
        for edge in edges {
            let mut found = TreeFindings::default();
            let target: u32 = edge.number("target").unwrap_or_default();
            match (edge.get("edge"), edge.get("tree")) {
                (kind, Some(tree)) => {
                    tree::read(tree.as_bytes(), Layout::Stored, version, &mut found)
                        .map_err(Refused::Tree)?;
                    if kind == Some("p") {
                        found.internal.append(&mut found.called);
                    }
                    self.add(found, true);
                    continue;
                }
                (Some("c"), _) => found.called.insert(target),
                (Some("i"), _) => found.internal.insert(target),
                (Some("o"), _) => found.operators.insert(target),
                (Some("t"), _) => found.types.insert(target),
                (Some("r"), _) => found.relations.insert(target, BTreeSet::new()).is_none(),
                _ => return Err(Refused::Unknown.into()),
            };
            self.add(found, false);
        }
        Ok(())
    }
}

/// Has PostgreSQL analyse the body of a function in SQL; `None` where it is not one query.
async fn read_body(
    session: &mut Session,
    body: &str,
    function: &TextRow,
) -> Result<Option<TreeFindings>, JudgeError> {
    let types: Vec<u32> = function
        .text("arguments")
        .split_whitespace()
        .filter_map(|oid| oid.parse().ok())
        .collect();
    let name = session.fresh_name();
    send_analysis(session, &name, body, &types)?;
    session.send_close(&name)?;
    session.flush().await?;
    let analysed = receive_analysis(session).await;
    let closed = session.last_reply().await;
    let analysed = match analysed {
        // The transaction has failed; the refusal that follows ends it.
        Err(JudgeError::Session(SessionError::Server(_)))
        | Err(JudgeError::Refused(Refused::NotShown)) => return Ok(None),
        analysed => analysed?,
    };
    closed?;
    let mut found = TreeFindings::default();
    let version = session.facts().version;
    Ok(
        tree::read(&analysed.tree, Layout::Folded, version, &mut found)
            .is_ok()
            .then_some(found),
    )
}

/// The query for what functions ($1), operators ($2), types ($3) and relations ($4) call or are
/// made of, and what is behind the relations that a stored tree names ($5). The letters: `c` a
/// function that is called, `i` one that PostgreSQL calls by itself, `o` operator, `t` type, `r`
/// relation, `x` a tree, `p` a tree that the planner runs parts of.
const EDGES: &str = include_str!("edges.sql");
