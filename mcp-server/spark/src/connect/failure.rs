//! The failures of a statement, read out of gRPC's status.

use std::collections::HashMap;
use std::error::Error;

use prost::Message;
use tonic::{Code, Status};

use super::Connect;

/// Why a statement gave no result, or no complete one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Spark answered with an error.
    #[error("{0}")]
    Spark(SparkFailure),
    /// No answer from the server.
    #[error("Spark Connect at `{remote}` does not answer: {reason}")]
    Unreachable {
        /// Where it should be.
        remote: String,
        /// The reason that the connection gave.
        reason: String,
    },
    /// The server answers, but runs nothing.
    #[error("Spark Connect at `{remote}` answers, but runs no statement: {reason}")]
    Broken {
        /// Its address, without the token.
        remote: String,
        /// The part of it that is broken.
        reason: &'static str,
    },
    /// The server does not know this client.
    #[error(
        "Spark Connect at `{remote}` wants a token, and not the one that this server has, if any"
    )]
    Unauthenticated {
        /// Its address, without the token.
        remote: String,
    },
    /// The server no longer knows the statement, and what it did until then is not known.
    #[error(
        "Spark Connect lost the statement (it was restarted, or nobody asked for too long); \
         whether it took effect is not known"
    )]
    Lost,
    /// The server no longer has the session, and has run nothing: another session will do.
    #[error("Spark Connect has closed the session")]
    SessionGone,
    /// An answer that this client cannot read.
    #[error("Spark Connect gave an answer that cannot be read: {0}")]
    Malformed(String),
}

/// An error of Spark's own, in Spark's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SparkFailure {
    /// Spark's error class, such as `TABLE_OR_VIEW_NOT_FOUND`; the whole list is in Spark's
    /// documentation.
    pub error_class: Option<String>,
    /// SQLSTATE, such as `42P01`.
    pub sql_state: Option<String>,
    /// The message, without the class and the SQLSTATE that Spark writes around it.
    pub message: String,
}

/// The word by which the check in Spark marks its refusals.
const REFUSAL: &str = "[PORTCULLIS_READ_ONLY] ";

impl SparkFailure {
    /// The sentence with which the check in Spark refused the statement.
    pub fn refusal(&self) -> Option<&str> {
        let (_, sentence) = self.message.split_once(REFUSAL)?;
        sentence.lines().next()
    }

    /// The verdict of the check in Spark, where it was asked for one: `reads`, `changes`, or
    /// `destroys` with what goes.
    pub fn verdict(&self) -> Option<&str> {
        self.refusal()?.strip_prefix("verdict: ")
    }
}

impl ConnectError {
    /// Whether the server has closed or forgotten the session, so that nothing was executed in it.
    pub fn is_stale_session(&self) -> bool {
        self.is_handle(&["SESSION_CLOSED", "SESSION_CHANGED"])
    }

    /// Whether a reattach was refused because the server has never had the operation, or no longer
    /// knows whether it had.
    pub(super) fn is_unknown_operation(&self) -> bool {
        self.is_handle(&["OPERATION_NOT_FOUND"])
    }

    /// Whether a reattach was refused because the server no longer has the operation or the
    /// session: what the statement did until then is not known.
    pub(super) fn is_lost(&self) -> bool {
        self.is_unknown_operation()
            || self.is_stale_session()
            || self.is_handle(&["OPERATION_ABANDONED", "SESSION_NOT_FOUND"])
    }

    /// Whether another stream of ours took the operation over while this one still stood.
    pub(super) fn is_detached_cursor(&self) -> bool {
        self.class() == Some("INVALID_CURSOR.DISCONNECTED")
    }

    fn is_handle(&self, conditions: &[&str]) -> bool {
        let condition = self
            .class()
            .and_then(|class| class.strip_prefix("INVALID_HANDLE."));
        condition.is_some_and(|condition| conditions.contains(&condition))
    }

    fn class(&self) -> Option<&str> {
        match self {
            Self::Spark(failure) => failure.error_class.as_deref(),
            _ => None,
        }
    }
}

/// The kind of break that a status tells of, for the loop that reattaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// No connection came about: the server has not seen the call.
    NeverSent,
    /// The connection went away, or something between us and the server did; the server may go on.
    Cut,
    /// The server's answer to the statement.
    Answer,
}

/// Tells a broken line from an answer. gRPC has no one code for it: a reset stream is `Unknown`,
/// `Internal` or `Cancelled`, but then made up by our transport, which leaves its error as source.
pub(super) fn kind_of_break(status: &Status) -> Break {
    let mut source = status.source();
    let ours = source.is_some();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return Break::NeverSent;
        }
        source = error.source();
    }
    if ours || status.code() == Code::Unavailable {
        Break::Cut
    } else {
        Break::Answer
    }
}

/// Reads a status into an error of ours.
pub(super) fn read(connect: &Connect, status: &Status) -> ConnectError {
    match kind_of_break(status) {
        Break::Answer if status.code() == Code::Unauthenticated => ConnectError::Unauthenticated {
            remote: connect.remote.to_string(),
        },
        Break::Answer => match broken_part(status.message()) {
            Some(reason) => ConnectError::Broken {
                remote: connect.remote.to_string(),
                reason,
            },
            None => ConnectError::Spark(spark_failure(status)),
        },
        Break::NeverSent | Break::Cut => connect.unreachable(root_cause(status)),
    }
}

