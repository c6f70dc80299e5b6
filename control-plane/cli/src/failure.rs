//! A command that failed, as it is told: words for people, and for a program that asked for an
//! object one with an `error` in it.

use std::fmt::{Debug, Display, Formatter};
use std::process::ExitCode;

use clap::ArgMatches;
use serde_json::{Value, json};

use crate::answer::Format;
use crate::changes::get::Written;
use crate::exit::NobodyAnswers;
use crate::table::Table;
use crate::{dotenv, exit, output};

/// The variables that name what commands ask.
const ADDRESSES: [&str; 2] = ["CONTROL_PLANE_REST_ADDRESS", "PORTCULLIS_URL"];

/// The failure of a command that knows something all the same.
#[derive(Debug)]
pub(crate) struct KnownInPart {
    /// An object with what is known.
    pub(crate) known: Value,
    pub(crate) error: anyhow::Error,
}

impl Display for KnownInPart {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.error, formatter)
    }
}

impl std::error::Error for KnownInPart {}

/// The form in which a failure is told besides words; none for people, and where a document was
/// asked for: a file of it would be applied.
pub(crate) fn form_of(mut matches: &ArgMatches) -> Option<Format> {
    while let Some((_, of_subcommand)) = matches.subcommand() {
        matches = of_subcommand;
    }
    let given = matches.try_get_one::<Format>("output").ok().flatten();
    let of_document = matches.try_get_one::<Written>("output").ok().flatten();
    match (given, of_document) {
        (Some(Format::Json), _) | (_, Some(Written::Json)) => Some(Format::Json),
        (Some(Format::Yaml), _) => Some(Format::Yaml),
        _ => None,
    }
}

/// Tells a failure, and gives the exit code that it has.
pub(crate) fn tell(error: anyhow::Error, form: Option<Format>) -> ExitCode {
    let (mut known, error) = match error.downcast::<KnownInPart>() {
        Ok(KnownInPart { known, error }) => (known, error),
        Err(error) => (json!({}), error),
    };
    if let Some(form) = form {
        known["error"] = Value::String(format!("{error:#}"));
        // The words tell it to whoever cannot be told so.
        let _ = form.show(&known, |_| Table::default());
    }
    output::tell(format_args!("portcullis: {error:#}"));
    if error.is::<NobodyAnswers>()
        && let Some(hint) = dotenv::hint(&ADDRESSES)
    {
        output::tell(hint);
    }
    exit::code_of(&error)
}
