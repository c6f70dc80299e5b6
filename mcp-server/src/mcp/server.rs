//! MCP's methods, answered from the registry of tools.

use std::sync::Arc;

use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    CustomRequest, CustomResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse,
    Implementation, InitializeRequestParams, InitializeResult, InputRequiredResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ServerCapabilities, ServerConfig, SubscribeRequestMethod, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::answer::{self, NAME};
use super::confirmation::{self, Asked};
use super::inputs::StateSeal;
use super::subscriptions::Subscriptions;
use super::{Catalogue, FindIncoming, RunningCalls};
use crate::call::{Call, Revision};
use crate::services::Services;
use crate::tools::get_table_schema::GetTableSchema;
use crate::tools::list_tables::ListTables;
use crate::tools::{Ask, Output, Tool as _, ToolFailure};

/// How long a client may keep a list of what this server offers. It changes only with a new release
/// of the server.
pub(super) const LIST_TTL_MS: u64 = 60_000;

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

/// The server of MCP's methods. One per request in rmcp's eyes; all share the registries and the
/// services.
#[derive(Clone)]
pub struct McpServer {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) services: Arc<Services>,
    pub(super) running: Arc<RunningCalls>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) seal: StateSeal,
    pub(super) stopping: CancellationToken,
    pub(super) find_incoming: FindIncoming,
    /// Whether a client of an older revision can be told something when it has not asked.
    keeps_peers: bool,
}

impl McpServer {
    /// Calls are cancelled when `stopping` fires. `find_incoming` is the transport's way to tell
    /// what it knows of a request.
    pub fn new(
        catalogue: Arc<Catalogue>,
        services: Arc<Services>,
        running: Arc<RunningCalls>,
        stopping: CancellationToken,
        find_incoming: FindIncoming,
    ) -> Self {
        Self {
            catalogue,
            services,
            running,
            subscriptions: Arc::default(),
            seal: StateSeal::default(),
            stopping,
            find_incoming,
            keeps_peers: false,
        }
    }

    /// The same server for a transport that has a way back to clients of every revision, as long as
    /// they are there.
    #[must_use]
    pub fn keeping_peers(mut self) -> Self {
        self.keeps_peers = true;
        self
    }
}

impl McpServer {
    fn instructions(&self) -> String {
        let mut text = "Query PostgreSQL and Apache Spark.".to_owned();
        let first: Vec<&str> = [ListTables::NAME, GetTableSchema::NAME]
            .into_iter()
            .filter(|name| self.catalogue.tools.get(name).is_some())
            .collect();
        if !first.is_empty() {
            text += &format!(" Start with {}.", first.join(" and "));
        }
        let names: Vec<&str> = self.services.databases.names().collect();
        if names.len() > 1 {
            text += &format!(" Databases: {}.", names.join(", "));
        }
        text
    }
}

/// How far a call has come.
enum CallOutcome {
    /// It is over, well or not.
    Over(Result<Output, ToolFailure>),
    /// The client has something to ask first.
    Question(InputRequiredResult),
}

impl McpServer {
    /// Runs the tool that a request names.
    ///
    /// # Errors
    /// There is no such tool.
    pub(super) async fn run_tool(
        &self,
        request: &CallToolRequestParams,
        call: &Call,
    ) -> Result<Result<Output, ToolFailure>, ErrorData> {
        let arguments = request.arguments.clone().unwrap_or_default();
        let services = Arc::clone(&self.services);
        let tools = &self.catalogue.tools;
        let work = tools.run(&request.name, services, call.clone(), arguments);
        let (effect, work) = work.ok_or_else(|| {
            let message = format!(
                "there is no tool `{}`; tools/list names those there are",
                request.name
            );
            ErrorData::invalid_params(message, None)
        })?;
        let size = |output: &Output| output.structured.bytes().len();
        Ok(self
            .run(request.name.clone(), effect, call, size, work)
            .await)
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_prompts()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(implementation())
            .with_protocol_version(ProtocolVersion::LATEST)
            .with_instructions(self.instructions())
    }

