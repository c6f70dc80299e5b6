//! The exit codes of every command: 0 where it did what was asked, and four ways in which it did
//! not, so that a script can tell a refusal from a gateway that is not there, and from a change of
//! which nobody knows whether it was made.

use std::fmt::{Display, Formatter};
use std::process::ExitCode;

/// The command is refused, has failed, or what it asks about is not so.
pub(crate) const REFUSED: u8 = 1;

/// The command line itself is wrong; clap ends the program with it.
#[cfg(test)]
pub(crate) const MISTYPED: u8 = 2;

/// Nothing answers at the address that was asked.
pub(crate) const NOBODY_ANSWERS: u8 = 3;

/// The answer was lost on the way: nobody knows whether it is done.
pub(crate) const UNKNOWN: u8 = 4;

/// Nothing answers at this address, and nothing was done.
#[derive(Debug)]
pub(crate) struct NobodyAnswers {
    pub(crate) url: String,
}

impl Display for NobodyAnswers {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "nothing answers at {}", self.url)
    }
}

impl std::error::Error for NobodyAnswers {}

/// A request was sent that may have had its effect, and its answer did not arrive.
#[derive(Debug)]
pub(crate) struct UnknownOutcome {
    /// The sentence that tells how to learn what became of it.
    pub(crate) advice: String,
}

impl Display for UnknownOutcome {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { advice } = self;
        write!(
            formatter,
            "the answer was lost, and whether it is done is unknown: {advice}"
        )
    }
}

impl std::error::Error for UnknownOutcome {}

/// The exit code for a command that failed with this error.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.is::<NobodyAnswers>() {
        NOBODY_ANSWERS
    } else if error.is::<UnknownOutcome>() {
        UNKNOWN
    } else {
        REFUSED
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_documents_every_exit_code() {
        let page = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/operator/command-line.md"
        );
        let page = std::fs::read_to_string(page).unwrap();
        for code in [0, REFUSED, MISTYPED, NOBODY_ANSWERS, UNKNOWN] {
            assert!(page.contains(&format!("\n| {code} | ")), "{code}");
        }
    }

    #[test]
    fn it_tells_an_address_where_nobody_answers_from_a_refusal() {
        let url = "http://127.0.0.1:1/".to_owned();
        let error = anyhow::anyhow!("connection refused").context(NobodyAnswers { url });
        let shown = format!("{error:#}");
        assert_eq!(
            shown,
            "nothing answers at http://127.0.0.1:1/: connection refused"
        );
        assert_eq!(code_of(&error), ExitCode::from(3));
        assert_eq!(code_of(&anyhow::anyhow!("refused")), ExitCode::from(1));
    }
}
