//! The answer to a call of a tool, in the form of the client's revision.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject, Resource};
use serde_json::Value;

use super::RawResult;
use crate::call::{CorrelationId, Revision};
use crate::results::RawJson;
use crate::tools::{Output, ResourceLink, ToolFailure};

/// In results' `_meta`: the id under which the log knows the call.
const REQUEST_ID: &str = "portcullis/requestId";

/// In results' `_meta`, by the specification: who answered. rmcp sets it on discovery alone.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The name that this server gives itself.
pub(super) const NAME: &str = "portcullis";

/// The result of a call. Structured content that the transport can write itself goes into
/// `raw_result`.
pub(super) fn to_call(
    mut result: Result<Output, ToolFailure>,
    revision: &Revision,
    raw_result: Option<&RawResult>,
) -> CallToolResult {
    let mut answer = CallToolResult::default();
    answer.is_error = Some(result.is_err());
    let has_structured = revision.has_structured_content();
    let mut beside = Vec::new();
    if let Ok(output) = &mut result {
        beside.extend(output.notes.drain(..).map(ContentBlock::text));
        let link = output.link.take().filter(|_| has_structured);
        beside.extend(link.map(|link| ContentBlock::resource_link(to_wire(link))));
        beside.append(&mut output.content);
    }
    let (text, structured) = match result {
        Err(failure) => (failure.text(), RawJson::of(&failure.structured())),
        Ok(output) if !has_structured && !output.text_is_whole => {
            let whole = String::from_utf8_lossy(output.structured.bytes()).into_owned();
            (whole, output.structured)
        }
        Ok(output) => (output.text, output.structured),
    };
    answer.content = vec![ContentBlock::text(text)];
    answer.content.append(&mut beside);
    if has_structured {
        answer.structured_content = Some(match raw_result {
            Some(raw_result) => raw_result.keep(structured.bytes().clone()),
            None => structured.to_value(),
        });
    }
    answer
}

fn to_wire(link: ResourceLink) -> Resource {
    Resource::new(link.uri, "the whole result")
        .with_description(link.description)
        .with_mime_type(link.mime_type)
        .with_size(link.bytes)
}

/// `_meta` of a result: who answered, and under which id.
pub(super) fn stamp(request_id: Option<&CorrelationId>) -> MetaObject {
    let mut meta = MetaObject::new();
    let server = serde_json::json!({"name": NAME, "version": env!("CARGO_PKG_VERSION")});
    meta.0.insert(SERVER_INFO.to_owned(), server);
    if let Some(CorrelationId(id)) = request_id {
        meta.0
            .insert(REQUEST_ID.to_owned(), Value::from(id.as_str()));
    }
    meta
}
