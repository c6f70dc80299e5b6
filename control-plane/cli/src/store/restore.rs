//! `portcullis store restore`: what a backup holds, in a store again.

use std::path::PathBuf;

use clap::Args;

use super::Settings;
use super::on_record::OnRecord;
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
    on_record: OnRecord,

    #[command(flatten)]
    settings: Settings,
}

pub(super) async fn run(restore: Restore) -> anyhow::Result<()> {
    let origin = restore.file.display().to_string();
    let deed = restore.on_record.entry("portcullis store restore", origin);
    let store = restore.settings.opened().await?;
    let rows = store.restore(&restore.file, restore.replace, &deed).await?;
    output::tell(format_args!(
        "restored {rows} rows; a control plane that runs on this store ends, and goes on from \
         there when it is started again"
    ));
    Ok(())
}
