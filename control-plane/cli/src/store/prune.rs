//! `portcullis store prune`: the oldest revisions and audit records, taken back.

use clap::Args;
use store::{Pruned, Retention};

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
    output::tell(format_args!("{}", told(&pruned)));
    Ok(())
}

/// The sentence that says how much is gone.
fn told(pruned: &Pruned) -> String {
    let modules = u64::try_from(pruned.module_files.len()).unwrap_or(u64::MAX);
    let count = |number, one: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {one}s"),
    };
    format!(
        "{}, {} and {} are gone",
        count(pruned.revisions, "revision"),
        count(pruned.audit_records, "audit record"),
        count(modules, "module"),
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn it_counts_in_words_that_agree() {
        let told_of = |revisions, audit_records, modules: usize| {
            told(&Pruned {
                revisions,
                audit_records,
                module_files: vec![PathBuf::new(); modules],
            })
        };
        for (counts, words) in [
            (
                (1, 0, 2),
                "1 revision, 0 audit records and 2 modules are gone",
            ),
            (
                (0, 1, 1),
                "0 revisions, 1 audit record and 1 module are gone",
            ),
        ] {
            assert_eq!(told_of(counts.0, counts.1, counts.2), words);
        }
    }
}
