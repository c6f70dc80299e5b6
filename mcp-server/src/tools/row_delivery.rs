//! How rows reach their caller: in the answer, or in blocks that are read one by one.
//!
//! `docs/decisions/0023-large-results-in-blocks.md` says which result goes where.

mod batches_with_text;
mod telling;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{JsonObject, Tool as Listed};
use serde_json::{Value, json};
use tokio::sync::watch;

use self::batches_with_text::BatchesWithText;
use super::{Output, ResourceLink, ToolFailure, rows_view};
use crate::call::{Call, spell_time};
use crate::kept_results::{
    BlockLimits, BlockListener, BlocksSoFar, GrowingBatches, GrowingRows, GrownBatches,
    GrownResult, GrownRows, Keeping, ResultHandle,
};
use crate::results::{
    Column, Limits, RawJson, RawObject, RowForm, TextForModels, Truncation, Written, count_rows,
};
use crate::services::Services;
use crate::spark;

/// The text of a statement that gives no rows.
const NO_ROWS: &str = "done; the statement gives no rows";

/// The arguments by which a caller says how it wants a large result.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockArguments {
    /// Whether blocks are wanted: always, never, or where the result is large.
    pub(super) use_block_transport: Option<bool>,
    /// The most rows of a block.
    pub(super) fetch_size: Option<u32>,
}

/// The properties of [`BlockArguments`] in an input schema.
pub(super) fn properties() -> Value {
    json!({
        "use_block_transport": {"type": "boolean", "description": "true: a handle to blocks, \
             whatever the size; false: never, but a cut at limits; left out: where the result is \
             large"},
        "fetch_size": {"type": "integer", "minimum": 1, "maximum": 1_000_000,
            "description": "Most rows of a block, for the first 10,000 blocks"}
    })
}

/// How a description ends that tells of blocks; what comes before them is the same without them.
const OF_BLOCKS: &str = " A large result gives";

/// Takes what is said of blocks out of a tool of a server that keeps none.
pub(super) fn take_out_blocks(listed: &mut Listed) {
    let description = listed.description.as_deref().unwrap_or_default();
    if let Some((rest, _)) = description.split_once(OF_BLOCKS) {
        listed.description =
            Some(format!("{rest} A large result is cut: better aggregate.").into());
    }
    let properties = |schema: &mut Arc<JsonObject>, change: &dyn Fn(&mut JsonObject)| {
        let properties = Arc::make_mut(schema).get_mut("properties");
        if let Some(properties) = properties.and_then(Value::as_object_mut) {
            change(properties);
        }
    };
    properties(&mut listed.input_schema, &|arguments| {
        for name in ["use_block_transport", "fetch_size"] {
            arguments.remove(name);
        }
    });
    if let Some(schema) = &mut listed.output_schema {
        properties(schema, &|members| {
            if members.remove("result").is_some() {
                let mut plain = rows_view::properties();
                for name in ["row_count", "truncated_by"] {
                    members.insert(name.to_owned(), plain[name].take());
                }
            }
        });
    }
}

/// The way of one call's rows.
pub(super) struct RowDelivery<'a> {
    services: &'a Services,
    call: &'a Call,
    keeping: Option<Keeping>,
    /// Whether the caller asked for blocks.
    is_asked: bool,
    told: watch::Receiver<Option<BlocksSoFar>>,
}

