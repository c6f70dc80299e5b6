//! MCP's methods, answered from the registry of tools.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode,
    ErrorData, Implementation, JsonObject, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::answer::{self, NAME};
use super::{CallGuard, FindIncoming, Incoming, RunningCalls, progress};
use crate::call::{Call, ClientAbilities, Revision, spell_time};
use crate::services::Services;
use crate::tools::{Output, Registry, ToolFailure};

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

/// The server of MCP's methods. One per request in rmcp's eyes; all share the registry and the
/// services.
#[derive(Clone)]
pub struct McpServer {
    registry: Arc<Registry>,
    services: Arc<Services>,
    running: Arc<RunningCalls>,
    stopping: CancellationToken,
    find_incoming: FindIncoming,
}

impl McpServer {
    /// Calls are cancelled when `stopping` fires. `find_incoming` is the transport's way to tell
    /// what it knows of a request.
    pub fn new(
        registry: Arc<Registry>,
        services: Arc<Services>,
        running: Arc<RunningCalls>,
        stopping: CancellationToken,
        find_incoming: FindIncoming,
    ) -> Self {
        Self {
            registry,
            services,
            running,
            stopping,
            find_incoming,
        }
    }

    async fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        call: Call,
    ) -> Option<Result<Output, ToolFailure>> {
        let (cancelled, deadline) = (call.cancelled.clone(), call.deadline);
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
                    Err(out_of_time(deadline.given))
                }
            },
        };
        log(&result, started.elapsed());
        Some(result)
    }
}

impl McpServer {
    fn instructions(&self) -> String {
        let mut text = "Query PostgreSQL and Apache Spark. Start with list_tables and \
                        get_table_schema."
            .to_owned();
        let names: Vec<&str> = self.services.databases.names().collect();
        if names.len() > 1 {
            text += &format!(" Databases: {}.", names.join(", "));
        }
        text
    }

    /// The call that a request makes, and what must live as long as it runs.
    fn receive(
        &self,
        incoming: Incoming,
        context: &RequestContext<RoleServer>,
    ) -> (Call, (AbortOnDropHandle<()>, Option<CallGuard>)) {
        let (cancelled, watch) = either(&context.ct, &self.stopping);
        let guard = incoming.session.clone().map(|session| {
            self.running
                .enter(session, context.id.clone(), cancelled.clone())
        });
        let abilities = context.client_capabilities().unwrap_or_default();
        let call = Call {
            request_id: incoming.id,
            principal: incoming.principal,
            revision: Revision::named(context.protocol_version()),
            client: ClientAbilities {
                elicitation: abilities.elicitation.is_some(),
                tasks: abilities.supports_tasks(),
            },
            session: incoming.session,
            cancelled,
            deadline: incoming.deadline,
            progress: progress::of_request(context),
        };
        (call, (watch, guard))
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation())
            .with_protocol_version(ProtocolVersion::LATEST)
            .with_instructions(self.instructions())
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
        if !Revision::named(context.protocol_version()).has_structured_content() {
            // A client of an older revision that knows the word would miss what it announces.
            for tool in &mut tools {
                tool.output_schema = None;
            }
        }
        let mut result = ListToolsResult::with_all_items(tools);
        result.ttl_ms = Some(LIST_TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        result.meta = Some(answer::stamp(None));
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let incoming = (self.find_incoming)(&context.extensions).unwrap_or_default();
        let raw_result = incoming.raw_result.clone();
        let (call, _guards) = self.receive(incoming, &context);
        let (request_id, revision) = (call.request_id.clone(), call.revision.clone());
        let span = tracing::info_span!("tool", request_id = request_id.0, tool = %request.name);
        let arguments = request.arguments.unwrap_or_default();
        let result = self
            .call(&request.name, arguments, call)
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
        let mut answer = answer::to_call(result, &revision, raw_result.as_deref());
        answer.meta = Some(answer::stamp(Some(&request_id)));
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

fn implementation() -> Implementation {
    Implementation::new(NAME, env!("CARGO_PKG_VERSION")).with_title("Portcullis data server")
}

fn out_of_time(given: Duration) -> ToolFailure {
    let given = spell_time(given);
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
