//! Starts the data server from flags and environment.

// The futures of a call nest deeper than the compiler follows by itself.
#![recursion_limit = "256"]

use std::process::ExitCode;

use clap::Parser as _;
use mcp_server::config::Config;
use mcp_server::transport::{http, stdio};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // For operators, whatever RUST_BACKTRACE says: the causes tell them more.
        Err(error) => {
            eprintln!("mcp-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let config = Config::parse();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rmcp=warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    let runtime = Runtime::new()?;
    let served = runtime.block_on(serve(config));
    // A read of standard input that is no pipe cannot be given up, and nobody waits for its line.
    runtime.shutdown_background();
    served
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    if config.stdio {
        // Boxed, or their types are too deep for the compiler together.
        Box::pin(stdio::serve(config, shutdown)).await
    } else {
        Box::pin(http::serve(config, shutdown)).await
    }
}
