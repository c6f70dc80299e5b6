//! Tools by name: what a client lists, and how a call finds its code.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use futures::future::BoxFuture;
use futures::future::join_all;
use rmcp::model::{JsonObject, Tool as Listed, ToolAnnotations};
use serde_json::{Value, json};

use super::declared::{DeclaredTool, Verdict};
use super::read_result_block::ReadResultBlock;
use super::tool_card::ToolCard;
use super::{Effect, Output, Tool, ToolFailure, row_delivery};
use crate::call::Call;
use crate::config::ToolSelection;
use crate::services::Services;

/// How long the start of the server waits for the services that judge declared tools: as long as a
/// Spark that has just begun to answer needs for its first analysis.
const CHECK_TIME: Duration = Duration::from_secs(10);

/// The work of one call.
type Work = BoxFuture<'static, Result<Output, ToolFailure>>;

type Run = Box<dyn Fn(Arc<Services>, Call, JsonObject) -> Work + Send + Sync>;

/// The keyword by which a schema has clients repeat an argument in a header.
const HEADER_OF_ARGUMENT: &str = "\"x-mcp-header\"";

struct Entry {
    listed: Listed,
    effect: Effect,
    /// Whether a call may ask its client something.
    asks: bool,
    /// Whether nothing comes between a call and its answer, and no header repeats an argument.
    is_plain: bool,
    /// Whether calls have something to say to their clients' logs.
    logs: bool,
    run: Run,
    /// The declaration, where an operator has declared the tool.
    declared: Option<Arc<DeclaredTool>>,
}

/// The tools of a server, in the order in which they were added.
#[derive(Default)]
pub struct Registry {
    entries: Vec<Entry>,
    /// The names of tools that this server has and does not offer.
    absent: Vec<String>,
}

impl Registry {
    /// Adds one tool to the list.
    #[must_use]
    pub fn with<T: Tool>(mut self) -> Self {
        self.entries.push(Entry {
            listed: listed(ToolCard {
                name: T::NAME.to_owned(),
                title: T::TITLE.to_owned(),
                description: T::DESCRIPTION.to_owned(),
                effect: T::EFFECT,
                is_idempotent: T::IS_IDEMPOTENT,
                is_open_world: false,
                input_schema: T::input_schema(),
                output_schema: T::output_schema(),
            }),
            effect: T::EFFECT,
            asks: asks::<T>(),
            is_plain: is_plain::<T>(),
            logs: T::LOGS,
            run: Box::new(|services, call, arguments| {
                Box::pin(parse_and_run::<T>(services, call, arguments))
            }),
            declared: None,
        });
        self
    }

    /// Adds one tool that the operator declares.
    #[must_use]
    pub(super) fn with_declared(mut self, tool: DeclaredTool) -> Self {
        let tool = Arc::new(tool);
        let card = tool.card();
        let declared = Some(Arc::clone(&tool));
        self.entries.push(Entry {
            effect: card.effect,
            asks: card.effect != Effect::Reads,
            // The words of a declaration have none for headers or questions.
            is_plain: card.effect == Effect::Reads,
            logs: false,
            listed: listed(card),
            run: Box::new(move |services, call, arguments| {
                let tool = Arc::clone(&tool);
                Box::pin(async move { tool.run(&services, &call, arguments).await })
            }),
            declared,
        });
        self
    }

    /// Has the services judge the SQL of the declared tools that are offered. Those that cannot be
    /// asked now judge it at the first call.
    ///
    /// # Errors
    /// The SQL of a tool cannot run: one line for each, with its file and place.
    pub async fn check_declared(&self, services: &Services) -> anyhow::Result<()> {
        let declared: Vec<_> = self
            .entries
            .iter()
            .filter_map(|one| one.declared.as_ref())
            .collect();
        let checks = declared.iter().map(|tool| async {
            let check = tokio::time::timeout(CHECK_TIME, tool.check(services));
            let late = || Verdict::Unknown("no answer in time".to_owned());
            check.await.unwrap_or_else(|_| late())
        });
        let mut unfit = Vec::new();
        for (tool, verdict) in declared.iter().zip(join_all(checks).await) {
            match verdict {
                Verdict::Fit => {}
                Verdict::Unknown(reason) => tracing::warn!(
                    tool = tool.name(),
                    reason,
                    "the SQL of a declared tool will be judged at its first call"
                ),
                Verdict::Unfit(fault) => unfit.push(fault),
            }
        }
        ensure!(unfit.is_empty(), unfit.join("\n"));
        Ok(())
    }

