//! `sql_best_practices`: how to write a PostgreSQL query that is right and fast, on these tables.

use super::guide::{plain_name, plain_names};
use super::table_facts::TableFacts;
use super::{Argument, Arguments, Guide, Prompt, Surroundings};
use crate::known_names::NameKind;

/// The rows from which on a query that reads the whole table is worth a thought.
const LARGE: i64 = 100_000;

/// The prompt `sql_best_practices` of this server.
pub struct SqlBestPractices;

impl Prompt for SqlBestPractices {
    const NAME: &'static str = "sql_best_practices";
    const TITLE: &'static str = "Write good SQL";
    const DESCRIPTION: &'static str = "How to query PostgreSQL well, by a table's real columns and \
                                       indexes and a query's real plan.";
    const ARGUMENTS: &'static [Argument] = &[
        Argument {
            name: "table",
            description: "Table or view that is to be queried, with its schema outside of public",
            names: NameKind::Table,
        },
        Argument {
            name: "sql",
            description: "A query to look at; it is planned, not run",
            names: NameKind::Free,
        },
        Argument::DATABASE,
    ];

    async fn write(surroundings: &Surroundings<'_>, arguments: &Arguments) -> Guide {
        let mut guide = Guide::default();
        guide.advise("# Write good SQL");
        let database = arguments.get("database");
        if let Some(table) = arguments.get("table") {
            match TableFacts::look(surroundings, database, table).await {
                Ok(facts) => {
                    guide.advise("The table as it is now:");
                    guide.show("PostgreSQL's catalogue", &facts.text);
                    guide.advise_all("What follows from it:", &of_table(&facts));
                }
                Err(failure) => {
                    guide.advise("The table could not be looked at; settle this first:");
                    guide.show("this server", &failure.text());
                }
            }
        }
        if let Some(sql) = arguments.get("sql") {
            guide.advise("The query:");
            guide.show("the user's SQL", sql);
            if surroundings.offers("explain_query") {
                let asked = [("sql", Some(sql)), ("database", database)];
                match surroundings.ask("explain_query", &asked).await {
                    Ok(output) => {
                        guide.advise("Its plan:");
                        guide.show("PostgreSQL's plan", &output.text);
                    }
                    Err(failure) => {
                        guide.advise("PostgreSQL does not plan it; mend this first:");
                        guide.show("this server", &failure.text());
                    }
                }
            }
        }
        guide.advise_all("In general:", &GENERAL.map(ToOwned::to_owned));
        guide
    }
}

/// Advice that holds of every query on PostgreSQL through this server.
const GENERAL: [&str; 8] = [
    "Name the columns that you need; never `SELECT *` on a table that you have not looked at.",
    "Put values into `parameters` as $1, $2, …, never into the text.",
    "Aggregate in PostgreSQL rather than fetch rows to count them: results are cut at a limit, and \
     `truncated` tells when.",
    "Page by the key (`WHERE id > $1 ORDER BY id LIMIT 100`), not by OFFSET, which reads all that \
     it skips.",
    "Leave an indexed column bare in a condition: `at >= $1 AND at < $2` uses its index, \
     `date(at) = $1` does not.",
    "Use EXISTS or a join instead of `NOT IN (SELECT …)`, which gives no row at all as soon as one \
     value is NULL.",
    "Join on keys; a count that grows by a join says that rows were doubled.",
    "Compare with `IS NULL` and `IS DISTINCT FROM` where a value may be missing.",
];

fn of_table(table: &TableFacts) -> Vec<String> {
    let mut found = Vec::new();
    let name = plain_name(&table.name());
    let indexed = table.indexed_columns();
    let is_large = table.rows_estimate.is_some_and(|rows| rows >= LARGE);
    match (table.rows_estimate, indexed.as_slice()) {
        (Some(rows), []) if is_large => found.push(format!(
            "About {rows} rows and no index: every query reads all of {name}. Ask for an index on \
             what you filter by, or for an aggregate that is kept."
        )),
        (Some(rows), indexed) if is_large => found.push(format!(
            "About {rows} rows: filter {name} by one of {}, with which an index begins.",
            plain_names(indexed.iter().copied())
        )),
        (Some(_), []) | (None, []) => {}
        (_, indexed) => found.push(format!(
            "Indexes begin with {}; conditions on these are cheap.",
            plain_names(indexed.iter().copied())
        )),
    }
    if table.rows_estimate.is_none() && table.kind.ends_with("table") {
        found.push(format!(
            "{name} has never been analysed, so plans on it are guesses: its owner should run \
             ANALYZE."
        ));
    }
    match table.primary_key.as_slice() {
        [] if table.kind.ends_with("table") => found.push(format!(
            "{name} has no primary key: rows may repeat, so say DISTINCT or group on purpose."
        )),
        [] => {}
        key => found.push(format!(
            "One row for each {}: join and page by it.",
            plain_names(key.iter().map(String::as_str))
        )),
    }
    let unindexed = table.unindexed_references();
    if !unindexed.is_empty() {
        found.push(format!(
            "No index begins with the references {}: looking for the rows of one parent reads the \
             whole table.",
            plain_names(unindexed)
        ));
    }
    let missing = table.columns.iter().filter(|column| column.nullable);
    let missing: Vec<&str> = missing.map(|column| column.name.as_str()).collect();
    if !missing.is_empty() && missing.len() <= 8 {
        found.push(format!(
            "May be NULL, so that `<>` and `NOT IN` leave rows out: {}.",
            plain_names(missing)
        ));
    }
    found
}
