//! `completion/complete`: names for the arguments of prompts and the variables of URIs.

use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData, Reference};
use rmcp::service::{RequestContext, RoleServer};
use tracing::Instrument as _;

use super::answer;
use super::failure::to_error;
use super::server::McpServer;
use crate::known_names;
use crate::tools::Effect;

impl McpServer {
    pub(super) async fn completed_name(
        &self,
        request: CompleteRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let argument = &request.argument;
        let (kind, of) = match &request.r#ref {
            Reference::Prompt(prompt) => {
                let kind = self
                    .catalogue
                    .prompts
                    .names_of(&prompt.name, &argument.name);
                (kind, format!("the prompt `{}`", prompt.name))
            }
            Reference::Resource(template) => {
                let kind = self
                    .catalogue
                    .resources
                    .names_of(&template.uri, &argument.name);
                (kind, format!("the resource template `{}`", template.uri))
            }
            other => (None, format!("`{}`", other.reference_type())),
        };
        let kind = kind.ok_or_else(|| {
            let message = format!(
                "{of} is none of this server's, or has no `{}`",
                argument.name
            );
            ErrorData::invalid_params(message, None)
        })?;
        let (call, _guards) = self.receive(self.incoming(context), context);
        let others = request.context.as_ref();
        let database = others.and_then(|others| others.get_argument("database"));
        let completing = known_names::complete(
            &self.services,
            &call,
            kind,
            &argument.value,
            database.map(String::as_str),
            CompletionInfo::MAX_VALUES,
        );
        let span = tracing::info_span!("completion", request_id = call.request_id.0);
        let completed = self.run(
            "completion/complete",
            Effect::Reads,
            &call,
            |completed| completed.names.iter().map(String::len).sum(),
            completing,
        );
        let completed = completed.instrument(span).await;
        let completed = completed.map_err(|failure| to_error(&failure))?;
        let mut info = CompletionInfo::default();
        info.values = completed.names;
        info.has_more = Some(completed.has_more);
        let mut result = CompleteResult::new(info);
        result.meta = Some(answer::stamp(Some(&call.request_id)));
        Ok(result)
    }
}
