//! Rows into a table of Spark, by one statement.
//!
//! What Spark itself computes, it moves itself. Rows from elsewhere travel with the statement, each
//! as one JSON object of texts, of which Spark makes values of its own types.

use std::borrow::Cow;
use std::collections::BTreeMap;

use orchestrator::{StepCall, StepProgress};

use super::csv_rows::CsvRows;
use super::rows::{JsonLines, Object, Rows};
use super::source;
use crate::config::Access;
use crate::pipelines::{FileFormat, Flow, LoadMode, Source};
use crate::results::{Column, FileForm, FileRows};
use crate::services::Services;
use crate::spark::connect::Statement;
use crate::spark::{Sink, quoted_name, quoted_path};
use crate::tools::ToolFailure;

/// Bytes of the rows that travel with a statement: Spark takes messages of up to 128 MiB, and this
/// program has them several times over while it makes one.
const MOST_BYTES: usize = 64 << 20;

/// The name of the table that they are in.
const TEXTS: &str = "portcullis_rows";

/// A row as texts by the names of its columns.
type Texts<'a> = BTreeMap<&'a str, Option<Cow<'a, str>>>;

/// Writes the rows of a flow into a table of Spark; how many they were, where that is known.
pub(super) async fn into_spark(
    services: &Services,
    call: &StepCall,
    flow: &Flow,
    table: &str,
    mode: LoadMode,
) -> Result<Option<u64>, ToolFailure> {
    if services.pipelines.spark() == Access::Read {
        return Err(ToolFailure::new("read_only", "Spark SQL only reads here")
            .with_hint("the operator opens it with SPARK_ALLOW_WRITES"));
    }
    let table = quoted_path(table);
    let insert = match mode {
        LoadMode::Overwrite => format!("INSERT OVERWRITE TABLE {table}"),
        _ => format!("INSERT INTO {table}"),
    };
    // A statement that writes gives no rows.
    let mut nothing = FileRows::new(std::io::sink(), FileForm::Objects, 0);
    if let Some(Source::SparkSql { .. }) = &flow.source {
        let before = format!("{insert}\n");
        source::run_in_spark(services, call, flow, &before, &mut nothing).await?;
        return Ok(None);
    }
    let look = Statement::new(format!("SELECT * FROM {table} LIMIT 0"));
    let looked = services.spark.run(None, look, Sink::Rows(&mut nothing));
    let known = looked.await?.columns;
    let (columns, rows) = texts(source::rows(services, call, flow).await?)?;
    call.progress.tell(StepProgress {
        percent: None,
        rows: i64::try_from(rows.len()).ok(),
        message: format!("sending {} rows", rows.len()),
    });
    let sql = statement(&insert, &columns, &known)?;
    let statement = Statement::new(sql).with_texts(TEXTS, &rows);
    let statement = statement.map_err(|error| ToolFailure::new("internal", error.to_string()))?;
    let mut nothing = FileRows::new(std::io::sink(), FileForm::Objects, 0);
    let ran = services
        .spark
        .run(None, statement, Sink::Rows(&mut nothing));
    ran.await?;
    Ok(u64::try_from(rows.len()).ok())
}

/// The statement that makes values of texts, each of its column's type.
fn statement(insert: &str, columns: &[String], known: &[Column]) -> Result<String, ToolFailure> {
    let mut values = Vec::new();
    for name in columns {
        let column = known
            .iter()
            .find(|known| known.name.eq_ignore_ascii_case(name));
        let column = column.ok_or_else(|| {
            let message = format!("the table has no column `{name}`");
            ToolFailure::new("does_not_fit", message).with_hint("nothing was written")
        })?;
        values.push(value(&format!("fields.{}", quoted_name(name)), column)?);
    }
    let names: Vec<String> = columns.iter().map(|name| quoted_name(name)).collect();
    let fields: Vec<String> = names.iter().map(|name| format!("{name} STRING")).collect();
    Ok(format!(
        "{insert} ({}) SELECT {} FROM (SELECT from_json(text, {}, map('mode', 'FAILFAST')) AS \
         fields FROM {TEXTS})",
        names.join(", "),
        values.join(", "),
        literal(&fields.join(", "))
    ))
}

/// The characters of a value that a failure quotes.
const QUOTED: usize = 100;

/// The expression that reads a text as a value of a column. One that is none fails the statement,
/// also where Spark's CAST would make NULL or another value of it (`spark.sql.ansi.enabled=false`):
/// `try_cast` takes what CAST takes under ANSI, and nothing else.
fn value(text: &str, column: &Column) -> Result<String, ToolFailure> {
    let type_name = &column.type_name;
    let is_nested = ["array<", "map<", "struct<"]
        .iter()
        .any(|begin| type_name.starts_with(begin));
    match type_name.as_str() {
        "string" => Ok(text.to_owned()),
        "binary" => Err(ToolFailure::new(
            "does_not_fit",
            format!(
                "column `{}` is binary, for which rows have no form here",
                column.name
            ),
        )),
        _ if is_nested => Ok(format!(
            "from_json({text}, {}, map('mode', 'FAILFAST'))",
            literal(type_name)
        )),
        _ => {
            let is_none = format!("` is no {type_name} for column `{}`", column.name);
            Ok(format!(
                "coalesce(try_cast({text} AS {type_name}), if({text} IS NULL, NULL, \
                 raise_error(concat('`', left({text}, {QUOTED}), {}))))",
                literal(&is_none)
            ))
        }
    }
}

