//! `data_pipeline_template`: how to bring data from one table to another.

use super::guide::{plain_name, plain_names};
use super::table_facts::{Column, TableFacts};
use super::{Argument, Arguments, Guide, Prompt, Surroundings};
use crate::known_names::NameKind;

/// The rows from which on a table is loaded in parts: one statement would run for minutes and begin
/// anew when it fails.
const MANY_ROWS: i64 = 1_000_000;

/// The prompt `data_pipeline_template` of this server.
pub struct DataPipelineTemplate;

impl Prompt for DataPipelineTemplate {
    const NAME: &'static str = "data_pipeline_template";
    const TITLE: &'static str = "Plan a data pipeline";
    const DESCRIPTION: &'static str = "Steps of a pipeline from a source to a destination table, \
                                       by their real columns, keys and sizes.";
    const ARGUMENTS: &'static [Argument] = &[
        Argument {
            name: "source",
            description: "PostgreSQL table or view to read, with its schema outside of public",
            names: NameKind::Table,
        },
        Argument {
            name: "destination",
            description: "Table to write; it need not exist yet",
            names: NameKind::Table,
        },
        Argument::DATABASE,
        Argument {
            name: "goal",
            description: "What the pipeline is for, in a sentence",
            names: NameKind::Free,
        },
    ];

    async fn write(surroundings: &Surroundings<'_>, arguments: &Arguments) -> Guide {
        let mut guide = Guide::default();
        guide.advise("# Plan a data pipeline");
        if let Some(goal) = arguments.get("goal") {
            guide.advise("The goal, as the user put it:");
            guide.show("the user's goal", goal);
        }
        let database = arguments.get("database");
        let source = match arguments.get("source") {
            None => None,
            Some(table) => look(&mut guide, surroundings, database, table, "source").await,
        };
        let destination = match arguments.get("destination") {
            None => None,
            Some(table) => look(&mut guide, surroundings, database, table, "destination").await,
        };
        let mut found = Vec::new();
        if let Some(source) = &source {
            found.extend(of_source(source));
        }
        if let (Some(source), Some(destination)) = (&source, &destination) {
            found.extend(of_both(source, destination));
        }
        guide.advise_all("What follows from the tables:", &found);
        let name =
            |table: &Option<TableFacts>, argument: &str| match (table, arguments.get(argument)) {
                (Some(table), _) => plain_name(&table.name()),
                (None, Some(named)) => plain_name(named),
                (None, None) => format!("the {argument}"),
            };
        let (from, to) = (name(&source, "source"), name(&destination, "destination"));
        guide.advise_all("Steps:", &steps(surroundings, &from, &to));
        guide
    }
}

/// Shows a table as data; says so where it cannot be looked at.
async fn look(
    guide: &mut Guide,
    surroundings: &Surroundings<'_>,
    database: Option<&str>,
    table: &str,
    part: &str,
) -> Option<TableFacts> {
    match TableFacts::look(surroundings, database, table).await {
        Ok(facts) => {
            guide.advise(format!("The {part} as it is now:"));
            guide.show("PostgreSQL's catalogue", &facts.text);
            Some(facts)
        }
        Err(failure) => {
            guide.advise(match (failure.code.as_str(), part) {
                ("not_found", "destination") => "The destination does not exist yet. Create it \
                     with the source's columns and types, the source's key as its primary key, and \
                     NOT NULL wherever the source has it."
                    .to_owned(),
                _ => format!("The {part} could not be looked at; settle this first:"),
            });
            guide.show("this server", &failure.text());
            None
        }
    }
}

