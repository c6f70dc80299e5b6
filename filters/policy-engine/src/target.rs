//! Where a message goes once it may pass.

use std::time::Duration;

use crate::wire::Credentials;

/// The server, its cluster and path, and how long it may take to answer.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) server: String,
    /// The server's own name of the tool; none where the message is not a tool call.
    pub(crate) tool: Option<String>,
    pub(crate) cluster: String,
    pub(crate) path: String,
    /// How long the server may take; none where no rule says.
    pub(crate) timeout: Option<Duration>,
    /// The fate of the credentials that the caller sends to the gateway.
    pub(crate) credentials: Credentials,
}
