//! The `portcullis` command line.
//!
//! For people at a terminal: bring the whole product up on this machine, look at it, call a tool,
//! take it down. It decides nothing about policy and stores nothing of its own: it starts the
//! programs that do, and talks to them over HTTP. Only copies of the control plane's store are made
//! by itself ([`mod@store`]), because they are needed where nothing runs.
//!
//! One file for each subcommand ([`up`], [`down`], [`status`], [`mod@store`], [`tools`]), and
//! [`changes`] for those that are about the gateway document; under `up/`, one for each program
//! that it starts.
//!
//! ```text
//! portcullis up
//! portcullis tools call execute_query '{"sql": "SELECT count(*) FROM orders"}'
//! ```

mod changes;
mod control_plane;
mod dotenv;
mod down;
mod mcp_client;
mod output;
mod places;
mod running;
mod status;
mod store;
mod tools;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Get(changes::Get),
    /// Put a gateway document in the place of the one that there is
    Apply(changes::Apply),
    /// Tell everything that is wrong with a gateway document, or what it would change
    Validate(changes::Validate),
    /// Show what one revision changed of another
    Diff(changes::Diff),
    /// Go back to an earlier revision
    Rollback(changes::Rollback),
    /// List the revisions, the newest first
    History(changes::History),
    /// List who did what, the newest first
    Audit(changes::Audit),
    /// Back up, restore and prune the control plane's configuration store
    #[command(subcommand)]
    Store(store::Command),
    /// List and call the tools behind the gateway
    #[command(subcommand)]
    Tools(tools::Command),
}

fn main() -> ExitCode {
    if let Err(error) = dotenv::enter() {
        return failed(&error);
    }
    let arguments = Arguments::parse();
    // One thread: what `up` starts must die with the thread that started it, see the supervisor
    // crate.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Command::Up(settings) => up::run(*settings).await,
            Command::Down(settings) => down::run(settings).await,
            Command::Status(settings) => status::run(settings).await,
            Command::Get(get) => changes::get(get).await,
            Command::Apply(apply) => changes::apply(apply).await,
            Command::Validate(validate) => changes::validate(validate).await,
            Command::Diff(diff) => changes::diff(diff).await,
            Command::Rollback(rollback) => changes::rollback(rollback).await,
            Command::History(history) => changes::history(history).await,
            Command::Audit(audit) => changes::audit(audit).await,
            Command::Store(command) => store::run(command).await,
            Command::Tools(command) => tools::run(command).await,
        }
    });
    outcome.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &anyhow::Error) -> ExitCode {
    output::tell(format_args!("portcullis: {error:#}"));
    ExitCode::FAILURE
}
