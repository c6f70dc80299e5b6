//! The responses of a stream, as Spark sends them.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};

use super::Item;
use crate::protocol as pb;
use pb::execute_plan_response::execution_progress::StageInfo;
use pb::execute_plan_response::{ArrowBatch, ExecutionProgress, ResponseType, ResultComplete};

/// The response by which Spark sends an item.
pub(super) fn response(item: Item) -> pb::ExecutePlanResponse {
    let (id, kind) = match item {
        Item::Rows(from, to) => (
            format!("rows-{from}"),
            ResponseType::ArrowBatch(ArrowBatch {
                row_count: to - from,
                data: rows_in_arrow(from, to).into(),
                ..Default::default()
            }),
        ),
        Item::Table(batch) => (
            "table".to_owned(),
            ResponseType::ArrowBatch(ArrowBatch {
                row_count: i64::try_from(batch.num_rows()).expect("few"),
                data: in_arrow(&batch).into(),
                ..Default::default()
            }),
        ),
        Item::Raw(row_count, data) => (
            "raw".to_owned(),
            ResponseType::ArrowBatch(ArrowBatch {
                row_count,
                data: data.into(),
                ..Default::default()
            }),
        ),
        Item::Tasks(done, all) => (
            format!("tasks-{done}"),
            ResponseType::ExecutionProgress(ExecutionProgress {
                stages: vec![StageInfo {
                    num_tasks: all,
                    num_completed_tasks: done,
                    ..Default::default()
                }],
                ..Default::default()
            }),
        ),
        Item::Complete => (
            "complete".to_owned(),
            ResponseType::ResultComplete(ResultComplete {}),
        ),
    };
    pb::ExecutePlanResponse {
        response_id: id,
        response_type: Some(kind),
        ..Default::default()
    }
}

/// The numbers of a range, as Spark sends them.
pub(crate) fn rows_in_arrow(from: i64, to: i64) -> Vec<u8> {
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
    let numbers = Int64Array::from_iter_values(from..to);
    let batch = RecordBatch::try_new(schema.into(), vec![Arc::new(numbers)]);
    in_arrow(&batch.expect("a batch"))
}

fn in_arrow(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a schema");
    writer.write(batch).expect("written");
    writer.into_inner().expect("written")
}
