//! `portcullis store restore`: what a backup holds, in a store again.

use std::path::PathBuf;

use clap::Args;

use super::Settings;
use crate::output;

/// The settings of `portcullis store restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The file that `portcullis store backup` wrote
    file: PathBuf,

    /// Put it in the place of what the store holds
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    settings: Settings,
}

pub(super) async fn run(restore: Restore) -> anyhow::Result<()> {
    let store = restore.settings.opened().await?;
    let rows = store.restore(&restore.file, restore.replace).await?;
    output::tell(format_args!(
        "restored {rows} rows; a control plane that runs on this store ends, and goes on from \
         there when it is started again"
    ));
    Ok(())
}
