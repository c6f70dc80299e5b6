//! Tools for the tests of this transport, of which nothing but what a call does matters.

use std::marker::PhantomData;

use serde_json::{Value, json};

use crate::call::Call;
use crate::services::Services;
use crate::tools::{Effect, Output, Tool, ToolFailure};

/// The part of a tool that a test is about.
pub(super) trait SmallTool: Send + Sync + 'static {
    /// The name that clients call.
    const NAME: &'static str;
    /// The change that a call makes.
    const EFFECT: Effect = Effect::Reads;
    /// Whether a call has something to say to its client's log.
    const LOGS: bool = false;

    /// Does the work of one call.
    fn run(call: &Call) -> impl Future<Output = Result<Output, ToolFailure>> + Send;
}

/// A small tool with all that a tool has: it takes any arguments, and promises nothing.
pub(super) struct Small<T>(PhantomData<T>);

impl<T: SmallTool> Tool for Small<T> {
    const NAME: &'static str = T::NAME;
    const TITLE: &'static str = "A tool of a test";
    const DESCRIPTION: &'static str = "Do what the test is about.";
    const EFFECT: Effect = T::EFFECT;
    const LOGS: bool = T::LOGS;
    type Arguments = Value;

    fn input_schema() -> Value {
        json!({"type": "object"})
    }

    fn output_schema() -> Value {
        json!({})
    }

    fn run(
        _: &Services,
        call: &Call,
        _: Value,
    ) -> impl Future<Output = Result<Output, ToolFailure>> + Send {
        T::run(call)
    }
}
