//! The state of a secret, which is shown with what the document says of where it is found.

use gateway_document::SecretName;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::gateway::Gateway;
use crate::timestamp::timestamp;

/// Whether Envoys are given what a secret's place holds.
#[derive(Serialize, ToSchema)]
pub(super) struct SecretStatus {
    /// `given`; `old`, where they are given what was there before, because what is there now cannot
    /// be used; `missing`, where there was never anything that can be; or `unknown`, until it was
    /// looked at for the first time.
    state: &'static str,
    /// Since when they are given what they are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The reason why what is there cannot be used, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The state of the secret of that name, if the document that changes are made to has it.
pub(super) fn of(gateway: &Gateway, name: &str) -> Option<Value> {
    let name: SecretName = name.parse().ok()?;
    let document = &gateway.latest().document;
    let status = gateway
        .secrets()
        .status(&name, document.secrets.get(&name)?);
    serde_json::to_value(SecretStatus {
        state: status.state.word(),
        since: status.given.map(|(_, since)| timestamp(since)),
        reason: status.fault,
    })
    .ok()
}
