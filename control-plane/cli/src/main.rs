//! The `portcullis` command line.
//!
//! For people at a terminal: bring the whole product up on this machine, look at it, call a tool,
//! take it down. It decides nothing about policy and stores nothing of its own: it starts the
//! programs that do, and talks to them over HTTP. Only copies of the control plane's store are made
//! by itself ([`mod@store`]), because they are needed where nothing runs.
//!
//! One file for each subcommand ([`up`], [`down`], [`status`], [`mod@nodes`], [`mod@modules`],
//! [`rollout`], [`servers`], [`tools`], [`mod@top`], [`explain`], [`mod@store`], [`completions`]),
//! and [`changes`] for those that are about the gateway document; under `up/`, one for each program
//! that it starts.
//!
//! Every command keeps one contract: data on standard output, in the form that `--output` names;
//! words on standard error; the exit codes of [`exit`].
//!
//! ```text
//! portcullis up
//! portcullis tools call execute_query '{"sql": "SELECT count(*) FROM orders"}'
//! ```

mod answer;
mod beginnings;
mod changes;
mod completions;
mod control_plane;
mod dotenv;
mod down;
mod events;
mod exit;
mod explain;
mod failure;
mod in_commands;
mod mcp_client;
mod modules;
mod nodes;
mod output;
mod places;
mod rollout;
mod running;
mod servers;
mod status;
mod store;
mod table;
mod tools;
mod top;
mod trust;
mod unanswered;
mod up;
mod watch;

use std::process::ExitCode;

use changes::{
    apply::Apply, audit::Audit, delete::Delete, diff::Diff, get::Get, history::History, put::Put,
    rollback::Rollback, validate::Validate,
};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// An MCP gateway whose checks run inside Envoy
#[derive(Debug, Parser)]
#[command(name = "portcullis", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring everything up on this machine, and stop it with Ctrl-C
    Up(Box<up::Settings>),
    /// Stop what `up` runs in another terminal
    Down(down::Settings),
    /// Tell whether it runs: a line for each Envoy and each server
    Status(status::Settings),
    /// Show a resource of the gateway document, or all of a kind
    Get(Get),
    /// Add or replace a resource of the gateway document
    Put(Put),
    /// Take a resource out of the gateway document
    Delete(Delete),
    /// Put a gateway document in the place of the one that there is
    Apply(Apply),
    /// Tell everything that is wrong with a gateway document, or what it would change
    Validate(Validate),
    /// Show what one revision changed of another
    Diff(Diff),
    /// Go back to an earlier revision
    Rollback(Rollback),
    /// List the revisions, the newest first
    History(History),
    /// List who did what, the newest first
    Audit(Audit),
    /// List the Envoys and what they run, or the resources of one
    Nodes(nodes::Nodes),
    /// Upload, list and remove filter modules
    #[command(subcommand)]
    Modules(modules::Command),
    /// Watch and steer how changes reach Envoys wave by wave
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Tell which rule would decide about a message, without sending it
    Explain(explain::Explain),
    /// Register, list and remove the MCP servers behind the gateway
    #[command(subcommand)]
    Servers(servers::Command),
    /// Back up, restore and prune the control plane's configuration store
    #[command(subcommand)]
    Store(store::Command),
    /// List and call the tools behind the gateway, and see to their policies
    #[command(subcommand)]
    Tools(tools::Command),
    /// Show calls and refusals of each tool and kind of item, failures and times of each server,
    /// live
    Top(top::Top),
    /// Print the script by which a shell completes commands and flags
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    if let Err(error) = dotenv::enter() {
        return failure::tell(error, None);
    }
    let matches = Arguments::command().get_matches();
    let form = failure::form_of(&matches);
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    // One thread: what `up` starts must die with the thread that started it, see the supervisor
    // crate.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failure::tell(error.into(), form),
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Command::Up(settings) => up::run(*settings).await,
            Command::Down(settings) => down::run(settings).await,
            Command::Status(settings) => status::run(settings).await,
            Command::Get(get) => changes::get::run(get).await,
            Command::Put(put) => changes::put::run(put).await,
            Command::Delete(delete) => changes::delete::run(delete).await,
            Command::Apply(apply) => changes::apply::run(apply).await,
            Command::Validate(validate) => changes::validate::run(validate).await,
            Command::Diff(diff) => changes::diff::run(diff).await,
            Command::Rollback(rollback) => changes::rollback::run(rollback).await,
            Command::History(history) => changes::history::run(history).await,
            Command::Audit(audit) => changes::audit::run(audit).await,
            Command::Nodes(nodes) => nodes::run(nodes).await,
            Command::Modules(command) => modules::run(command).await,
            Command::Rollout(command) => rollout::run(command).await,
            Command::Explain(explain) => explain::run(explain).await,
            Command::Servers(command) => servers::run(command).await,
            Command::Store(command) => store::run(command).await,
            Command::Tools(command) => tools::run(command).await,
            Command::Top(top) => top::run(top).await,
            Command::Completions(shell) => completions::run(&shell, Arguments::command()),
        }
    });
    outcome.unwrap_or_else(|error| failure::tell(error, form))
}
