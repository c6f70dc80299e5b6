//! `read_result_block`: one block of a result that its answer could not hold.

mod block_text;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use self::block_text::TextPage;
use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::kept_results::{Block, KeptResult, ResultUri};
use crate::results::RawJson;
use crate::services::Services;

/// The tool `read_result_block`: the twin of the resource `result://{node}/{id}{?block}`, for
/// clients that call tools alone.
pub struct ReadResultBlock;

/// The arguments of a call of `read_result_block`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    uri: String,
    #[serde(default)]
    block: Option<u64>,
    #[serde(default)]
    text_offset: usize,
}

impl Tool for ReadResultBlock {
    const NAME: &'static str = "read_result_block";
    const TITLE: &'static str = "Read a large result";
    const DESCRIPTION: &'static str = "Read one block of a large result by the `uri` that a query \
        answered with. Its rows are the text: an array or a line of CSV each. Where the text is \
        long, `next_text_offset` says where it goes on; `next_block` is null after the last.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "uri": {"type": "string", "description": "result://…"},
                "block": {"type": "integer", "minimum": 0, "description": "0 when left out"},
                "text_offset": {"type": "integer", "minimum": 0,
                    "description": "`next_text_offset` of the answer before, of the same block"}
            },
            "required": ["uri"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({
            "properties": {
                "block": {"type": "integer"},
                "blocks": {"type": "integer"},
                "next_block": {"type": ["integer", "null"]},
                "next_text_offset": {"type": ["integer", "null"]},
                "first_row": {"type": "integer", "description": "From 0"},
                "row_count": {"type": "integer", "description": "Rows that begin in the block"},
                "continues_row": {"type": "boolean", "description": "Begins within a row"},
                "offset": {"type": "integer"},
                "sha256": {"type": "string"},
                "mime_type": {"type": "string"},
                "data": {"type": "string", "description": "With Arrow: IPC in base64"}
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let Arguments {
            uri,
            block,
            text_offset,
        } = arguments;
        let uri: ResultUri = uri.parse()?;
        let named = uri.block();
        if let (Some(named), Some(block)) = (named, block)
            && named != block
        {
            return Err(ToolFailure::invalid_arguments(format!(
                "`uri` names block {named} and `block` is {block}; leave one of them out"
            )));
        }
        let block = block.or(named).unwrap_or_default();
        let budget = services.text_bytes;
        let has_structured = call.revision.has_structured_content();
        let read = move |kept: KeptResult| {
            let block = kept.block(block)?;
            let whole = block_text::write(&kept, &block)?;
            let text = TextPage::cut(&whole, text_offset, budget)?;
            Ok(output(&kept, &block, text, has_structured))
        };
        open(services, call, uri, read).await
    }
}

/// Reads one block of the caller's result with this URI.
///
/// # Errors
/// [`ToolFailure`]: the same for a foreign result and for one that is not there.
pub async fn read_block(
    services: &Services,
    call: &Call,
    uri: ResultUri,
    block: u64,
) -> Result<(KeptResult, Block), ToolFailure> {
    let read = move |kept: KeptResult| {
        let block = kept.block(block)?;
        Ok((kept, block))
    };
    open(services, call, uri, read).await
}

/// Reads what is wanted of the caller's result with this URI, where that keeps nobody else waiting.
///
/// # Errors
/// [`ToolFailure`]: the same for a foreign result and for one that is not there.
pub async fn open<T: Send + 'static>(
    services: &Services,
    call: &Call,
    uri: ResultUri,
    read: impl FnOnce(KeptResult) -> Result<T, ToolFailure> + Send + 'static,
) -> Result<T, ToolFailure> {
    let store = Arc::clone(&services.kept_results);
    let owner = call.principal.owner().map(ToOwned::to_owned);
    let reading = tokio::task::spawn_blocking(move || {
        let kept = store.open(&uri, owner.as_deref())?;
        read(kept)
    });
    let read = call.unless_cancelled(reading).await?;
    read.map_err(|error| {
        ToolFailure::unavailable("the result cannot be read").with_log(error.to_string())
    })?
}

fn output(kept: &KeptResult, block: &Block, text: TextPage, has_structured: bool) -> Output {
    let mut structured = json!({
        "block": block.number,
        "blocks": kept.blocks(),
        "next_block": block.next,
        "next_text_offset": text.next,
        "first_row": block.first_row,
        "row_count": block.rows,
        "continues_row": block.continues_row,
        "offset": block.offset,
        "sha256": block.sha256,
        "mime_type": kept.mime_type(),
    });
    let mut place = format!("block {} of {}; ", block.number, kept.blocks());
    if let Some(next) = text.next {
        place += &format!("its text goes on: call again with text_offset {next}; ");
    }
    place += &match block.next {
        Some(next) => format!("the next is block {next}"),
        None => "it is the last one".to_owned(),
    };
    if !kept.is_text() {
        structured["data"] = STANDARD.encode(&block.bytes).into();
    }
    let mut output = Output::of_rows(RawJson::of(&structured), text.text);
    if !kept.is_text() && !has_structured {
        // The bytes of the block are nowhere else.
        output.text_is_whole = false;
        output.notes.push(output.text.clone());
    }
    output.notes.push(place);
    output
}
