//! Does the flows of pipelines on this server's services: one attempt of one step is one flow.
//!
//! Rows go through a file without a name, so that memory holds a slice of them, and nothing is
//! written at the destination before the source has given all. A destination changes as a whole:
//! a table of PostgreSQL in one transaction, a file by its replacement.

mod csv_rows;
mod files;
mod into_file;
mod into_postgres;
mod into_spark;
mod rows;
mod source;

use std::sync::Arc;
use std::time::Duration;

use orchestrator::{
    Outcome, StepCall, StepFailure, StepOutput, StepRunner, Worker, WorkerSettings,
};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use self::into_postgres::IntoDatabase;
use crate::pipelines::{Destination, FLOW, Flow, IntoPostgres};
use crate::postgres::WriteTransaction;
use crate::services::{Services, beside_calls};
use crate::tools::execute_pipeline::ExecutePipeline;
use crate::tools::{Registry, Tool as _, ToolFailure};

/// Flows at once: each holds a connection that writes. Of the four that a database has, the last is
/// for callers, so that a fourth flow would wait in vain.
const AT_ONCE: usize = 3;

/// Renewed every two and a half seconds, after which a flow hears that its run was cancelled; a
/// database may be away for longer than that.
const LEASE: Duration = Duration::from_secs(15);

/// A flow that is told to end stops its statement; the process waits five seconds for all.
const GRACE: Duration = Duration::from_secs(2);

/// Whether this server should work on runs: where callers may not start any, it writes nothing for
/// those who started them elsewhere.
pub fn is_wanted(registry: &Registry) -> bool {
    registry.get(ExecutePipeline::NAME).is_some()
}

/// Works on the runs of this server's records until `stop` fires; at once over where there are no
/// records.
pub async fn work(services: Arc<Services>, stop: CancellationToken) {
    let Ok(store) = services.pipelines.store() else {
        return;
    };
    let settings = WorkerSettings {
        holder: format!("mcp-server, process {}", std::process::id()),
        concurrency: AT_ONCE,
        lease: LEASE,
        grace: GRACE,
        ..WorkerSettings::default()
    };
    let runner = FlowRunner {
        services: Arc::clone(&services),
    };
    Worker::new(store.clone(), runner, settings)
        .work(stop)
        .await;
}

/// The runner of flows.
struct FlowRunner {
    services: Arc<Services>,
}

impl StepRunner for FlowRunner {
    fn kinds(&self) -> &[&'static str] {
        &[FLOW]
    }

    async fn run(&self, call: StepCall) -> Outcome {
        let call = Arc::new(call);
        match self.attempt(&call).await {
            Some(Ok(output)) => Outcome::Succeeded(output),
            Some(Err(failure)) => {
                // It may have run into what another attempt was keeping, or may be done itself.
                let looked = is_done_already(&self.services, &call);
                match call.cancelled.run_until_cancelled(looked).await {
                    Some(Ok(true)) => Outcome::Succeeded(repeated()),
                    _ => Outcome::Failed(step_failure(&failure)),
                }
            }
            None => Outcome::Cancelled,
        }
    }
}

impl FlowRunner {
    /// Makes one attempt; nothing when it is cancelled before it keeps its changes. From then on
    /// only PostgreSQL knows whether they stand, so its answer is waited for.
    async fn attempt(&self, call: &Arc<StepCall>) -> Option<Result<StepOutput, ToolFailure>> {
        let (services, of) = (Arc::clone(&self.services), Arc::clone(call));
        let flow = async move { flow(&services, &of).await };
        let done = match on_its_own_thread(call.cancelled.clone(), flow).await? {
            Ok(done) => done,
            Err(failure) => return Some(Err(failure)),
        };
        if let Some(transaction) = done.to_keep {
            call.keeping.begin();
            if let Err(error) = transaction.commit().await {
                return Some(Err(error.into()));
            }
        }
        Some(Ok(done.output))
    }
}

/// A flow that is done but for the changes that are to be kept.
struct Done {
    output: StepOutput,
    to_keep: Option<WriteTransaction>,
}

impl Done {
    fn with(rows: Option<u64>, to_keep: Option<WriteTransaction>) -> Self {
        let output = StepOutput {
            value: json!(null),
            rows: rows.and_then(|rows| i64::try_from(rows).ok()),
        };
        Self { output, to_keep }
    }
}

/// The result of a flow whose changes another attempt has made.
fn repeated() -> StepOutput {
    StepOutput {
        value: json!({"repeated": true}),
        rows: None,
    }
}

