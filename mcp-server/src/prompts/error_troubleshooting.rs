//! `error_troubleshooting`: what an error means, and what to do about it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Argument, Arguments, Guide, Prompt, Surroundings};
use crate::known_names::NameKind;

/// The prompt `error_troubleshooting` of this server.
pub struct ErrorTroubleshooting;

impl Prompt for ErrorTroubleshooting {
    const NAME: &'static str = "error_troubleshooting";
    const TITLE: &'static str = "Find out what went wrong";
    const DESCRIPTION: &'static str = "What an error of PostgreSQL, Spark or this server means and \
                                       what to do, by the job, the table and the services as they \
                                       are now.";
    const ARGUMENTS: &'static [Argument] = &[
        Argument {
            name: "error",
            description: "The error's text, with its code where it has one",
            names: NameKind::Free,
        },
        Argument {
            name: "job_id",
            description: "The job of submit_spark_job that failed",
            names: NameKind::Job,
        },
        Argument::DATABASE,
    ];

    async fn write(surroundings: &Surroundings<'_>, arguments: &Arguments) -> Guide {
        let mut guide = Guide::default();
        guide.advise("# Find out what went wrong");
        let mut texts = Vec::new();
        if let Some(error) = arguments.get("error") {
            guide.advise("The error:");
            guide.show("the user's error", error);
            texts.push(error.to_owned());
        }
        if let Some(job) = arguments.get("job_id") {
            match surroundings
                .ask("get_job_status", &[("job_id", Some(job))])
                .await
            {
                Ok(output) => {
                    guide.advise("The job as it is now:");
                    guide.show("this server's registry of jobs", &output.text);
                    texts.push(words_of(&output.structured.to_value()));
                }
                Err(failure) => {
                    guide.advise("The job could not be looked at:");
                    guide.show("this server", &failure.text());
                }
            }
        }
        let text = texts.join("\n");
        match Missing::find(&text) {
            Some(Missing::InPostgres { table, column }) => {
                let database = arguments.get("database");
                look_in_postgres(&mut guide, surroundings, database, &table, column).await;
            }
            Some(Missing::InSpark { database, table }) => {
                look_in_spark(&mut guide, surroundings, database.as_deref(), &table).await;
            }
            None => {}
        }
        let down = surroundings.what_is_down().await;
        match down.is_empty() {
            true => guide.advise("PostgreSQL and Spark answer at this moment."),
            false => {
                guide.advise("This is down at this moment, and comes before all else:");
                guide.show("this server's health", &down.join("\n"));
            }
        }
        let found = of_error(&text);
        guide.advise_all("What this one says:", &found);
        if found.is_empty() {
            guide.advise_all("In general:", &GENERAL.map(ToOwned::to_owned));
        }
        guide
    }
}

/// How to go about an error that is not known.
const GENERAL: [&str; 6] = [
    "Read the code in brackets first: five letters and digits are an SQLSTATE of PostgreSQL, \
     words in capitals an error class of Spark, a word in small letters is this server's.",
    "`unavailable`: the service is down or busy. Wait, try once more, then tell the operator, who \
     finds the reason in /health and in the log under the call's id.",
    "`invalid_arguments`: compare the arguments with the tool's schema; the sentence names the \
     one.",
    "Names: list_tables and get_table_schema show what there is; identifiers with capitals need \
     double quotes.",
    "A job that failed: get_job_status has the end of its output; the last line that is not a \
     stack trace is usually the reason.",
    "Change one thing at a time, and make the failing statement smaller until it works.",
];

/// Whether a text has this word, standing alone.
fn has_code(text: &str, code: &str) -> bool {
    let mut words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.any(|word| word == code)
}

/// The words of a job's record that tell how it ended; its settings hold others.
fn words_of(job: &Value) -> String {
    let words = ["status", "message", "error"].map(|name| job[name].as_str());
    let words: Vec<&str> = words.into_iter().flatten().collect();
    words.join("\n")
}

/// The thing that an error says does not exist.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    /// A table of PostgreSQL, or a column of one that is there.
    InPostgres {
        /// The name of the table, with its schema where the error has it.
        table: String,
        /// Whether the column of the table is missing.
        column: bool,
    },
    /// A table of Spark.
    InSpark {
        /// The database that the error names.
        database: Option<String>,
        /// The name of the table.
        table: String,
    },
}

