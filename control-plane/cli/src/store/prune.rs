//! `portcullis store prune`: the oldest revisions and audit records, taken back.

use clap::Args;
use store::{AuditEntry, Retention};

use super::Settings;
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

    /// Your name, for the record [default: the name that you are logged in by]
    #[arg(long, value_parser = on_record)]
    author: Option<String>,

    /// Why you take it back, for the record
    #[arg(long, value_parser = on_record, default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    settings: Settings,
}

impl Prune {
    /// The deed as it is put on the audit trail.
    fn deed(&self) -> AuditEntry {
        let name = ["USER", "LOGNAME"].into_iter().find_map(|name| {
            let name = std::env::var(name).ok()?;
            on_record(&name).ok().filter(|name| !name.is_empty())
        });
        let author = self.author.clone().or(name);
        AuditEntry {
            who: author.unwrap_or_else(|| "anonymous".to_owned()),
            what: "portcullis store prune".to_owned(),
            revision: None,
            origin: String::new(),
            reason: self.reason.clone(),
        }
    }
}

/// Reads a text that goes on the record: as short, and as plain, as those of changes.
fn on_record(text: &str) -> Result<String, String> {
    const MOST_CHARACTERS: usize = 500;
    let text = text.trim();
    if text.chars().any(char::is_control) || text.chars().count() > MOST_CHARACTERS {
        return Err(format!(
            "write at most {MOST_CHARACTERS} characters, and no control characters"
        ));
    }
    Ok(text.to_owned())
}

pub(super) async fn run(prune: Prune) -> anyhow::Result<()> {
    let deed = prune.deed();
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
