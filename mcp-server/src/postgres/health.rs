//! Is PostgreSQL there, and does it answer?

use std::time::Instant;

use super::session::Session;
use super::{Postgres, failure};
use crate::health::Health;

impl Postgres {
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
                reason: failure::of_opening(&self.login, &error).text(),
            },
        }
    }

    /// Says once at the start what an operator should know of the login.
    pub async fn log_warnings(&self) {
        match Session::open(&self.login, &self.session_settings).await {
            Ok(session) => {
                for warning in session.facts().warnings() {
                    tracing::warn!("PostgreSQL: {warning}");
                }
            }
            Err(error) => {
                let failure = failure::of_opening(&self.login, &error);
                tracing::warn!("PostgreSQL: {}", failure.text());
            }
        }
    }
}
