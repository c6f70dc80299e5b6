//! `portcullis store backup`: everything in the store, in one file.

use std::path::PathBuf;

use clap::Args;

use super::Settings;
use crate::output;

/// The settings of `portcullis store backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to write, which must not be there yet
    file: PathBuf,

    #[command(flatten)]
    settings: Settings,
}

pub(super) async fn run(backup: Backup) -> anyhow::Result<()> {
    let store = backup.settings.existing().await?;
    let rows = store.back_up(&backup.file).await?;
    let file = backup.file.display();
    output::tell(format_args!(
        "`{file}` holds {rows} rows; `portcullis store restore` reads it"
    ));
    Ok(())
}
