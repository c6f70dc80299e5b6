//! The conditions under which a program counts as ready.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

type Check = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// How long one attempt to find out may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The condition under which a program is ready to be used.
#[derive(Clone)]
pub enum Readiness {
    /// As soon as it runs.
    Started,
    /// Something accepts connections there.
    Accepts(SocketAddr),
    /// A GET of the address answers 2xx.
    Answers(String),
    /// A question that only the caller can ask; an `Err` says why not yet.
    When(Arc<Check>),
}

impl Readiness {
    /// Ready when `check` returns `Ok`; the text of its `Err` is shown when it never does.
    pub fn when<F, A>(check: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self::When(Arc::new(move || Box::pin(check())))
    }

    /// Asks once whether the program is ready.
    pub(crate) async fn check(&self) -> Result<(), String> {
        timeout(ATTEMPT, self.ask())
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", ATTEMPT.as_secs())))
    }

    async fn ask(&self) -> Result<(), String> {
        match self {
            Self::Started => Ok(()),
            Self::Accepts(address) => match TcpStream::connect(address).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{address} does not accept connections: {error}")),
            },
            Self::Answers(url) => match reqwest::get(url).await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("{url} answers {}", answer.status())),
                Err(error) => Err(format!("{url} does not answer: {}", innermost(&error))),
            },
            Self::When(check) => check().await,
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("Started"),
            Self::Accepts(address) => write!(f, "Accepts({address})"),
            Self::Answers(url) => write!(f, "Answers({url})"),
            Self::When(_) => f.write_str("When(…)"),
        }
    }
}

/// The cause at the bottom: what the layers above say is that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
