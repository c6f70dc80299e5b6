//! The reading of settings from the words of a command line and from the environment.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::Error;
use clap::parser::ValueSource;
use clap::{Command, CommandFactory as _, FromArgMatches as _};

use super::Config;

impl Config {
    /// The settings of this process. Where they cannot be understood, or help is asked for, the
    /// process says so and ends.
    pub fn of_process() -> Self {
        let words: Vec<OsString> = std::env::args_os().collect();
        Self::read(&words).unwrap_or_else(|error| error.exit())
    }

    /// The settings by these words, of which the first is the name of the program, and by the
    /// environment.
    ///
    /// # Errors
    /// A setting cannot be understood. The error names what its author wrote: a flag, or a variable
    /// of the environment.
    fn read(words: &[OsString]) -> Result<Self, Error> {
        let command = Self::command();
        let matches = command.clone().try_get_matches_from(words);
        let settings = matches.and_then(|matches| Self::from_arg_matches(&matches));
        settings.map_err(|error| name_variables(error, command, words))
    }
}

/// Names variables in the place of flags that nobody wrote.
fn name_variables(error: Error, mut command: Command, words: &[OsString]) -> Error {
    let flags_alone = command.clone().mut_args(|flag| flag.env(Resettable::Reset));
    // A fault of the flags is told in clap's own words.
    let Ok(written) = flags_alone.try_get_matches_from(words) else {
        return error;
    };
    command.build();
    let told = error.render().to_string();
    let mut named = told.clone();
    for flag in command.get_arguments() {
        let is_written =
            written.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine);
        if let Some(variable) = flag.get_env().filter(|_| !is_written) {
            let variable = format!("variable {}", variable.to_string_lossy());
            named = named.replace(&format!("argument '{flag}'"), &variable);
            named = named.replace(&format!("'{flag}'"), &variable);
        }
    }
    if named == told {
        return error;
    }
    let sentence = named.trim_start_matches("error: ");
    let sentence = sentence.split("\n\nFor more information").next();
    command.error(error.kind(), sentence.unwrap_or_default())
}
