//! The folders and settings that the recipes of the programs share.

use std::path::PathBuf;

use crate::places::Home;

use super::settings::Settings;

/// The folders and settings of one `up`.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) settings: Settings,
    pub(crate) home: Home,
    pub(crate) data: PathBuf,
}

impl Stack {
    /// The log file of a program.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The folder of the log files.
    pub(crate) fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }
}
