//! Whether a registered server answers: by the last attempt to list its tools, and by the probes of
//! its endpoints.

use gateway_document::ServerName;
use time::OffsetDateTime;

use super::Gateway;
use super::state::{ListState, State};

/// Whether a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// It was not asked yet.
    Unknown,
    /// It lists its tools, and an endpoint answers.
    Up {
        /// Since when it does.
        since: OffsetDateTime,
    },
    /// It does not list its tools, or none of its endpoints answers.
    Down {
        /// Since when it does not.
        since: OffsetDateTime,
        /// A sentence that says what happened, and what to do about it.
        reason: String,
    },
}

impl ServerState {
    /// The word for the state, as the API says it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up { .. } => "up",
            Self::Down { .. } => "down",
        }
    }
}

impl Gateway {
    /// Whether a server answers, by what is known of it in `state`.
    #[must_use]
    pub fn server_state(&self, state: &State, name: &ServerName) -> ServerState {
        match state.attempts.get(name) {
            Some(ListState::Down { since, reason }) => ServerState::Down {
                since: *since,
                reason: reason.clone(),
            },
            attempt => match (self.endpoint_table().all_down(name), attempt) {
                (Some((since, reason)), _) => ServerState::Down { since, reason },
                (None, Some(ListState::Up { since })) => ServerState::Up { since: *since },
                (None, _) => ServerState::Unknown,
            },
        }
    }
}
