//! How long the clients of a listener may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// How long the clients of a listener may take. What is left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientTimes {
    /// The time in which a whole request must have arrived; 60 s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Span>,
    /// The time in which its headers must have; 10 s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<Span>,
    /// How long nothing may come or go on a request or stream of events; 1 h by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_idle: Option<Span>,
    /// How long a connection without a request is kept; 1 h by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_idle: Option<Span>,
    /// How long a connection is kept at most: it ends after the request that is under way then.
    /// Without it, any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<Span>,
}

impl ClientTimes {
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
