//! The policy engine: wire configuration to compiled policy to decisions.
//!
//! It does no I/O, reads no clock, draws no random number and knows nothing of Envoy or
//! WebAssembly: bytes, the present time and the states of buckets come in as arguments, a decision
//! comes out. So it decides the same wherever it runs.
//!
//! - [`wire::FilterConfig`] is what the control plane sends; [`compile()`] turns it into a
//!   [`Policy`], or says **everything** that is wrong with it ([`CompileErrors`]).
//! - [`Policy::endpoint`], [`Policy::tool`] and [`Policy::item`] find what a request is about, an
//!   [`Item`]; [`Policy::decide`]
//!   answers with a [`Decision`]: a [`Refusal`] whose [`sentence`](Refusal::sentence) tells the
//!   caller what to do, a [`Plan`] to pass the call on, or the buckets that must be looked at first
//!   ([`PendingLimits`]). All three are owned data: a policy says what their ids mean.
//! - [`settlement`] asks for the buckets' states and says what to store, step by step; [`slots`]
//!   says where they are kept.
//! - [`Policy::explain`] names the rule behind each field of a tool's policy, and the candidates
//!   that hold for some callers only; [`Policy::trace`] names those that decide about one caller.
//! - [`Policy::header_parameters`] names the arguments that a call's headers must repeat, with
//!   their values.
//! - [`compile_schema`] tries one JSON Schema. What a [`Schema`] checks, it checks in the pass in
//!   which the arguments are read ([`Policy::begin_check`]); a keyword that it would not check does
//!   not compile.
//!
//! Ids ([`EndpointId`], [`ToolId`]) belong to the policy that gave them. Keep a [`SchemaCache`] for
//! as long as policies follow each other, so that a schema is compiled once.
//!
//! ```
//! use policy_engine::{Arguments, Decision, Principal, SchemaCache, compile, wire::FilterConfig};
//!
//! let config: FilterConfig = serde_json::from_str(r#"{
//!   "version": 1, "listener": "mcp",
//!   "allowed_hosts": ["localhost"], "allowed_origins": [],
//!   "max_body_bytes": 1048576, "max_depth": 128,
//!   "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
//!   "servers": {"data": {"cluster": "data", "path": "/mcp",
//!     "tools": {"list_tables": {}, "execute_query": {}}}},
//!   "defaults": {"access": "deny", "validate": "enforce"},
//!   "rules": [{"name": "open", "match": {"tool": "list_*"}, "allow": ["*"]}]
//! }"#)?;
//! let policy = compile(&config, &mut SchemaCache::new())?;
//!
//! let endpoint = policy.endpoint(b"/mcp?session=1").unwrap();
//! let tool = policy.tool(endpoint, b"list_tables").unwrap();
//! match policy.decide(tool, &Principal::Anonymous, Arguments::NotRead) {
//!     Decision::Allow(plan) => assert_eq!(policy.cluster(plan.target()), "data"),
//!     other => panic!("{other:?}"),
//! }
//!
//! let tool = policy.tool(endpoint, b"execute_query").unwrap();
//! match policy.decide(tool, &Principal::Anonymous, Arguments::NotRead) {
//!     Decision::Refuse(refusal) => assert_eq!(refusal.reason(), "forbidden"),
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod arguments_check;
mod authority;
mod candidates;
mod compile;
mod compile_error;
mod decision;
mod explain;
mod glob;
mod ids;
mod item;
mod item_kind;
mod item_policy;
mod known_schema;
mod limit;
mod method;
mod named_by;
mod policy;
mod principal;
mod rate;
mod refusal;
mod schema;
mod schema_cache;
pub mod settlement;
pub mod slots;
pub mod statistics;
mod target;
mod text_part;
mod tool_list;
mod tools;
mod uri;
mod uri_pattern;
pub mod wire;

pub use arguments_check::ArgumentsCheck;
pub use compile::compile;
pub use compile_error::{CompileError, CompileErrors};
pub use decision::{
    Arguments, ArgumentsRead, Bucket, Decision, FEW_LIMITS, PendingLimits, Plan, Verdict, Write,
    Writes,
};
pub use explain::{ConditionalValue, ExplainedLimit, Explanation, Field};
pub use glob::Glob;
pub use ids::{EndpointId, RuleId, ToolId, Trace};
pub use item::{Item, UnlistedItem};
pub use item_kind::ItemKind;
pub use method::MessageForm;
pub use named_by::{NamedBy, Said, SaidNames, SaidReference};
pub use policy::{Address, BodyLimits, Naming, Policy};
pub use principal::Principal;
pub use rate::{BucketState, BucketTime, UnixNanos};
pub use refusal::{Caller, Refusal};
pub use schema::header_parameters::{ArgumentValue, HeaderParameter, RepeatedArguments};
pub use schema::violation::{MOST_VIOLATIONS, Violation, echo};
pub use schema::{CheckProgress, Invalid, MAX_DEPTH, Schema, Validation};
pub use schema_cache::SchemaCache;
pub use target::TargetId;
pub use tool_list::{InvalidToolList, ToolList};
pub use tools::FlawedTool;
pub use uri_pattern::{is_normal_pattern, stands_for_some_uri};

/// Compiles one schema, so that it can be tried without a configuration.
///
/// # Errors
/// Everything that is wrong with it, or that the engine does not check yet.
pub fn compile_schema(schema: &serde_json::value::RawValue) -> Result<Schema, CompileErrors> {
    Schema::compile(schema)
}