impl Missing {
    /// The thing that the text of an error says is missing.
    fn find(error: &str) -> Option<Self> {
        static POSTGRES: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(r#"(column "[^"]*" of )?relation "([^"]{1,127})" does not exist"#).ok()
        });
        static SPARK: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(r"table or view ((?:`[^`]{1,255}`\.){0,2})`([^`]{1,255})` cannot be found")
                .ok()
        });
        if let Some(found) = POSTGRES.as_ref()?.captures(error) {
            return Some(Self::InPostgres {
                table: found[2].to_owned(),
                column: found.get(1).is_some(),
            });
        }
        let found = SPARK.as_ref()?.captures(error)?;
        let mut before = found[1]
            .split('`')
            .filter(|part| !matches!(*part, "" | "."));
        Some(Self::InSpark {
            database: before.next_back().map(ToOwned::to_owned),
            table: found[2].to_owned(),
        })
    }
}

/// Shows the table that an error names, or those whose names are near.
async fn look_in_postgres(
    guide: &mut Guide,
    surroundings: &Surroundings<'_>,
    database: Option<&str>,
    table: &str,
    column: bool,
) {
    let asked = [("database", database), ("table", Some(table))];
    let (advice, text) = match surroundings.ask("get_table_schema", &asked).await {
        Ok(output) if column => (
            "The column that the error names does not exist; the table has these:",
            output.text,
        ),
        Ok(output) => (
            "The table that the error names exists: the schema, or the role's right to it, is the \
             question.",
            output.text,
        ),
        Err(failure) => ("The table that the error names:", failure.text()),
    };
    guide.advise(advice);
    guide.show("PostgreSQL's catalogue", &text);
}

/// Shows the table of Spark that an error names, or those that there are.
async fn look_in_spark(
    guide: &mut Guide,
    surroundings: &Surroundings<'_>,
    database: Option<&str>,
    table: &str,
) {
    let asked = [("database", database), ("table", Some(table))];
    let (advice, text) = match surroundings.ask("get_spark_table_schema", &asked).await {
        Ok(output) => (
            "The table that the error names exists in Spark: the database that the statement ran \
             in is the question.",
            output.text,
        ),
        Err(missing) => match surroundings.ask("list_spark_tables", &[]).await {
            Ok(output) => (
                "Spark has no table of the name in the error, but these:",
                output.text,
            ),
            Err(_) => ("The table that the error names:", missing.text()),
        },
    };
    guide.advise(advice);
    guide.show("Spark's catalogue", &text);
}

