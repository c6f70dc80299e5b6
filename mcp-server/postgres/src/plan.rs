//! Asks PostgreSQL how it would run a judged query, and what that would cost, without running it.
//!
//! The prepared statement that was judged is the one that is planned: planning evaluates functions
//! that are marked IMMUTABLE.

mod advice;

use fallible_iterator::FallibleIterator as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::query::end_after;
use super::session::{Session, SessionError, Statement, TextRow};
use super::{Database, Error};
pub use advice::PlannedTable;
use advice::{advise, scanned_tables};

/// The way in which PostgreSQL would run a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The cost of all rows, in PostgreSQL's units: one page read in sequence is 1.
    pub cost: f64,
    /// The rows that PostgreSQL expects.
    pub rows: f64,
    /// Whether the plan is one for any parameters, because none were given.
    pub is_generic: bool,
    /// The nodes as PostgreSQL's JSON form has them; `None` where they are nested too deep or too
    /// long to be given back.
    pub tree: Option<Value>,
    /// Up to two sentences that say what would make it cheaper.
    pub advice: Vec<String>,
}

impl Database {
    /// The plan of one query, which is judged as [`Database::query`] does it, and is not run.
    /// Without `parameters` it is the plan for any.
    ///
    /// # Errors
    /// [`Error`], as for a query.
    pub async fn explain_query(
        &self,
        sql: &str,
        parameters: Option<&[Value]>,
    ) -> Result<Plan, Error> {
        let mut lease = self.lease_for_text(sql).await?;
        self.in_time(lease.begun, async {
            let statement = match self.judged(lease.session(), sql).await {
                Ok(statement) => statement,
                Err(error) => return Err(end_after(lease, error, sql).await),
            };
            let session = lease.session();
            let plan = self.plan(session, &statement, parameters).await;
            self.put_away(session, sql, &statement);
            match statement.leaves_traces {
                true => lease.close(),
                false => lease.roll_back().await,
            }
            plan
        })
        .await
    }

    async fn plan(
        &self,
        session: &mut Session,
        statement: &Statement,
        parameters: Option<&[Value]>,
    ) -> Result<Plan, Error> {
        let nulls = vec![Value::Null; statement.parameters.len()];
        let is_generic = parameters.is_none() && !nulls.is_empty();
        let given = parameters.unwrap_or(&nulls);
        let (_, values) = self.prepare(session, statement, given).await?;
        if is_generic {
            session.run(GENERIC).await?;
        }
        let text = explained(session, statement, &values).await?;
        let mut plan = Plan {
            cost: first_number(&text, COST).unwrap_or(f64::INFINITY),
            rows: first_number(&text, ROWS).unwrap_or_default(),
            is_generic,
            tree: None,
            advice: Vec::new(),
        };
        if text.len() > self.settings.limits.bytes {
            return Ok(plan);
        }
        let root = serde_json::from_str(&text).ok();
        if let Some(tree) = root.map(|mut root: Value| root[0]["Plan"].take()) {
            let scanned = json!(scanned_tables(&tree)).to_string();
            let tables = session.rows(TABLES, &[Some(&scanned)]).await?;
            let tables: Vec<PlannedTable> = tables.iter().map(PlannedTable::of).collect();
            plan.advice = advise(&tree, &tables);
            plan.tree = Some(tree);
        }
        Ok(plan)
    }

    /// Refuses a statement whose plan costs more than a statement may. The costs of what rules add
    /// to it are in; those of triggers and cascades PostgreSQL does not know.
    pub(super) async fn check_cost(
        &self,
        session: &mut Session,
        statement: &Statement,
        values: &[Option<String>],
    ) -> Result<(), Error> {
        let Some(most) = self.settings.max_cost else {
            return Ok(());
        };
        if statement.affordable.contains(values) {
            return Ok(());
        }
        let text = explained(session, statement, values).await?;
        let cost = cost_of_roots(&text);
        match cost > most {
            true => Err(Error::TooCostly { cost, most }),
            false => {
                statement.affordable.note(values);
                Ok(())
            }
        }
    }
}

impl PlannedTable {
    fn of(row: &TextRow) -> Self {
        let names = |column| {
            let names = row.get(column).map(serde_json::from_str);
            names.and_then(Result::ok).unwrap_or_default()
        };
        Self {
            schema: row.text("schema"),
            name: row.text("name"),
            rows: row.number("rows").filter(|rows| *rows >= 0.0),
            changed_rows: row.number("changed_rows").unwrap_or_default(),
            columns: names("columns"),
            indexed_columns: names("indexed_columns"),
        }
    }
}