    /// The same where no results are kept in blocks: without the tool that reads them, which no
    /// hint names then, and without a word of them in the other tools.
    #[must_use]
    pub(super) fn without_blocks(mut self) -> Self {
        let reader = ReadResultBlock::NAME;
        self.entries.retain(|entry| entry.listed.name != reader);
        self.absent.push(reader.to_owned());
        for entry in &mut self.entries {
            row_delivery::take_out_blocks(&mut entry.listed);
        }
        self
    }

    /// The tools that are selected, in the order of the list.
    ///
    /// # Errors
    /// When a name is selected that no tool has.
    pub fn select(mut self, selection: &ToolSelection) -> anyhow::Result<Self> {
        if let ToolSelection::Named(names) = selection
            && let Some(unknown) = names.iter().find(|name| self.get(name).is_none())
        {
            let known: Vec<&str> = self.list().map(|tool| tool.name.as_ref()).collect();
            bail!(
                "MCP_TOOLS names `{unknown}`, which is no tool: write `read-only`, `all`, or names \
                 among {}",
                known.join(", ")
            );
        }
        let (offered, absent) = self.entries.into_iter().partition(|entry| match selection {
            ToolSelection::All => true,
            ToolSelection::ReadOnly => entry.effect == Effect::Reads,
            ToolSelection::Named(names) => names.iter().any(|name| entry.listed.name == *name),
        });
        self.entries = offered;
        let absent: Vec<Entry> = absent;
        self.absent
            .extend(absent.iter().map(|entry| entry.listed.name.to_string()));
        Ok(self)
    }

    /// The failure with a hint that names no tool which is not offered: a model would call it and
    /// be refused. A hint loses the part, between semicolons, that does.
    #[must_use]
    pub fn without_absent_tools(&self, mut failure: ToolFailure) -> ToolFailure {
        let names_absent = |part: &&str| {
            part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|word| self.absent.iter().any(|name| name == word))
        };
        failure.hint = failure.hint.and_then(|hint| {
            let kept: Vec<&str> = hint
                .split("; ")
                .filter(|part| !names_absent(part))
                .collect();
            (!kept.is_empty()).then(|| kept.join("; "))
        });
        failure
    }

    /// The tools as a client sees them.
    pub fn list(&self) -> impl Iterator<Item = &Listed> {
        self.entries.iter().map(|entry| &entry.listed)
    }

    /// The tool with this name, as a client sees it.
    pub fn get(&self, name: &str) -> Option<&Listed> {
        self.list().find(|tool| tool.name == name)
    }

    /// Whether there is such a tool, nothing comes between a call of it and the answer, and no
    /// header repeats its arguments.
    pub fn is_plain(&self, name: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.listed.name == name);
        entry.is_some_and(|entry| entry.is_plain)
    }

    /// Whether there is such a tool and a call of it may ask its client something.
    pub fn may_ask(&self, name: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.listed.name == name);
        entry.is_some_and(|entry| entry.asks)
    }

    /// Whether calls of some tool have something to say to their clients' logs.
    pub fn log_to_clients(&self) -> bool {
        self.entries.iter().any(|entry| entry.logs)
    }

    /// The change that a call of this tool makes; `None` when no tool has this name.
    pub fn effect(&self, name: &str) -> Option<Effect> {
        let entry = self.entries.iter().find(|entry| entry.listed.name == name);
        entry.map(|entry| entry.effect)
    }

    /// The work of one call and the effect that it may have; `None` when no tool has this name.
    pub fn run(
        &self,
        name: &str,
        services: Arc<Services>,
        call: Call,
        arguments: JsonObject,
    ) -> Option<(Effect, Work)> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.listed.name == name)?;
        Some((entry.effect, (entry.run)(services, call, arguments)))
    }
}

