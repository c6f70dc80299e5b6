//! The methods on prompts: the list, and the writing of one.

use rmcp::model::{
    CacheScope, ErrorData, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    ListPromptsResult, PaginatedRequestParams, PromptMessage, Role,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::answer;
use super::audit::NoResult;
use super::failure::to_error;
use super::inputs::answerable;
use super::server::{LIST_TTL_MS, McpServer, one_page};
use crate::call::Call;
use crate::prompts::{Arguments, Guide, Surroundings};
use crate::quotes::shorten_name;
use crate::tools::{Effect, ToolFailure};

impl McpServer {
    /// The list is the same for everyone.
    pub(super) fn prompts_on_offer(
        &self,
        request: Option<PaginatedRequestParams>,
    ) -> Result<ListPromptsResult, ErrorData> {
        one_page(request, "prompts")?;
        let mut result = ListPromptsResult::with_all_items(self.catalogue.prompts.list());
        result.ttl_ms = Some(LIST_TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        result.meta = Some(answer::stamp(None));
        Ok(result)
    }

    /// The prompt that a request names, written for the call that it makes.
    pub(super) async fn written_prompt(
        &self,
        request: GetPromptRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let (mut call, _guards) = self.receive(self.incoming(context), context);
        let written = self.write_prompt(request, &mut call).await;
        written.map_err(|error| error.logged(&call, "prompts/get"))
    }

    async fn write_prompt(
        &self,
        request: GetPromptRequestParams,
        call: &mut Call,
    ) -> Result<GetPromptResponse, NoResult> {
        let Some((name, description)) = self.catalogue.prompts.find(&request.name) else {
            let message = format!(
                "there is no prompt `{}`; prompts/list names those there are",
                shorten_name(&request.name)
            );
            return Err(NoResult::Unknown(ErrorData::invalid_params(message, None)));
        };
        let asked_of = json!([name, &request.arguments]);
        let arguments = self
            .prompt_arguments(name, request.arguments.unwrap_or_default())
            .map_err(|message| ErrorData::invalid_params(message, None))?;
        let asked_by = json!([call.principal.owner(), asked_of]);
        let (responses, state) = (&request.input_responses, &request.request_state);
        call.answers = self
            .seal
            .open(responses.as_ref(), state.as_deref(), || asked_by.clone())?;
        let call = &*call;
        let surroundings = Surroundings {
            tools: &self.catalogue.tools,
            services: &self.services,
            call,
        };
        let writing = async {
            let write = self
                .catalogue
                .prompts
                .write(name, &surroundings, &arguments);
            let guide = call.unless_cancelled(write).await?;
            guide.ok_or_else(|| ToolFailure::not_found(format!("there is no prompt `{name}`")))
        };
        let span = tracing::info_span!("prompt", request_id = call.request_id.0, prompt = name);
        let guide = Box::pin(self.run(name, Effect::Reads, call, Guide::bytes, writing))
            .instrument(span)
            .await;
        let mut guide = guide.map_err(|failure| NoResult::Logged(to_error(&failure)))?;
        if let Some(inputs) = guide.take_inputs().filter(|_| call.revision.is_stateless())
            && let Some(inputs) = answerable(inputs, call.client).map_err(NoResult::Logged)?
        {
            let question = self.seal.ask(inputs, &asked_by);
            let mut question = question.map_err(NoResult::Logged)?;
            question.meta = Some(answer::stamp(Some(&call.request_id)));
            return Ok(question.into());
        }
        let attached = guide.take_attached().into_iter();
        let attached = attached.map(|content| PromptMessage::new(Role::User, content));
        let text = PromptMessage::new_text(Role::User, guide.into_text());
        let messages = std::iter::once(text).chain(attached).collect();
        let mut result = GetPromptResult::new(messages).with_description(description);
        result.meta = Some(answer::stamp(Some(&call.request_id)));
        Ok(result.into())
    }

    /// The arguments of a prompt, which are texts (prompts, getting a prompt).
    fn prompt_arguments(
        &self,
        prompt: &str,
        given: serde_json::Map<String, Value>,
    ) -> Result<Arguments, String> {
        let names = given.keys().map(String::as_str);
        if let Some(unknown) = self.catalogue.prompts.unknown_argument(prompt, names) {
            return Err(format!(
                "the prompt `{prompt}` has no argument `{}`; prompts/list names those it has",
                shorten_name(unknown)
            ));
        }
        let texts = given.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => Err(format!(
                "the argument `{}` of a prompt must be a string",
                shorten_name(&name)
            )),
        });
        texts.collect()
    }
}
