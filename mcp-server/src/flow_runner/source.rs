//! Rows from a source: a judged query of PostgreSQL, or one that Spark itself judges.

use std::fs::File;
use std::io::{BufWriter, Seek as _};

use orchestrator::{StepCall, StepProgress};
use serde_json::{Map, Value};

use super::files;
use super::rows::Rows;
use crate::pipelines::{FileFormat, Flow, Source};
use crate::results::{FileForm, FileRows, RowSink, Written};
use crate::services::{Services, beside_calls};
use crate::spark::connect::{Parameters, Statement};
use crate::spark::{Sink, SparkCaller};
use crate::tools::ToolFailure;
use crate::tools::unconfirmed::{Unconfirmed, source_to_confirm};

/// Bytes of one flow's rows: more would fill a disk that others need, too.
const MOST_BYTES: u64 = 16 << 30;

/// Gives the rows of a flow as a file: the one that it names, or one without a name, into which its
/// query is read.
pub(super) async fn rows(
    services: &Services,
    call: &StepCall,
    flow: &Flow,
) -> Result<Rows, ToolFailure> {
    if let Some(Source::File(file)) = &flow.source {
        return Ok(Rows {
            file: files::open(services, &file.path)?,
            format: file.format,
        });
    }
    let spool = files::spool()?;
    let (mut file, _) = into_rows(services, call, flow, spool, FileForm::Objects).await?;
    let rewound = file.rewind();
    rewound.map_err(|error| files::failure("the rows cannot be read again", &error))?;
    Ok(Rows {
        file,
        format: FileFormat::Ndjson,
    })
}

/// Reads the source of a flow into a file; how many rows it has.
pub(super) async fn into_rows(
    services: &Services,
    call: &StepCall,
    flow: &Flow,
    file: File,
    form: FileForm,
) -> Result<(File, u64), ToolFailure> {
    let mut sink = FileRows::new(BufWriter::new(file), form, MOST_BYTES);
    let read = match &flow.source {
        Some(Source::Postgres { database, .. }) => {
            let owner = beside_calls(call.leased.owner.as_deref());
            let database = services.databases.get(database.as_deref(), owner)?;
            let sql = flow.query().unwrap_or_default();
            let values = values(call, &flow.bind);
            let query = database.query(&sql, &values, &mut sink).await;
            query.map_err(ToolFailure::from)
        }
        Some(Source::SparkSql { .. }) => {
            run_in_spark(services, call, flow, Statement::new, &mut sink).await
        }
        Some(Source::File(file)) => Err(ToolFailure::invalid_arguments(format!(
            "the rows of `{}` go into no other file",
            file.path
        ))),
        None => Err(ToolFailure::invalid_arguments("there is no source")),
    };
    if let Some(name) = sink.repeated_name() {
        return Err(ToolFailure::invalid_arguments(format!(
            "two columns of the source are named `{name}`: give each its own name with AS"
        )));
    }
    let rows = sink.row_count();
    let written = read?;
    if written.truncation.is_some() {
        return Err(too_large(&written, rows));
    }
    call.progress.tell(StepProgress {
        percent: None,
        rows: i64::try_from(rows).ok(),
        message: format!("read {rows} rows, {} bytes", sink.byte_count()),
    });
    let unwritten = |error| files::failure("the rows cannot be written", &error);
    let buffer = sink.finish().map_err(unwritten)?;
    let file = buffer
        .into_inner()
        .map_err(|error| unwritten(error.into_error()))?;
    Ok((file, rows))
}

/// The failure of a source whose rows were cut off behind this many.
fn too_large(written: &Written, rows: u64) -> ToolFailure {
    let Some(cell) = &written.oversized else {
        let message = format!("the source has more than {} GiB of rows", MOST_BYTES >> 30);
        return ToolFailure::new("too_large", message)
            .with_hint("aggregate, or split it by a parameter");
    };
    let next = usize::try_from(rows).map_or(usize::MAX, |rows| rows.saturating_add(1));
    ToolFailure::new("too_large", cell.explain(next))
}

/// Runs the query of a flow in Spark, as the statement that `compose` makes of it.
pub(super) async fn run_in_spark(
    services: &Services,
    call: &StepCall,
    flow: &Flow,
    compose: impl FnOnce(String) -> Statement,
    sink: &mut dyn RowSink,
) -> Result<Written, ToolFailure> {
    let values: Map<String, Value> = bound(call, &flow.bind).collect();
    let parameters = Parameters::named(&values)?;
    let mut query = flow.query().unwrap_or_default();
    // Looked at again, since what was stored may come from before statements could write.
    let source = Statement::new(query.as_str()).parameters(parameters.clone());
    if let Some(shown) = source_to_confirm(services.spark.judge_source(&source).await?)? {
        if !flow.source.as_ref().is_some_and(Source::is_confirmed) {
            let asked = Unconfirmed {
                unjudged: vec![shown],
                ..Unconfirmed::default()
            };
            asked.refuse()?;
        }
        // Whatever its author means, nothing but a query is one within brackets.
        query = Statement::of_query(&query).sql().to_owned();
    }
    let statement = compose(query).parameters(parameters);
    let (caller, sink) = (SparkCaller::server(), Sink::Rows(sink));
    Ok(services.spark.run(&caller, statement, sink).await?)
}

/// The values of these parameters, for `$1`, `$2` … in this order.
pub(super) fn values(call: &StepCall, names: &[String]) -> Vec<Value> {
    bound(call, names).map(|(_, value)| value).collect()
}

fn bound<'a>(
    call: &'a StepCall,
    names: &'a [String],
) -> impl Iterator<Item = (String, Value)> + 'a {
    names.iter().map(|name| {
        let value = call
            .leased
            .parameters
            .get(name)
            .cloned()
            .unwrap_or(Value::Null);
        (name.clone(), value)
    })
}
