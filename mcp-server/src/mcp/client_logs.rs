//! Messages to the logs of clients, as notifications of MCP: on the revisions with sessions from
//! the moment at which a client sets a level, on 2026-07-28 in the requests that name one.
//!
//! MCP has deprecated them (SEP-2577). They are announced where a tool on offer has some.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fair_shares::{Place, Places, Taker as _};
use futures::FutureExt as _;
use futures::future::BoxFuture;
#[expect(deprecated, reason = "older clients ask for it")]
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde_json::Value;

use super::answer::NAME;
use crate::call::{Claimant, ClientLog, LogListener, Severity};

/// Sessions whose level is remembered. Of a caller who has its share of them the one that was set
/// first is forgotten, and hears nothing until it is set again; so is one of callers whom nobody
/// names, where they have all and another comes.
const MOST_LEVELS: usize = 1024;

/// The levels that the clients of sessions have set, the oldest first.
#[derive(Debug)]
pub(super) struct LogLevels {
    places: Places<Claimant>,
    levels: Mutex<VecDeque<SessionLevel>>,
}

/// The level of one session.
#[derive(Debug)]
struct SessionLevel {
    session: String,
    least: Severity,
    caller: Claimant,
    _place: Place<Claimant>,
}

impl Default for LogLevels {
    fn default() -> Self {
        Self {
            places: Places::new(MOST_LEVELS),
            levels: Mutex::default(),
        }
    }
}

impl LogLevels {
    /// Remembers the level of a session, for which one of its caller's may have to go. Where others
    /// have left nothing, none is remembered.
    pub(super) fn set(&self, session: &str, caller: Claimant, least: Severity) {
        let mut levels = self.lock();
        levels.retain(|known| known.session != session);
        let mut place = self.places.take(caller.clone(), 1);
        let oldest = |of: &dyn Fn(&SessionLevel) -> bool| levels.iter().position(of);
        if place.is_err()
            && let Some(oldest) = oldest(&|known| known.caller == caller)
                .or_else(|| oldest(&|known| known.caller.is_crowd()))
        {
            levels.remove(oldest);
            place = self.places.take(caller.clone(), 1);
        }
        if let Ok(place) = place {
            levels.push_back(SessionLevel {
                session: session.to_owned(),
                least,
                caller,
                _place: place,
            });
        }
    }

    /// Forgets the level of a session that has ended.
    pub(super) fn forget(&self, session: &str) {
        self.lock().retain(|known| known.session != session);
    }

    fn get(&self, session: &str) -> Option<Severity> {
        let levels = self.lock();
        let set = levels.iter().find(|known| known.session == session);
        set.map(|known| known.least)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<SessionLevel>> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way of messages to the log of the client of this request.
pub(super) fn of_request(
    levels: &LogLevels,
    session: Option<&str>,
    context: &RequestContext<RoleServer>,
) -> ClientLog {
    let named = context.meta.log_level().map(severity_of);
    match named.or_else(|| levels.get(session?)) {
        None => ClientLog::default(),
        Some(least) => ClientLog::to(least, LoggingClient(context.peer.clone())),
    }
}

/// The client of one request that has a log.
struct LoggingClient(Peer<RoleServer>);

impl LogListener for LoggingClient {
    #[expect(deprecated, reason = "older clients ask for it")]
    fn log(&self, severity: Severity, data: Value) -> BoxFuture<'_, ()> {
        let message = LoggingMessageNotificationParam::new(level_of(severity), data);
        async move {
            // A client that does not listen any more misses nothing that it would read.
            if let Err(error) = self
                .0
                .notify_logging_message(message.with_logger(NAME))
                .await
            {
                tracing::debug!(%error, "a message did not reach its client's log");
            }
        }
        .boxed()
    }
}

/// Every level of MCP beside its severity.
#[expect(deprecated, reason = "older clients ask for it")]
const LEVELS: [(LoggingLevel, Severity); 8] = [
    (LoggingLevel::Debug, Severity::Debug),
    (LoggingLevel::Info, Severity::Info),
    (LoggingLevel::Notice, Severity::Notice),
    (LoggingLevel::Warning, Severity::Warning),
    (LoggingLevel::Error, Severity::Error),
    (LoggingLevel::Critical, Severity::Critical),
    (LoggingLevel::Alert, Severity::Alert),
    (LoggingLevel::Emergency, Severity::Emergency),
];

/// The severity that a client means.
#[expect(deprecated, reason = "older clients ask for it")]
pub(super) fn severity_of(level: LoggingLevel) -> Severity {
    let same = LEVELS.iter().find(|(known, _)| *known == level);
    same.map_or(Severity::Debug, |(_, severity)| *severity)
}

#[expect(deprecated, reason = "older clients ask for it")]
fn level_of(severity: Severity) -> LoggingLevel {
    let same = LEVELS.iter().find(|(_, known)| *known == severity);
    same.map_or(LoggingLevel::Debug, |(level, _)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Claimant {
        Claimant::Named(name.to_owned())
    }

    #[test]
    fn it_remembers_the_level_of_each_session_that_was_set_last() {
        let levels = LogLevels::default();
        levels.set("ours", named("ada"), Severity::Debug);
        levels.set("other", named("ada"), Severity::Error);
        levels.set("ours", named("ada"), Severity::Notice);
        assert_eq!(levels.get("ours"), Some(Severity::Notice));
        levels.forget("ours");
        assert_eq!(levels.get("ours"), None);
        assert_eq!(levels.get("other"), Some(Severity::Error));
    }

    #[test]
    fn it_remembers_a_bounded_number_of_levels_and_no_caller_makes_it_forget_another_s() {
        let levels = LogLevels::default();
        levels.set("bob's", named("bob"), Severity::Debug);
        for session in 0..MOST_LEVELS * 2 {
            levels.set(&session.to_string(), named("ada"), Severity::Debug);
        }
        assert_eq!(levels.lock().len(), MOST_LEVELS / 2 + 1);
        assert_eq!(levels.get("0"), None);
        let last = (MOST_LEVELS * 2 - 1).to_string();
        assert_eq!(levels.get(&last), Some(Severity::Debug));
        assert_eq!(levels.get("bob's"), Some(Severity::Debug));
    }

    #[test]
    fn it_remembers_as_many_levels_as_there_are_of_callers_whom_nobody_names_and_still_a_named_one()
    {
        let levels = LogLevels::default();
        for session in 0..MOST_LEVELS + 1 {
            levels.set(&session.to_string(), Claimant::Unknown, Severity::Debug);
        }
        assert_eq!(levels.lock().len(), MOST_LEVELS);
        assert_eq!(levels.get("0"), None);
        levels.set("bob's", named("bob"), Severity::Error);
        assert_eq!(levels.get("bob's"), Some(Severity::Error));
        assert_eq!(
            (levels.get("1"), levels.get("2")),
            (None, Some(Severity::Debug))
        );
    }

    #[test]
    fn it_knows_every_level_of_mcp_by_its_own_name() {
        for (level, severity) in LEVELS {
            assert_eq!((level_of(severity), severity_of(level)), (level, severity));
        }
        assert!(LEVELS.is_sorted_by_key(|(_, severity)| severity));
    }
}
