//! A runner whose steps leave a row, so that a test sees what was done how often and by whom.

use std::time::Duration;

use orchestrator::{Outcome, StepCall, StepFailure, StepOutput, StepProgress, StepRunner};
use serde_json::json;
use sqlx::postgres::PgPool;

/// The table of the rows.
pub const TABLES: &str = "CREATE TABLE done (
    run uuid NOT NULL, step text NOT NULL, token bigint NOT NULL, inputs jsonb NOT NULL,
    UNIQUE (run, step, token))";

/// Leaves a row, then does what the step's `config` says.
pub struct Notes {
    pub pool: PgPool,
}

impl StepRunner for Notes {
    fn kinds(&self) -> &[&'static str] {
        &["note"]
    }

    async fn run(&self, call: StepCall) -> Outcome {
        let rows = sqlx::query("INSERT INTO done VALUES ($1, $2, $3, $4)")
            .bind(call.leased.lease.run.0)
            .bind(&call.leased.step.name)
            .bind(call.leased.lease.token.0)
            .bind(json!(call.leased.inputs))
            .execute(&self.pool)
            .await;
        if let Err(error) = rows {
            return Outcome::Failed(StepFailure::lasting("note", error.to_string()));
        }
        call.progress.tell(StepProgress {
            percent: Some(50),
            rows: Some(1),
            message: "noted".to_owned(),
        });
        let is_first = call.leased.lease.token.0 == 1;
        match call.leased.step.config.as_str() {
            Some("hang once") if is_first => std::future::pending().await,
            Some("until cancelled") => {
                call.cancelled.cancelled().await;
                Outcome::Cancelled
            }
            Some("deaf") => std::future::pending().await,
            Some("panic") => panic!("as the step asks"),
            Some("fail") => Outcome::Failed(StepFailure::passing("down", "the service is down")),
            Some("large") => Outcome::Succeeded(StepOutput {
                value: json!("x".repeat(100_000)),
                rows: None,
            }),
            _ => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Outcome::Succeeded(StepOutput {
                    value: json!({"step": call.leased.step.name}),
                    rows: Some(1),
                })
            }
        }
    }
}