/// PostgreSQL's plan of a statement, in JSON.
async fn explained(
    session: &mut Session,
    statement: &Statement,
    values: &[Option<String>],
) -> Result<String, SessionError> {
    let values: Vec<String> = values.iter().map(literal).collect();
    let arguments = match values.is_empty() {
        true => String::new(),
        false => format!("({})", values.join(", ")),
    };
    let name = &statement.name;
    let sql = format!("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE {name}{arguments}");
    let reply = session.run(&sql).await?;
    let mut text = String::new();
    for row in &reply.rows {
        if let Some(Some(range)) = row.ranges().next()? {
            text.push_str(&String::from_utf8_lossy(&row.buffer()[range]));
        }
    }
    Ok(text)
}

/// A value as SQL writes it. `standard_conforming_strings` is on in every session.
fn literal(value: &Option<String>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

/// The number after the first member of that name: the root's, since its own members stand before
/// its children's. Quotes inside of strings are escaped, so no string can hold the name.
fn first_number(text: &str, name: &str) -> Option<f64> {
    let (_, rest) = text.split_once(name)?;
    let end = rest.find([',', '\n', '}'])?;
    rest[..end].trim().parse().ok()
}

/// The cost of every plan in the text: a statement on which rules fire has several, or none. What
/// is no plan has no cost where it is a name (a rule may notify), and no bound otherwise.
fn cost_of_roots(text: &str) -> f64 {
    #[derive(Deserialize)]
    struct Explained {
        #[serde(rename = "Plan")]
        plan: Root,
    }
    #[derive(Deserialize)]
    struct Root {
        #[serde(rename = "Total Cost")]
        cost: f64,
    }
    let cost = |one: &&RawValue| match one.get().starts_with('"') {
        true => Ok(0.0),
        false => serde_json::from_str(one.get()).map(|explained: Explained| explained.plan.cost),
    };
    let costs = serde_json::from_str(text)
        .and_then(|roots: Vec<&RawValue>| roots.iter().map(cost).sum::<Result<f64, _>>());
    costs.unwrap_or(f64::INFINITY)
}

const COST: &str = "\"Total Cost\":";

const ROWS: &str = "\"Plan Rows\":";

const GENERIC: &str = "SET LOCAL plan_cache_mode = force_generic_plan";

/// The size of the tables, and how long ago they were looked at.
const TABLES: &str = "
SELECT n.nspname AS schema,
       c.relname AS name,
       c.reltuples AS rows,
       pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS changed_rows,
       pg_catalog.to_json(ARRAY(
           SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           ORDER BY a.attnum)) AS columns,
       pg_catalog.to_json(ARRAY(
           SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_index i
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
           WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL)) AS indexed_columns
FROM pg_catalog.json_to_recordset($1::pg_catalog.json)
     AS wanted (schema pg_catalog.text, name pg_catalog.text)
JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
WHERE c.relkind IN ('r', 'm')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_numbers_of_the_root_and_of_no_name_that_a_caller_chose() {
        let text = r#"[{"Plan": {"Alias": "\"Total Cost\": 1,", "Total Cost": 25.5,
            "Plan Rows": 7, "Plans": [{"Total Cost": 3}]}}]"#;
        assert_eq!(first_number(text, COST), Some(25.5));
        assert_eq!(first_number(text, ROWS), Some(7.0));
        assert_eq!(first_number("[]", COST), None);
    }

    #[test]
    fn it_adds_the_costs_of_all_plans_and_of_no_node_below_them() {
        let plan = |cost| {
            format!(
                r#"{{"Plan": {{"Alias": "\"Total Cost\": 7", "Total Cost": {cost},
                    "Plans": [{{"Total Cost": 9}}]}}}}"#
            )
        };
        assert_eq!(cost_of_roots(&format!("[\n{}\n]", plan("2.5"))), 2.5);
        let two = format!("[{},\n\"Notify\",{}]", plan("2.5"), plan("40"));
        assert_eq!(cost_of_roots(&two), 42.5);
        // A rule may leave nothing to be done.
        assert_eq!(cost_of_roots("[\n]"), 0.0);
        let deep = format!(
            "[{{\"Plan\": {}1{}}}]",
            "{\"Plans\": ".repeat(500),
            "}".repeat(500)
        );
        let unreadable = [
            "",
            "{}",
            "[{}]",
            "[7]",
            "[{\"Plan\": {}}]",
            "[[{\"Plan\": {\"Total Cost\": 1}}]]",
            &format!("[{}]", plan("\"many\"")),
            &deep,
        ];
        for text in unreadable {
            assert_eq!(cost_of_roots(text), f64::INFINITY, "{text}");
        }
        let deep = deep.replace("[{\"Plan\": {", "[{\"Plan\": {\"Total Cost\": 3,");
        assert_eq!(cost_of_roots(&deep), 3.0);
    }

    #[test]
    fn it_quotes_values_so_that_they_end_where_they_end() {
        assert_eq!(literal(&None), "NULL");
        assert_eq!(
            literal(&Some("a'); DROP --\\".to_owned())),
            "'a''); DROP --\\'"
        );
    }
}
