//! Decides whether a caller's SQL is one query that only reads. Pure: text in, a permit or a refusal out.
//!
//! Names and calls are judged by tokens, which are PostgreSQL's own; the statement by a parser of PostgreSQL's dialect. That parser does not
//! know all of the dialect. Text that it cannot read is judged by tokens alone, more strictly; PostgreSQL then has the last word, by a
//! statement (`DECLARE CURSOR`) that takes one query and nothing that writes.

use std::ops::ControlFlow;

use sqlparser::ast::{Query, Select, SetExpr, Statement, Visit as _, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::lexer::{self, LexError, Token};
use super::side_effects;

/// Longer text is not given to the parser: it builds trees as deep as a chain of operators is long, and walking one of a million would
/// exhaust the stack and end the process.
const PARSED_TOKENS: usize = 1_000;

/// A caller's SQL that has passed the checks of this module; nothing else of a caller's is ever run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOnlyQuery {
    sql: String,
    functions: Vec<FunctionName>,
}

/// A function as a query names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FunctionName {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

/// Why a caller's SQL is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no sequence of PostgreSQL's tokens.
    #[error("the SQL cannot be read: {0}")]
    Unreadable(String),
    /// It holds more or less than one statement.
    #[error("the SQL does not hold exactly one statement; send one SELECT per call")]
    Statements,
    /// It is not a query.
    #[error("only a query is run: one SELECT, VALUES or TABLE, with or without WITH")]
    NotAQuery,
    /// A part of it writes.
    #[error("the query holds {0}, which writes; only queries that read are run")]
    Writes(&'static str),
    /// It cannot be told that it only reads.
    #[error(
        "the SQL is not understood as a query that only reads, because of the word `{0}`; rewrite it without, or quote it if it is a name"
    )]
    Unclear(String),
    /// It locks rows.
    #[error("the query locks rows (FOR UPDATE, FOR SHARE); leave that clause out")]
    Locks,
    /// It calls a function with effects.
    #[error("the query calls `{0}`, which may do more than read")]
    Function(String),
    /// It reads where passwords are.
    #[error("the query names `{0}`, which holds credentials or raw objects")]
    Relation(String),
}

impl From<LexError> for Refused {
    fn from(error: LexError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl ReadOnlyQuery {
    /// Checks `sql`.
    ///
    /// # Errors
    /// The first reason not to run it.
    pub fn parse(sql: &str) -> Result<Self, Refused> {
        let tokens = lexer::tokens(sql)?;
        let functions = check_names(&tokens)?;
        let permit = Self {
            sql: sql.to_owned(),
            functions,
        };
        let statements = match tokens.len() {
            ..=PARSED_TOKENS => Parser::parse_sql(&PostgreSqlDialect {}, sql).ok(),
            _ => None,
        };
        let Some(statements) = statements else {
            return check_words(&tokens).map(|()| permit);
        };
        let [statement] = statements.as_slice() else {
            return Err(Refused::Statements);
        };
        let Statement::Query(query) = statement else {
            return Err(Refused::NotAQuery);
        };
        match query.visit(&mut Reads) {
            ControlFlow::Continue(()) => Ok(permit),
            ControlFlow::Break(refused) => Err(refused),
        }
    }

    /// The text, as the caller wrote it.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn functions(&self) -> &[FunctionName] {
        &self.functions
    }
}

/// Looks at every name and every call, however the statement around it is built.
fn check_names(tokens: &[Token]) -> Result<Vec<FunctionName>, Refused> {
    let mut functions = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Name(name) = token else { continue };
        if side_effects::is_relation_refused(name) {
            return Err(Refused::Relation(name.clone()));
        }
        if tokens.get(at + 1) != Some(&Token::Symbol('(')) {
            continue;
        }
        if side_effects::is_function_refused(name) {
            return Err(Refused::Function(name.clone()));
        }
        let schema = match tokens[..at] {
            [.., Token::Name(ref schema), Token::Symbol('.')] => Some(schema.clone()),
            _ => None,
        };
        functions.push(FunctionName {
            schema,
            name: name.clone(),
        });
    }
    functions.sort();
    functions.dedup();
    Ok(functions)
}

/// For what the parser cannot read: it begins as a query does, ends with its first statement, and holds no word of a statement that writes.
fn check_words(tokens: &[Token]) -> Result<(), Refused> {
    let begins = |token: &Token| match token {
        Token::Name(name) => ["select", "with", "values", "table"].contains(&name.as_str()),
        token => *token == Token::Symbol('('),
    };
    if !tokens.first().is_some_and(begins) {
        return Err(Refused::NotAQuery);
    }
    let end = tokens.iter().position(|token| *token == Token::Symbol(';'));
    if end.is_some_and(|end| {
        tokens[end..]
            .iter()
            .any(|token| *token != Token::Symbol(';'))
    }) {
        return Err(Refused::Statements);
    }
    let writes = |token: &Token| match token {
        Token::Name(name) if WRITING_WORDS.contains(&name.as_str()) => {
            Some(Refused::Unclear(name.clone()))
        }
        _ => None,
    };
    tokens.iter().find_map(writes).map_or(Ok(()), Err)
}

const WRITING_WORDS: &[&str] = &[
    "insert", "update", "delete", "merge", "into", "share", "call", "copy", "do", "execute",
];

/// Stops at the first part of a query that does not only read.
struct Reads;

impl Visitor for Reads {
    type Break = Refused;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refused> {
        if !query.locks.is_empty() {
            return ControlFlow::Break(Refused::Locks);
        }
        check_body(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refused> {
        if select.into.is_some() {
            return ControlFlow::Break(Refused::Writes("INTO"));
        }
        ControlFlow::Continue(())
    }

    /// The query itself is visited as a query, so a statement below it is one that should not be there.
    fn pre_visit_statement(&mut self, _: &Statement) -> ControlFlow<Refused> {
        ControlFlow::Break(Refused::Writes("a statement of another kind"))
    }
}

fn check_body(body: &SetExpr) -> ControlFlow<Refused> {
    let writes = |what| ControlFlow::Break(Refused::Writes(what));
    match body {
        SetExpr::Insert(_) => writes("an INSERT"),
        SetExpr::Update(_) => writes("an UPDATE"),
        SetExpr::Delete(_) => writes("a DELETE"),
        SetExpr::Merge(_) => writes("a MERGE"),
        SetExpr::SetOperation { left, right, .. } => {
            check_body(left)?;
            check_body(right)
        }
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_chains_that_would_exhaust_the_stack() {
        // Half of what a thread has, so that there is room for what calls it.
        let narrow = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
            for link in [
                " + 1",
                " OR 1 = 1",
                " UNION SELECT 1",
                "::int",
                " IS NULL",
                " || 'x'",
                ", 1",
                " AND (1 = 1)",
            ] {
                for count in [100, 240, 330, 498, 5_000, 200_000] {
                    let chain = format!("SELECT 1{}", link.repeat(count));
                    assert!(ReadOnlyQuery::parse(&chain).is_ok(), "{link} × {count}");
                }
            }
            for nested in ["(", "NOT ", "- ", "CASE WHEN ", "(SELECT ", "ARRAY["] {
                for count in [100, 490, 100_000] {
                    let _ = ReadOnlyQuery::parse(&format!("SELECT {}1", nested.repeat(count)));
                }
            }
        });
        narrow.expect("a thread").join().expect("it ends");
    }
}
