//! The `control-plane` process: reads its settings, starts the gateway, and serves REST and xDS.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use control_plane::catalogue::CatalogueClient;
use control_plane::gateway::{self, Gateway, ProbeSchedule, RelistSchedule};
use control_plane::log_lines::{Form, LogLines};
use control_plane::preflight::Preflight;
use control_plane::{descriptors, module, rest};
use gateway_document::{Format, GatewayDocument};
use leadership::{Leader, StandBy};
use settings::{LogFormat, Settings};
use store::{ConfigStore, Module, RevisionNumber, SqlStore};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use xds::Publisher;

mod leadership;
mod settings;

/// How often the files of secrets are looked at. A renewed one is in force after two looks; a look
/// costs a question to the file system for each file.
const SECRETS_INTERVAL: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        // For operators, whatever RUST_BACKTRACE says: the causes tell them more.
        Err(error) => {
            eprintln!("control-plane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let settings = Settings::parse();
    log(settings.log_format)?;
    let stop = stop_signal()?;
    // Ports first: a second control plane must not touch the store of the first.
    let xds_listener = listen(settings.xds_address, "CONTROL_PLANE_XDS_ADDRESS")?;
    let rest_listener = listen(settings.rest_address, "CONTROL_PLANE_REST_ADDRESS")?;
    let (module, bytes) = module::keep(
        &settings.module,
        &settings.module_dir(),
        settings.module_origin.clone(),
    )?;
    let store = SqlStore::open(settings.store()?).await?;
    let rest_listener = rest_listener.into_std()?;
    let name = settings.name();
    let stand_by = StandBy {
        name: &name,
        rest: TcpListener::from_std(rest_listener.try_clone()?)?,
        xds: xds_listener,
        allowed_hosts: settings.allowed_hosts.clone(),
        stop: stop.clone(),
    };
    let Some(leader) = leadership::wait(&store, stand_by).await? else {
        return Ok(());
    };
    let Leader {
        token,
        keeper,
        lease,
        xds: xds_listener,
    } = leader;
    let leading = tokio::spawn(leadership::keep(store.clone(), name, keeper));
    let rest_listener = TcpListener::from_std(rest_listener)?;
    store
        .put_module(&Module {
            sha256: module.sha256.clone(),
            bytes,
            path: module.path.clone(),
            since: OffsetDateTime::now_utc(),
        })
        .await?;
    if let Some(number) = settings.start_from_revision {
        module::restore(&store, &module.shelf).await?;
        gateway::put_in_force(&store, RevisionNumber(number), &module).await?;
    }
    let first = match store.head().await? {
        // Only an empty store needs one; nobody has to keep the file for later starts.
        Some(_) => GatewayDocument::default(),
        None => first_document(settings.document.as_deref())?,
    };
    let publisher = Publisher::new();
    let (gateway, rollouts) = Gateway::start(
        Arc::new(store.clone()),
        publisher.clone(),
        CatalogueClient::new(),
        module,
        first,
    )
    .await?;

    if let Some(envoy) = settings.envoy.clone() {
        let modules = gateway.shelf().folder().to_owned();
        gateway.ask_first(Preflight::by(envoy, modules));
    }
    let schedule = RelistSchedule {
        after_answer: Duration::from_secs(settings.relist_seconds.into()),
        first_retry: Duration::from_millis(250),
        longest_retry: Duration::from_secs(5),
    };
    tokio::spawn(gateway::watch(Arc::clone(&gateway), schedule));
    let probes = ProbeSchedule {
        between: Duration::from_secs(settings.probe_seconds.into()),
        in_doubt: Duration::from_millis(250),
    };
    tokio::spawn(gateway::watch_endpoints(Arc::clone(&gateway), probes));
    tokio::spawn(gateway::watch_secrets(
        Arc::clone(&gateway),
        SECRETS_INTERVAL,
    ));
    tokio::spawn(gateway::tell_events(Arc::clone(&gateway), stop.clone()));
    let rollouts = tokio::spawn(rollouts.leading_by(lease).run(stop.clone()));
    let xds_limits = settings.xds_limits();
    let router = rest::router(Arc::clone(&gateway), settings.allowed_hosts);
    tracing::info!(
        xds = %settings.xds_address, rest = %settings.rest_address, leader = %token, "ready"
    );
    let rest = rest::serve(rest_listener, router, stopped(stop.clone()));
    let renewing = leading.abort_handle();
    let (hand_over, handed_over) = watch::channel(false);
    let served = async {
        tokio::try_join!(
            async {
                rest.await;
                // Whoever stands by leads before the Envoys are let go, so that they find it.
                renewing.abort();
                if let Err(error) = store.stop_leading().await {
                    tracing::warn!(
                        %error, "another control plane leads only once the lease has ended"
                    );
                }
                hand_over.send_replace(true);
                Ok(())
            },
            async {
                tokio::select! {
                    () = gateway::first_look(&gateway) => {}
                    () = stopped(stop.clone()) => {}
                }
                xds::serve(
                    publisher,
                    xds_listener,
                    xds_limits,
                    descriptors::ENCODED,
                    stopped(handed_over),
                )
                .await
                .context("the xDS server stopped")
            },
        )
    };
    let no_longer_led = async {
        match leading.await {
            Err(error) if error.is_cancelled() => std::future::pending().await,
            ended => ended,
        }
    };
    tokio::select! {
        served = served => served.map(drop)?,
        // Without it nothing would be rolled out any more, and nothing taken back.
        Err(panicked) = rollouts => return Err(panicked).context("nothing is rolled out any more"),
        ended = no_longer_led => match ended.context("the lease is no longer renewed")?? {},
    }
    tracing::info!("stopped");
    Ok(())
}

fn log(format: LogFormat) -> Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env()
        .context("RUST_LOG is not a filter; write it like `info` or `control_plane=debug`")?;
    let is_coloured = std::io::stderr().is_terminal();
    let form = match format {
        LogFormat::Json => Form::Json,
        LogFormat::Text if is_coloured => Form::Coloured,
        LogFormat::Text => Form::Text,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || LogLines::new(std::io::stderr(), form))
        .with_ansi(is_coloured);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// The document of an empty store.
fn first_document(path: Option<&Path>) -> Result<GatewayDocument> {
    let Some(path) = path else {
        return Ok(GatewayDocument::default());
    };
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read the gateway document `{}`; correct CONTROL_PLANE_DOCUMENT",
            path.display()
        )
    })?;
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Format::Json,
        _ => Format::Yaml,
    };
    gateway_document::parse(&text, format)
        .with_context(|| format!("the gateway document `{}` cannot be read", path.display()))
}

fn listen(address: SocketAddr, variable: &str) -> Result<TcpListener> {
    http_front::listen(address)
        .with_context(|| format!("cannot listen on {address}; stop what does, or set {variable}"))
}

/// Becomes true when the process is asked to end.
fn stop_signal() -> Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        // The receivers outlive the signal.
        stop.closed().await;
    });
    Ok(stopped)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which only the end of the process brings about.
    let _ = stop.wait_for(|stop| *stop).await;
}
