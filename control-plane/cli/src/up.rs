//! `portcullis up`: the whole product on this machine, until Ctrl-C.

mod addresses;
mod bring_up;
mod control_plane;
mod data_server;
mod envoy;
mod first_call;
mod live;
mod notice;
mod open_files;
mod ports;
mod postgres;
mod progress;
mod settings;
mod spark;
mod spark_demo;
mod stack;
mod stop_requests;
mod try_it;

use std::process::ExitCode;

use anyhow::Context;
use supervisor::{Event, Supervisor};
use time::OffsetDateTime;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::output;
use crate::running::{self, Claim};

use bring_up::bring_up;
use notice::{Notice, Phase};
use progress::StepReport;
pub(crate) use settings::Settings;
use stack::Stack;
use stop_requests::StopRequests;

type Events = UnboundedReceiver<Event>;

/// Brings everything up, keeps it up, and takes it down: on Ctrl-C, on `portcullis down`, or when a
/// part does not come up.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let data = settings.folders.data()?;
    let _lock = match running::claim(&data)? {
        Claim::Ours(lock) => lock,
        Claim::Theirs(pid) => {
            output::tell(format_args!(
                "portcullis is already running (process {pid}): `portcullis down` stops it, \
                 `portcullis status` tells more"
            ));
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
    let progress = StepReport::begin();
    output::tell(format_args!(
        "portcullis is coming up; logs are in {}",
        stack.logs().display()
    ));
    let mut asked_to_stop = StopRequests::listen()?;
    let outcome = tokio::select! {
        outcome = bring_up(&stack, &supervisor, progress) => outcome.map(|()| Came::Up),
        failure = first_failure(&stack, &mut events, Phase::ComingUp) => Err(failure),
        () = asked_to_stop.next() => Ok(Came::Interrupted),
    };
    let outcome = match outcome {
        Ok(Came::Up) => {
            try_it::print(&stack, progress.seconds());
            tokio::select! {
                failure = first_failure(&stack, &mut events, Phase::Up) => Err(failure),
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
        output::tell(format_args!("\nportcullis: {error:#}"));
    }
    let stopping = StepReport::begin();
    output::tell("\nstopping …");
    supervisor.stop_all().await;
    output::tell(format_args!(
        "everything is stopped ({:.1} s)",
        stopping.seconds()
    ));
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

/// Tells of what ends and recovers; returns when something ended that everything else needs.
async fn first_failure(stack: &Stack, events: &mut Events, phase: Phase) -> anyhow::Error {
    while let Some(event) = events.recv().await {
        live::clear();
        let notice = Notice::of(event, phase, OffsetDateTime::now_utc());
        if let Some(words) = notice.words {
            output::tell(words);
        }
        if let Some(failure) = notice.failure {
            return failure;
        }
        if notice.recovered.as_deref() == Some(spark::CONNECT) {
            spark_demo::load_or_tell(stack).await;
        }
    }
    anyhow::anyhow!("nothing is left to watch")
}
