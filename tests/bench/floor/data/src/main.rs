//! The floors of the data server's benchmark: what a call costs at least, without any net.
//!
//! `floor-data sql` reads a `tools/call` and answers it with the rows of its SQL: axum and
//! `tokio-postgres`, one prepared statement in a read-only transaction, all in one flush. It judges
//! nothing, bounds nothing and checks no header. `floor-data echo` is a server of rmcp whose only
//! tool gives back what it is given: what rmcp costs before a tool begins. `floor-data postgres`
//! runs the PostgreSQL that all servers of the benchmark read.
//!
//! ```text
//! floor-data postgres                                  # prints {"port":…}
//! floor-data sql --port 8001 --postgres-port 5433
//! floor-data echo --port 8002
//! ```

mod cluster;
mod echo;
mod sql;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a PostgreSQL with the benchmark's tables until it is stopped
    Postgres,
    /// Answer calls with the rows of their SQL
    Sql(sql::Options),
    /// Answer calls with their own text, by rmcp
    Echo(echo::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Postgres => cluster::run().await,
        Command::Sql(options) => sql::run(options).await,
        Command::Echo(options) => echo::run(&options).await,
    }
}