impl<'a> RowDelivery<'a> {
    /// The way that the caller asks for, as far as this server's settings have it.
    pub(super) fn new(
        services: &'a Services,
        call: &'a Call,
        asked: BlockArguments,
    ) -> Result<Self, ToolFailure> {
        if asked.fetch_size == Some(0) {
            return Err(ToolFailure::invalid_arguments("`fetch_size` is at least 1"));
        }
        let settings = &services.blocks;
        let (tell, told) = watch::channel(None);
        let wanted = settings.enabled && asked.use_block_transport != Some(false);
        let keeping = wanted.then(|| {
            let block_bytes = usize::try_from(settings.block_bytes).unwrap_or(usize::MAX);
            Keeping {
                store: Arc::clone(&services.kept_results),
                owner: call.principal.owner().map(ToOwned::to_owned),
                limits: BlockLimits {
                    answer_bytes: match (asked.use_block_transport, call.takes_short_answers) {
                        (Some(true), _) => 0,
                        (_, true) => settings.threshold_event_bytes,
                        (_, false) => settings.threshold_bytes,
                    },
                    block_bytes,
                    offered_block_bytes: block_bytes.min(services.text_bytes.max(1 << 10)),
                    block_rows: asked.fetch_size,
                },
                listener: call.progress.is_heard().then(|| {
                    let listener = move |blocks| {
                        tell.send_replace(Some(blocks));
                    };
                    Arc::new(listener) as BlockListener
                }),
            }
        });
        Ok(Self {
            services,
            call,
            keeping,
            is_asked: asked.use_block_transport == Some(true),
            told,
        })
    }

    /// An empty result in this form.
    pub(super) fn rows(&self, form: RowForm, limits: Limits) -> GrowingRows {
        let text = TextForModels::new(self.services.text_bytes);
        GrowingRows::new(form, limits, text, self.keeping.clone())
    }

    /// An empty result in Arrow's own form.
    pub(super) fn batches(&self, limits: Limits) -> BatchesWithText {
        let text_bytes = self.services.text_bytes;
        BatchesWithText {
            batches: GrowingBatches::new(limits, text_bytes, self.keeping.clone()),
            text: TextForModels::new(text_bytes),
        }
    }

    /// The answer with the rows of this sink, in its form.
    pub(super) async fn answer_rows(
        &self,
        form: RowForm,
        sink: GrowingRows,
        written: Written,
    ) -> Result<Output, ToolFailure> {
        let GrownRows {
            first,
            mut result,
            text,
        } = match sink.ends_on_disk() {
            true => on_disk(move || sink.finish()).await?,
            // Most results are small, and to hand one over costs more than to end it.
            false => sink.finish(),
        };
        if result.handle.is_none() {
            // A row that the port could not read is lost for the sink, too.
            result.truncation = result.truncation.or(written.truncation);
            result.oversized = result.oversized.or(written.oversized);
        }
        let text = match written.columns.is_empty() {
            true => NO_ROWS.to_owned(),
            false => self.text(&result, text),
        };
        Ok(
            self.output(&written.columns, result, text, |object| match form {
                RowForm::Lines => object.raw_member("rows", &RawJson::of_lines(first)),
                RowForm::Csv => object.member("data", &String::from_utf8_lossy(&first)),
            }),
        )
    }

    /// The answer with the batches of this sink. A client without structured content is sent it as
    /// text, for the batches are nowhere else, with the rows that a model reads beside it.
    pub(super) async fn answer_batches(
        &self,
        sink: BatchesWithText,
        written: Written,
    ) -> Result<Output, ToolFailure> {
        let BatchesWithText { batches, text } = sink;
        let grown = on_disk(move || batches.finish()).await?;
        let GrownBatches { first, mut result } = grown.map_err(spark::Error::from)?;
        // A row that the port could not read is lost for the sink, too.
        result.truncation = result.truncation.or(written.truncation);
        result.oversized = result.oversized.or(written.oversized);
        let text = match written.columns.is_empty() {
            true => NO_ROWS.to_owned(),
            false => self.text(&result, text),
        };
        let data = STANDARD.encode(first);
        let mut output = self.output(&written.columns, result, text, |object| {
            object.member("data", &data)
        });
        if !self.call.revision.has_structured_content() {
            output.text_is_whole = false;
            output.notes.push(output.text.clone());
        }
        Ok(output)
    }

