//! Messages about a call to the log of a client that asked for them.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

/// How grave a message is, in the order of syslog (RFC 5424 section 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For whoever looks for an error in the server.
    Debug,
    /// Something went as it should.
    Info,
    /// Something is normal and worth a look.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong in one call.
    Error,
    /// A part of the server does not work.
    Critical,
    /// Somebody must act at once.
    Alert,
    /// Nothing of the server works.
    Emergency,
}

/// Sends one message to the client of one call.
pub trait LogListener: Send + Sync {
    /// Sends what `data` says.
    fn log(&self, severity: Severity, data: Value) -> BoxFuture<'_, ()>;
}

/// The way of messages to the client's log; it leads nowhere where the client asked for none.
#[derive(Clone, Default)]
pub struct ClientLog(Option<(Severity, Arc<dyn LogListener>)>);

impl ClientLog {
    /// Messages that are as grave as `least` go to `listener`.
    pub fn to(least: Severity, listener: impl LogListener + 'static) -> Self {
        Self(Some((least, Arc::new(listener))))
    }

    /// Whether anybody hears of what is grave enough.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Tells the client what `data` says, if it wants to hear of what is so grave.
    pub async fn log(&self, severity: Severity, data: impl Into<Value>) {
        match &self.0 {
            Some((least, listener)) if severity >= *least => {
                listener.log(severity, data.into()).await;
            }
            _ => {}
        }
    }
}

impl fmt::Debug for ClientLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.0.as_ref().map(|(least, _)| least);
        f.debug_tuple("ClientLog").field(&least).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<Value>>>);

    impl LogListener for Heard {
        fn log(&self, _severity: Severity, data: Value) -> BoxFuture<'_, ()> {
            async move { self.0.lock().expect("no panic").push(data) }.boxed()
        }
    }

    #[tokio::test]
    async fn it_tells_a_client_what_is_as_grave_as_it_asked_for_and_no_more() {
        let heard = Heard::default();
        let log = ClientLog::to(Severity::Notice, heard.clone());
        log.log(Severity::Info, "info").await;
        log.log(Severity::Notice, "notice").await;
        log.log(Severity::Error, "error").await;
        let heard = heard.0.lock().expect("no panic");
        assert_eq!(*heard, [Value::from("notice"), Value::from("error")]);
    }
}
