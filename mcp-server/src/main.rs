//! Starts the data server from flags and environment.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use mcp_server::config::Config;
use mcp_server::large_buffers;
use mcp_server::mcp::audit;
use mcp_server::transport::{http, stdio};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// Bytes of the stack of a thread. Without optimisation the futures of one call have taken all of
/// the usual 2 MiB; only what is used costs memory.
const THREAD_STACK: usize = 16 << 20;

/// The rights of a new audit log: it says who calls what, which is for its operator, and for
/// whoever collects logs as the group of this server's user.
const AUDIT_MODE: u32 = 0o640;

/// The lines of rmcp that are logged. It warns of each request that is refused, in its caller's own
/// words and at any length; the audit log has a line of each, without them.
const OF_RMCP: &str = "rmcp=error";

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
    large_buffers::give_back_when_freed();
    let config = Config::of_process();
    begin_logs(&config)?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(THREAD_STACK)
        .build()?;
    let served = runtime.block_on(serve(config));
    // A read of standard input that is no pipe cannot be given up, and nobody waits for its line.
    runtime.shutdown_background();
    served
}

/// Writes what happens to standard error, and the audit log to its file if it has one.
fn begin_logs(config: &Config) -> anyhow::Result<()> {
    let audit = match &config.audit_log {
        None => None,
        Some(path) => {
            let mut file = OpenOptions::new();
            file.create(true).append(true).mode(AUDIT_MODE);
            let file = file.open(path);
            let file = file.with_context(|| {
                format!(
                    "MCP_AUDIT_LOG names `{}`, which cannot be written: make its folder, or name \
                     another file",
                    path.display()
                )
            })?;
            let only_audit = Targets::new().with_target(audit::TARGET, LevelFilter::INFO);
            let written = fmt::layer().json().flatten_event(true);
            let written = written.with_current_span(false).with_span_list(false);
            Some(written.with_writer(Arc::new(file)).with_filter(only_audit))
        }
    };
    let level = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{},{OF_RMCP}", config.log_level)));
    let is_elsewhere = audit.is_some();
    let log = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_filter(level)
        .with_filter(filter_fn(move |line| {
            !(is_elsewhere && line.target() == audit::TARGET)
        }));
    tracing_subscriber::registry().with(audit).with(log).init();
    Ok(())
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
    match config.stdio {
        true => stdio::serve(config, shutdown).await,
        false => http::serve(config, shutdown).await,
    }
}
