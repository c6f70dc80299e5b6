//! The reasons why a statement is not run, as sentences for its caller.

use super::tree::TreeRefused;

/// Why a statement is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not a query, or not one that only reads.
    #[error(transparent)]
    Tree(#[from] TreeRefused),
    /// It asks for a plan.
    #[error("EXPLAIN is no query")]
    Explain,
    /// PostgreSQL's analysis is longer than is read.
    #[error("the query is too large once its views are expanded; ask for less at a time")]
    TooLarge,
    /// PostgreSQL did not show what it understood.
    #[error("the SQL does not hold exactly one statement; send one SELECT per call")]
    NotShown,
    /// PostgreSQL called a function while it analysed the text.
    #[error(
        "the query holds a literal of a type whose check calls functions; \
         write the parts of it one by one, with `ARRAY[…]` or `ROW(…)`"
    )]
    RunsInAnalysis,
    /// It calls a function that may do more than read.
    #[error("the query calls `{signature}`, which {reason}")]
    Function {
        /// Schema, name and types of arguments.
        signature: String,
        /// Why it is not known to be harmless.
        reason: FunctionRefused,
    },
    /// It reads from another server.
    #[error("the query reads `{0}`, a foreign table, and so acts on another server")]
    Foreign(String),
    /// It reads what nobody may read here.
    #[error("the query reads `{0}`, which holds credentials, samples of tables or raw objects")]
    Secret(String),
    /// It changes what is PostgreSQL's, an extension's or this server's own.
    #[error("the statement changes `{0}`, which {1}")]
    NotChangeable(String, &'static str),
    /// A trigger of a table that it changes calls what cannot be judged.
    #[error(
        "the change fires the trigger {trigger}, whose function `{signature}` cannot be judged"
    )]
    Trigger {
        /// The trigger, with its table.
        trigger: String,
        /// The function that the trigger calls.
        signature: String,
    },
    /// It advances a sequence of no table that it changes.
    #[error("the statement advances `{0}`, a sequence of no table that it changes")]
    Sequence(String),
    /// It changes no rows.
    #[error("the statement changes nothing")]
    ChangesNothing,
    /// It changes all rows, and nobody has said that this is meant.
    #[error("the statement changes every row: no condition of it looks at a row")]
    NotConfirmed,
    /// It names something that the catalogue does not describe.
    #[error("the query uses something that PostgreSQL's catalogue does not describe")]
    Unknown,
}

/// Why a function is not known to be harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FunctionRefused {
    /// One of PostgreSQL's own that has effects or runs what it is given.
    #[error("may do more than read")]
    BuiltIn,
    /// Its owner says that it may have effects.
    #[error("is marked VOLATILE: it may do more than read")]
    Volatile,
    /// It is written in a language that cannot be looked into.
    #[error("is written in a language that cannot be judged")]
    Language,
    /// It belongs to an extension that is not known.
    #[error("belongs to an extension that is not known to be harmless")]
    Extension,
    /// Its body is not one that can be judged.
    #[error(
        "has a body that cannot be judged: not one query, with arguments by name, \
         or with settings of its own"
    )]
    Body,
    /// Its arguments or its rows are of whatever types a caller gives.
    #[error(
        "takes arguments of any type, or returns columns that a query names, \
         so that nobody can say beforehand what it calls"
    )]
    CallersTypes,
}

impl Refused {
    /// Whether something that was made in the database, not PostgreSQL's own, is the reason.
    pub(crate) fn is_of_the_databases_own(&self) -> bool {
        match self {
            Self::Function { reason, .. } => *reason != FunctionRefused::BuiltIn,
            Self::RunsInAnalysis => true,
            _ => false,
        }
    }
}
