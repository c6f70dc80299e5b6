//! The methods of each era of MCP that this server has, and the answer to all others.

use rmcp::model::{ErrorCode, ErrorData};

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

/// The method by which a client sets how much it hears of a log.
pub(super) const SET_LEVEL: &str = "logging/setLevel";

/// The codes of rmcp for what is wrong within a request, by whichever method.
const MAY_HIDE_ABSENCE: [ErrorCode; 3] = [
    ErrorCode::METHOD_NOT_FOUND,
    ErrorCode::INVALID_PARAMS,
    ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY,
];

/// The name of what is asked for by a name that no method has.
const NO_METHOD: &str = "method";

/// The name of a method as a log may have it: one of this server's own, or `method`.
pub fn name_of_method(name: &str) -> &'static str {
    let all = [STATELESS, TASKS, IN_SESSIONS, &[SET_LEVEL]];
    let mut all = all.into_iter().flatten();
    all.find(|known| **known == name).unwrap_or(&NO_METHOD)
}

/// Whether the era has the method of this name, in the extension for tasks or beside it.
pub(super) fn has_method(name: &str, is_stateless: bool) -> bool {
    match is_stateless {
        true => STATELESS.contains(&name) || TASKS.contains(&name),
        false => IN_SESSIONS.contains(&name),
    }
}

/// The error for a method that this server does not have.
pub(super) fn no_such_method(name: &str, is_stateless: bool) -> ErrorData {
    let (era, methods, others) = match is_stateless {
        true => (
            "on 2026-07-28",
            STATELESS,
            // Without the extension there are none of its methods.
            match TASKS.contains(&name) {
                true => String::new(),
                false => format!("; the extension for tasks has {}", TASKS.join(", ")),
            },
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

/// A method as a request asks for it.
#[derive(Debug, Clone, Copy)]
pub struct RequestedMethod<'a> {
    /// The name of the method, in its caller's words.
    pub name: &'a str,
    /// Whether the request is made in the era without sessions.
    pub is_stateless: bool,
}

impl RequestedMethod<'_> {
    /// Puts a sentence into an error of rmcp's where it is only that the era has no such method.
    /// rmcp says no more than its name then; or what else is wrong with a request that would be one
    /// of the other era.
    pub fn explain(self, error: &mut ErrorData) {
        let is_bare = error.code == ErrorCode::METHOD_NOT_FOUND && !error.message.contains(' ');
        let is_of_other_era = !has_method(self.name, self.is_stateless)
            && has_method(self.name, !self.is_stateless)
            && MAY_HIDE_ABSENCE.contains(&error.code);
        if is_bare || is_of_other_era {
            *error = no_such_method(self.name, self.is_stateless);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn explained(name: &str, is_stateless: bool, code: ErrorCode, said: &str) -> ErrorData {
        let mut error = ErrorData::new(code, said.to_owned(), None);
        RequestedMethod { name, is_stateless }.explain(&mut error);
        error
    }

    #[test]
    fn it_says_of_each_method_of_the_other_era_alone_that_there_is_none() {
        for is_stateless in [true, false] {
            let all = [STATELESS, TASKS, IN_SESSIONS].into_iter().flatten();
            for name in all.filter(|name| !has_method(name, is_stateless)) {
                for (code, said) in [
                    (ErrorCode::METHOD_NOT_FOUND, *name),
                    (ErrorCode::INVALID_PARAMS, "something else is wrong"),
                    (
                        ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY,
                        "it is unable",
                    ),
                ] {
                    let error = explained(name, is_stateless, code, said);
                    assert_eq!(error.code, ErrorCode::METHOD_NOT_FOUND);
                    let (none, there_are) = error.message.split_once(';').expect("two parts");
                    assert!(none.contains(&format!("no method `{name}`")), "{none}");
                    assert!(!there_are.split([' ', ',', ';']).any(|one| one == *name));
                    let own = if is_stateless {
                        "server/discover"
                    } else {
                        "initialize"
                    };
                    assert!(there_are.contains(own), "{there_are}");
                }
            }
        }
    }

    #[test]
    fn it_leaves_every_other_error_as_it_is() {
        for (name, code, said) in [
            (
                "nobody/knows",
                ErrorCode::METHOD_NOT_FOUND,
                "a whole sentence",
            ),
            ("tools/list", ErrorCode::INVALID_PARAMS, "tools/list"),
            ("ping", ErrorCode::INVALID_REQUEST, "ping"),
        ] {
            let error = explained(name, true, code, said);
            assert_eq!((error.code, &*error.message), (code, said));
        }
    }

    #[test]
    fn it_names_no_method_in_its_callers_words() {
        assert_eq!(name_of_method("tools/call"), "tools/call");
        assert_eq!(name_of_method("logging/setLevel"), "logging/setLevel");
        assert_eq!(name_of_method("nobody/knows"), "method");
    }
}
