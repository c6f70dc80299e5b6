//! Tools by name: what a client lists, and how a call finds its code.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::model::{JsonObject, Tool as Listed, ToolAnnotations};
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::services::Services;

type Run = fn(Arc<Services>, Call, JsonObject) -> BoxFuture<'static, Result<Output, ToolFailure>>;

struct Entry {
    listed: Listed,
    run: Run,
}

/// The tools of a server, in the order in which they were added.
#[derive(Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

impl Registry {
    /// Adds one tool to the list.
    #[must_use]
    pub fn with<T: Tool>(mut self) -> Self {
        self.entries.push(Entry {
            listed: listed::<T>(),
            run: |services, call, arguments| {
                Box::pin(parse_and_run::<T>(services, call, arguments))
            },
        });
        self
    }

    /// The tools as a client sees them.
    pub fn list(&self) -> impl Iterator<Item = &Listed> {
        self.entries.iter().map(|entry| &entry.listed)
    }

    /// The tool with this name, as a client sees it.
    pub fn get(&self, name: &str) -> Option<&Listed> {
        self.list().find(|tool| tool.name == name)
    }

    /// The work of one call; `None` when no tool has this name.
    pub fn run(
        &self,
        name: &str,
        services: Arc<Services>,
        call: Call,
        arguments: JsonObject,
    ) -> Option<BoxFuture<'static, Result<Output, ToolFailure>>> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.listed.name == name)?;
        Some((entry.run)(services, call, arguments))
    }
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

fn listed<T: Tool>() -> Listed {
    let annotations = match T::EFFECT {
        Effect::Reads => ToolAnnotations::new().read_only(true).idempotent(true),
        Effect::Adds => ToolAnnotations::new().read_only(false).destructive(false),
        Effect::Destroys => ToolAnnotations::new().read_only(false).destructive(true),
    };
    Listed::new(T::NAME, T::DESCRIPTION, object(T::input_schema()))
        .with_title(T::TITLE)
        .with_raw_output_schema(Arc::new(output_or_error(&T::output_schema())))
        .with_annotations(annotations.open_world(false))
}

/// Clients hold a failure's structured content against the output schema too, so it must say that
/// there are failures; and its root must be of type object (tools, output schema).
fn output_or_error(output: &Value) -> JsonObject {
    object(json!({"type": "object", "anyOf": [output, {"required": ["error"]}]}))
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(object) => object,
        other => unreachable!("a schema is a JSON object, not {other}"),
    }
}
