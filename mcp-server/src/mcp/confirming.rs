//! The asking of a client's user, in a session, whether a call is meant.

use std::time::Duration;

use rmcp::model::CallToolRequestParams;
use rmcp::service::{Peer, RoleServer};

use super::confirmation;
use crate::call::Call;
use crate::tools::{Ask, ToolFailure};

/// A user who has not answered by then is not there.
const PATIENCE: Duration = Duration::from_secs(300);

/// Asks the user whether the call that failed is meant, where its failure has a question and its
/// client can ask. A yes is put into the arguments.
///
/// # Errors
/// Nobody was asked, or the user says no: the failure is the answer.
pub(super) async fn ask_whether_meant(
    failure: ToolFailure,
    request: &mut CallToolRequestParams,
    call: &Call,
    peer: &Peer<RoleServer>,
) -> Result<(), ToolFailure> {
    let question = match failure.ask.as_deref() {
        Some(Ask::Confirmation(question)) if call.client.elicitation => question.clone(),
        _ => return Err(failure),
    };
    let form = confirmation::form(question);
    let asking = peer.create_elicitation_with_timeout(form, Some(PATIENCE));
    match call.unless_cancelled(asking).await? {
        Ok(answer) if confirmation::says_yes(&answer) => {
            confirmation::confirm(request);
            Ok(())
        }
        Ok(_) => Err(failure),
        Err(error) => {
            tracing::debug!(%error, "a client did not ask its user");
            Err(failure)
        }
    }
}
