//! `portcullis up`: the whole product on this machine, until Ctrl-C.

mod addresses;
mod control_plane;
mod data_server;
mod envoy;
mod first_call;
mod live;
mod open_files;
mod ports;
mod postgres;
mod progress;
mod settings;
mod spark;
mod spark_demo;
mod stack;
mod try_it;

use std::process::ExitCode;

use anyhow::Context;
use supervisor::{Event, Supervisor};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::running::{self, Claim};

use postgres::Database;
use progress::Progress;
pub(crate) use settings::Settings;
use spark::LocalSpark;
use stack::Stack;

/// Brings everything up, keeps it up, and takes it down: on Ctrl-C, on `portcullis down`, or when a part fails for good.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let data = settings.folders.data()?;
    let _lock = match running::claim(&data)? {
        Claim::Ours(lock) => lock,
        Claim::Theirs(pid) => {
            println!(
                "portcullis is already running (process {pid}): `portcullis down` stops it, `portcullis status` tells more"
            );
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Some(url) = &settings.postgres.store_url {
        postgres::check_store_url(url)?;
    }
    ports::check(&settings)?;
    let stack = Stack {
        home: settings.folders.home()?,
        data,
        settings,
    };
    std::fs::create_dir_all(stack.logs())
        .with_context(|| format!("cannot make the folder `{}`", stack.logs().display()))?;

    open_files::allow_enough();
    let (supervisor, mut events) = Supervisor::new();
    let progress = Progress::begin();
    println!(
        "portcullis is coming up; logs are in {}",
        stack.logs().display()
    );
    let mut asked_to_stop = StopRequests::listen()?;
    let outcome = tokio::select! {
        outcome = bring_up(&stack, &supervisor, progress) => outcome.map(|()| Came::Up),
        failure = first_failure(&stack, &mut events) => Err(failure),
        () = asked_to_stop.next() => Ok(Came::Interrupted),
    };
    let outcome = match outcome {
        Ok(Came::Up) => {
            try_it::print(&stack, progress.seconds());
            tokio::select! {
                failure = first_failure(&stack, &mut events) => Err(failure),
                () = asked_to_stop.next() => Ok(()),
                () = live::show(&stack, &supervisor) => Ok(()),
            }
        }
        Ok(Came::Interrupted) => Ok(()),
        Err(error) => Err(error),
    };
    live::clear();
    // The reason first: stopping takes a few seconds.
    if let Err(error) = &outcome {
        eprintln!("\nportcullis: {error:#}");
    }
    let stopping = Progress::begin();
    println!("\nstopping …");
    supervisor.stop_all().await;
    println!("everything is stopped ({:.1} s)", stopping.seconds());
    Ok(if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

enum Came {
    Up,
    Interrupted,
}

/// Starts everything, each thing as early as what it needs allows; returns when a call has gone all the way through.
async fn bring_up(
    stack: &Stack,
    supervisor: &Supervisor,
    progress: Progress,
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
        if local_spark.is_some() && load_spark_demo(stack).await {
            progress.done("the Spark demo table `events` is there");
        }
    };
    let (first_call, ()) = tokio::join!(first_call::wait(stack, progress), demo);
    first_call
}

/// Whether the demo table is there. Not having it is no reason not to be up.
async fn load_spark_demo(stack: &Stack) -> bool {
    let outcome = spark_demo::load(stack).await;
    if let Err(error) = &outcome {
        eprintln!("the Spark demo table `events` could not be made: {error:#}");
    }
    outcome.is_ok()
}

/// Tells of what ends and recovers; returns when something ended for good.
async fn first_failure(stack: &Stack, events: &mut UnboundedReceiver<Event>) -> anyhow::Error {
    while let Some(event) = events.recv().await {
        live::clear();
        match event {
            Event::Ended {
                name,
                how,
                log,
                tail,
            } => {
                eprintln!("\n{name} {how}; the end of {}:\n{tail}", log.display());
            }
            Event::Restarting { name, pause } => {
                eprintln!("{name} is started again in {:.1} s", pause.as_secs_f64());
            }
            Event::Recovered { name } => {
                eprintln!("{name} is back");
                if name == spark::CONNECT {
                    load_spark_demo(stack).await;
                }
            }
            Event::GivenUp { name } => {
                return anyhow::anyhow!("{name} does not stay up: its log tells why, see above");
            }
        }
    }
    anyhow::anyhow!("nothing is left to watch")
}

/// Ctrl-C, and the signal that `portcullis down` and service managers send.
struct StopRequests {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl StopRequests {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
