//! The questions of a result, and the answers that come with the next request (MCP 2026-07-28,
//! multi round-trip requests). Nothing of either is kept here.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::model::{
    ClientCapabilities, ErrorData, InputRequest, InputRequiredResult, RequestStateCodec,
    SealOptions,
};
use serde_json::Value;
use uuid::Uuid;

use crate::call::{Answers, ClientAbilities};
use crate::tools::Inputs;

/// A client that has not answered by then has gone, or nobody is there whom it could ask: a person
/// who thinks about a question takes minutes. Until then a task keeps its request in memory.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(600);

/// Seals what travels to a client and back, so that no client can change it, or use it for another
/// request. Its key lives as long as this process: after a restart a client is asked anew.
#[derive(Clone)]
pub(super) struct StateSeal(RequestStateCodec);

impl Default for StateSeal {
    fn default() -> Self {
        let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()];
        let codec = RequestStateCodec::try_new(random.concat());
        Self(codec.unwrap_or_else(|error| unreachable!("32 bytes are a key: {error}")))
    }
}

impl StateSeal {
    /// The answers that a request brings. `request` tells all that the state was given for.
    ///
    /// # Errors
    /// The state is none that this server gave for this request.
    pub(super) fn open(
        &self,
        responses: Option<&BTreeMap<String, Value>>,
        state: Option<&str>,
        request: impl FnOnce() -> Value,
    ) -> Result<Answers, ErrorData> {
        let state = state.map(|state| {
            let bound_to = request().to_string();
            self.0.open_json_with(state, bound_to.as_bytes())
        });
        let state = state.transpose().map_err(|_| {
            let message = "`requestState` is none that this server gave for this request, or is \
                           too old; make the request anew without it";
            ErrorData::invalid_params(message, None)
        })?;
        Ok(Answers::new(responses.cloned(), state))
    }

    /// The result that asks the client.
    ///
    /// # Errors
    /// The state cannot be written as JSON.
    pub(super) fn ask(
        &self,
        inputs: Inputs,
        request: &Value,
    ) -> Result<InputRequiredResult, ErrorData> {
        let bound_to = request.to_string();
        let options = SealOptions::new()
            .associated_data(bound_to.as_bytes())
            .ttl(ANSWERED_WITHIN);
        let state = inputs
            .state
            .map(|state| self.0.seal_json_with(&state, &options));
        let state = state.transpose().map_err(|error| {
            ErrorData::internal_error(format!("the question cannot be asked: {error}"), None)
        })?;
        Ok(InputRequiredResult::new(Some(inputs.requests), state))
    }
}

/// The questions that this client can answer; `None` where it can answer none and need not.
///
/// # Errors
/// The client can answer nothing and has to.
pub(super) fn answerable(
    mut inputs: Inputs,
    client: ClientAbilities,
) -> Result<Option<Inputs>, ErrorData> {
    let mut missing = ClientCapabilities::default();
    inputs.requests.retain(|_, asked| match asked {
        InputRequest::CreateMessage(_) => {
            missing.sampling = Some(Default::default());
            client.sampling
        }
        InputRequest::ListRoots(_) => {
            missing.roots = Some(Default::default());
            client.roots
        }
        _ => {
            missing.elicitation = Some(Default::default());
            client.elicitation
        }
    });
    match (inputs.requests.is_empty(), inputs.are_required) {
        (true, true) => Err(ErrorData::missing_required_client_capability(missing)),
        (true, false) => Ok(None),
        (false, _) => Ok(Some(inputs)),
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::ErrorCode;
    use serde_json::json;

    use super::*;

    fn roots(are_required: bool) -> Inputs {
        let ask = serde_json::from_value(json!({"method": "roots/list"})).expect("a request");
        Inputs {
            requests: [("roots".to_owned(), ask)].into(),
            state: Some(json!({"round": 1})),
            are_required,
        }
    }

    #[test]
    fn it_takes_a_state_back_as_it_was_for_the_request_that_it_was_given_for_alone() {
        let (seal, request) = (StateSeal::default(), json!(["tools/call", "a", {}]));
        let asked = seal.ask(roots(true), &request).expect("it can be asked");
        let state = asked.request_state.expect("a state");
        let answers = seal
            .open(None, Some(&state), || request.clone())
            .expect("its own");
        assert_eq!(answers.state(), Some(&json!({"round": 1})));
        let other = json!(["tools/call", "b", {}]);
        for (state, request) in [
            (format!("{state}x"), &request),
            (state.clone(), &other),
            (String::new(), &request),
        ] {
            let refused = seal
                .open(None, Some(&state), || request.clone())
                .expect_err("not its own");
            assert_eq!(refused.code, ErrorCode::INVALID_PARAMS);
        }
        assert!(
            StateSeal::default()
                .open(None, Some(&state), || request.clone())
                .is_err()
        );
    }

    #[test]
    fn it_asks_nothing_that_the_client_cannot_answer() {
        let unable = ClientAbilities::default();
        let asked = answerable(roots(false), unable);
        assert_eq!(asked.expect("it need not ask"), None);
        let refused = answerable(roots(true), unable);
        let code = refused.expect_err("it has to ask").code;
        assert_eq!(code, ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY);
        let able = ClientAbilities {
            roots: true,
            ..unable
        };
        let asked = answerable(roots(true), able);
        assert_eq!(asked.expect("it can be asked"), Some(roots(true)));
    }
}
