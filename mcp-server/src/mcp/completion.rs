//! `completion/complete`: names for the arguments of prompts and the variables of URIs.

use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData, Reference};
use rmcp::service::{RequestContext, RoleServer};
use tracing::Instrument as _;

use super::answer;
use super::audit::NoResult;
use super::failure::to_error;
use super::server::McpServer;
use crate::call::Call;
use crate::known_names;
use crate::quotes::shorten_name;
use crate::tools::Effect;

/// The method, and the name that its calls have in the logs.
const METHOD: &str = "completion/complete";

impl McpServer {
    /// The names that can stand where a request begins to write one.
    pub(super) async fn completed_name(
        &self,
        request: CompleteRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let (call, _guards) = self.receive(self.incoming(context), context);
        let completed = self.complete_name(request, &call).await;
        completed.map_err(|error| error.logged(&call, METHOD))
    }

    async fn complete_name(
        &self,
        request: CompleteRequestParams,
        call: &Call,
    ) -> Result<CompleteResult, NoResult> {
        let argument = &request.argument;
        let (kind, of) = match &request.r#ref {
            Reference::Prompt(prompt) => {
                let kind = self
                    .catalogue
                    .prompts
                    .names_of(&prompt.name, &argument.name);
                (kind, format!("the prompt `{}`", shorten_name(&prompt.name)))
            }
            Reference::Resource(template) => {
                let kind = self
                    .catalogue
                    .resources
                    .names_of(&template.uri, &argument.name);
                let uri = shorten_name(&template.uri);
                (kind, format!("the resource template `{uri}`"))
            }
            other => (None, format!("`{}`", shorten_name(other.reference_type()))),
        };
        let kind = kind.ok_or_else(|| {
            let message = format!(
                "{of} is none of this server's, or has no `{}`",
                shorten_name(&argument.name)
            );
            NoResult::Unknown(ErrorData::invalid_params(message, None))
        })?;
        let others = request.context.as_ref();
        let database = others.and_then(|others| others.get_argument("database"));
        let completing = known_names::complete(
            &self.services,
            call,
            kind,
            &argument.value,
            database.map(String::as_str),
            CompletionInfo::MAX_VALUES,
        );
        let span = tracing::info_span!("completion", request_id = call.request_id.0);
        let completed = self.run(
            METHOD,
            Effect::Reads,
            call,
            |completed| completed.names.iter().map(String::len).sum(),
            completing,
        );
        let completed = completed.instrument(span).await;
        let completed = completed.map_err(|failure| NoResult::Logged(to_error(&failure)))?;
        let mut info = CompletionInfo::default();
        info.values = completed.names;
        info.has_more = Some(completed.has_more);
        let mut result = CompleteResult::new(info);
        result.meta = Some(answer::stamp(Some(&call.request_id)));
        Ok(result)
    }
}