/// The part of a server without which it can run no statement at all, where a message tells that
/// it is broken.
fn broken_part(message: &str) -> Option<&'static str> {
    let stopped = [
        "stopped SparkContext",
        "SparkContext was shut down",
        "SparkContext has been shutdown",
    ];
    // grpc-java's own words for whatever its service throws outside a statement.
    match message {
        "Application error processing RPC" => {
            Some("it fails outside of any statement, as it does when its SparkContext has stopped")
        }
        _ if stopped.iter().any(|words| message.contains(words)) => {
            Some("its SparkContext has stopped")
        }
        _ => None,
    }
}

/// The innermost cause, which says most ("connection refused" rather than "transport error").
fn root_cause(status: &Status) -> String {
    let mut source = status.source();
    let mut message = status.message().to_owned();
    while let Some(error) = source {
        message = error.to_string();
        source = error.source();
    }
    message
}

/// `google.rpc.Status`, of which the trailer `grpc-status-details-bin` is made.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`, in which Spark puts class and SQLSTATE.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

fn spark_failure(status: &Status) -> SparkFailure {
    let details = RpcStatus::decode(status.details()).unwrap_or_default();
    let info = details
        .details
        .iter()
        .find(|detail| detail.type_url.ends_with("/google.rpc.ErrorInfo"))
        .and_then(|detail| ErrorInfo::decode(detail.value.as_slice()).ok())
        .unwrap_or_default();
    // Spark writes `[CLASS] message SQLSTATE: 12345`; from there where the details lack it.
    let text = status.message().trim();
    let (written_class, text) = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .filter(|(class, _)| is_error_class(class) && !text.starts_with(REFUSAL))
        .map_or((None, text), |(class, rest)| (Some(class), rest));
    let take = |key: &str| info.metadata.get(key).filter(|v| !v.is_empty()).cloned();
    let sql_state = take("sqlState");
    let message = match &sql_state {
        Some(state) => text.replacen(&format!(" SQLSTATE: {state}"), "", 1),
        None => text.to_owned(),
    };
    // Behind the position Spark draws the plan it could not resolve, which helps no caller.
    let message = message.split(";\n'").next().unwrap_or_default();
    let message = without_advice_on_drop(without_stack(message));
    SparkFailure {
        error_class: take("errorClass").or_else(|| written_class.map(str::to_owned)),
        sql_state,
        message: message.trim().to_owned(),
    }
}

/// The message up to the first line of a stack of Java calls, which tells a caller nothing but how
/// Spark is made.
fn without_stack(message: &str) -> &str {
    let mut end = 0;
    for line in message.split_inclusive('\n') {
        if is_stack_line(line.trim()) {
            break;
        }
        end += line.len();
    }
    &message[..end]
}

/// The message without the sentence that Spark adds to every name that it does not find, whatever
/// the statement does.
fn without_advice_on_drop(message: &str) -> String {
    let Some((before, advice)) = message.split_once("To tolerate the error on drop use ") else {
        return message.to_owned();
    };
    let rest = advice.split_once("EXISTS.").map_or("", |(_, rest)| rest);
    format!("{}{rest}", before.trim_end())
}

/// Whether a line is `at package.Class.method(File.scala:1)`, with or without the `at`.
fn is_stack_line(line: &str) -> bool {
    let call = line.strip_prefix("at ").unwrap_or(line);
    let Some((method, place)) = call.split_once('(') else {
        return false;
    };
    let is_path = method.contains('.') && !method.contains(char::is_whitespace);
    let places = [".java:", ".scala:", "Native Method)", "Unknown Source)"];
    is_path && places.iter().any(|known| place.contains(known))
}

fn is_error_class(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_.".contains(&b))
}

#[cfg(test)]
pub(crate) mod samples {
    //! Statuses as Spark sends them.

    use super::{ErrorInfo, REFUSAL, RpcStatus};
    use prost::Message;
    use std::collections::HashMap;
    use tonic::{Code, Status};

    /// The refusal of the check in Spark, with its sentence.
    pub(crate) fn refusal(sentence: &str) -> Status {
        Status::internal(format!("{REFUSAL}{sentence}"))
    }

    /// An error of `class` with this SQLSTATE, in the form of Spark 4.3.
    pub(crate) fn error(class: &str, sql_state: &str, text: &str) -> Status {
        let info = ErrorInfo {
            reason: "org.apache.spark.sql.AnalysisException".to_owned(),
            metadata: HashMap::from([
                ("errorClass".to_owned(), class.to_owned()),
                ("sqlState".to_owned(), sql_state.to_owned()),
            ]),
        };
        let details = RpcStatus {
            details: vec![prost_types::Any {
                type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
                value: info.encode_to_vec(),
            }],
        };
        Status::with_details(
            Code::Internal,
            format!("[{class}] {text} SQLSTATE: {sql_state}"),
            details.encode_to_vec().into(),
        )
    }
}

#[cfg(test)]
mod tests;
