//! `portcullis store`: copies of the configuration store, and what is kept in it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use store::{SqlStore, StoreAddress};

use crate::places::Folders;

mod backup;
mod on_record;
mod prune;
mod restore;

/// The things that can be done with the configuration store.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy everything in it into a new file, while the control plane runs
    Backup(backup::Backup),
    /// Put what a backup holds into a store, also of the other kind: a file or a PostgreSQL
    Restore(restore::Restore),
    /// Take back the oldest revisions and audit records
    Prune(prune::Prune),
}

/// Says which store is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// The configuration store: a file, or `postgres://user:password@host:port/database`, or `@`
    /// and the path of a file that holds its address [default: control-plane.db in the data folder]
    #[arg(
        long,
        env = "CONTROL_PLANE_STORE",
        value_name = "STORE",
        hide_env_values = true
    )]
    store: Option<StoreAddress>,

    #[command(flatten)]
    folders: Folders,
}

impl Settings {
    fn address(&self) -> anyhow::Result<StoreAddress> {
        Ok(match &self.store {
            Some(address) => {
                address.check_arguments(std::env::args_os())?;
                address.clone().resolved()?
            }
            None => self.folders.data()?.join("control-plane.db").into(),
        })
    }

    /// The store, which has to be there: a mistyped path is not to become an empty store.
    async fn existing(&self) -> anyhow::Result<SqlStore> {
        let address = self.address()?;
        if let StoreAddress::File(path) = &address {
            path.metadata().with_context(|| {
                format!(
                    "there is no configuration store `{address}`; name it with `--store` or \
                     CONTROL_PLANE_STORE"
                )
            })?;
        }
        Ok(SqlStore::open(address).await?)
    }

    /// The store, which is made where it is a file that is not there.
    async fn opened(&self) -> anyhow::Result<SqlStore> {
        Ok(SqlStore::open(self.address()?).await?)
    }
}

/// Runs the subcommand; the exit status tells whether it succeeded.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Backup(backup) => backup::run(backup).await,
        Command::Restore(restore) => restore::run(restore).await,
        Command::Prune(prune) => prune::run(prune).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
