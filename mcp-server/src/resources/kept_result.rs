//! `result://{node}/{id}{?block}`: a result that its answer could not hold, block by block.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Body, Contents, JSON, Resource, Variables};
use crate::call::Call;
use crate::kept_results::{Block, KeptResult as Kept, ResultUri};
use crate::known_names::NameKind;
use crate::results::RawJson;
use crate::services::Services;
use crate::tools::{ToolFailure, read_result_block};

/// The resource `result://{node}/{id}{?block}` of this server.
pub struct KeptResult;

impl Resource for KeptResult {
    const TEMPLATES: &'static [&'static str] = &[ResultUri::TEMPLATE];
    const NAME: &'static str = "result";
    const TITLE: &'static str = "A large result";
    const DESCRIPTION: &'static str = "A result that a query answered with a handle to. With \
                                       block, its rows from block 0 on, each block with its \
                                       SHA-256 and the URI of the next; without, its columns, \
                                       size and number of blocks.";
    const VARIABLES: &'static [(&'static str, NameKind)] = &[
        ("node", NameKind::Free),
        ("id", NameKind::Free),
        ("block", NameKind::Free),
    ];

    async fn read(
        services: &Services,
        call: &Call,
        variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let uri = ResultUri::new(variables.text("node"), variables.text("id"));
        let Some(number) = variables.get("block") else {
            return facts(services, call, uri).await;
        };
        let number = ResultUri::read_block_number(number).ok_or_else(|| {
            ToolFailure::invalid_arguments(format!("`{number}` is no number of a block"))
        })?;
        let read = read_result_block::read_block(services, call, uri.clone(), number);
        let (kept, block) = read.await?;
        let meta = meta(&kept, &block, &uri);
        Ok(Contents {
            mime_type: Some(kept.mime_type().to_owned().into()),
            // A block never changes; who comes too late is told so by the server.
            fresh_for: whole_seconds(kept.expires_in()),
            meta,
            body: match kept.is_text() {
                true => Body::Text(String::from_utf8_lossy(&block.bytes).into_owned()),
                false => Body::Bytes(block.bytes.into()),
            },
        })
    }
}

/// The place of the block in the whole, beside its contents.
fn meta(kept: &Kept, block: &Block, uri: &ResultUri) -> Map<String, Value> {
    let mut meta = Map::new();
    let mut add = |name: &str, value: Value| {
        meta.insert(format!("portcullis/{name}"), value);
    };
    let total = kept.facts().map(|facts| facts.bytes);
    add("range", json!({"offset": block.offset, "total": total}));
    add(
        "rows",
        json!({"first": block.first_row, "count": block.rows}),
    );
    add("sha256", block.sha256.as_str().into());
    if block.continues_row {
        add("continuesRow", true.into());
    }
    if let Some(next) = block.next {
        add("next", uri.at_block(next).to_string().into());
    }
    meta
}

/// The facts about the whole result.
async fn facts(services: &Services, call: &Call, uri: ResultUri) -> Result<Contents, ToolFailure> {
    let kept = read_result_block::open(services, call, uri, Ok).await?;
    let mut view = json!({
        "columns": kept.columns(),
        "mime_type": kept.mime_type(),
        "blocks": kept.blocks(),
        "is_complete": kept.facts().is_some(),
        "expires_in_s": kept.expires_in().as_secs(),
    });
    if let Some(facts) = kept.facts() {
        view["row_count"] = facts.rows.into();
        view["bytes"] = facts.bytes.into();
        view["sha256"] = facts.sha256.as_str().into();
    }
    let mut contents = Contents::json(&RawJson::of(&view), Duration::ZERO);
    contents.mime_type = Some(JSON.into());
    Ok(contents)
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
