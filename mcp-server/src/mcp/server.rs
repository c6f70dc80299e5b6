//! MCP's methods, answered from the registry of tools.

use std::sync::Arc;

use rmcp::ServerHandler;
#[expect(deprecated, reason = "older clients ask for it")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, InitializeRequestParams,
    InitializeResult, JsonObject, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use tokio_util::sync::CancellationToken;

use super::answer::{self, NAME};
use super::client_logs::{LogLevels, severity_of};
use super::inputs::StateSeal;
use super::memory::WaitingRequests;
use super::methods::{SET_LEVEL, has_method, no_such_method};
use super::subscriptions::Subscriptions;
use super::{Catalogue, FindIncoming, RunningCalls};
use crate::call::Revision;
use crate::services::Services;
use crate::tools::Tool as _;
use crate::tools::get_table_schema::GetTableSchema;
use crate::tools::list_tables::ListTables;

/// How long a client may keep a list of what this server offers. It changes only with a new release
/// of the server.
pub(super) const LIST_TTL_MS: u64 = 60_000;

/// The server of MCP's methods. One per request in rmcp's eyes; all share the registries and the
/// services.
#[derive(Clone)]
pub struct McpServer {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) services: Arc<Services>,
    pub(super) running: Arc<RunningCalls>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) log_levels: Arc<LogLevels>,
    pub(super) seal: StateSeal,
    pub(super) waiting_requests: WaitingRequests,
    pub(super) stopping: CancellationToken,
    pub(super) find_incoming: FindIncoming,
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
            log_levels: Arc::default(),
            seal: StateSeal::default(),
            waiting_requests: WaitingRequests::default(),
            stopping,
            find_incoming,
        }
    }

    /// Ends what a session has under way here, and forgets what was kept for it.
    pub fn end_session(&self, session: &str) {
        self.running.cancel(session, None);
        self.subscriptions.end_session(session);
        self.log_levels.forget(session);
        self.services.spark.end_session(session);
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

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_prompts()
            .enable_completions()
            .enable_tasks()
            .build();
        if !self.services.task_config.enabled {
            capabilities.extensions = None;
        }
        if self.catalogue.tools.log_to_clients() {
            capabilities.logging = Some(JsonObject::default());
        }
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
        // Tasks are of the revisions without a handshake.
        answer.capabilities.extensions = None;
        // News of the list are, too.
        if let Some(resources) = &mut answer.capabilities.resources {
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
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let incoming = self.incoming(&context);
        let raw_result = incoming.raw_result.clone();
        let raw_result = raw_result.as_deref();
        let (mut call, _guards) = self.receive(incoming, &context);
        // Boxed: the work of a call is what a thread's stack has to hold.
        if call.revision.is_stateless() {
            return Box::pin(self.answer_call(request, call, raw_result)).await;
        }
        // A question before the answer makes an event stream of it.
        let may_be_asked = call.session.is_some() && call.client.can_be_asked();
        call.takes_short_answers |= may_be_asked && self.catalogue.tools.may_ask(&request.name);
        Box::pin(self.answer_call_in_session(request, call, &context.peer, raw_result)).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.look_at_task(request.task_id, &context).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.answer_task(request.task_id, request.input_responses, &context)
            .await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.stop_task(request.task_id, &context).await
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
        self.begin_subscription(&request.uri, &context).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.end_subscription(&request.uri, &context)
    }

    #[expect(deprecated, reason = "older clients ask for it")]
    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let is_stateless = Revision::named(context.protocol_version()).is_stateless();
        if is_stateless || !self.catalogue.tools.log_to_clients() {
            return Err(no_such_method(SET_LEVEL, is_stateless));
        }
        let incoming = self.incoming(&context);
        let Some(session) = &incoming.session else {
            let message = "a level is set for a session: send `initialize`, and its session's id \
                           with each request";
            return Err(ErrorData::invalid_request(message, None));
        };
        let level = severity_of(request.level);
        self.log_levels
            .set(session, incoming.claimant.clone(), level);
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
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let is_stateless = Revision::named(context.protocol_version()).is_stateless();
        let name = &*request.method;
        let sets_level =
            name == SET_LEVEL && !is_stateless && self.catalogue.tools.log_to_clients();
        if !sets_level && !has_method(name, is_stateless) {
            return Err(no_such_method(name, is_stateless));
        }
        // rmcp takes a method with malformed params for an unknown one; clients take "unknown
        // method" for an old server.
        let message = format!("the params of `{name}` are not as the specification has them");
        Err(ErrorData::invalid_params(message, None))
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