fn of_source(source: &TableFacts) -> Vec<String> {
    let mut found = Vec::new();
    found.push(match source.primary_key.is_empty() {
        false => format!(
            "Key for upserts: {}, the source's primary key.",
            plain_names(source.primary_key.iter().map(String::as_str))
        ),
        true => format!(
            "This {} has no primary key: append or overwrite as a whole, or have the user name \
             columns that are unique together before you plan an upsert.",
            source.kind
        ),
    });
    let moments: Vec<&str> = source
        .columns
        .iter()
        .filter(|column| column.type_name.starts_with("timestamp") || column.type_name == "date")
        .map(|column| column.name.as_str())
        .collect();
    let changed = moments.iter().find(|name| {
        ["updat", "modif", "chang"]
            .iter()
            .any(|word| name.contains(word))
    });
    found.push(match (changed, moments.as_slice()) {
        (Some(changed), _) => format!(
            "Load incrementally by {}: keep the greatest value of the last run, and read a little \
             before it, since rows may be committed late.",
            plain_name(changed)
        ),
        (None, []) => "No column holds a time: changes cannot be told from old rows, so each run \
                       reads the whole."
            .to_owned(),
        (None, moments) => format!(
            "Times are in {}; ask whether one of them changes with every update before you load \
             incrementally by it.",
            plain_names(moments.iter().copied())
        ),
    });
    match source.rows_estimate {
        Some(rows) if rows >= MANY_ROWS => found.push(format!(
            "About {rows} rows: load in ranges of the key, each its own transaction, so that a \
             failure repeats one range."
        )),
        Some(rows) => found.push(format!("About {rows} rows: one transaction can hold the load.")),
        None => found.push(
            "PostgreSQL has no estimate of its rows: count them, or run ANALYZE, before you choose \
             between one load and ranges."
                .to_owned(),
        ),
    }
    let careful: Vec<&Column> = source
        .columns
        .iter()
        .filter(|column| is_delicate(column))
        .collect();
    if !careful.is_empty() {
        found.push(format!(
            "Types that lose something on the way through other systems, to be cast on purpose: \
             {}.",
            plain_names(careful.iter().map(|column| column.name.as_str()))
        ));
    }
    found
}

/// Whether other systems have no type that holds all values of this column.
fn is_delicate(column: &Column) -> bool {
    let name = column.type_name.as_str();
    name == "numeric"
        || name.ends_with("[]")
        || [
            "json",
            "interval",
            "time with",
            "bytea",
            "tsvector",
            "xml",
            "hstore",
            "bit",
        ]
        .iter()
        .any(|word| name.starts_with(word))
}

fn of_both(source: &TableFacts, destination: &TableFacts) -> Vec<String> {
    let mut found = Vec::new();
    let of = |table: &TableFacts, name: &str| {
        let column = table.columns.iter().find(|column| column.name == name);
        column.cloned()
    };
    let lost: Vec<&str> = source
        .columns
        .iter()
        .filter(|column| of(destination, &column.name).is_none())
        .map(|column| column.name.as_str())
        .collect();
    if !lost.is_empty() {
        found.push(format!(
            "The destination has no column for {}: map or drop them on purpose.",
            plain_names(lost)
        ));
    }
    let missing: Vec<&str> = destination
        .columns
        .iter()
        .filter(|column| {
            !column.nullable && column.default.is_none() && of(source, &column.name).is_none()
        })
        .map(|column| column.name.as_str())
        .collect();
    if !missing.is_empty() {
        found.push(format!(
            "The destination wants a value that the source does not have for {}.",
            plain_names(missing)
        ));
    }
    let different: Vec<&str> = source
        .columns
        .iter()
        .filter(|column| {
            of(destination, &column.name).is_some_and(|other| other.type_name != column.type_name)
        })
        .map(|column| column.name.as_str())
        .collect();
    if !different.is_empty() {
        found.push(format!(
            "Types differ, so cast: {}.",
            plain_names(different)
        ));
    }
    if destination.primary_key.is_empty() {
        found.push(
            "The destination has no primary key: an upsert needs one, or a unique constraint."
                .to_owned(),
        );
    }
    found
}

fn steps(surroundings: &Surroundings<'_>, from: &str, to: &str) -> Vec<String> {
    let has = |tool: &str| surroundings.offers(tool);
    let mut steps = Vec::new();
    if has("execute_query") {
        steps.push(format!(
            "Look at rows of {from} with execute_query, and count those that break what {to} will \
             demand: NULLs, duplicates of the key, values out of range."
        ));
    }
    if has("create_table") {
        steps.push(format!("Make {to} with create_table if it does not exist."));
    }
    steps.push("Write the transformation as one SELECT and try it on a hundred rows.".to_owned());
    steps.push(if has("create_etl_pipeline") {
        "Describe source, transformation and destination to create_etl_pipeline, run it with \
         execute_pipeline, and follow it with get_pipeline_status."
            .to_owned()
    } else if has("bulk_load_from_spark") {
        "Load with bulk_load_from_spark, as an upsert on the key where there is one.".to_owned()
    } else if has("submit_spark_job") {
        "Write a PySpark script that reads, transforms and writes in batches; run it with \
         submit_spark_job and follow it with get_job_status."
            .to_owned()
    } else {
        "No tool of this server loads data: hand the SELECT and this plan to whoever does."
            .to_owned()
    });
    if has("execute_query") {
        steps.push(format!(
            "Compare {from} and {to} with execute_query: count of rows, sums of numbers, least and \
             greatest of each date, and NULLs by column."
        ));
    }
    steps.push(
        "Make a second run harmless: the same input must leave the same rows, by key or by a \
         transaction that replaces them."
            .to_owned(),
    );
    steps
}
