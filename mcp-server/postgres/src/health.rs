//! Is PostgreSQL there, and does it answer?

use std::time::Instant;

use ::health::Health;

use super::session::{OpenError, Session};
use super::{Database, NotOpened};

impl Database {
    /// Opens a session and hangs up: one of a pool would not show that new ones are refused.
    pub async fn health(&self) -> Health {
        let started = Instant::now();
        match Session::open(&self.login, &self.session_settings).await {
            Ok(session) => {
                let mut detail = format!("PostgreSQL {}", session.facts().version_text);
                if session.backend().encrypted {
                    detail.push_str(", encrypted");
                }
                for warning in session.facts().warnings() {
                    detail.push_str("; ");
                    detail.push_str(&warning);
                }
                Health::Up {
                    latency: started.elapsed(),
                    detail,
                }
            }
            Err(error) => Health::Down {
                reason: self.explain(error),
            },
        }
    }

    /// Says once at the start what an operator should know of the login.
    pub async fn log_warnings(&self) {
        match Session::open(&self.login, &self.session_settings).await {
            Ok(session) => {
                for warning in session.facts().warnings() {
                    tracing::warn!(database = self.name, "PostgreSQL: {warning}");
                }
            }
            Err(error) => {
                tracing::warn!(database = self.name, "PostgreSQL: {}", self.explain(error));
            }
        }
    }

    fn explain(&self, error: OpenError) -> String {
        let error = NotOpened {
            address: self.login.address(),
            cause: error,
        };
        format!("{error}; {}", error.operators_remedy())
    }
}
