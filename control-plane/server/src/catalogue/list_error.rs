//! Why a server does not list its tools, in words that say what to look at.

use std::error::Error;
use std::time::Duration;

use gateway_document::SecretName;
use http::StatusCode;
use thiserror::Error;

use super::connection::ConnectionError;
use super::tls::TlsError;

/// The reason why a server's tools could not be listed.
#[derive(Debug, Error)]
pub enum ListError {
    /// Nothing answered at its URL.
    #[error("`{url}` cannot be reached; start the server, or correct its URL")]
    Unreachable {
        /// The URL where it should be.
        url: String,
        /// The error of the connection.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no connection by TLS.
    #[error("`{url}` cannot be reached by TLS; look at its certificate, and at `upstream.tls`")]
    Tls {
        /// The URL where it should be.
        url: String,
        /// The fault of the connection.
        source: TlsError,
    },
    /// There is a connection, and no answer comes that can be read.
    #[error("`{url}` takes connections and gives no sound answer; look at the server")]
    NoAnswer {
        /// The URL where it should be.
        url: String,
        /// The fault of the answer.
        source: ConnectionError,
    },
    /// Its answers come, and its list does not come to an end.
    #[error(
        "`{url}` did not list all of its tools within {} s; look why the server is slow, or have \
         it list them in fewer pages",
        within.as_secs()
    )]
    Slow {
        /// The URL that answers.
        url: String,
        /// The time that it had.
        within: Duration,
    },
    /// A secret that has to be shown or believed cannot be used.
    #[error(
        "the secret `{0}`, by which it is reached, cannot be used; see the control plane's log"
    )]
    NoSecret(SecretName),
    /// It answered with another status.
    #[error("`{url}` answered `{method}` with HTTP {status}; is it an MCP endpoint?")]
    Status {
        /// The URL that answered.
        url: String,
        /// The method that was asked.
        method: &'static str,
        /// The status that it answered with.
        status: StatusCode,
    },
    /// It answered with a JSON-RPC error.
    #[error("`{url}` answered `{method}` with the error {code}: {message}")]
    Refused {
        /// The URL that answered.
        url: String,
        /// The method that was asked.
        method: &'static str,
        /// The code of the JSON-RPC error.
        code: i64,
        /// The message of the JSON-RPC error.
        message: String,
    },
    /// It shows everybody the credential that it was shown.
    #[error(
        "the answer of `{url}` to `{method}` repeats the credential that it was shown, and is not \
         read: everybody could read it in there; have the server leave it out"
    )]
    Repeats {
        /// The URL that answered.
        url: String,
        /// The method that was asked.
        method: &'static str,
    },
    /// Its answer is no reply in MCP.
    #[error("`{url}` answered `{method}` with something else than MCP: {reason}")]
    Unreadable {
        /// The URL that answered.
        url: String,
        /// The method that was asked.
        method: &'static str,
        /// The fault of its answer.
        reason: String,
    },
}

impl ListError {
    /// The reason of a fault on the connection to this URL.
    pub(super) fn at(url: &str, fault: ConnectionError) -> Self {
        let url = url.to_owned();
        match fault {
            ConnectionError::NotMade(source) => Self::Unreachable { url, source },
            ConnectionError::Tls(source) => Self::Tls { url, source },
            source => Self::NoAnswer { url, source },
        }
    }
}
