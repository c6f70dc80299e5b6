//! How much is logged.

use std::fmt;

use clap::ValueEnum;

/// The least grave lines that are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// The lines of what failed and should not.
    Error,
    /// The lines of what an operator should look at, too.
    #[value(alias = "warning")]
    Warn,
    /// A line for each call, too.
    Info,
    /// The lines that help to find a fault, too.
    Debug,
    /// Every line that the program can write.
    Trace,
}

/// The level as the filter of a log writes it.
impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}