/// Gives advice on the codes that a text names.
fn of_error(text: &str) -> Vec<String> {
    let known = ADVICE.iter().filter(|(codes, _)| {
        let is_word = |code: &&str| {
            code.chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        codes.iter().any(|code| match is_word(code) {
            true => has_code(text, code),
            false => text.contains(code),
        })
    });
    known.map(|(_, advice)| (*advice).to_owned()).collect()
}

/// Codes, or pieces of sentences that carry none, and what to do about them.
const ADVICE: [(&[&str], &str); 21] = [
    (
        &["42P01", "TABLE_OR_VIEW_NOT_FOUND"],
        "The table does not exist under this name: list_tables shows PostgreSQL's, SHOW TABLES \
         Spark's. Write the schema before the name.",
    ),
    (
        &["42703", "UNRESOLVED_COLUMN"],
        "The column does not exist: get_table_schema or DESCRIBE shows those there are. PostgreSQL \
         folds unquoted names to small letters.",
    ),
    (
        &["42883", "UNRESOLVED_ROUTINE"],
        "No such function takes these types: cast the arguments, as in $1::int.",
    ),
    (
        &["42601", "PARSE_SYNTAX_ERROR"],
        "The text is no SQL of this database: look at the character that the sentence names. \
         PostgreSQL's and Spark's dialects differ.",
    ),
    (
        &["42501"],
        "The role may not do this, or the statement was refused because it is not known to be \
         harmless: the hint says which. Ask for the right, or write it with plain functions.",
    ),
    (
        &["25006", "read_only"],
        "Only statements that read are run here. Ask the operator about writing.",
    ),
    (
        &["57014", "the query ran into its time limit"],
        "It took too long: filter by an indexed column, aggregate, or ask for less at once.",
    ),
    (
        &["which is as long as it may, and was ended"],
        "The job had run for as long as its max_run_seconds allows: look at its tasks and its log \
         for what took so long, submit it with more seconds, or have it do less at once.",
    ),
    (
        &["53300", "53400", "53200"],
        "PostgreSQL has no connection, memory or space left for this: wait, then narrow the query.",
    ),
    (
        &["40001", "40P01", "55P03"],
        "Another transaction stood in the way: try the same again after a moment.",
    ),
    (
        &["23505"],
        "The key exists already: use an upsert, or look for duplicates in the source.",
    ),
    (
        &["23503"],
        "The row that is referred to does not exist: load the parent table first.",
    ),
    (
        &["23502"],
        "A value is missing where none may be: give one, or let the column have a default.",
    ),
    (
        &["22P02", "22007", "22008", "CAST_INVALID_INPUT"],
        "A value does not have the form of its type: write dates as 2024-01-31, and use try_cast \
         in Spark to find the rows.",
    ),
    (
        &["22012", "DIVIDE_BY_ZERO"],
        "Something is divided by zero: divide by nullif(x, 0).",
    ),
    (
        &["28P01", "28000", "3D000"],
        "The server's own login or database is wrong: only the operator can mend the POSTGRES_* \
         settings.",
    ),
    (
        &[
            "OutOfMemoryError",
            "exceeding memory limits",
            "exit code 137",
        ],
        "Memory ran out: more and smaller partitions first, then spark.executor.memory; never \
         collect() a large result into the driver.",
    ),
    (
        &["FetchFailed", "ExecutorLostFailure"],
        "An executor was lost, most often for lack of memory or disk: look at its log before you \
         run the job again.",
    ),
    (
        &[
            "ModuleNotFoundError",
            "ImportError",
            "ClassNotFoundException",
        ],
        "A library is missing on the workers: install it there, or bring it by \
         spark.submit.pyFiles or spark.jars.packages.",
    ),
    (
        &["PATH_NOT_FOUND", "FileNotFoundException", "No such file"],
        "The file is not where the workers look: a path must be readable on every worker.",
    ),
    (
        &["SCRIPT_TRANSFORMATION", "Python worker"],
        "Python on the worker ended: look for the traceback above the line, and compare versions \
         of Python on driver and workers.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_codes_as_words_and_sentences_as_pieces() {
        let first = |text: &str| of_error(text).into_iter().next().unwrap_or_default();
        assert!(first("division by zero [22012]").contains("nullif"));
        assert!(first("java.lang.OutOfMemoryError: heap").contains("Memory"));
        assert!(first("[UNRESOLVED_COLUMN.WITH_SUGGESTION] a").contains("column"));
        for text in ["", "it does not work", "X42P01", "142501"] {
            assert_eq!(of_error(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn it_finds_what_is_missing() {
        let in_postgres = |table: &str, column| {
            let table = table.to_owned();
            Some(Missing::InPostgres { table, column })
        };
        let in_spark = |database: Option<&str>, table: &str| {
            let (database, table) = (database.map(ToOwned::to_owned), table.to_owned());
            Some(Missing::InSpark { database, table })
        };
        for (error, expected) in [
            (
                "relation \"shop.order\" does not exist [42P01]",
                in_postgres("shop.order", false),
            ),
            (
                "column \"nme\" of relation \"products\" does not exist",
                in_postgres("products", true),
            ),
            (
                "[TABLE_OR_VIEW_NOT_FOUND] The table or view `nope` cannot be found. Verify",
                in_spark(None, "nope"),
            ),
            (
                "The table or view `spark_catalog`.`shop`.`no pe` cannot be found.",
                in_spark(Some("shop"), "no pe"),
            ),
            ("relation does not exist", None),
        ] {
            assert_eq!(Missing::find(error), expected, "{error}");
        }
    }
}
