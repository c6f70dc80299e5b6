//! The methods of each era of MCP that this server has, and the answer to all others.

use rmcp::model::{ErrorCode, ErrorData, JsonRpcMessage, ServerJsonRpcMessage};

use crate::quotes::shorten_name;

/// The methods of 2026-07-28 beside those of extensions.
const STATELESS: &[&str] = &[
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "subscriptions/listen",
];

/// The methods of the extension for tasks.
const TASKS: &[&str] = &["tasks/get", "tasks/update", "tasks/cancel"];

/// The methods of the revisions with sessions. A level is set where a tool on offer has something
/// to say to its client's log, which none of this server's own has.
const IN_SESSIONS: &[&str] = &[
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
];

/// The one method that rmcp knows and refuses on revisions with sessions; all others that it
/// refuses by their names alone are refused on 2026-07-28.
const OF_STATELESS: &str = "subscriptions/listen";

/// The method of 2026-07-28, or of its extension for tasks, with this name. rmcp takes one with
/// malformed params for an unknown method; clients take "unknown method" for an old server.
pub(super) fn stateless_method(name: &str) -> Option<&'static str> {
    let mut known = STATELESS.iter().chain(TASKS);
    known.find(|known| **known == name).copied()
}

/// The error for a method that this server does not have.
pub(super) fn no_such_method(name: &str, is_stateless: bool) -> ErrorData {
    let (era, methods, others) = match is_stateless {
        true => (
            "on 2026-07-28",
            STATELESS,
            format!("; the extension for tasks has {}", TASKS.join(", ")),
        ),
        false => ("on the revisions with sessions", IN_SESSIONS, String::new()),
    };
    let message = format!(
        "there is no method `{}` {era}; there are {}{others}",
        shorten_name(name),
        methods.join(", ")
    );
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None)
}

/// Puts a sentence into an error of rmcp's whose whole message is the name of a method.
pub fn explain_absent_method(message: &mut ServerJsonRpcMessage) {
    if let JsonRpcMessage::Error(answer) = message
        && answer.error.code == ErrorCode::METHOD_NOT_FOUND
        && !answer.error.message.contains(' ')
    {
        let name = &answer.error.message;
        answer.error = no_such_method(name, name != OF_STATELESS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn explained(code: ErrorCode, message: &'static str) -> String {
        let error = ErrorData::new(code, message, None);
        let mut message = ServerJsonRpcMessage::error(error, None);
        explain_absent_method(&mut message);
        let JsonRpcMessage::Error(answer) = message else {
            panic!("an error stays one");
        };
        assert_eq!(answer.error.code, code);
        answer.error.message.into_owned()
    }

    #[test]
    fn it_says_which_methods_there_are_in_the_era_that_has_no_such_method() {
        for (method, has, has_not) in [
            ("ping", "server/discover", "initialize"),
            ("resources/subscribe", "subscriptions/listen", "initialize"),
            ("subscriptions/listen", "initialize", "server/discover"),
        ] {
            let message = explained(ErrorCode::METHOD_NOT_FOUND, method);
            assert!(
                message.contains(&format!("no method `{method}`")),
                "{message}"
            );
            assert!(
                message.contains(has) && !message.contains(has_not),
                "{message}"
            );
        }
    }

    #[test]
    fn it_leaves_every_other_error_as_it_is() {
        for (code, message) in [
            (ErrorCode::METHOD_NOT_FOUND, "a whole sentence"),
            (ErrorCode::INVALID_PARAMS, "ping"),
        ] {
            assert_eq!(explained(code, message), message);
        }
    }
}
