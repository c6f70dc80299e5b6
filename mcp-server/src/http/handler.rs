//! MCP's methods, answered from the registry of tools.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
    CustomRequest, CustomResult, ErrorCode, ErrorData, Implementation, JsonObject, ListToolsResult,
    MetaObject, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::deadline::{self, Deadline};
use super::sessions::{SessionId, Sessions};
use crate::services::Services;
use crate::tools::{Call, CorrelationId, Output, Principal, Registry, ToolFailure};

/// In results' `_meta`: the id under which the log knows the call.
const REQUEST_ID: &str = "portcullis/requestId";

/// In results' `_meta`, by the specification: who answered. rmcp sets it on discovery alone.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The name that this server gives itself.
const NAME: &str = "portcullis";

/// How long a client may keep the list of tools. It changes only with a new release of the server.
const LIST_TTL_MS: u64 = 60_000;

/// The methods of 2026-07-28. rmcp takes one with malformed params for an unknown method; clients
/// take "unknown method" for an old server.
const KNOWN_METHODS: &[&str] = &[
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "subscriptions/listen",
];

/// One per request in rmcp's eyes; all share the registry and the services.
#[derive(Clone)]
pub(super) struct DataServer {
    registry: Arc<Registry>,
    services: Arc<Services>,
    sessions: Arc<Sessions>,
    stopping: CancellationToken,
}

impl DataServer {
    /// Calls are cancelled when `stopping` fires.
    pub(super) fn new(
        registry: Arc<Registry>,
        services: Arc<Services>,
        sessions: Arc<Sessions>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            registry,
            services,
            sessions,
            stopping,
        }
    }

    async fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        call: Call,
        deadline: Option<Deadline>,
    ) -> Option<Result<Output, ToolFailure>> {
        let cancelled = call.cancelled.clone();
        let run = self
            .registry
            .run(name, Arc::clone(&self.services), call, arguments)?;
        let run = AssertUnwindSafe(run).catch_unwind().map(|ended| {
            ended.unwrap_or_else(|_| Err(ToolFailure::new(
                "internal",
                "the tool failed in a way that it should not; the server's log has it under this \
                 call's id",
            )))
        });
        let started = Instant::now();
        let result = match deadline {
            None => run.await,
            Some(deadline) => tokio::select! {
                result = run => result,
                () = deadline.over() => {
                    cancelled.cancel();
                    Err(out_of_time(deadline.given()))
                }
            },
        };
        log(&result, started.elapsed());
        Some(result)
    }
}

impl ServerHandler for DataServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation())
            .with_protocol_version(ProtocolVersion::LATEST)
            .with_instructions(
                "Query PostgreSQL (read-only) and Apache Spark. Start with \
                 list_tables and get_table_schema.",
            )
    }

    /// The list is the same for everyone: rights are the gateway's, and it hides there what a
    /// caller may not call. So `public`.
    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params(
                "`cursor` is none that this server gave: its list of tools is one page",
                None,
            ));
        }
        let mut tools: Vec<Tool> = self.registry.list().cloned().collect();
        if TextForm::of(context.protocol_version().as_ref()) == TextForm::Whole {
            // A client of an older revision that knows the word would miss what it announces.
            for tool in &mut tools {
                tool.output_schema = None;
            }
        }
        let mut result = ListToolsResult::with_all_items(tools);
        result.ttl_ms = Some(LIST_TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        result.meta = Some(stamped(None));
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>();
        let request_id = CorrelationId::of(parts.map(|parts| &parts.headers));
        let extensions = parts.map(|parts| &parts.extensions);
        let deadline = extensions
            .and_then(|found| found.get::<Deadline>())
            .copied();
        let session = extensions
            .and_then(|found| found.get::<SessionId>())
            .cloned();
        let (cancelled, _watch) = either(&context.ct, &self.stopping);
        let call_session = session.as_ref().map(ToString::to_string);
        let _running = session.map(|session| {
            self.sessions
                .run(session, context.id.clone(), cancelled.clone())
        });
        let call = Call {
            request_id: request_id.clone(),
            cancelled,
            principal: Principal::Anonymous,
            session: call_session,
        };
        let span = tracing::info_span!("tool", request_id = request_id.0, tool = %request.name);
        let arguments = request.arguments.unwrap_or_default();
        let result = self
            .call(&request.name, arguments, call, deadline)
            .instrument(span)
            .await;
        let Some(result) = result else {
            return Err(ErrorData::invalid_params(
                format!(
                    "there is no tool `{}`; tools/list names those there are",
                    request.name
                ),
                None,
            ));
        };
        let form = TextForm::of(context.protocol_version().as_ref());
        let mut answer = answer(result, form);
        answer.meta = Some(stamped(Some(&request_id)));
        Ok(answer.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.registry.get(name).cloned()
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        if KNOWN_METHODS.contains(&method.as_str()) {
            return Err(ErrorData::invalid_params(
                format!("the params of `{method}` are not as the specification has them"),
                None,
            ));
        }
        Err(ErrorData::new(
            ErrorCode::METHOD_NOT_FOUND,
            format!("there is no method `{method}`"),
            None,
        ))
    }
}

