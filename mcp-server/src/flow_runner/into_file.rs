//! Rows into a file, which is replaced as a whole or not at all.

use orchestrator::StepCall;

use super::{files, source};
use crate::pipelines::{FileFormat, Flow, RowFile};
use crate::results::FileForm;
use crate::services::Services;
use crate::tools::ToolFailure;

/// Writes the rows of a flow into a file.
pub(super) async fn into_file(
    services: &Services,
    call: &StepCall,
    flow: &Flow,
    into: &RowFile,
) -> Result<u64, ToolFailure> {
    let (replacement, file) = files::Replacement::begin(services, call, &into.path)?;
    let form = match into.format {
        FileFormat::Ndjson => FileForm::Objects,
        FileFormat::Csv => FileForm::Csv,
    };
    let (file, rows) = source::into_rows(services, call, flow, file, form).await?;
    replacement.finish(&file)?;
    Ok(rows)
}