/// Every row as a JSON object whose values are texts or null, and the columns.
fn texts(rows: Rows) -> Result<(Vec<String>, Vec<String>), ToolFailure> {
    let mut texts = BoundedRows::default();
    match rows.format {
        FileFormat::Ndjson => {
            let mut lines = JsonLines::new(rows.file);
            while let Some((_, object)) = lines.next_line()? {
                texts.push(&of_object(&object))?;
            }
            Ok((lines.columns, texts.rows))
        }
        FileFormat::Csv => {
            let mut rows = CsvRows::new(rows.file)?;
            while let Some(values) = rows.next_values()? {
                let values = values.into_iter().map(|value| value.map(Cow::Owned));
                texts.push(
                    &rows
                        .columns
                        .iter()
                        .map(String::as_str)
                        .zip(values)
                        .collect(),
                )?;
            }
            Ok((rows.columns, texts.rows))
        }
    }
}

/// Rows, up to a limit on their bytes.
#[derive(Default)]
struct BoundedRows {
    rows: Vec<String>,
    bytes: usize,
}

impl BoundedRows {
    fn push(&mut self, row: &Texts<'_>) -> Result<(), ToolFailure> {
        let row = serde_json::to_string(row)
            .map_err(|error| ToolFailure::new("internal", error.to_string()))?;
        self.bytes += row.len();
        if self.bytes > MOST_BYTES {
            let most = MOST_BYTES >> 20;
            let message = format!("more than {most} MiB of rows cannot go into Spark from here");
            return Err(ToolFailure::new("too_large", message)
                .with_hint("split them by a parameter, or have Spark read them where they are"));
        }
        self.rows.push(row);
        Ok(())
    }
}

/// The values of a JSON object as texts: a string's own, and the JSON of everything else.
fn of_object(object: &Object) -> Texts<'_> {
    let text = |json: &'_ str| match json {
        "null" => None,
        json => Some(match serde_json::from_str::<String>(json) {
            Ok(text) => Cow::Owned(text),
            Err(_) => Cow::Owned(json.to_owned()),
        }),
    };
    let values = object.iter();
    values
        .map(|(name, value)| (name.as_str(), text(value.get())))
        .collect()
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn rows(text: &str, format: FileFormat) -> Rows {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        file.rewind().expect("at its beginning");
        Rows { file, format }
    }

    #[test]
    fn it_makes_texts_of_values_and_keeps_every_digit_of_them() {
        let lines = "{\"a\": 1.00000000000000000001, \"b\": \"x\\\"\", \"c\": [1, \"y\"]}\n\n\
            {\"b\": null}\n";
        let (columns, texts_of_lines) = texts(rows(lines, FileFormat::Ndjson)).expect("rows");
        assert_eq!(columns, ["a", "b", "c"]);
        let first = r#"{"a":"1.00000000000000000001","b":"x\"","c":"[1, \"y\"]"}"#;
        assert_eq!(texts_of_lines, [first, r#"{"b":null}"#]);
        let csv = "a,b\r\n1,\"x\"\"\ny\"\r\n,\r\n";
        let (columns, texts_of_csv) = texts(rows(csv, FileFormat::Csv)).expect("rows");
        assert_eq!(columns, ["a", "b"]);
        let expected = [r#"{"a":"1","b":"x\"\ny"}"#, r#"{"a":null,"b":null}"#];
        assert_eq!(texts_of_csv, expected);
    }

    #[test]
    fn it_reads_each_text_as_the_type_of_its_column_and_takes_no_name_for_sql() {
        let column = |name: &str, type_name: &str| Column {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
        };
        let known = [
            column("a", "decimal(12,2)"),
            column("it's `b`", "string"),
            column("c", "array<string>"),
            column("d", "binary"),
        ];
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let columns = names(&["a", "it's `b`", "c"]);
        let sql = statement("INSERT INTO `t`", &columns, &known).expect("a statement");
        assert_eq!(
            sql,
            "INSERT INTO `t` (`a`, `it's ``b```, `c`) SELECT coalesce(try_cast(fields.`a` AS \
             decimal(12,2)), if(fields.`a` IS NULL, NULL, raise_error(concat('`', \
             left(fields.`a`, 100), '` is no decimal(12,2) for column `a`')))), \
             fields.`it's ``b```, from_json(fields.`c`, 'array<string>', map('mode', \
             'FAILFAST')) FROM (SELECT from_json(text, '`a` STRING, `it\\'s ``b``` STRING, `c` \
             STRING', map('mode', 'FAILFAST')) AS fields FROM portcullis_rows)"
        );
        for refused in ["d", "e"] {
            let failure = statement("INSERT INTO `t`", &names(&[refused]), &known);
            assert_eq!(failure.expect_err("refused").code, "does_not_fit");
        }
    }
}