    /// The peer is remembered with the revision that was agreed on, not the one it asked for.
    async fn initialize(
        &self,
        mut request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut answer = self.negotiate_initialize(&request)?;
        if let Some(resources) = &mut answer.capabilities.resources
            && !self.keeps_peers
        {
            resources.subscribe = None;
            resources.list_changed = None;
        }
        request.protocol_version = answer.protocol_version.clone();
        context.peer.set_peer_info(request);
        Ok(answer)
    }

    /// The list is the same for everyone: rights are the gateway's, and it hides there what a
    /// caller may not call. So `public`.
    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        one_page(request, "tools")?;
        let mut tools: Vec<Tool> = self.catalogue.tools.list().cloned().collect();
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
        mut request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        confirmation::take_answer(&mut request);
        let incoming = self.incoming(&context);
        let raw_result = incoming.raw_result.clone();
        let (mut call, _guards) = self.receive(incoming, &context);
        let asked_by = json!([call.principal.owner(), &request.name, &request.arguments]);
        let (responses, state) = (&request.input_responses, &request.request_state);
        call.answers = self
            .seal
            .open(responses.as_ref(), state.as_deref(), &asked_by)?;
        let span = tracing::info_span!(
            "tool",
            request_id = call.request_id.0,
            tool = %request.name
        );
        let calling = async {
            let failure = match self.run_tool(&request, &call).await? {
                Ok(output) => return Ok(CallOutcome::Over(Ok(output))),
                Err(failure) => failure,
            };
            if let Some(Ask::Inputs(inputs)) = failure.ask.as_deref()
                && call.revision.is_stateless()
            {
                let client = context.client_capabilities().unwrap_or_default();
                return Ok(match self.seal.ask(inputs.clone(), &client, &asked_by)? {
                    Some(question) => CallOutcome::Question(question),
                    None => CallOutcome::Over(Err(failure)),
                });
            }
            let asking = self.ask_whether_meant(failure, request, &call, &context);
            Ok(match asking.await {
                Asked::Failed(failure) => CallOutcome::Over(Err(failure)),
                Asked::ByClient(question) => CallOutcome::Question(question),
                Asked::Confirmed(request) => {
                    CallOutcome::Over(self.run_tool(&request, &call).await?)
                }
            })
        };
        // Boxed, as below: the work of a call is what a thread's stack has to hold.
        let result = match Box::pin(calling.instrument(span)).await? {
            CallOutcome::Over(result) => result,
            CallOutcome::Question(mut question) => {
                question.meta = Some(answer::stamp(Some(&call.request_id)));
                return Ok(question.into());
            }
        };
        let mut answer = answer::to_call(result, &call.revision, raw_result.as_deref());
        answer.meta = Some(answer::stamp(Some(&call.request_id)));
        Ok(answer.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.page_of_resources(request, &context).await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.resource_templates(request)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = Box::pin(self.resource_contents(&request.uri, &context)).await?;
        Ok(read.into())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(self.watchable(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.tell_changes(&context).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !self.keeps_peers {
            return Err(ErrorData::method_not_found::<SubscribeRequestMethod>());
        }
        self.begin_subscription(&request.uri, &context)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.end_subscription(&request.uri, &context);
        Ok(())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.prompts_on_offer(request)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Box::pin(self.written_prompt(request, &context)).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.completed_name(request, &context).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.catalogue.tools.get(name).cloned()
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

/// Refuses every cursor: the whole list is the first page.
pub(super) fn one_page(
    request: Option<PaginatedRequestParams>,
    list: &str,
) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor) {
        None => Ok(()),
        Some(_) => Err(ErrorData::invalid_params(
            format!("`cursor` is none that this server gave: its list of {list} is one page"),
            None,
        )),
    }
}

fn implementation() -> Implementation {
    Implementation::new(NAME, env!("CARGO_PKG_VERSION")).with_title("Portcullis data server")
}
