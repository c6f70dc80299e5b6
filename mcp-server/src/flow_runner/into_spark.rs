//! Rows into a table of Spark, by one statement, with which those from elsewhere travel.

use std::borrow::Cow;
use std::collections::BTreeMap;

use orchestrator::{StepCall, StepProgress};

use super::csv_rows::CsvRows;
use super::rows::{JsonLines, Object, Rows};
use super::source;
use crate::config::Access;
use crate::pipelines::{FileFormat, Flow, LoadMode, Source};
use crate::results::{FileForm, FileRows};
use crate::services::Services;
use crate::spark::connect::Statement;
use crate::spark::{Sink, SparkCaller, TableInsert};
use crate::tools::ToolFailure;

/// Bytes of the rows that travel with a statement: Spark takes messages of up to 128 MiB, and this
/// program has them several times over while it makes one.
const MOST_BYTES: usize = 64 << 20;

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
        return Err(ToolFailure::spark_only_reads());
    }
    let insert = match mode {
        LoadMode::Overwrite => TableInsert::overwrite(table),
        _ => TableInsert::append(table),
    };
    // A statement that writes gives no rows.
    let mut nothing = FileRows::new(std::io::sink(), FileForm::Objects, 0);
    if let Some(Source::SparkSql { .. }) = &flow.source {
        let of_query = |sql: String| insert.of_query(&sql);
        source::run_in_spark(services, call, flow, of_query, &mut nothing).await?;
        return Ok(None);
    }
    let look = Statement::of_columns(table);
    let caller = SparkCaller::server();
    let sink = Sink::Rows(&mut nothing);
    let looked = services.spark.run(&caller, look, sink);
    let known = looked.await?.columns;
    let (columns, rows) = texts(source::rows(services, call, flow).await?)?;
    call.progress.tell(StepProgress {
        percent: None,
        rows: i64::try_from(rows.len()).ok(),
        message: format!("sending {} rows", rows.len()),
    });
    let statement = insert.of_rows(&columns, &known, &rows)?;
    let mut nothing = FileRows::new(std::io::sink(), FileForm::Objects, 0);
    let sink = Sink::Rows(&mut nothing);
    services.spark.run(&caller, statement, sink).await?;
    Ok(u64::try_from(rows.len()).ok())
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
}