/// Runs work that reads and writes files on a thread for which no call waits; nothing when
/// `cancelled` fires first. Dropping the future drops the work too, at its next await, and with it
/// what it runs in PostgreSQL and in Spark.
async fn on_its_own_thread<T: Send + 'static>(
    cancelled: CancellationToken,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let ended = cancelled.child_token();
    let _guard = ended.clone().drop_guard();
    let runtime = Handle::current();
    let running =
        tokio::task::spawn_blocking(move || runtime.block_on(ended.run_until_cancelled(work)));
    match running.await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The process ends.
        Err(Err(_)) => None,
    }
}

/// Whether another attempt at a flow into PostgreSQL has left its mark.
async fn is_done_already(services: &Services, call: &StepCall) -> Result<bool, ToolFailure> {
    match &read(call)?.destination {
        Destination::Postgres(into) => changes(services, call, into)?.is_done_already().await,
        _ => Ok(false),
    }
}

fn changes<'a>(
    services: &Services,
    call: &'a StepCall,
    into: &'a IntoPostgres,
) -> Result<IntoDatabase<'a>, ToolFailure> {
    let owner = beside_calls(call.leased.owner.as_deref());
    let database = services.databases.get(into.database.as_deref(), owner)?;
    Ok(IntoDatabase {
        call,
        database,
        into,
    })
}

/// The flow of a step.
fn read(call: &StepCall) -> Result<Flow, ToolFailure> {
    serde_json::from_value(call.leased.step.config.clone()).map_err(|error| {
        ToolFailure::new(
            "unknown_flow",
            "this server does not know a flow of this form: it is of another version",
        )
        .with_log(error.to_string())
    })
}

/// Does one attempt of one flow, but for keeping its changes.
async fn flow(services: &Services, call: &StepCall) -> Result<Done, ToolFailure> {
    let flow = read(call)?;
    let rows = match &flow.destination {
        Destination::SparkSql { table, mode } => {
            into_spark::into_spark(services, call, &flow, table, *mode).await?
        }
        Destination::File(into) => Some(into_file::into_file(services, call, &flow, into).await?),
        Destination::Postgres(into) => {
            let changes = changes(services, call, into)?;
            if changes.is_done_already().await? {
                return Ok(Done {
                    output: repeated(),
                    to_keep: None,
                });
            }
            changes.judge_statements().await?;
            let rows = match flow.source {
                Some(_) => Some(source::rows(services, call, &flow).await?),
                None => None,
            };
            let (transaction, rows) = changes.run(rows).await?;
            return Ok(Done::with(Some(rows), Some(transaction)));
        }
    };
    Ok(Done::with(rows, None))
}

fn step_failure(failure: &ToolFailure) -> StepFailure {
    if let Some(log) = &failure.log {
        tracing::warn!(code = failure.code, log, "a flow failed");
    }
    let message = match &failure.hint {
        Some(hint) => format!("{}; {hint}", failure.message),
        None => failure.message.clone(),
    };
    match failure.is_passing() {
        true => StepFailure::passing(&failure.code, message),
        false => StepFailure::lasting(&failure.code, message),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn it_does_flows_where_no_call_waits_and_ends_them_when_nobody_waits_any_more() {
        let here = std::thread::current().id();
        let work = async { std::thread::current().id() };
        let there = on_its_own_thread(CancellationToken::new(), work).await;
        assert!(there.is_some_and(|there| there != here), "{there:?}");

        let cancelled = CancellationToken::new();
        for is_cancelled in [false, true] {
            let (held, gone) = tokio::sync::oneshot::channel::<()>();
            let (begins, begun) = tokio::sync::oneshot::channel();
            let work = async move {
                let _ = begins.send(());
                std::future::pending::<()>().await;
                drop(held);
            };
            let running = tokio::spawn(on_its_own_thread(cancelled.child_token(), work));
            begun.await.expect("it begins");
            match is_cancelled {
                true => cancelled.cancel(),
                false => running.abort(),
            }
            gone.await.expect_err("the work is dropped");
        }
    }

    #[test]
    fn it_tries_again_what_is_over_when_a_database_has_started_again() {
        for (code, is_passing) in [("57P03", true), ("23505", false)] {
            let failure = step_failure(&ToolFailure::new(code, "the database has said so"));
            assert_eq!(failure.is_passing, is_passing, "{code}");
        }
    }

    #[test]
    fn it_works_on_runs_only_where_callers_may_start_them() {
        for (tools, works) in [
            ("--tools=all", true),
            ("--tools=execute_pipeline", true),
            ("--tools=read-only", false),
            ("--tools=list_pipelines,get_pipeline_status", false),
        ] {
            let config = Config::parse_from(["mcp-server", tools]);
            let registry = Registry::offered(&config).expect("a selection");
            assert_eq!(is_wanted(&registry), works, "{tools}");
        }
    }
}