fn asks<T: Tool>() -> bool {
    T::EFFECT != Effect::Reads || T::ASKS
}

fn is_plain<T: Tool>() -> bool {
    let names_headers = T::input_schema().to_string().contains(HEADER_OF_ARGUMENT);
    !asks::<T>() && !T::LOGS && !names_headers
}

async fn parse_and_run<T: Tool>(
    services: Arc<Services>,
    call: Call,
    arguments: JsonObject,
) -> Result<Output, ToolFailure> {
    let arguments = serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        ToolFailure::invalid_arguments(format!(
            "the arguments of `{}` do not fit: {error}",
            T::NAME
        ))
    })?;
    T::run(&services, &call, arguments).await
}

fn listed(card: ToolCard) -> Listed {
    let annotations = match card.effect {
        Effect::Reads => ToolAnnotations::new().read_only(true),
        Effect::Adds => ToolAnnotations::new().read_only(false).destructive(false),
        Effect::Destroys => ToolAnnotations::new().read_only(false).destructive(true),
    };
    // Of a call that only reads, the annotation means nothing.
    let annotations = match card.is_idempotent && card.effect != Effect::Reads {
        true => annotations.idempotent(true),
        false => annotations,
    };
    Listed::new(card.name, card.description, object(card.input_schema))
        .with_title(card.title)
        .with_raw_output_schema(Arc::new(output_schema(card.output_schema)))
        .with_annotations(annotations.open_world(card.is_open_world))
}

/// The root of an output schema must be of type object (tools, output schema).
fn output_schema(mut schema: Value) -> JsonObject {
    schema["type"] = json!("object");
    object(schema)
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(object) => object,
        other => unreachable!("a schema is a JSON object, not {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Access;

    fn names(selection: &str) -> Result<Vec<String>, String> {
        let Ok(selection) = selection.parse();
        let selected = Registry::all(Access::Read).select(&selection);
        let selected = selected.map_err(|error| error.to_string())?;
        Ok(selected.list().map(|tool| tool.name.to_string()).collect())
    }

    #[test]
    fn it_offers_what_only_reads_everything_or_what_is_named() {
        let all = names("all").expect("a word");
        let reading = names("read-only").expect("a word");
        assert!(all.contains(&"submit_spark_job".to_owned()));
        assert!(!reading.contains(&"submit_spark_job".to_owned()));
        assert!(reading.contains(&"execute_query".to_owned()) && reading.len() < all.len());
        let named = names("submit_spark_job, list_tables").expect("names of tools");
        assert_eq!(named, ["list_tables", "submit_spark_job"]);
        let refused = names("list_tables,drop_everything").expect_err("no tool");
        assert!(refused.contains("`drop_everything`") && refused.contains("execute_query"));
    }

    #[test]
    fn it_hints_at_tools_that_are_offered_alone() {
        let hint = |selection: &str, hint: &str| {
            let Ok(selection) = selection.parse();
            let registry = Registry::all(Access::Read).select(&selection);
            let failure = ToolFailure::new("timeout", "too late").with_hint(hint);
            registry
                .expect("a word or names")
                .without_absent_tools(failure)
                .hint
        };
        let both = "ask for less at once; submit_spark_job runs long work";
        assert_eq!(hint("all", both).as_deref(), Some(both));
        assert_eq!(
            hint("read-only", both).as_deref(),
            Some("ask for less at once")
        );
        assert_eq!(
            hint("execute_query", "`list_tables` names the tables there are"),
            None
        );
        let column = "list_tables_of names no tool";
        assert_eq!(hint("execute_query", column).as_deref(), Some(column));
    }
}
