//! The order of things: each starts as early as what it needs allows.

use supervisor::Supervisor;

use super::postgres::Database;
use super::progress::StepReport;
use super::spark::LocalSpark;
use super::stack::Stack;
use super::{addresses, control_plane, data_server, envoy, first_call, spark_demo};

/// Starts everything; returns when a call has gone all the way through.
pub(crate) async fn bring_up(
    stack: &Stack,
    supervisor: &Supervisor,
    progress: StepReport,
) -> anyhow::Result<()> {
    let local_spark = if stack.settings.spark.local_needed() {
        Some(LocalSpark::prepare(stack)?)
    } else {
        None
    };
    let spark = async {
        if let Some(spark) = &local_spark {
            spark.start(supervisor, progress).await?;
        }
        anyhow::Ok(())
    };
    let data = async {
        let database = if stack.settings.postgres.local_needed() {
            let database = Database::prepare(stack).await?;
            supervisor.start(database.program()).await?;
            progress.done(&format!("PostgreSQL      {}", database.address()));
            Some(database)
        } else {
            None
        };
        supervisor
            .start(data_server::program(
                stack,
                database.as_ref(),
                local_spark.as_ref(),
            )?)
            .await?;
        progress.done(&format!(
            "data server     {}",
            control_plane::server_url(stack.settings.mcp_address)
        ));
        anyhow::Ok(())
    };
    let gateway = async {
        supervisor.start(control_plane::program(stack)?).await?;
        progress.done(&format!("control plane   {}", stack.settings.rest_url()));
        addresses::correct(stack).await?;
        supervisor.start(envoy::program(stack)?).await?;
        progress.done(&format!(
            "Envoy           http://{}",
            stack.settings.gateway_address
        ));
        anyhow::Ok(())
    };
    tokio::try_join!(spark, data, gateway)?;
    let demo = async {
        if local_spark.is_some() && spark_demo::load_or_tell(stack).await {
            progress.done("the Spark demo view `events` is there");
        }
    };
    let (first_call, ()) = tokio::join!(first_call::wait(stack, progress), demo);
    first_call
}
