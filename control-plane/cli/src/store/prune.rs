//! `portcullis store prune`: the oldest revisions and audit records, taken back.

use clap::Args;
use store::Retention;

use super::Settings;
use super::on_record::OnRecord;
use crate::output;

/// The settings of `portcullis store prune`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Prune {
    /// How many revisions to keep, the newest; those that Envoys may run are kept in any case
    #[arg(
        long,
        value_name = "COUNT",
        required_unless_present = "keep_audit_days",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    keep_revisions: Option<u64>,

    /// For how many days to keep what the audit trail records
    #[arg(long, value_name = "DAYS")]
    keep_audit_days: Option<u32>,

    #[command(flatten)]
    on_record: OnRecord,

    #[command(flatten)]
    settings: Settings,
}

pub(super) async fn run(prune: Prune) -> anyhow::Result<()> {
    let deed = prune
        .on_record
        .entry("portcullis store prune", String::new());
    let store = prune.settings.existing().await?;
    let keep = Retention {
        revisions: prune.keep_revisions,
        audit_days: prune.keep_audit_days,
    };
    let pruned = store.prune(keep, &deed).await?;
    for file in &pruned.module_files {
        // It is on the machine of the control plane, which need not be this one.
        let _ = std::fs::remove_file(file);
    }
    output::tell(format_args!(
        "{} revisions, {} audit records and {} modules are gone",
        pruned.revisions,
        pruned.audit_records,
        pruned.module_files.len()
    ));
    Ok(())
}
