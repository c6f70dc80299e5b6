//! `portcullis tools`: the tools behind the gateway, from a terminal.

use std::process::ExitCode;

use clap::Subcommand;

mod call;
mod list;
mod policy;
mod review;

/// The things that can be done with the tools.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Call a tool and print what it returns
    Call(call::Call),
    /// List the tools: name, server, who may call, and the limits in force
    List(list::List),
    /// Show the policy of a tool with the rule behind each field, or change it
    Policy(policy::Policy),
    /// Show the definitions of a pinned server's tool, and decide about one that waits
    Review(review::Review),
}

/// Runs the subcommand; the exit status tells whether it succeeded.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Call(call) => call::run(call).await,
        Command::List(list) => list::run(list).await,
        Command::Policy(policy) => policy::run(policy).await,
        Command::Review(review) => review::run(review).await,
    }
}
