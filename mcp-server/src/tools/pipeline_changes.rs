//! The statements of pipelines that change rows, as PostgreSQL is asked to run them.

use serde_json::Value;

use crate::pipelines::{ChangeStatement, IntoPostgres};
use crate::postgres::{Change, Database, Error, Refused};

/// The change that a statement asks for. Nobody is there to be asked when it runs, so whether every
/// row is meant is what the author of the pipeline has said.
pub fn change<'a>(
    statement: &'a ChangeStatement,
    parameters: &'a [Value],
    is_confirmed: bool,
    is_last: bool,
) -> Change<'a> {
    Change {
        sql: &statement.sql,
        parameters,
        most_rows: statement.max_affected_rows.unwrap_or(u64::MAX),
        is_rehearsal: false,
        is_confirmed,
        is_last,
    }
}

/// Statements by their numbers, from 1 on.
#[derive(Debug, Default)]
pub struct StatementNumbers {
    /// Those that change every row of a table.
    pub on_every_row: Vec<usize>,
    /// Those that nobody could judge yet: they are judged when they run.
    pub not_judged: Vec<usize>,
}

/// Looks for the statements that change every row of a table, as far as that can be found out now.
pub async fn statements_on_every_row(database: &Database, into: &IntoPostgres) -> StatementNumbers {
    let mut found = StatementNumbers::default();
    for (at, statement) in into.statements.iter().enumerate() {
        let change = change(statement, &[], false, true);
        match database.judge_change(&change).await {
            Ok(_) => {}
            Err(Error::Refused(Refused::NotConfirmed)) => found.on_every_row.push(at + 1),
            Err(_) => found.not_judged.push(at + 1),
        }
    }
    found
}