/// One line per call. What only its caller did wrong is no warning.
fn log(result: &Result<Output, ToolFailure>, took: Duration) {
    let ms = took.as_secs_f64() * 1e3;
    match result {
        Ok(_) => tracing::info!(ms, outcome = "ok", "call"),
        Err(failure) => match &failure.log {
            None => tracing::info!(
                ms,
                outcome = "failed",
                code = failure.code,
                error = failure.message,
                "call"
            ),
            Some(log) => {
                tracing::warn!(
                    ms,
                    outcome = "failed",
                    code = failure.code,
                    error = failure.message,
                    log,
                    "call"
                );
            }
        },
    }
}

/// The part of a result that its text content holds beside the structured content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextForm {
    /// A few lines: the client reads the structured content.
    Gist,
    /// The whole answer as JSON: the client's revision has no structured content.
    Whole,
}

impl TextForm {
    /// Structured content came with 2025-06-18; revisions compare as text.
    fn of(version: Option<&ProtocolVersion>) -> Self {
        match version {
            Some(version) if version.as_str() >= ProtocolVersion::V_2025_06_18.as_str() => {
                Self::Gist
            }
            _ => Self::Whole,
        }
    }
}

fn answer(result: Result<Output, ToolFailure>, form: TextForm) -> CallToolResult {
    let (text, structured, is_error) = match result {
        Ok(output) => (output.text, output.structured, false),
        Err(failure) => (failure.text(), failure.structured(), true),
    };
    let mut answer = CallToolResult::default();
    answer.is_error = Some(is_error);
    match form {
        TextForm::Gist => {
            answer.content = vec![ContentBlock::text(text)];
            answer.structured_content = Some(structured);
        }
        TextForm::Whole if is_error => answer.content = vec![ContentBlock::text(text)],
        TextForm::Whole => answer.content = vec![ContentBlock::text(structured.to_string())],
    }
    answer
}

/// `_meta` of a result: who answered, and under which id.
fn stamped(request_id: Option<&CorrelationId>) -> MetaObject {
    let mut meta = MetaObject::new();
    let server = serde_json::json!({"name": NAME, "version": env!("CARGO_PKG_VERSION")});
    meta.0.insert(SERVER_INFO.to_owned(), server);
    if let Some(CorrelationId(id)) = request_id {
        meta.0
            .insert(REQUEST_ID.to_owned(), Value::from(id.as_str()));
    }
    meta
}

fn implementation() -> Implementation {
    Implementation::new(NAME, env!("CARGO_PKG_VERSION")).with_title("Portcullis data server")
}

fn out_of_time(given: Duration) -> ToolFailure {
    let given = deadline::spelt(given);
    ToolFailure::new(
        "timeout",
        format!(
            "the call was not over within the {given} that the gateway gives it, and was stopped"
        ),
    )
    .with_hint("ask for less at once; submit_spark_job runs long work")
}

/// A token that fires when the call is cancelled or the server stops, and the watch that makes it
/// so.
/// rmcp cancels a call when its client goes away.
fn either(
    cancelled: &CancellationToken,
    stopping: &CancellationToken,
) -> (CancellationToken, AbortOnDropHandle<()>) {
    let either = cancelled.child_token();
    let (fire, stopping) = (either.clone(), stopping.clone());
    let watch = AbortOnDropHandle::new(tokio::spawn(async move {
        stopping.cancelled().await;
        fire.cancel();
    }));
    (either, watch)
}
