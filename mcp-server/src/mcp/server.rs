//! MCP's methods, answered from the registry of tools.

use std::sync::Arc;

use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    CustomRequest, CustomResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse,
    Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::answer::{self, NAME};
use super::{FindIncoming, RunningCalls};
use crate::call::Revision;
use crate::prompts::PromptRegistry;
use crate::resources::ResourceRegistry;
use crate::services::Services;
use crate::tools::get_table_schema::GetTableSchema;
use crate::tools::list_tables::ListTables;
use crate::tools::{Registry, Tool as _};

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
    pub(super) tools: Arc<Registry>,
    pub(super) resources: Arc<ResourceRegistry>,
    pub(super) prompts: Arc<PromptRegistry>,
    pub(super) services: Arc<Services>,
    pub(super) running: Arc<RunningCalls>,
    pub(super) stopping: CancellationToken,
    pub(super) find_incoming: FindIncoming,
}

impl McpServer {
    /// Calls are cancelled when `stopping` fires. `find_incoming` is the transport's way to tell
    /// what it knows of a request.
    pub fn new(
        tools: Arc<Registry>,
        services: Arc<Services>,
        running: Arc<RunningCalls>,
        stopping: CancellationToken,
        find_incoming: FindIncoming,
    ) -> Self {
        Self {
            tools,
            resources: Arc::new(ResourceRegistry::all()),
            prompts: Arc::new(PromptRegistry::all()),
            services,
            running,
            stopping,
            find_incoming,
        }
    }
}

impl McpServer {
    fn instructions(&self) -> String {
        let mut text = "Query PostgreSQL and Apache Spark.".to_owned();
        let first: Vec<&str> = [ListTables::NAME, GetTableSchema::NAME]
            .into_iter()
            .filter(|name| self.tools.get(name).is_some())
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

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
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
        let answer = self.negotiate_initialize(&request)?;
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
        let mut tools: Vec<Tool> = self.tools.list().cloned().collect();
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
        let incoming = self.incoming(&context);
        let raw_result = incoming.raw_result.clone();
        let (call, _guards) = self.receive(incoming, &context);
        let span = tracing::info_span!(
            "tool",
            request_id = call.request_id.0,
            tool = %request.name
        );
        let arguments = request.arguments.unwrap_or_default();
        let services = Arc::clone(&self.services);
        let work = self
            .tools
            .run(&request.name, services, call.clone(), arguments);
        let Some(work) = work else {
            return Err(ErrorData::invalid_params(
                format!(
                    "there is no tool `{}`; tools/list names those there are",
                    request.name
                ),
                None,
            ));
        };
        let result = self.run(request.name, &call, work).instrument(span).await;
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
        let read = self.resource_contents(&request.uri, &context).await?;
        Ok(read.into())
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
        let got = self.written_prompt(request, &context).await?;
        Ok(got.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.completed_name(request, &context).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.get(name).cloned()
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
