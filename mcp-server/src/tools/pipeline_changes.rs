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

/// The numbers, from 1 on, of the statements that change every row of a table, as far as that can
/// be found out now: one that cannot be judged yet is judged when it runs.
pub async fn statements_on_every_row(database: &Database, into: &IntoPostgres) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, statement) in into.statements.iter().enumerate() {
        let change = change(statement, &[], false, true);
        if let Err(Error::Refused(Refused::NotConfirmed)) = database.judge_change(&change).await {
            found.push(at + 1);
        }
    }
    found
}
