//! `portcullis servers`: the MCP servers behind the gateway.

use std::process::ExitCode;

use clap::Subcommand;

mod add;
mod list;
mod remove;

/// The things that can be done with servers.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register an MCP server, whose tools can be called as soon as it has listed them
    Add(add::Add),
    /// List the registered servers: state, tools, endpoints
    List(list::List),
    /// Take a server out, with its tools
    Remove(remove::Remove),
}

/// Runs the subcommand; the exit status tells whether it succeeded.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(add) => add::run(add).await,
        Command::List(list) => list::run(list).await,
        Command::Remove(remove) => remove::run(remove).await,
    }
}
