//! Why a call failed, in two voices: the caller's and the log's.

mod jobs;
mod loads;
mod pipelines;
mod postgres;
mod records;
mod results;
mod spark;

use serde_json::{Value, json};

use super::{Ask, Inputs};
use crate::call::Cancelled;
use crate::postgres::is_passing;
use crate::quotes::shorten_message;

/// The codes of our own for failures that may be over at the next attempt: what is down or busy, a
/// statement that was lost with a restart, and one that ran out of time.
const PASSING: [&str; 3] = ["unavailable", "lost", "timeout"];

/// The advice to whoever cannot be asked whether a call is meant.
const CONFIRM_IT: &str = "ask the user; if that is meant, call again with `confirm: true`";

/// A failure of one call. The caller sees all but [`ToolFailure::log`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ToolFailure {
    /// One sentence for the caller, in the caller's terms, without credentials.
    pub message: String,
    /// A word that a program can branch on: an SQLSTATE (`42P01`), a Spark error class
    /// (`TABLE_OR_VIEW_NOT_FOUND`) or a word of ours (`invalid_arguments`, `not_found`,
    /// `unavailable`, `cancelled`).
    pub code: String,
    /// The remedy, where the message does not say.
    pub hint: Option<String>,
    /// The cause, for the log alone.
    pub log: Option<String>,
    /// The request to the caller's client that mends it, where that client can be asked.
    pub ask: Option<Box<Ask>>,
}

impl ToolFailure {
    /// A failure with this code and this sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: code.into(),
            hint: None,
            log: None,
            ask: None,
        }
    }

    /// The caller can do this about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The call is made when the caller's user says yes to this.
    #[must_use]
    pub fn with_question(mut self, question: impl Into<String>) -> Self {
        self.ask = Some(Box::new(Ask::Confirmation(question.into())));
        self
    }

    /// The call is made when the caller's client has answered this.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Inputs) -> Self {
        self.ask = Some(Box::new(Ask::Inputs(inputs)));
        self
    }

    /// The call is made for clients alone that can follow a task.
    pub fn needs_task() -> Self {
        let message = "this call is made as a task, which the client has not said it can follow";
        let mut failure = Self::new("needs_task", message);
        failure.ask = Some(Box::new(Ask::Task));
        failure
    }

    /// The log needs this to explain it.
    #[must_use]
    pub fn with_log(mut self, log: impl Into<String>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// The same, for callers and logs that do not want a name of megabytes back.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        let texts = [
            Some(&mut self.message),
            self.hint.as_mut(),
            self.log.as_mut(),
        ];
        for text in texts.into_iter().flatten() {
            *text = shorten_message(text).into_owned();
        }
        self
    }

    /// The arguments do not fit the tool.
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        Self::new("invalid_arguments", message)
    }

    /// A thing that the caller named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("not_found", message)
    }

    /// A service behind the tool does not answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new("unavailable", message)
    }

    /// Whether the same call may succeed at the next attempt. Every other failure would come again.
    pub fn is_passing(&self) -> bool {
        PASSING.contains(&self.code.as_str()) || is_passing(&self.code)
    }

    /// The failure as the caller's structured content.
    pub fn structured(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(hint) = &self.hint {
            error["hint"] = Value::from(hint.as_str());
        }
        json!({ "error": error })
    }

    /// The failure as text for a model.
    pub fn text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{} [{}]; {hint}", self.message, self.code),
            None => format!("{} [{}]", self.message, self.code),
        }
    }
}

impl From<Cancelled> for ToolFailure {
    fn from(cancelled: Cancelled) -> Self {
        Self::new("cancelled", cancelled.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_is_down_lost_or_late_for_passing_whoever_says_so() {
        for (code, expected) in [
            ("unavailable", true),
            ("lost", true),
            ("timeout", true),
            ("57P03", true),
            ("08006", true),
            ("not_found", false),
            ("42P01", false),
            ("TABLE_OR_VIEW_NOT_FOUND", false),
        ] {
            let failure = ToolFailure::new(code, "the service has said so");
            assert_eq!(failure.is_passing(), expected, "{code}");
        }
    }

    #[test]
    fn it_repeats_no_name_of_any_length_to_its_caller_or_the_log() {
        let name = "x".repeat(4 << 20);
        let failure = ToolFailure::not_found(format!("there is no table `{name}`"))
            .with_hint(format!("ask for `{name}` elsewhere"))
            .with_log(name)
            .shortened();
        assert!(failure.message.starts_with("there is no table `xx"));
        assert!(failure.message.ends_with("xx`"));
        assert!(failure.text().len() < 10_000);
        assert!(failure.log.is_some_and(|log| log.len() < 5_000));
    }
}