    /// The answer with the first rows, or with all of them. `add_rows` adds them in their form.
    fn output(
        &self,
        columns: &[Column],
        result: GrownResult,
        mut text: String,
        add_rows: impl FnOnce(RawObject) -> RawObject,
    ) -> Output {
        let is_cut = !is_whole(&result);
        let by = match (&result.handle, result.truncation) {
            (Some(_), _) if is_cut => Some("blocks"),
            (_, truncation) => truncation.map(Truncation::name),
        };
        let mut object = RawObject::default()
            .member("columns", &columns)
            .member("row_count", &result.rows)
            .member("truncated", &is_cut)
            .member("truncated_by", &by);
        let mut notes = Vec::new();
        if let Some(cell) = &result.oversized {
            let row = usize::try_from(result.first_rows).unwrap_or(usize::MAX);
            notes.push(cell.explain(row.saturating_add(1)));
        }
        if is_cut && result.handle.is_none() {
            notes.extend(self.why_no_blocks(&result));
        }
        let note = notes.join("; ");
        if !note.is_empty() {
            text = format!("{text}\n{note}");
            object = object.member("note", &note);
        }
        if let Some(handle) = &result.handle {
            object = object.member("result", &handle_view(handle));
        }
        let mut output = Output::of_rows(add_rows(object).close(), text);
        // Some clients make a file of a link, which no model may be sent (langchain-core): there is
        // one only where nothing else leads to all rows, or it was asked for.
        let handle = result.handle.filter(|_| is_cut || self.is_asked);
        output.link = handle.map(|handle| ResourceLink {
            description: format!(
                "{} blocks of whole rows: read {} to {}",
                handle.facts.blocks,
                handle.uri.at_block(0),
                handle.uri.at_block(handle.facts.blocks.saturating_sub(1)),
            ),
            mime_type: handle.facts.mime_type.clone(),
            bytes: handle.facts.bytes,
            uri: handle.uri.to_string(),
        });
        output
    }

    fn why_no_blocks(&self, result: &GrownResult) -> Option<String> {
        let why = match &result.not_kept {
            Some(not_kept) => not_kept.to_string(),
            None if self.is_asked && !self.services.blocks.enabled => {
                "the operator has switched that off".to_owned()
            }
            None => return None,
        };
        Some(format!(
            "the whole result cannot be read in blocks: {why}; ask for less, or try later"
        ))
    }

    fn text(&self, result: &GrownResult, text: TextForModels) -> String {
        let has_structured = self.call.revision.has_structured_content();
        let Some(handle) = &result.handle else {
            return text.finish_first(result.first_rows, result.truncation, has_structured);
        };
        let read = self.how_to_read(handle);
        let rest = match has_structured && is_whole(result) {
            true => format!("they are in structuredContent; or {read}"),
            false => read.clone(),
        };
        text.finish_with(&head(result), result.rows, &rest, &read)
    }

    fn how_to_read(&self, handle: &ResultHandle) -> String {
        let (uri, blocks) = (&handle.uri, handle.facts.blocks);
        let which = match blocks {
            1 => "block 0".to_owned(),
            _ => format!("blocks 0 to {}", blocks - 1),
        };
        let expiry = spell_time(handle.expires_in);
        match self.services.offers_blocks_by_tool {
            true => format!("read_result_block reads {which} of {uri} for {expiry}"),
            false => {
                let first = uri.at_block(0);
                format!("resources/read reads {which} as {first} for {expiry}")
            }
        }
    }
}

/// Does work that may have to wait for the disk, where it keeps nobody else waiting.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ToolFailure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        ToolFailure::unavailable("the result cannot be kept").with_log(error.to_string())
    })
}

fn is_whole(result: &GrownResult) -> bool {
    result.first_rows == result.rows && result.truncation.is_none()
}

fn head(result: &GrownResult) -> String {
    let rows = count_rows(result.rows, result.truncation);
    match &result.handle {
        Some(handle) if !is_whole(result) => {
            format!("{rows}, {} bytes, kept in blocks", handle.facts.bytes)
        }
        _ => rows,
    }
}

fn handle_view(handle: &ResultHandle) -> Value {
    json!({
        "uri": handle.uri.to_string(),
        "mime_type": handle.facts.mime_type,
        "bytes": handle.facts.bytes,
        "blocks": handle.facts.blocks,
        "sha256": handle.facts.sha256,
        "expires_in_s": handle.expires_in.as_secs(),
    })
}
