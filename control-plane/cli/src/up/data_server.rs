//! The MCP server over PostgreSQL and Spark.

use anyhow::Context as _;
use supervisor::{Program, Readiness, Restart};

use crate::places;

use super::postgres::Database;
use super::settings::reachable;
use super::spark::LocalSpark;
use super::spark_demo;
use super::stack::Stack;

/// Tools that an operator could declare on the demo data.
const DEMO_TOOLS: &str = include_str!("../../../../examples/tools.yaml");

/// The data server, ready when it accepts connections; what is behind it may still be starting.
///
/// Settings of the user's own PostgreSQL and Spark reach it as they are, through the environment.
pub(crate) fn program(
    stack: &Stack,
    database: Option<&Database>,
    spark: Option<&LocalSpark>,
) -> anyhow::Result<Program> {
    let address = stack.settings.mcp_address;
    let mut program = Program::new(
        "data server",
        places::sibling("mcp-server")?,
        stack.log("mcp-server"),
    )
    .env("PORTCULLIS_DATA", &stack.data)
    .env("MCP_SERVER_ADDRESS", address.to_string())
    .ready_when(Readiness::Accepts(reachable(address)))
    .restart(Restart::WithBackoff);
    let settings = &stack.settings.postgres;
    if let Some(database) = database {
        if settings.store_url.is_none() {
            program = program.env("PORTCULLIS_STORE_URL", database.store_url());
        }
        if settings.postgres_host.is_none() {
            for (name, value) in database.demo_variables() {
                program = program.env(name, value);
            }
            // The demo data is there to be played with.
            if std::env::var_os("MCP_TOOLS").is_none() {
                program = program.env("MCP_TOOLS", "all");
            }
        }
    }
    if std::env::var_os("MCP_PIPELINE_FILES").is_none() {
        let files = stack.data.join("pipelines");
        std::fs::create_dir_all(&files)
            .with_context(|| format!("cannot make the folder {}", files.display()))?;
        program = program.env("MCP_PIPELINE_FILES", files);
    }
    if let Some(spark) = spark {
        for (name, value) in spark.variables() {
            program = program.env(name, value);
        }
        if std::env::var_os("SPARK_STARTUP_SQL").is_none() {
            program = program.env("SPARK_STARTUP_SQL", spark_demo::STATEMENT);
            let has_demo = database.is_some() && settings.postgres_host.is_none();
            if has_demo && std::env::var_os("MCP_TOOLS_FILE").is_none() {
                let file = stack.data.join("tools.yaml");
                std::fs::write(&file, DEMO_TOOLS)
                    .with_context(|| format!("cannot write {}", file.display()))?;
                program = program.env("MCP_TOOLS_FILE", file);
            }
        }
    }
    if std::env::var_os("SPARK_PYTHON").is_none()
        && let Ok(python) = stack.home.spark_python()
    {
        program = program.env("SPARK_PYTHON", python);
    }
    Ok(program)
}
